"""A belief over the twin: an ensemble of its unknown figures and what it was fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sdl.chemistry.system import ChemicalSystem
from sdl.core.errors import ModelError
from sdl.core.material import Lot
from sdl.core.model import content_hash
from sdl.tasks.task import Hidden
from simulators.laboratory import Laboratory, draw_laboratory, nominal_laboratory
from surrogates.parameters import ParameterSet

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TwinBelief:
    """Members of equal weight.

    Attributes:
        system: Name of the chemical system.
        system_hash: Hash of the system the ensemble was fitted with.
        parameters: What the columns are.
        ensemble: Values, shape ``(N, P)``.
        fitted: Hashes of everything it has seen: each experiment's table and cell, and the
            outcomes together; empty for a prior.
        lineage: Parent file, key, configuration: whatever tells where it comes from.
        metrics: Fitted and held-out figures, under names of their own.
    """

    system: str
    system_hash: str
    parameters: ParameterSet
    ensemble: Array
    fitted: frozenset[str] = frozenset()
    lineage: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.ensemble.shape
        if len(shape) != 2 or shape[1] != len(self.parameters.names) or not shape[0]:
            raise ModelError(
                "a belief needs one row per member and one column per parameter",
                got=shape,
                allowed=f"(members, {len(self.parameters.names)})",
            )
        if not np.isfinite(self.ensemble).all():
            raise ModelError("the belief holds numbers that are not finite")

    def check(self, system: ChemicalSystem) -> None:
        """Refuses a system other than the one it was fitted with.

        Raises:
            ModelError: Another system, or one whose figures have changed since.
        """
        if (system.name, content_hash(system)) != (self.system, self.system_hash):
            raise ModelError(
                "the belief was fitted with another chemical system",
                got=system.name,
                allowed=f"{self.system} as of {self.system_hash[:12]}",
                do="calibrate again with the present system file",
            )

    def laboratories(
        self,
        system: ChemicalSystem,
        lots: Sequence[Lot],
        furnaces: Sequence[str],
        hidden: Hidden | None = None,
    ) -> list[Laboratory]:
        """One laboratory per member.

        Bottles, thermocouples and mixing that the belief says nothing about are drawn from what a
        task hides; energies and kinetics that it says nothing about are as the file has them.

        Args:
            system: The system of the belief.
            lots: The shelf.
            furnaces: Names of the furnaces.
            hidden: Widths of the task; everything as labelled if absent.

        Raises:
            ModelError: Another system than the belief's.
        """
        self.check(system)
        labelled = nominal_laboratory(system, lots, furnaces)
        if hidden is None:
            return self.parameters.laboratories(self.ensemble, labelled)
        known = {
            "phase_energy_sd_kj_per_mol": 0,
            "ln_k_sd": 0,
            "activation_energy_sd_kj_per_mol": 0,
        }
        equipment = hidden.model_copy(update=known)
        drawn = [
            draw_laboratory(system, equipment, lots, furnaces, "belief-equipment", i)
            for i in range(len(self.ensemble))
        ]
        return self.parameters.laboratories(self.ensemble, labelled, drawn)


def refuse_if_fitted(belief: TwinBelief, hashes: Iterable[str], what: str = "this table") -> None:
    """Refuses a belief that has seen what it is about to be judged on.

    Args:
        belief: The belief.
        hashes: Hashes of the table, of its files and of its cells; see ``table_hashes``.
        what: What is judged, for the message.

    Raises:
        ModelError: The belief was fitted to some of it.
    """
    seen = belief.fitted & frozenset(hashes)
    if seen:
        raise ModelError(
            f"the twin was fitted to {what}",
            got=f"{len(seen)} of its hashes among the fitted, as {min(seen)[:12]}",
            allowed="a twin that has seen no file and no cell of it",
            do="use the prior, or a belief fitted to other data",
        )
