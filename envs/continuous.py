"""The environment with actions from a box: for algorithms that know no discrete actions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.batched import StepResult
from envs.cursor import decide_rows
from envs.cursor_batch import CursorSynthesis
from envs.cursor_tables import (
    C_DWELL,
    C_MILL,
    C_RAMP,
    C_RATIO,
    C_TEMPERATURE,
    CURSOR_VERBS,
    SLOTS,
)
from envs.synthesis import SampleEnv
from envs.tables import (
    COOLING_C_PER_MIN,
    DWELL,
    FURNACE_H,
    GAS,
    HOT,
    LOTS,
    MILL_TIME,
    MIX,
    RAMP,
    RATIO,
    SOAK_C,
    TEMPERATURE,
    VERB,
)
from sdl.core.errors import ConfigError
from sdl.tasks.task import Task
from simulators.network import FloatArray, IntArray
from simulators.program import ROOM_C

VALUES = ((RATIO, C_RATIO), (MILL_TIME, C_MILL), (TEMPERATURE, C_TEMPERATURE), (DWELL, C_DWELL),
          (RAMP, C_RAMP))  # fmt: skip
"""Heads of the batch that the last numbers of an action set, and the cursor's names for them."""
ACTION = len(CURSOR_VERBS) + SLOTS + len(VALUES)
"""Numbers of an action."""


class ContinuousSynthesis(CursorSynthesis):
    """``rows`` samples; an action of ``ACTION`` numbers in [-1, 1] is a whole decision.

    See ``ContinuousEnv``; arguments as for ``CursorSynthesis``.
    """

    size = ACTION
    """Numbers of an action."""

    @property
    def nvec(self) -> tuple[int, ...]:
        """An action has no heads."""
        return ()

    def step(self, actions: NDArray[Any]) -> StepResult:
        """One decision of every row.

        Args:
            actions: (rows, ``ACTION``) numbers; what is beyond [-1, 1] is cut.

        Raises:
            ConfigError: Another shape, or a number that is not finite.
        """
        taken = np.asarray(actions, dtype=np.float64)
        if taken.shape != (self.rows, ACTION) or not np.isfinite(taken).all():
            raise ConfigError(
                "the actions have the wrong shape or are not finite",
                got=taken.shape,
                allowed=f"{(self.rows, ACTION)}, finite",
            )
        self._acting[:] = self._decisions(np.clip(taken, -1.0, 1.0))
        self._work(decide_rows, self._acting)
        return self._report()

    def _decisions(self, taken: FloatArray) -> IntArray:
        """Actions of the batch: the best allowed verb, the best set of bottles, nearest values."""
        grid, rows = self._grid, np.arange(self.rows)
        verbs = len(CURSOR_VERBS)
        allowed = self.action_masks()[:, :verbs]
        verb = np.where(allowed, taken[:, :verbs], -np.inf).argmax(axis=1)
        acting = np.zeros_like(self._acting)
        acting[:, VERB] = grid.verb[verb]
        acting[:, GAS] = np.maximum(grid.gas[verb], 0)
        for n, (head, own) in enumerate(VALUES):
            options = np.sort(grid.option[own][grid.option[own] >= 0])
            share = (taken[:, verbs + SLOTS + n] + 1.0) / 2.0
            acting[:, head] = np.minimum((share * len(options)).astype(np.int64), len(options) - 1)
        acting[:, DWELL] = np.minimum(acting[:, DWELL], self._longest())
        mixed = acting[:, VERB] == MIX
        order = self._cursor.order
        score = np.zeros((self.rows, grid.lot.size))
        for s in range(SLOTS):
            there = order[:, s] >= 0
            score[rows[there], order[there, s]] = taken[there, verbs + s]
        best = grid.sets[(score @ grid.sets.T.astype(np.float64)).argmax(axis=1)]
        self._cursor.chosen[mixed] = best[mixed]
        for lot in range(grid.lot.size):
            picked = best[:, lot]
            acting[picked, LOTS + grid.cation[lot]] = grid.place[lot]
        return acting

    def _longest(self) -> IntArray:
        """Last dwell of each row that its furnace time allows, shape (rows,)."""
        choice, whole, real = self._rules.desk.choice, self._state.whole, self._state.real
        cooling_h = (real[:, SOAK_C] - ROOM_C) / COOLING_C_PER_MIN / 60.0
        left = choice.furnace_h - real[:, FURNACE_H] - np.where(whole[:, HOT] == 1, cooling_h, 0.0)
        fitting = (choice.dwell_h + choice.overhead_h <= left[:, None]).sum(axis=1)
        return np.maximum(fitting - 1, 0)


class ContinuousEnv(SampleEnv):
    """One sample, one physical decision per step, actions from a box.

    ## Description
    As ``SynthesisEnv``: the same laboratories, noise and rewards for the same seed. What the grid
    cannot set is rounded to it, so a recipe is one that a chemist can set too.

    ## Action Space
    ``Box(-1, 1, (31,))``.

    | Numbers | Meaning |
    |---------|---------|
    | 14 | scores of the verbs; the best one that is allowed is taken |
    | 12 | scores of the slots; with ``add``, the set of bottles of the largest sum |
    | 5 | ratio, milling time, temperature, dwell, ramp, from the lowest to the highest value |

    Dwells that the furnace time left does not allow are cut, so nothing is ever vetoed.

    ## Observation Space
    As ``SynthesisEnv``; the cursor is always at the verb.

    ## Rewards, Starting State, Episode End, Arguments
    As ``SynthesisEnv``.

    ## Version History
    * v0: first version.
    """

    def __init__(
        self, task: Task | str = "batio3-coarse", *, render_mode: str | None = None, **more: Any
    ) -> None:
        super().__init__(ContinuousSynthesis(task, 1, threads=1, **more), render_mode)
