"""Learning which pairs of phases react, after the idea of ARROWS3.

The idea, as `Szymanski et al., Nat. Commun. 14, 6956 (2023)`_ is known for (recalled, the paper was
not opened for this): rank precursor sets by the free energy they set free when the target forms;
scan samples fired at rising temperatures and conclude which two phases reacted to which product;
predict with these pairs what other sets turn into on their way, and rank the sets by the free
energy that is then left. Sets that waste their driving force on stable intermediates fall behind.

.. _Szymanski et al., Nat. Commun. 14, 6956 (2023): https://doi.org/10.1038/s41467-023-42329-9
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np
from scipy.optimize import nnls

from agents.baselines import air_of, mixture_force
from agents.ledger import Ledger, text_of
from agents.random_policy import RandomPolicy, untried
from sdl.chemistry.system import ChemicalSystem, load_system
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.capabilities import Capabilities
from sdl.core.errors import ConfigError, PolicyError
from sdl.core.event import Event
from sdl.core.material import Observation
from sdl.core.proposal import Proposal, Request, SampleView
from sdl.core.protocols import BlobStore
from sdl.core.recipe import Gas, Recipe, Step, Stop
from sdl.tasks.formula import parse_formula
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task
from simulators.network import FloatArray

SEEN = 0.03
"""Weight fraction from which on a phase counts as there, if it is two sigma above zero."""
TEMPERATURES = 4
"""Temperatures of a set in a recipe space, evenly over its range."""
DWELL_H = 4.0
"""Dwell in a recipe space."""


@dataclass(frozen=True)
class Cell:
    """One experiment that may be made."""

    recipe: Recipe
    phases: tuple[str, ...]
    """Precursors, sorted."""
    moles: tuple[float, ...]
    """Of each as weighed in, mmol."""
    temperature_c: float
    gas: Gas

    @property
    def kelvin(self) -> float:
        """Firing temperature, K."""
        return self.temperature_c + ZERO_CELSIUS_K


@dataclass(frozen=True)
class Reaction:
    """A reaction that was concluded: what is eaten, what comes, from which temperature on."""

    eaten: tuple[str, ...]
    product: str
    onset_c: float


class Pairs:
    """What scans have told about pairs of phases.

    Args:
        system: The chemistry.
        target: Phase that is wanted.
    """

    def __init__(self, system: ChemicalSystem, target: str) -> None:
        self._system, self._target = system, target
        self._known = {phase.name for phase in system.solids}
        self.reactions: dict[tuple[str, ...], Reaction] = {}
        self.inert_c: dict[tuple[str, ...], float] = {}
        """Highest temperature at which a pair was seen side by side, degC."""

    def learn(self, cell: Cell, observation: Observation) -> None:
        """Draws conclusions from one scan of a fired sample."""
        there = [
            name
            for name, amount in observation.phases.items()
            if amount.weight_fraction > max(SEEN, 2.0 * amount.sigma) and name in self._known
        ]
        new = [p for p in there if p not in cell.phases and p != self._target]
        parents = self._parents(cell)
        for phase in sorted(new):
            ways = [w for w in parents if self.coefficients(w, phase) is not None]
            fewest = min((len(w) for w in ways), default=0)
            ways = [w for w in ways if len(w) == fewest]
            if len(ways) == 1:  # else more than one pair could have made it
                self._note(ways[0], phase, cell.temperature_c)
        for pair in combinations([p for p in cell.phases if p in there], 2):
            if pair not in self.reactions:
                before = self.inert_c.get(pair, -np.inf)
                self.inert_c[pair] = max(before, cell.temperature_c)

    def _parents(self, cell: Cell) -> list[tuple[str, ...]]:
        """Single phases and pairs of what the set starts from or is known to pass through."""
        passed = sorted({*cell.phases, *self.after(cell, dict.fromkeys(cell.phases, 1.0))})
        return [(p,) for p in passed] + list(combinations(passed, 2))

    def _note(self, eaten: tuple[str, ...], phase: str, temperature_c: float) -> None:
        known = self.reactions.get(eaten)
        if known is None or temperature_c < known.onset_c:
            self.reactions[eaten] = Reaction(eaten, phase, temperature_c)

    def coefficients(self, eaten: Sequence[str], phase: str) -> tuple[float, ...] | None:
        """Moles eaten per mole of a product, by its cations; ``None`` if they do not add up."""
        return _coefficients(self._system, tuple(eaten), phase)

    def after(self, cell: Cell, amounts: dict[str, float]) -> dict[str, float]:
        """What a mixture has turned into at the temperature of a cell by the reactions known.

        Args:
            cell: Where.
            amounts: Moles by phase.
        """
        left = dict(amounts)
        for reaction in sorted(self.reactions.values(), key=lambda r: (r.onset_c, r.eaten)):
            if reaction.onset_c > cell.temperature_c:
                continue
            needed = self.coefficients(reaction.eaten, reaction.product)
            if needed is None:
                continue
            pairs = list(zip(reaction.eaten, needed, strict=True))
            extent = min(left.get(p, 0.0) / n for p, n in pairs)
            if extent <= 1e-9:
                continue
            for p, n in pairs:
                left[p] -= extent * n
            left[reaction.product] = left.get(reaction.product, 0.0) + extent
        return {p: n for p, n in left.items() if n > 1e-9}

    def foreseen(self, cell: Cell) -> bool:
        """Whether every pair of a set is known to react by a temperature, or not to react at it."""
        return all(
            self.reactions[pair].onset_c <= cell.temperature_c
            if pair in self.reactions
            else self.inert_c.get(pair, -np.inf) >= cell.temperature_c
            for pair in combinations(cell.phases, 2)
        )


class PairwisePolicy:
    """Fires precursor sets from cold to hot, those with the most driving force left first.

    Over a pool the cells are its recipes; over a recipe space one lot per cation, four
    temperatures, four hours, otherwise the middle of the space; when all are made, at random.

    Args:
        task: A task; its system gives the free energies.
    """

    name = "pairwise"

    def __init__(self, task: Task) -> None:
        self._task = task
        self._system = load_system(task.system)
        self._ledger = Ledger()

    def ingest(self, event: Event) -> None:
        """Takes note of one event; needed to leave refused recipes alone."""
        self._ledger.ingest(event)

    def next(self, view: SampleView) -> Step:
        """Recipes of this policy are never open; a sample that asks is finished."""
        return Stop()

    def propose(self, request: Request) -> Sequence[Proposal]:
        """At most ``request.free_slots`` cells; none when all have been made."""
        cells = self._cells(request)
        pairs = self._pairs(request, cells)
        gone = {text_of(r.recipe) for r in request.results}
        gone |= {text_of(p.recipe) for p in request.pending}
        gone |= {text_of(r) for r in self._ledger.refused}
        allowed = None
        if request.capabilities.pool:
            allowed = {text_of(r) for r in untried(request, self._ledger)}
        open_cells = [
            c
            for c in cells.values()
            if text_of(c.recipe) not in gone and (allowed is None or text_of(c.recipe) in allowed)
        ]
        ranked = self.ranked(open_cells, pairs)
        if not ranked and not request.capabilities.pool:
            return RandomPolicy().propose(request)  # every cell has been made
        return [
            Proposal(
                id=f"P{request.next_id + i}",
                target=request.targets[0],
                recipe=cell.recipe,
                reason=(
                    f"{' + '.join(cell.phases)} at {cell.temperature_c:.0f} °C: the set "
                    f"keeps the most driving force, {1000.0 * -force:.0f} meV per atom of target, "
                    f"by {len(pairs.reactions)} known reactions of pairs"
                ),
                policy=self.name,
                details={"force_ev_per_atom": force},
            )
            for i, (force, cell) in enumerate(ranked[: request.free_slots])
        ]

    def ranked(self, cells: Iterable[Cell], pairs: Pairs) -> list[tuple[float, Cell]]:
        """Cells in the order in which they are worth making, with the driving force of their set.

        A set counts with its hottest open cell; of a set the coldest cell comes first whose
        outcome is not foreseen, for it tells most about pairs, else the hottest.
        """
        sets: dict[tuple[str, ...], list[Cell]] = {}
        for cell in cells:
            sets.setdefault(cell.phases, []).append(cell)
        found: list[tuple[float, int, float, Cell]] = []
        for members in sets.values():
            ordered = sorted(members, key=lambda c: (c.temperature_c, text_of(c.recipe)))
            force = self.left(ordered[-1], pairs)
            unknown = [c for c in ordered if not pairs.foreseen(c)]
            first = unknown[0] if unknown else ordered[-1]
            rest = [c for c in reversed(ordered) if c is not first]
            found += [(force, n, c.temperature_c, c) for n, c in enumerate([first, *rest])]
        found.sort(key=lambda f: (f[1] > 0, f[0], f[1], f[3].phases, text_of(f[3].recipe)))
        return [(force, cell) for force, _, _, cell in found]

    def left(self, cell: Cell, pairs: Pairs) -> float:
        """Driving force from what a set turns into to the target, eV per atom of target."""
        amounts = self._amounts(cell)
        if amounts is None:
            return 0.0
        kelvin = min(cell.kelvin, self._system.range_k()[1])
        return mixture_force(
            self._system, self._task.target.phase, pairs.after(cell, amounts), kelvin, cell.gas
        )

    def _amounts(self, cell: Cell) -> dict[str, float] | None:
        """Moles of each precursor per mole of target; ``None`` where the system cannot say.

        Of a set with more precursors than the target has cations: as weighed in, moved as little
        as it takes to balance the cations.
        """
        known = {phase.name for phase in self._system.solids}
        if not known.issuperset(cell.phases):
            return None
        matrix, goal = _balance(self._system, cell.phases, self._task.target.phase)
        weighed = np.array(cell.moles)
        scaled = weighed * goal.sum() / (matrix @ weighed).sum()
        moles = scaled + np.linalg.pinv(matrix) @ (goal - matrix @ scaled)
        if np.abs(matrix @ moles - goal).max() > 1e-6 or np.any(moles < -1e-9):
            return None
        return dict(zip(cell.phases, np.maximum(moles, 0.0).tolist(), strict=True))

    def _pairs(self, request: Request, cells: dict[str, Cell]) -> Pairs:
        """Everything known so far, from the coldest cells up."""
        pairs = Pairs(self._system, self._task.target.phase)
        seen = [
            (cells[text_of(r.recipe)], r.observation)
            for r in request.results
            if r.observation is not None and text_of(r.recipe) in cells
        ]
        for cell, observation in sorted(seen, key=lambda s: s[0].temperature_c):
            pairs.learn(cell, observation)
        return pairs

    def _cells(self, request: Request) -> dict[str, Cell]:
        recipes = request.capabilities.pool or self._grid
        shelf = request.capabilities
        found = [self._cell(recipe, shelf) for recipe in recipes]
        return {text_of(cell.recipe): cell for cell in found if cell is not None}

    def _cell(self, recipe: Recipe, shelf: Capabilities) -> Cell | None:
        anneals = recipe.anneals()
        lots = [(shelf.lot(dose.lot), dose.mass_mg) for dose in recipe.doses()]
        if not anneals or any(lot is None for lot, _ in lots):
            return None
        moles: dict[str, float] = {}
        for lot, mass_mg in lots:
            if lot is not None:
                name = self._alias(lot.phase)
                weighed = mass_mg * lot.assay / lot.molar_mass_g_per_mol
                moles[name] = moles.get(name, 0.0) + weighed
        hottest = max(anneals, key=lambda a: a.temperature_c)
        phases = tuple(sorted(moles))
        amounts = tuple(moles[p] for p in phases)
        return Cell(recipe, phases, amounts, hottest.temperature_c, hottest.gas)

    def _alias(self, phase: str) -> str:
        """The system's name of a phase of the same formula, as ``Y2C3O9`` for ``Y2(CO3)3``."""
        names = [p.name for p in self._system.solids]
        if phase in names:
            return phase
        try:
            composition = parse_formula(phase)
        except ConfigError:
            return phase
        alike = [p.name for p in self._system.solids if dict(p.composition) == composition]
        return alike[0] if len(alike) == 1 else phase

    @cached_property
    def _grid(self) -> tuple[Recipe, ...]:
        """One recipe per set of lots and temperature, the first gas, cooled in the furnace."""
        space = TaskSpace(self._task)
        point = np.full(space.dimension, 0.5)
        point[0] = space.axes[0].unit(1.0)
        point[2] = min(max(space.axes[2].unit(DWELL_H), 0.0), 1.0)
        found: list[Recipe] = []
        options = [range(len(group)) for group in self._task.space.cation_lots]  # pyright: ignore[reportOptionalMemberAccess]
        for lots, level in product(product(*options), range(TEMPERATURES)):
            here = point.copy()
            here[1] = (level + 1) / TEMPERATURES
            for i, name in enumerate(space.names):
                if name in ("regrinds", "gas", "cooling"):
                    here[i] = 0.0
                elif name.startswith("lot_"):
                    cation = int(name.removeprefix("lot_"))
                    here[i] = (lots[cation] + 0.5) / len(options[cation])
            found.append(space.decode(here))
        return tuple(found)


def _coefficients(
    system: ChemicalSystem, eaten: tuple[str, ...], phase: str
) -> tuple[float, ...] | None:
    """Moles of each phase eaten per mole of a product, from what gases do not carry.

    ``None`` where they do not add up, or one of them is not needed.
    """
    known = {p.name for p in system.solids}
    if not known.issuperset((*eaten, phase)):
        return None
    matrix, goal = _balance(system, eaten, phase)
    amounts, miss = nnls(matrix, goal)
    if miss > 1e-6 or np.any(amounts <= 1e-9):
        return None
    return tuple(float(a) for a in amounts)


def _balance(
    system: ChemicalSystem, eaten: Sequence[str], phase: str
) -> tuple[FloatArray, FloatArray]:
    """Numbers of what no gas carries in phases and in a product, ``(elements, phases)``."""
    airborne = {e for vapour in air_of(system, Gas.AIR) for e in vapour.composition}
    columns = [system.phase(name).composition for name in eaten]
    goal = system.phase(phase).composition
    elements = sorted({e for c in (*columns, goal) for e in c} - airborne)
    matrix = np.array([[c.get(e, 0.0) for c in columns] for e in elements], dtype=np.float64)
    return matrix, np.array([goal.get(e, 0.0) for e in elements], dtype=np.float64)


def make(task: Task | None, blobs: BlobStore | None) -> PairwisePolicy:
    """Factory for the registry.

    Raises:
        PolicyError: There is no task.
    """
    if task is None:
        raise PolicyError("the policy pairwise needs a task", do="give the campaign the key `task`")
    return PairwisePolicy(task)
