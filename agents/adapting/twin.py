"""The believed chemistry run in many laboratories at once: what a belief expects of plans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from agents.adapting.hidden_space import HiddenSpace
from agents.adapting.other_chemistry import OtherBatch
from agents.adapting.structure import SIDE, with_hidden_phase
from agents.plans import Plans
from agents.trial import TOLERANCE
from envs.tables import COST, PURITY, SHARE, VERB, WAIT
from sdl.chemistry.system import ChemicalSystem, load_system
from sdl.core.errors import ChemistryError
from sdl.tasks.task import Task
from simulators.laboratory import nominal_laboratory
from simulators.network import FloatArray, IntArray
from simulators.stations import StationModel

ROWS = 2048
"""Rows of one batch."""
UNNAMED_SPEED = 0.03
"""Middle of what is believed of a phase that nobody has named: its speed over the target's."""
BONUS, LEAST_PURITY, MOST_IMPURITY = 0.25, 0.95, 0.02
PURITY_SD, IMPURITY_SD = 0.006, 0.004
"""Widths over which the bonus is smoothed: a threshold has no slope, and no twin is so exact."""


@dataclass(frozen=True)
class Runs:
    """What laboratories made of plans, n rows; S solids.

    Attributes:
        matter: True weight fractions in the twin, ``(n, S)``.
        other: Weight fraction of the phase that nobody has named, ``(n,)``.
        mass: Last balance reading over the mass weighed in, ``(n,)``.
        share: Yield, ``(n,)``.
        cost: Prices, ``(n,)``.
        value: Expected return: yield times squared purity, the smoothed bonus, less prices.
    """

    matter: FloatArray
    other: FloatArray
    mass: FloatArray
    share: FloatArray
    cost: FloatArray
    value: FloatArray


def bonus_of(purity: FloatArray, impurity: FloatArray) -> FloatArray:
    """The smoothed bonus."""
    good = ndtr((purity - LEAST_PURITY) / PURITY_SD)
    return BONUS * good * ndtr((MOST_IMPURITY - impurity) / IMPURITY_SD)


class Twin(OtherBatch):
    """Plans in laboratories at coordinates of the hidden space; no noise but the balance's.

    Args:
        task: A task with a search space.
        max_decisions: Decisions of a sample.
        threads: Threads to use.
        rows: Rows of the batch.
        unnamed: Whether one more phase may be there, made of the target and what it grows on
            (``agents.adapting.structure``), most likely too slow to be seen; there is none where
            the target does not grow out of two solids.
    """

    def __init__(
        self,
        task: Task,
        *,
        max_decisions: int = 12,
        threads: int | None = None,
        rows: int = ROWS,
        unnamed: bool = False,
    ) -> None:
        lots, system = task.laboratory.shelf, load_system(task.system)
        nominal = nominal_laboratory(system, lots, ())
        super().__init__(
            task,
            [nominal] * rows,
            _with_unnamed(system, task.target.phase) if unnamed else None,
            TOLERANCE,
            rows=rows,
            samples_per_lab=2**40,
            max_decisions=max_decisions,
            stations=StationModel(dosing_sd=0.0),
            threads=threads,
        )
        self.task = task
        self.space = HiddenSpace.of_task(task, self.problem.network)
        self.plans = Plans(self.problem.choices, max_decisions)
        every = self.problem.network.solid_names
        self._named = np.array([not name.startswith(SIDE) for name in every])
        self.solid_names = tuple(name for name in every if not name.startswith(SIDE))
        self.unnamed = not self._named.all()
        self.target = self.solid_names.index(task.target.phase)
        self._at_mass = [e.name for e in self.entries].index("sample.mass")
        self.played = 0

    def run(self, z: FloatArray, genes: IntArray) -> Runs:
        """Each plan in its own laboratory.

        Args:
            z: Coordinates, ``(n, D)``.
            genes: Plans, ``(n, genes)``.
        """
        return self.run_actions(z, self.plans.actions(genes))

    def run_actions(self, z: FloatArray, actions: IntArray) -> Runs:
        """As ``run``, for plans as actions, ``(n, decisions, heads)``."""
        parts = [
            self._part(z[at : at + self.rows], actions[at : at + self.rows])
            for at in range(0, len(z), self.rows)
        ]
        self.played += len(z)
        return Runs(*(np.concatenate([getattr(p, name) for p in parts]) for name in _FIELDS))

    def grid(self, z: FloatArray, genes: IntArray) -> FloatArray:
        """Values of P plans in M laboratories, ``(M, P)``."""
        members, plans = len(z), len(genes)
        rows = self.run(np.repeat(z, plans, axis=0), np.tile(genes, (members, 1)))
        return rows.value.reshape(members, plans)

    def _part(self, z: FloatArray, actions: IntArray) -> Runs:
        count = len(z)
        given = self._rules.given
        for own, new in zip(given, self.space.arrays(z), strict=True):
            own[:count] = new
        self.reset(0)
        matter = np.zeros((count, len(self._named)))
        mass, scores = np.zeros(count), np.zeros((4, count))
        running = np.zeros(self.rows, dtype=np.bool_)
        running[:count] = True
        taken = np.zeros((self.rows, actions.shape[2]), dtype=np.int64)
        for n in range(self.problem.max_decisions):
            taken[:count] = actions[:, min(n, actions.shape[1] - 1)]
            taken[~running, VERB] = WAIT
            ended = self.step(taken)[2]
            over = np.flatnonzero(running & ended)
            matter[over] = self._result.matter[over]
            mass[over] = self._final[over, self._at_mass]
            scores[:, over] = self._result.scores[:, over]
            running &= ~ended
            if not running.any():
                break
        purity, share, cost = scores[PURITY], scores[SHARE], scores[COST]
        others = np.delete(matter, self.target, axis=1).max(axis=1)
        value = share * purity**2 + bonus_of(purity, others) - cost
        unnamed = matter[:, ~self._named].sum(axis=1)
        return Runs(matter[:, self._named], unnamed, mass, share, cost, value)


def _with_unnamed(system: ChemicalSystem, target: str) -> ChemicalSystem | None:
    try:
        return with_hidden_phase(system, target, UNNAMED_SPEED)
    except ChemistryError:
        return None


_FIELDS = ("matter", "other", "mass", "share", "cost", "value")
