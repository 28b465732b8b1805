"""What is measured: phases, grains, temperature, history; one specimen or many as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.errors import ChemistryError
from sdl.core.model import Frozen

FloatArray = NDArray[np.float64]

Share = Annotated[float, Field(ge=0, le=1)]


class Specimen(Frozen):
    """A sample as a property sees it."""

    phases: Annotated[dict[str, Annotated[float, Field(ge=0)]], Field(min_length=1)]
    """Weight of each phase; only the ratios count. Phases that dissolve in each other (ferrites,
    titanates) are taken as one solid solution of the mean composition, see ``homogeneity``."""
    grain_um: Annotated[float, Field(gt=0)] = 1.0
    """Mean grain diameter, um."""
    temperature_c: Annotated[float, Field(ge=-ZERO_CELSIUS_K)] = 25.0
    """Temperature of the measurement, degC."""
    relative_density: Annotated[float, Field(ge=0.4, le=1)] = 0.95
    """Bulk density over the density of the solid."""
    homogeneity: Share = 1.0
    """1: one solid solution; 0: grains of the end members side by side, as after a mix."""
    cations_frozen_c: Annotated[float, Field(ge=400, le=1600)] = 500.0
    """Temperature at which cations stopped to change sites on cooling, degC; for ferrites, see
    ``simulators.properties.cations.frozen_c``. 500 degC is a closed furnace."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not sum(self.phases.values()) > 0.0:
            raise ValueError("the phases weigh nothing")
        return self


@dataclass(frozen=True, eq=False)
class Batch:
    """Many specimens as arrays; ``n`` rows, ``p`` phases.

    Args:
        phases: Names of the columns of ``weights``.
        weights: Weight fractions, shape ``(n, p)``, rows sum to 1.
        grain_um: Grain diameters, um, shape ``(n,)``.
        temperature_k: Temperatures of measurement, K, shape ``(n,)``, at least 1 K.
        relative_density: Shape ``(n,)``.
        homogeneity: Shape ``(n,)``.
        frozen_k: Temperatures at which cations froze, K, shape ``(n,)``.
    """

    phases: tuple[str, ...]
    weights: FloatArray
    grain_um: FloatArray
    temperature_k: FloatArray
    relative_density: FloatArray
    homogeneity: FloatArray
    frozen_k: FloatArray

    def __len__(self) -> int:
        return len(self.weights)

    @classmethod
    def of(cls, specimens: Sequence[Specimen]) -> Self:
        """Arrays of specimens; the order of their phases does not matter."""
        names = tuple(sorted({name for s in specimens for name in s.phases}))
        weights = np.array([[s.phases.get(name, 0.0) for name in names] for s in specimens])
        weights = weights.reshape(len(specimens), len(names))
        return cls(
            phases=names,
            weights=weights / weights.sum(axis=1, keepdims=True),
            grain_um=np.array([s.grain_um for s in specimens]),
            temperature_k=np.array([s.temperature_c + ZERO_CELSIUS_K for s in specimens]).clip(1.0),
            relative_density=np.array([s.relative_density for s in specimens]),
            homogeneity=np.array([s.homogeneity for s in specimens]),
            frozen_k=np.array([s.cations_frozen_c + ZERO_CELSIUS_K for s in specimens]),
        )

    def at(self, temperature_k: FloatArray) -> Batch:
        """The same specimens at other temperatures, K, shape ``(n,)``."""
        return replace(self, temperature_k=np.maximum(temperature_k, 1.0))

    def at_each(self, temperature_k: FloatArray) -> Batch:
        """Every specimen at its own row of temperatures, K, shape ``(n, t)``: ``n t`` rows."""
        times = temperature_k.shape[1]
        return Batch(
            phases=self.phases,
            weights=np.repeat(self.weights, times, axis=0),
            grain_um=np.repeat(self.grain_um, times),
            temperature_k=np.maximum(temperature_k.ravel(), 1.0),
            relative_density=np.repeat(self.relative_density, times),
            homogeneity=np.repeat(self.homogeneity, times),
            frozen_k=np.repeat(self.frozen_k, times),
        )

    def of_phases(self, names: Sequence[str]) -> FloatArray:
        """Weight fractions of some phases, shape ``(n, len(names))``; zero for what is absent."""
        columns = np.zeros((len(self), len(names)))
        for j, name in enumerate(names):
            if name in self.phases:
                columns[:, j] = self.weights[:, self.phases.index(name)]
        return columns


def composition(phase_moles: Mapping[str, float], hosts: Mapping[str, str]) -> dict[str, float]:
    """Cation fractions of a solid solution from the moles of its end members.

    ``composition({"NiFe2O4": 0.5, "ZnFe2O4": 0.5}, FERRITES)`` is ``{"Ni": 0.5, "Zn": 0.5}``.

    Args:
        phase_moles: Moles by phase, of all phases of a sample; those that are no host are left out.
        hosts: The cation that each end member brings, as ``{"NiFe2O4": "Ni", ...}``.

    Raises:
        ChemistryError: No host phase, or a negative amount.
    """
    if any(not amount >= 0.0 for amount in phase_moles.values()):
        raise ChemistryError("an amount is negative or no number", got=dict(phase_moles))
    inside = {name: n for name, n in phase_moles.items() if name in hosts and n > 0.0}
    if not inside:
        raise ChemistryError(
            "none of these phases belongs to the solid solution",
            got=", ".join(phase_moles),
            allowed=", ".join(hosts),
        )
    total = sum(inside.values())
    return {hosts[name]: n / total for name, n in sorted(inside.items())}


def mole_fractions(
    batch: Batch, molar_masses: Mapping[str, float]
) -> tuple[FloatArray, FloatArray]:
    """Composition of the solid solution of some phases.

    Args:
        batch: Specimens.
        molar_masses: Of the host phases, g/mol.

    Returns:
        Mole fractions among the hosts, shape ``(n, hosts)``, the first host where there is none at
        all; weight share of all hosts, shape ``(n,)``.
    """
    weights = batch.of_phases(tuple(molar_masses))
    moles = weights / np.array(list(molar_masses.values()))
    total = moles.sum(axis=1, keepdims=True)
    fallback = np.zeros_like(moles)
    fallback[:, 0] = 1.0
    fractions = np.where(total > 0.0, moles / np.where(total > 0.0, total, 1.0), fallback)
    return fractions, weights.sum(axis=1)
