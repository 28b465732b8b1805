"""The twin as prior knowledge: what recipes would give in laboratories drawn from the prior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agents.candidates import Candidates, around, join, of_points, spread
from agents.ledger import text_of
from sdl.chemistry.system import load_system
from sdl.core.capabilities import StationKind
from sdl.core.recipe import Gas, Recipe
from sdl.core.seeds import generator
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task
from simulators.batch import purities
from simulators.laboratory import Laboratory, draw_laboratory, laboratory_key

Array = npt.NDArray[np.float64]

MEMBERS = 32
"""Laboratories in the ensemble. More cost time in proportion and sharpen the belief little."""
TOLERANCE = 3e-3
"""Of the solver: off by less than 0.005 of purity, a tenth of what the belief allows for."""
SCOUTS = 8
"""Members that look for promising recipes; the whole ensemble sees only what they find."""


class TwinEnsemble:
    """Simulated laboratories drawn from what the task says is hidden, by the split ``train``.

    The judged laboratory comes from another range of keys and is never among them. Predictions
    are kept by recipe; that saves time and changes no number.

    Args:
        task: The task with its hidden distribution.
        members: Size of the ensemble.
    """

    def __init__(self, task: Task, members: int = MEMBERS) -> None:
        self._task = task
        self._system = load_system(task.system)
        self._furnaces = task.laboratory.of_kind(StationKind.FURNACE)
        names = [station.name for station in self._furnaces]
        self.laboratories = [
            draw_laboratory(
                self._system,
                task.hidden,
                task.laboratory.shelf,
                names,
                *laboratory_key("train", index),
            )
            for index in range(members)
        ]
        self._known: dict[str, Array] = {}
        self._candidates: Candidates | None = None

    @property
    def candidates(self) -> Candidates:
        """Recipes that are good in many members, and some that spread over the space.

        Found once per task by a few scouts: a spread over the space and two rounds of steps around
        the best; the best 160 are kept, and 96 of the rest.
        """
        if self._candidates is None:
            self._candidates = self._find()
        return self._candidates

    def predict(self, recipes: Sequence[Recipe]) -> Array:
        """True purity of each recipe in each member, shape ``(members, recipes)``."""
        texts = [text_of(recipe) for recipe in recipes]
        new = {t: r for t, r in zip(texts, recipes, strict=True) if t not in self._known}
        columns = self._simulate(list(new.values()), self.laboratories).T
        self._known.update(zip(new, columns, strict=True))
        if not recipes:
            return np.zeros((len(self.laboratories), 0))
        return np.stack([self._known[text] for text in texts], axis=1)

    def _simulate(self, recipes: Sequence[Recipe], laboratories: Sequence[Laboratory]) -> Array:
        """One call per furnace: laboratories differ in the offset of each thermocouple."""
        furnaces = [self._furnace(recipe) for recipe in recipes]
        table = np.zeros((len(laboratories), len(recipes)))
        for station in self._furnaces:
            rows = [i for i, name in enumerate(furnaces) if name == station.name]
            if rows:
                table[:, rows] = purities(
                    self._system,
                    [recipes[i] for i in rows],
                    laboratories,
                    self._task.laboratory.shelf,
                    self._task.target.phase,
                    furnace=station.name,
                    tolerance=TOLERANCE,
                )
        return table

    def _furnace(self, recipe: Recipe) -> str:
        """The first furnace that offers every gas of the recipe; the scheduler may take another."""
        gases: tuple[Gas, ...] = tuple(anneal.gas for anneal in recipe.anneals())
        for station in self._furnaces:
            if all(gas in station.gases for gas in gases):
                return station.name
        return self._furnaces[0].name

    def _find(self) -> Candidates:
        space = TaskSpace(self._task)
        rng = generator("twin-candidates", self._task.hash)
        found = of_points(space, spread(space, 256, rng), without=frozenset())
        promise = self._promise(found)
        for width in (0.15, 0.07):
            best = np.argsort(-promise, kind="stable")[:32]
            near = around(space, found.points[best], 4, rng, width=width)
            before = len(found)
            found = join(found, of_points(space, near, without=frozenset()))
            new = found.take(np.arange(before, len(found)))
            promise = np.concatenate([promise, self._promise(new)])
        order = np.argsort(-promise, kind="stable")
        scattered = rng.permutation(order[160:])[:96]
        return found.take(np.concatenate([order[:160], scattered]))

    def _promise(self, candidates: Candidates) -> Array:
        """Mean over the scouts plus what the better ones add: good somewhere is worth a try."""
        predicted = self._simulate(candidates.recipes, self.laboratories[:SCOUTS])
        return predicted.mean(0) + 0.5 * predicted.std(0)


_TWINS: dict[str, TwinEnsemble] = {}


def twin_of(task: Task) -> TwinEnsemble:
    """The twin of a task; campaigns of one process share its predictions."""
    if task.hash not in _TWINS:
        _TWINS[task.hash] = TwinEnsemble(task)
    return _TWINS[task.hash]
