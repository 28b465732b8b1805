"""Gate V1: elements, signs, order of phases, refinement and LSODA, for every chemical system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdl.chemistry.system import ChemicalSystem, load_system
from sdl.core.recipe import Recipe, Wash, describe_step
from sdl.tasks.task import Hidden
from simulators import kernel
from simulators.batch import WASH, BatchReactor
from simulators.gates.figure import Figure
from simulators.gates.oracle import Gap, lsoda_gaps
from simulators.gates.recipes import system_lots, system_recipes
from simulators.laboratory import Laboratory, draw_laboratory
from simulators.network import FloatArray
from simulators.powder import DISSOLVED_MIN

FURNACE = "furnace_1"
FINER = 256.0
"""Tolerance is divided by this for 16 times finer steps of a second-order method."""
LABORATORIES = 20
HIDDEN = Hidden(share_of_system=1.0)
"""Laboratories are drawn with the whole widths of the system's file."""


@dataclass(frozen=True)
class Run:
    """What became of the recipes in one reactor."""

    start: FloatArray
    """Moles of the elements before the first anneal, (recipes, elements)."""
    lost: FloatArray
    """Relative change of them, gases and washed matter counted."""
    least: FloatArray
    """Least entry of each sample's moles, (recipes,)."""
    fractions: FloatArray
    """Weight fractions, (recipes, solids)."""


@dataclass(frozen=True)
class Conservation:
    """Everything gate V1 found for one system."""

    system: str
    recipes: tuple[Recipe, ...]
    lost: float
    least: float
    order: float
    change: FloatArray
    """Largest change of a weight fraction under refinement, (recipes,)."""
    phase: tuple[str, ...]
    """The phase that changed most, (recipes,)."""
    gaps: tuple[Gap, ...]

    @property
    def finished(self) -> FloatArray:
        """Gaps to LSODA of the anneals it finished."""
        gaps = np.array([g.largest for g in self.gaps])
        return gaps[np.isfinite(gaps)]

    def worst(self) -> str:
        """The recipe that changed most under refinement, in words."""
        i = int(np.argmax(self.change))
        steps = ", ".join(describe_step(s) for s in self.recipes[i].steps)
        return f"worst: recipe {i}, {self.phase[i]} by {self.change[i]:.1e}: {steps}"


def _elements(reactor: BatchReactor, vectors: FloatArray) -> FloatArray:
    """Moles of the elements, gases counted, (rows, elements)."""
    network = reactor.network
    solids, gases = network.solid_names, network.vapour_names
    count, system = len(solids), network.system
    amounts = np.hstack(
        [
            vectors[:, :count] + vectors[:, count : 2 * count],
            vectors[:, 4 * count : 4 * count + len(gases)],
        ]
    )
    table = [
        [system.phase(p).composition.get(e, 0.0) for e in system.elements]
        for p in (*solids, *gases)
    ]
    return amounts @ np.array(table)


def _washed_out(reactor: BatchReactor, vectors: FloatArray, minutes: FloatArray) -> FloatArray:
    """What a wash has to take from each row: soluble solids alone, as vectors like the rows'."""
    gone = np.zeros_like(vectors)
    soluble = np.flatnonzero(reactor.network.net.soluble)
    count = len(reactor.network.solid_names)
    share = -np.expm1(-minutes / DISSOLVED_MIN)[:, None]
    for column in (soluble, count + soluble):
        gone[:, column] = share * vectors[:, column]
    return gone


def run_recipes(reactor: BatchReactor, recipes: Sequence[Recipe]) -> Run:
    """Runs recipes, each in a laboratory in turn; a wash stands last where there is one."""
    lists = [reactor.acts_of(recipe) for recipe in recipes]
    rows = len(recipes)
    acts = np.array([act for each in lists for act in each])
    last = np.cumsum([len(each) for each in lists])
    first = last - np.array([len(each) for each in lists])
    prepared = first + np.array([len(recipe.doses()) + 1 for recipe in recipes])
    ends = last - (acts[last - 1, 0] == WASH)
    minutes = np.array([r.steps[-1].duration_min if isinstance(r.steps[-1], Wash) else 0.0
                        for r in recipes])  # fmt: skip
    laboratory = np.arange(rows) % len(reactor.laboratories.mixing)
    vectors = reactor.empty(rows)
    reactor.run(vectors, laboratory, acts, first, prepared)
    start = _elements(reactor, vectors)
    reactor.run(vectors, laboratory, acts, prepared, ends)
    gone = _washed_out(reactor, vectors, minutes)
    reactor.run(vectors, laboratory, acts, ends, last)
    moved = np.abs(_elements(reactor, vectors) + _elements(reactor, gone) - start)
    lost = np.where(start > 0.0, moved / np.maximum(start, 1e-300), 0.0)
    # The gas may have brought or taken an element that was never weighed in.
    lost = np.maximum(lost, np.where(start > 0.0, 0.0, moved / start.sum(axis=1, keepdims=True)))
    least = vectors[:, : 3 * len(reactor.network.solid_names)].min(axis=1)
    return Run(start, lost, least, reactor.weight_fractions(vectors))


def permuted(system: ChemicalSystem) -> ChemicalSystem:
    """The same system with phases and reactions in another order."""
    data = system.model_dump()
    data["phases"] = data["phases"][::-1]
    data["reactions"] = data["reactions"][3:] + data["reactions"][:3]
    return ChemicalSystem.model_validate(data)


def conservation(
    name: str, recipes: int, oracle: int, *, tolerance: float = kernel.TOLERANCE
) -> Conservation:
    """Runs random recipes of a system with coarse and with fine steps, permuted, and by LSODA.

    Args:
        name: The chemical system.
        recipes: Recipes to run.
        oracle: Anneals to compare with LSODA.
        tolerance: Of the kernel: the setting used for speed.
    """
    system = load_system(name)
    lots = system_lots(system, name)
    laboratories: list[Laboratory] = [
        draw_laboratory(system, HIDDEN, lots, (FURNACE,), "gate", i) for i in range(LABORATORIES)
    ]
    made = system_recipes(system, recipes)
    coarse = BatchReactor(system, laboratories, lots, tolerance=tolerance)
    fine = BatchReactor(system, laboratories, lots, tolerance=tolerance / FINER)
    other = BatchReactor(permuted(system), laboratories, lots, tolerance=tolerance)
    run, finer, moved = (run_recipes(each, made) for each in (coarse, fine, other))
    names = coarse.network.solid_names
    places = [other.network.solid_names.index(n) for n in names]
    apart = np.abs(run.fractions - finer.fractions)
    return Conservation(
        system=name,
        recipes=tuple(made),
        lost=float(run.lost.max()),
        least=float(min(run.least.min(), finer.least.min())),
        order=float(np.abs(moved.fractions[:, places] - run.fractions).max()),
        change=apart.max(axis=1),
        phase=tuple(names[int(p)] for p in apart.argmax(axis=1)),
        gaps=tuple(
            lsoda_gaps(
                system, laboratories, lots, system_recipes(system, oracle, "oracle"), tolerance
            )
        ),
    )


def gate_v1(
    recipes: int = 125,
    oracle: int = 200,
    *,
    system: str = "ba-ti-c-o",
    tolerance: float = kernel.TOLERANCE,
) -> tuple[Figure, ...]:
    """Conservation, convergence, agreement with LSODA, independence of the order of phases.

    Args:
        recipes: Recipes to run.
        oracle: Anneals to compare with LSODA.
        system: The chemical system.
        tolerance: Of the kernel: the setting used for speed.
    """
    return figures_of(conservation(system, recipes, oracle, tolerance=tolerance))


def figures_of(found: Conservation) -> tuple[Figure, ...]:
    """The figures of gate V1 for one system."""
    p99, worst = float(np.quantile(found.change, 0.99)), float(found.change.max())
    finished = found.finished
    gap = float(finished.max()) if finished.size else float("nan")
    stuck = len(found.gaps) - finished.size
    where = max(
        (g for g in found.gaps if np.isfinite(g.largest)), key=lambda g: g.largest, default=None
    )
    apart = "" if where is None else f"largest: anneal {where.recipe}, {where.phase}"

    def figure(name: str, value: float, target: str, ok: bool, note: str = "") -> Figure:
        return Figure("V1", f"{found.system}.{name}", value, target, ok, note=note)

    return (
        figure("elements", found.lost, "<= 1e-9", found.lost <= 1e-9),
        figure("least_moles", found.least, ">= 0", found.least >= 0.0),
        figure("order", found.order, "<= 1e-6", found.order <= 1e-6),
        figure("finer_p99", p99, "< 1e-3", p99 < 1e-3),
        figure("finer_max", worst, "< 1e-2", worst < 1e-2, "" if worst < 1e-2 else found.worst()),
        figure("lsoda", gap, "<= 1e-3", gap <= 1e-3, apart),
        figure("lsoda_unfinished", float(stuck), "reported", True, f"of {len(found.gaps)}"),
    )
