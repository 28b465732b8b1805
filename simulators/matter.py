"""What is in a vial: a frozen vector with an exact round trip through JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sdl.chemistry.system import ChemicalSystem
from sdl.core.errors import ChemistryError
from simulators.network import FloatArray, Network


@dataclass(frozen=True, eq=False)
class Material:
    """The matter of one sample.

    Args:
        system: Name of its chemical system.
        vector: Read-only float64 vector, laid out as ``simulators.kernel`` says.
    """

    system: str
    vector: FloatArray

    def __post_init__(self) -> None:
        self.vector.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Material):
            return NotImplemented
        return self.system == other.system and np.array_equal(self.vector, other.vector)

    def __hash__(self) -> int:
        return hash((self.system, self.vector.tobytes()))

    def to_json(self) -> dict[str, Any]:
        """System and vector as JSON values; floats survive exactly."""
        return {"system": self.system, "vector": self.vector.tolist()}

    @classmethod
    def from_json(cls, system: ChemicalSystem, data: dict[str, Any]) -> Material:
        """The inverse of ``to_json``.

        Raises:
            ChemistryError: Another system, a wrong length, NaN or a negative amount.
        """
        vector = np.array(data["vector"], dtype=np.float64)
        size = Network(system).size
        sound = vector.shape == (size,) and bool(np.all(np.isfinite(vector)))
        solids = len(system.solids)
        if data["system"] != system.name or not sound or bool(np.any(vector[: 4 * solids] < 0)):
            raise ChemistryError(
                "this is not a material of the system",
                got=f"system {data['system']!r}, {vector.size} numbers",
                allowed=f"{system.name!r}, {size} finite numbers, amounts not below zero",
            )
        return cls(system.name, vector)
