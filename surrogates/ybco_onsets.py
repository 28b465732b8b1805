"""Measured pairwise onsets of YBCO chemistry against the twin: what one or two solids do in air."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.chemistry.system import ChemicalSystem
from sdl.core.material import Lot
from sdl.tasks.ybco import YbcoOnset
from surrogates.outcomes import Experiment
from surrogates.twin import Twin
from surrogates.ybco_protocol import DETECTION, fired, merged

Array = npt.NDArray[np.float64]

REACTED = 0.05
"""A pair reacts if more than this weight fraction is other than what its members give alone."""


@dataclass(frozen=True)
class Onset:
    """One row as the twin has it."""

    measured: YbcoOnset
    formed_at_highest: bool
    """More than 5 wt% has reacted and every listed product can be seen (no products are listed
    for those that do not react: then only the first counts)."""
    formed_at_lowest: bool

    @property
    def right(self) -> bool:
        """Not there at the lower bound, there at the upper one; or never, if it does not react."""
        return self.formed_at_highest == self.measured.reacts and not self.formed_at_lowest


def shelf_of(onsets: Sequence[YbcoOnset], lots: Sequence[Lot], system: ChemicalSystem) -> list[Lot]:
    """The shelf with a bottle of every reactant of the onsets."""
    have = {lot.name for lot in lots}
    size = lots[0].particle_um
    mass = {p.name: p.molar_mass_g_per_mol for p in system.solids}
    new = sorted({r for onset in onsets for r in onset.reactants} - have)
    added = [Lot(name=n, phase=n, molar_mass_g_per_mol=mass[n], particle_um=size) for n in new]
    return [*lots, *added]


def simulate_onsets(twin: Twin, values: Array, onsets: Sequence[YbcoOnset]) -> tuple[Onset, ...]:
    """Every onset by equal moles of its reactants, fired as the sets were; the first member counts.

    Args:
        twin: With a shelf that has every reactant.
        values: Parameters, shape ``(1, P)``.
        onsets: The rows.
    """
    firings: dict[tuple[tuple[str, ...], float], int] = {}
    for onset in onsets:
        for limit in (onset.lowest_c, onset.highest_c):
            if limit is None:
                continue
            for reactants in (onset.reactants, *((r,) for r in onset.reactants)):
                firings.setdefault((reactants, limit), len(firings))
    done = tuple(
        Experiment(
            name=f"{'+'.join(reactants)}@{limit:g}",
            group="onset",
            recipe=fired(dict.fromkeys(reactants, 1.0), limit, twin.system),
            measured={},
        )
        for reactants, limit in firings
    )
    found = merged(twin.fractions(values[:1], done)[0], twin.phases)
    return tuple(
        Onset(
            measured=onset,
            formed_at_highest=_formed(onset, onset.highest_c, found, firings, twin),
            formed_at_lowest=onset.lowest_c is not None
            and _formed(onset, onset.lowest_c, found, firings, twin),
        )
        for onset in onsets
    )


def _formed(
    onset: YbcoOnset, limit_c: float, found: Array,
    firings: dict[tuple[tuple[str, ...], float], int], twin: Twin,
) -> bool:  # fmt: skip
    phases = list(twin.phases)
    there = found[firings[onset.reactants, limit_c]]
    if len(onset.reactants) == 1:
        alone = np.zeros_like(there)
        alone[phases.index(onset.reactants[0])] = 1.0
    else:
        # Gas taken up or lost shifts the members' weights a little; that is below the criterion.
        mass = {p.name: p.molar_mass_g_per_mol for p in twin.system.solids}
        total = sum(mass[r] for r in onset.reactants)
        alone = sum(
            (mass[r] / total * found[firings[(r,), limit_c]] for r in onset.reactants),
            np.zeros_like(there),
        )
    changed = 0.5 * float(np.abs(there - alone).sum())
    seen = all(there[phases.index(p)] >= DETECTION for p in onset.products)
    return changed > REACTED and seen
