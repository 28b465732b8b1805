"""Many synthesis environments as one: rows of arrays, one decision of each row per step.

The decisions, the observation and the reward are those of ``envs.synthesis.SynthesisEnv``, which is
this class with one row.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from envs.observation import LIMIT, Entry
from envs.pattern_scans import PatternScans
from envs.problem import Problem
from envs.rows import restart_rows, step_rows
from envs.tables import (
    ACCEPTED,
    ANNEALS,
    COST,
    DECISION,
    EPISODE,
    KEPT,
    NUMBER,
    PURE,
    PURITY,
    REWARD,
    SHARE,
    SUBSTEPS,
    TERMINATED,
    VETOED,
    BoolArray,
    SingleArray,
)
from sdl.core.errors import ConfigError
from sdl.core.recipe import Step, describe_step
from sdl.tasks.task import Task, load_task
from simulators.batch import Laboratories
from simulators.laboratory import Laboratory, Split
from simulators.network import FloatArray, IntArray
from simulators.stations import StationModel

CHUNK = 64
"""Rows per piece of work of a thread."""

Scans = Literal["estimate", "pattern"]
StepResult = tuple[SingleArray, FloatArray, BoolArray, BoolArray, dict[str, Any]]


class BatchedSynthesis:
    """``rows`` samples, each in its own hidden laboratory, made step by step.

    A row's trajectory depends on (seed, its identity, its actions) only: not on the size or order
    of the batch, nor on the number of threads. Rows whose episode ends start the next one in the
    same step; the last observation of the old one is in ``info["final_observation"]``.

    The arrays that ``step``, ``reset`` and ``action_masks`` return belong to the environment and
    are overwritten by the next step: copy what must stay.

    Args:
        task: A task or its name.
        rows: Number of environments.
        seed: Seed of every draw.
        identities: Numbers of the rows, 0, 1, ... if ``None``. Rows of one number meet the same
            laboratories and the same noise, so that plans are compared on equal terms.
        split: Laboratories to draw from; the hidden laboratory of an episode is one of them.
        laboratories: Laboratories to play in turn instead: the row of identity ``n`` has number
            ``(n + episode) % len(laboratories)``.
        samples_per_lab: Episodes in a row that share a laboratory.
        first_episode: Number of the episode that every row, or each, starts with: sample ``k`` of
            the first laboratory is episode ``k``.
        max_decisions: Decisions of an episode; at the last one only ``stop`` is left.
        furnace_hours: Furnace time of an episode, h; the task's budget per experiment if ``None``.
        stations: Accuracies of the stations.
        obs: What a scan is: ``estimate``, the quick model of the fit's errors, or ``pattern``, a
            simulated pattern and its fit, which takes a thousand times longer.
        threads: Threads to use; ``None`` means all cores.

    Raises:
        ConfigError: There is no such kind of scan, or the batch has no row.
    """

    def __init__(
        self,
        task: Task | str = "batio3-coarse",
        rows: int = 1,
        *,
        seed: int = 0,
        identities: Sequence[int] | IntArray | None = None,
        split: Split = "train",
        laboratories: Sequence[Laboratory] = (),
        samples_per_lab: int = 1,
        first_episode: int | Sequence[int] | IntArray = 0,
        max_decisions: int = 12,
        furnace_hours: float | None = None,
        stations: StationModel | None = None,
        obs: Scans = "estimate",
        threads: int | None = None,
    ) -> None:
        if rows < 1:
            raise ConfigError("a batch needs a row", got=rows, allowed=">= 1")
        if obs not in get_args(Scans):
            raise ConfigError("no such kind of scan", got=obs, allowed=", ".join(get_args(Scans)))
        self.problem = Problem(
            load_task(task) if isinstance(task, str) else task,
            seed=int(seed) % 2**63,
            identities=_numbers(rows, identities),
            split=split,
            laboratories=laboratories,
            samples_per_lab=samples_per_lab,
            max_decisions=max_decisions,
            furnace_hours=furnace_hours,
            stations=stations or StationModel(),
        )
        self.rows = rows
        self.threads = max(1, threads if threads is not None else os.cpu_count() or 1)
        self._first = np.broadcast_to(np.asarray(first_episode, dtype=np.int64), (rows,)).copy()
        if (self._first < 0).any():
            raise ConfigError("episodes are numbered from 0", got=int(self._first.min()))
        self._rules = self.problem.rules
        self._labs = self.problem.laboratories(rows)
        self._state = self.problem.state(rows)
        self._state.whole[:, EPISODE] = self._first
        self._scratch = [self.problem.scratch() for _ in range(0, rows, CHUNK)]
        self._result = self.problem.result(rows)
        self._truncated = np.zeros(rows, dtype=np.bool_)
        self._heads = len(self.problem.choices.counts)
        self._scans = PatternScans(self.problem) if obs == "pattern" else None
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        self.prepare()
        self._info = self._make_info()
        self._work(self._restarting)

    def prepare(self) -> None:
        """Makes the arrays of a class that adds to this one."""

    @property
    def nvec(self) -> tuple[int, ...]:
        """Options of each head of an action, as for ``MultiDiscrete``."""
        return self.problem.choices.counts

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What each number of an observation is."""
        return self.problem.entries

    @property
    def limit(self) -> float:
        """Bound of every number of an observation."""
        return LIMIT

    def reset(self, seed: int | None = None) -> tuple[SingleArray, dict[str, Any]]:
        """Starts the next episode of every row; with a seed, the first of that seed.

        Args:
            seed: New seed; ``None`` goes on with the present one.

        Returns:
            Observations, shape (rows, numbers), and the info.
        """
        if seed is not None:
            self._rules = self._rules._replace(
                chance=self._rules.chance._replace(seed=int(seed) % 2**63)
            )
            self._state.whole[:, EPISODE] = self._first
        else:
            self._state.whole[:, EPISODE] += self._state.whole[:, DECISION] > 0
        self._work(self._restarting)
        return self.observations, self._info

    def step(self, actions: NDArray[Any]) -> StepResult:
        """One decision of every row.

        A decision that the mask forbids is vetoed: nothing is done, no price is paid, one decision
        is used up; on the last decision of an episode the sample is finished all the same.

        Args:
            actions: (rows, heads) integers; a row whose verb is ``tables.WAIT`` is left as it is.

        Returns:
            Observations, rewards, terminated, truncated (never), and the info: ``action_mask``,
            ``vetoed``, ``final_observation``, and of the last episode that ended ``purity``,
            ``yield``, ``bonus``, ``cost`` (valid where ``terminated``; truth, for scores only).
        """
        taken = np.ascontiguousarray(actions, dtype=np.int64)
        if taken.shape != (self.rows, self._heads):
            raise ConfigError(
                "the actions have the wrong shape",
                got=taken.shape,
                allowed=(self.rows, self._heads),
            )
        self._work(step_rows, taken)
        return self._report()

    def _report(self) -> StepResult:
        """What a step returns."""
        if self._scans is not None:
            at = next(n for n, e in enumerate(self.entries) if e.name == "scan.phase_0.fraction")
            self._scans.replace(self._state, self._result, self.observations, self._final, at)
        reward, ended = self._result.scores[REWARD], self._result.flags[TERMINATED]
        return self.observations, reward, ended, self._truncated, self._info

    @property
    def observations(self) -> SingleArray:
        """The present observations, shape (rows, numbers)."""
        return self._result.observation

    def action_masks(self) -> BoolArray:
        """What is possible now, shape (rows, sum of ``nvec``), head after head."""
        return self._result.mask

    def executed_steps(self, row: int, *, finished: bool = False) -> list[Step]:
        """What was done to a sample; ``choices.actions`` turns it back into the actions.

        Args:
            row: Which environment.
            finished: The last episode that ended, not the present one.
        """
        return self.problem.choices.steps(self.executed_actions(row, finished=finished))

    def executed_actions(self, row: int, *, finished: bool = False) -> IntArray:
        """The accepted actions of an episode, heads without meaning at 0, (decisions, heads)."""
        if finished:
            return self._result.history[row, : self._result.counts[KEPT, row]].copy()
        return self._state.history[row, : self._state.whole[row, ACCEPTED]].copy()

    def describe(self, row: int, *, finished: bool = False) -> str:
        """What was done to a sample, in words."""
        steps = self.executed_steps(row, finished=finished)
        return ", ".join(describe_step(step) for step in steps) or "an empty vial"

    @property
    def decisions(self) -> IntArray:
        """Decisions taken in the present episode of each row, shape (rows,)."""
        return self._state.whole[:, DECISION]

    @property
    def vectors(self) -> FloatArray:
        """True matter of every row, (rows, size): for tests and scores, never for a decision."""
        return self._state.vector

    @property
    def charged(self) -> FloatArray:
        """Moles of each cation weighed in, mmol, (rows, cations)."""
        return self._state.charged

    @property
    def laboratory_numbers(self) -> IntArray:
        """Number of each row's hidden laboratory in its split, or among those given."""
        return self._state.whole[:, NUMBER]

    @property
    def laboratories(self) -> Laboratories:
        """The hidden laboratories of all rows as arrays: for tests and scores only."""
        return self._labs

    @property
    def bottles(self) -> FloatArray:
        """Ln(true / label) of the lots as known from scans: mean, then covariance.

        Shape (rows, 1 + lots, lots).
        """
        return self._state.bottle[:, :-1]

    @property
    def anneals(self) -> int:
        """Anneals carried out so far."""
        return int(self._result.counts[ANNEALS].sum())

    @property
    def substeps(self) -> int:
        """Steps of the solver so far."""
        return int(self._result.counts[SUBSTEPS].sum())

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None and self._pool[0] == os.getpid():
            self._pool[1].shutdown()
        self._pool = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None, "_info": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._info = self._make_info()

    def _make_info(self) -> dict[str, Any]:
        result = self._result
        return {
            "action_mask": self.action_masks(),
            "vetoed": result.flags[VETOED],
            "final_observation": self._final,
            "purity": result.scores[PURITY],
            "yield": result.scores[SHARE],
            "bonus": result.flags[PURE],
            "cost": result.scores[COST],
        }

    def _work(self, function: Any, *more: Any) -> None:
        """Runs compiled code over all rows, in pieces on threads where there is more than one."""
        if self.threads == 1 or len(self._scratch) == 1:
            for n in range(len(self._scratch)):
                function(*self._arrays(n), *more, *self._piece(n))
            return
        pool = self._threads()
        pieces = [
            pool.submit(function, *self._arrays(n), *more, *self._piece(n))
            for n in range(len(self._scratch))
        ]
        for piece in pieces:
            piece.result()

    _restarting = staticmethod(restart_rows)
    """Compiled function that starts the present episodes."""

    @property
    def _final(self) -> SingleArray:
        """Last observations of the episodes that ended."""
        return self._result.final

    def _arrays(self, n: int) -> tuple[Any, ...]:
        """First arguments of the compiled functions for a piece."""
        return (self._rules, self._labs, self._state, self._result, self._scratch[n])

    def _piece(self, n: int) -> tuple[int, int]:
        """First row of a piece and the row after it."""
        return n * CHUNK, min((n + 1) * CHUNK, self.rows)

    def _threads(self) -> ThreadPoolExecutor:
        """The pool; a new one after a fork, which threads do not survive."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = (os.getpid(), ThreadPoolExecutor(self.threads, "envs"))
        return self._pool[1]


def _numbers(rows: int, identities: Sequence[int] | IntArray | None) -> IntArray:
    """Identities of the rows.

    Raises:
        ConfigError: There is not one, from 0 on, for each row.
    """
    numbers = np.array(range(rows) if identities is None else identities, dtype=np.int64)
    if numbers.shape != (rows,) or (numbers < 0).any():
        raise ConfigError(
            "each row needs an identity", got=numbers.shape, allowed=f"{rows} numbers from 0 on"
        )
    return numbers
