"""Steps and the choices of a cursor as inverses of one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from envs.cursor_problem import CursorProblem
from envs.cursor_tables import (
    ASK_BATCH,
    ASK_MILL,
    ASK_PROGRAM,
    ASK_SLOT,
    ASK_VERB,
    C_DWELL,
    C_MILL,
    C_RAMP,
    C_RATIO,
    C_SLOT,
    C_TEMPERATURE,
    C_VERB,
    CURSOR_VERBS,
    NVEC,
)
from envs.tables import (
    ANNEAL,
    DWELL,
    GAS,
    LOTS,
    MILL_TIME,
    MIX,
    RAMP,
    RATIO,
    REGRIND,
    TEMPERATURE,
    VERB,
)
from sdl.core.recipe import Step
from simulators.network import IntArray

LIVE = {
    ASK_VERB: (C_VERB,),
    ASK_SLOT: (C_SLOT,),
    ASK_BATCH: (C_RATIO, C_MILL),
    ASK_PROGRAM: (C_TEMPERATURE, C_DWELL, C_RAMP),
    ASK_MILL: (C_MILL,),
}
"""Heads that are live at each stage."""


class CursorChoices:
    """Spells decisions of the batch out as choices, and steps of recipes as both.

    Args:
        problem: The cursor over a task.
    """

    def __init__(self, problem: CursorProblem) -> None:
        self._grid, self._choices = problem.grid, problem.problem.choices

    def spell(self, action: Sequence[int] | IntArray, order: IntArray) -> IntArray:
        """The choices of one decision, shape ``(choices, 7)``.

        Args:
            action: One action of the batch.
            order: (slots,) the lot in each slot of the episode.
        """
        grid, verb = self._grid, int(action[VERB])
        kind = min(verb, len(self._choices.verbs) - 1)
        rows = [self._row(C_VERB, self._verb(verb, int(action[GAS])))]
        if kind == MIX:
            for cation in range(len(self._choices.lots)):
                place = int(action[LOTS + cation])
                lot = np.flatnonzero((grid.cation == cation) & (grid.place == place))[0]
                rows.append(self._row(C_SLOT, int(np.flatnonzero(order == lot)[0])))
            row = self._row(C_RATIO, self._universal(C_RATIO, int(action[RATIO])))
            row[C_MILL] = self._universal(C_MILL, int(action[MILL_TIME]))
            rows.append(row)
        elif kind == ANNEAL:
            row = self._row(C_TEMPERATURE, self._universal(C_TEMPERATURE, int(action[TEMPERATURE])))
            row[C_DWELL] = self._universal(C_DWELL, int(action[DWELL]))
            row[C_RAMP] = self._universal(C_RAMP, int(action[RAMP]))
            rows.append(row)
        elif kind == REGRIND:
            rows.append(self._row(C_MILL, self._universal(C_MILL, int(action[MILL_TIME]))))
        return np.array(rows, dtype=np.int64)

    def actions(self, steps: Sequence[Step], order: IntArray) -> IntArray:
        """The choices behind steps, shape ``(choices, 7)``; the inverse of ``steps``.

        Raises:
            PolicyError: A step that no action stands for.
        """
        decisions = self._choices.actions(steps)
        rows = [self.spell(action, order) for action in decisions]
        return np.concatenate(rows) if rows else np.zeros((0, len(NVEC)), dtype=np.int64)

    def decisions(self, actions: Iterable[Sequence[int] | IntArray], order: IntArray) -> IntArray:
        """The actions of the batch that choices spell out, shape ``(decisions, heads)``."""
        grid, rows = self._grid, list(actions)
        found, at = [], 0
        while at < len(rows):
            row = np.zeros(len(self._choices.counts), dtype=np.int64)
            verb = int(rows[at][C_VERB])
            row[VERB], at = grid.verb[verb], at + 1
            if row[VERB] == MIX:
                for _ in self._choices.lots:
                    lot = order[int(rows[at][C_SLOT])]
                    row[LOTS + grid.cation[lot]], at = grid.place[lot], at + 1
                row[RATIO] = grid.option[C_RATIO, int(rows[at][C_RATIO])]
                row[MILL_TIME] = grid.option[C_MILL, int(rows[at][C_MILL])]
                at += 1
            elif row[VERB] == ANNEAL:
                row[GAS] = grid.gas[verb]
                for head, own in ((TEMPERATURE, C_TEMPERATURE), (DWELL, C_DWELL), (RAMP, C_RAMP)):
                    row[head] = grid.option[own, int(rows[at][own])]
                at += 1
            elif row[VERB] == REGRIND:
                row[MILL_TIME] = grid.option[C_MILL, int(rows[at][C_MILL])]
                at += 1
            found.append(row)
        return np.array(found, dtype=np.int64).reshape(-1, len(self._choices.counts))

    def steps(self, actions: Iterable[Sequence[int] | IntArray], order: IntArray) -> list[Step]:
        """The steps that accepted choices stand for."""
        return self._choices.steps(self.decisions(actions, order))

    def _verb(self, verb: int, gas: int) -> int:
        """The cursor's verb of a verb of the batch."""
        grid = self._grid
        for v in range(len(CURSOR_VERBS)):
            if grid.verb[v] == verb and (verb != ANNEAL or grid.gas[v] == gas):
                return v
        raise AssertionError(verb)

    def _universal(self, head: int, option: int) -> int:
        """The cursor's option of an option of the batch."""
        return int(np.flatnonzero(self._grid.option[head] == option)[0])

    def _row(self, head: int, option: int) -> IntArray:
        row = np.zeros(len(NVEC), dtype=np.int64)
        row[head] = option
        return row
