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
from surrogates.ybco_protocol import DETECTION, fired, grain_um, merged

Array = npt.NDArray[np.float64]

REACTED = 0.05
"""A pair reacts if more than this weight fraction is other than what its members give alone."""


WIDTH, MARGIN, MOST = 0.5, 0.4, 1.5
"""Of residuals of onsets: width of the logarithm (a half is about 20 K), how far beyond the
criterion is enough, and where a residual counts less."""


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
    mass = {p.name: p.molar_mass_g_per_mol for p in system.solids}
    new = sorted({r for onset in onsets for r in onset.reactants} - have)
    added = [
        Lot(name=n, phase=n, molar_mass_g_per_mol=mass[n], particle_um=grain_um(n)) for n in new
    ]
    return [*lots, *added]


class Onsets:
    """Every onset by equal moles of its reactants, fired as the sets were.

    Args:
        twin: With a shelf that has every reactant.
        onsets: The rows.
    """

    def __init__(self, twin: Twin, onsets: Sequence[YbcoOnset]) -> None:
        self.twin, self.onsets = twin, tuple(onsets)
        self.firings: dict[tuple[tuple[str, ...], float], int] = {}
        for onset in self.onsets:
            for limit in (onset.lowest_c, onset.highest_c):
                if limit is None:
                    continue
                for reactants in (onset.reactants, *((r,) for r in onset.reactants)):
                    self.firings.setdefault((reactants, limit), len(self.firings))
        self.experiments = tuple(
            Experiment(
                name=f"{'+'.join(reactants)}@{limit:g}",
                group="onset",
                recipe=fired(dict.fromkeys(reactants, 1.0), limit, twin.system),
                measured={},
            )
            for reactants, limit in self.firings
        )

    def formed(self, values: Array) -> tuple[Array, Array]:
        """How far each onset is reached at its upper and its lower bound, shape ``(N, onsets)``.

        1 is just there: ``REACTED`` has reacted, and the least of the products can just be seen.
        Where there is no lower bound it is 0.
        """
        found = merged(self.twin.fractions(values, self.experiments), self.twin.phases)
        high = [self._formed(onset, onset.highest_c, found) for onset in self.onsets]
        low = [
            np.zeros(len(values)) if o.lowest_c is None else self._formed(o, o.lowest_c, found)
            for o in self.onsets
        ]
        return np.stack(high, axis=1), np.stack(low, axis=1)

    def residuals(self, values: Array) -> Array:
        """Standardised residuals for a fit, shape ``(N, 2 onsets)``: 0 where an onset is right.

        Logarithms of what ``formed`` gives, over ``WIDTH``; beyond ``MOST`` they count as those of
        Cauchy's law, so that an onset that is far out of reach pulls little.
        """
        high, low = (np.log(np.maximum(each, 1e-9)) / WIDTH for each in self.formed(values))
        reacts = np.array([o.reacts for o in self.onsets])
        wrong = np.hstack([np.where(reacts, -high, high), low]) + MARGIN
        square = np.maximum(wrong, 0.0) ** 2 / (2.0 * MOST**2)
        return MOST * np.sqrt(2.0 * np.log1p(square))

    def _formed(self, onset: YbcoOnset, limit_c: float, found: Array) -> Array:
        phases = list(self.twin.phases)
        there = found[:, self.firings[onset.reactants, limit_c]]
        alone = np.zeros_like(there)
        if len(onset.reactants) == 1:
            alone[:, phases.index(onset.reactants[0])] = 1.0
        else:
            # Gas taken up or lost shifts the members' weights a little; that is below the criterion
            mass = {p.name: p.molar_mass_g_per_mol for p in self.twin.system.solids}
            total = sum(mass[r] for r in onset.reactants)
            for r in onset.reactants:
                alone += mass[r] / total * found[:, self.firings[(r,), limit_c]]
        reached = 0.5 * np.abs(there - alone).sum(axis=1) / REACTED
        for product in onset.products:
            reached = np.minimum(reached, there[:, phases.index(product)] / DETECTION)
        return reached


def simulate_onsets(twin: Twin, values: Array, onsets: Sequence[YbcoOnset]) -> tuple[Onset, ...]:
    """The onsets with parameters ``(1, P)``; the first member counts."""
    high, low = Onsets(twin, onsets).formed(values[:1])
    return tuple(
        Onset(measured=onset, formed_at_highest=bool(h > 1.0), formed_at_lowest=bool(n > 1.0))
        for onset, h, n in zip(onsets, high[0], low[0], strict=True)
    )
