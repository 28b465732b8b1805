"""A recipe simulated in one laboratory: its history and what a diffractometer would see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.analysis.fit import PatternFit, fit_pattern
from sdl.analysis.pattern import simulate_counts
from sdl.analysis.profile import DEFAULT_GRID, Grid
from sdl.analysis.references import ReferenceSet
from sdl.core.recipe import Characterise, Recipe
from sdl.core.seeds import generator
from simulators.history import DETAIL, Detail, History, Made, make
from simulators.laboratory import (
    Laboratory,
    draw_laboratory,
    laboratory_key,
    nominal_laboratory,
)
from simulators.preparation import Preparation
from simulators.reactor import Reactor

NOMINAL = "nominal"
"""The laboratory in which every label and figure is true."""
UNSEEN_ABOVE = 1e-4
"""Phases without a pattern below this weight fraction are not told."""


@dataclass(frozen=True, eq=False)
class Scan:
    """One simulated powder pattern with its fit."""

    time_h: float
    scan_min: float
    truth: Mapping[str, float]
    """True weight fractions when it was recorded."""
    grid: Grid
    counts: npt.NDArray[np.int64]
    """Shape ``(grid.count,)``."""
    fit: PatternFit
    references: ReferenceSet
    """Phases that were fitted."""
    unseen: tuple[str, ...]
    """Phases that were there and have no pattern."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """Everything ``sdl simulate`` shows."""

    name: str
    title: str
    system: str
    laboratory: str
    """``nominal``, or the number of the drawn laboratory."""
    recipe: Recipe
    history: History
    scans: tuple[Scan, ...]
    notes: tuple[str, ...]
    """What the reader should know of this run."""

    @property
    def final(self) -> dict[str, float]:
        """True weight fractions at the end, the largest first; they sum to 1."""
        return self.history.fractions()

    def purity(self, phase: str) -> float:
        """True weight fraction of a phase at the end, 0 if it is absent."""
        return self.final.get(phase, 0.0)


def simulate(
    prepared: Preparation, laboratory: int | None = None, *, detail: Detail = DETAIL
) -> Simulation:
    """Simulates a recipe.

    Args:
        prepared: Recipe, system, lots, furnace.
        laboratory: Number of a laboratory drawn from the training range, where figures differ
            within their widths; ``None`` for the nominal one.
        detail: How finely the history is told.

    Raises:
        ConfigError: There is no laboratory of this number.
        ChemistryError: The thermocouple's offset carries the sample beyond the free energies.
    """
    reactor = Reactor(prepared.system, _laboratory(prepared, laboratory), prepared.lots)
    recipe, notes = prepared.recipe, []
    if prepared.scan_added:
        notes.append("The recipe has no scan at its end; one was added.")
    made = make(reactor, recipe, prepared.furnace, detail)
    scans = _scans(prepared, reactor, made, recipe, laboratory)
    if not scans:
        notes.append(f"No patterns: {prepared.system.name} has no structures beside its file.")
    unseen = {phase for scan in scans for phase in scan.unseen}
    if unseen:
        notes.append(f"Without a pattern, so not in any scan: {', '.join(sorted(unseen))}.")
    return Simulation(
        name=prepared.name,
        title=prepared.title,
        system=prepared.system.name,
        laboratory=NOMINAL if laboratory is None else str(laboratory),
        recipe=recipe,
        history=made.history,
        scans=scans,
        notes=tuple(notes),
    )


def _laboratory(prepared: Preparation, number: int | None) -> Laboratory:
    shelf, furnaces = prepared.lots, (prepared.furnace,)
    if number is None:
        return nominal_laboratory(prepared.system, shelf, furnaces)
    key = laboratory_key("train", number)
    return draw_laboratory(prepared.system, prepared.hidden, shelf, furnaces, *key)


def _scans(
    prepared: Preparation,
    reactor: Reactor,
    made: Made,
    recipe: Recipe,
    laboratory: int | None,
) -> tuple[Scan, ...]:
    """Every scan of the recipe; none where the system has no patterns."""
    sticks, fitted = prepared.beside.sticks, prepared.beside.references()
    if sticks is None or fitted is None:
        return ()
    every = ReferenceSet(sticks.system, sticks.references)
    minutes = [step.scan_min for step in recipe.steps if isinstance(step, Characterise)]
    scans = []
    for number, (moment, material) in enumerate(made.scanned):
        truth = reactor.weight_fractions(material)
        seen = {name: share for name, share in truth.items() if name in every.names}
        key = (NOMINAL if laboratory is None else laboratory, number)
        rng = generator("simulate", prepared.name, *key)
        counts = simulate_counts(seen, every, scan_min=minutes[number], rng=rng)
        scans.append(
            Scan(
                time_h=float(made.history.time_h[made.history.moments[moment].row]),
                scan_min=minutes[number],
                truth=truth,
                grid=DEFAULT_GRID,
                counts=counts,
                fit=fit_pattern(counts, fitted, scan_min=minutes[number]),
                references=fitted,
                unseen=tuple(n for n, w in truth.items() if n not in seen and w > UNSEEN_ABOVE),
            )
        )
    return tuple(scans)
