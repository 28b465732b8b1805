"""Many synthesis environments as one, decisions spelled out choice by choice.

The same samples, laboratories and rewards as ``envs.batched``; spaces that are the same for every
task, so that one policy serves them all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.batched import CHUNK, BatchedSynthesis, StepResult
from envs.cursor import restart_cursor_rows, step_cursor_rows
from envs.cursor_choices import CursorChoices
from envs.cursor_problem import CursorProblem
from envs.cursor_tables import NVEC, Belief
from envs.observation import Entry
from envs.tables import WAIT, BoolArray, SingleArray
from sdl.core.errors import ConfigError
from simulators.network import IntArray

PRIOR = (1.0, 1.0)
"""A belief as wide as the task's prior."""


class CursorSynthesis(BatchedSynthesis):
    """``rows`` samples made choice by choice; see ``envs.synthesis.SynthesisEnv``.

    Args:
        task: A task or its name.
        rows: Number of environments.
        belief: Narrowest and widest belief about a laboratory, as shares of the prior's standard
            deviations; each laboratory's is drawn between them. Whatever is narrower than the prior
            is drawn about the truth, as if it had been learned: for training, not for judging.
        gain: How much each sample made in a laboratory narrows such a belief further.
        more: As for ``BatchedSynthesis``.
    """

    def __init__(
        self,
        task: Any = "batio3-coarse",
        rows: int = 1,
        *,
        belief: tuple[float, float] = PRIOR,
        gain: float = 0.0,
        **more: Any,
    ) -> None:
        self._belief_range, self._gain = belief, gain
        super().__init__(task, rows, **more)

    @property
    def nvec(self) -> tuple[int, ...]:
        """Options of each head of an action, the same for every task."""
        return NVEC

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What each number of an observation is."""
        return self._entries

    def prepare(self) -> None:
        """Arrays of the cursor."""
        rows = self.rows
        own = self.cursor_problem = CursorProblem(self.problem, self._belief_range, self._gain)
        self._entries = own.entries()
        self._grid, self._belief = own.grid, own.belief(rows)
        self._cursor, self._seen = own.cursor(rows), own.result(rows)
        self._notes = [own.notes() for _ in range(0, rows, CHUNK)]
        self._acting = np.full((rows, len(self.problem.choices.counts)), WAIT, dtype=np.int64)
        self.spelling = CursorChoices(own)

    _restarting = staticmethod(restart_cursor_rows)

    @property
    def _final(self) -> SingleArray:
        return self._seen.final

    def _arrays(self, n: int) -> tuple[Any, ...]:
        more = (self._grid, self._belief, self._cursor, self._seen, self._notes[n])
        return (*super()._arrays(n), *more)

    def step(self, actions: NDArray[Any]) -> StepResult:
        """One choice of every row.

        Args:
            actions: (rows, 7) integers; only the heads of a row's stage count.

        Returns:
            As of ``BatchedSynthesis``; a choice that ends no decision has reward 0.
        """
        taken = np.ascontiguousarray(actions, dtype=np.int64)
        if taken.shape != (self.rows, len(NVEC)):
            raise ConfigError(
                "the actions have the wrong shape", got=taken.shape, allowed=(self.rows, len(NVEC))
            )
        self._work(step_cursor_rows, taken, self._acting)
        return self._report()

    @property
    def observations(self) -> SingleArray:
        """The present observations, shape (rows, numbers)."""
        return self._seen.observation

    def action_masks(self) -> BoolArray:
        """What is possible now, shape (rows, sum of ``nvec``), head after head."""
        return self._seen.mask

    @property
    def decided(self) -> BoolArray:
        """Rows whose last choice ended a decision, shape (rows,)."""
        return self._acting[:, 0] != WAIT

    @property
    def order(self) -> IntArray:
        """The lot in each slot of each row, -1 where there is none, shape (rows, slots)."""
        return self._cursor.order

    @property
    def belief(self) -> Belief:
        """What is believed of each row's laboratory."""
        return self._belief

    @property
    def acting(self) -> IntArray:
        """What the last choices did: actions of the batch, (rows, heads of the batch)."""
        return self._acting
