"""Actions of the environments with the mask off, as decisions and as recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.learning.bench import SHIPPED
from agents.trained import load_player
from agents.trial import Trial
from envs.batched import BatchedSynthesis
from envs.cursor_batch import CursorSynthesis
from sdl.core.recipe import Recipe, Step
from sdl.core.seeds import generator
from sdl.tasks.task import Task

if TYPE_CHECKING:
    from sdl.bench.safety import Benches, Tally

ROWS = 64
ASTRAY = 0.1
"""Share of a trained policy's choices that are random, so that it strays to states it never met."""
MADE = 50
"""One executed recipe in so many goes to the drivers."""
Choose = Callable[[BatchedSynthesis, NDArray[np.bool_]], NDArray[np.int64]]
"""Actions of all rows; told which rows' last choices were refused."""


class Opener(Protocol):
    """Makes the worlds of a task."""

    def __call__(self, task: Task, tally: Tally) -> Benches:
        """Worlds that report to the tally."""
        ...


def act_unmasked(
    task: Task, count: int, tally: Tally, policies: Sequence[Path], open_benches: Opener
) -> None:
    """Plays raw actions: every decision, every raw episode and every executed one is judged.

    Args:
        task: Of the environments.
        count: Inputs to ``sdl.safety`` in all.
        tally: Where they are counted.
        policies: Trained policies: their most probable actions whatever the mask says (within it
            only after a refusal), and a tenth of random ones. Each has as many inputs as a random
            player.
        open_benches: Worlds for a share of the executed recipes.
    """
    players: list[tuple[BatchedSynthesis, Choose]] = []
    plain = BatchedSynthesis(task, ROWS, seed=7, threads=1)
    cursor = CursorSynthesis(task, ROWS, seed=8, threads=1)
    players += [(plain, _random(plain, "plain")), (cursor, _random(cursor, "cursor"))]
    players += [_trained(task, policy) for policy in policies]
    benches = open_benches(task, tally)
    for number, (batch, choose) in enumerate(players):
        Unmasked(batch, choose, benches, tally).play(count * (number + 1) // len(players))
    benches.close()


def _random(batch: BatchedSynthesis, name: str) -> Choose:
    rng, options = generator("bench-safety", "actions", name), np.array(batch.nvec)
    return lambda batch, _: rng.integers(0, options, size=(batch.rows, options.size))


def _trained(task: Task, policy: Path) -> tuple[BatchedSynthesis, Choose]:
    player, make = load_player(policy)
    identities = np.arange(ROWS, dtype=np.int64)
    batch: Any = make(Trial(task, "judge", ROWS), identities)
    player.begin(identities)

    astray, rng = _random(batch, policy.stem), generator("bench-safety", "astray", policy.stem)

    def choose(batch: BatchedSynthesis, refused: NDArray[np.bool_]) -> NDArray[np.int64]:
        # One that is refused would insist for ever; it sees the mask once and goes on.
        seen = batch.action_masks() | ~refused[:, None]
        actions = player.act(batch.observations, seen)
        random = rng.random(batch.rows) < ASTRAY
        return np.where(random[:, None], astray(batch, refused), actions)

    return batch, choose


def shipped_policies(task: Task) -> list[Path]:
    """Files of the policies that ship with the package for a task."""
    folder = Path(str(resources.files("agents"))) / SHIPPED / task.name
    return sorted(folder.glob("*.safetensors"))


class Unmasked:
    """Rows of an environment whose actions nobody masks.

    Args:
        batch: The environment.
        choose: Says what to do.
        benches: Worlds for a share of the executed recipes.
        tally: Where everything is counted.
    """

    def __init__(
        self, batch: BatchedSynthesis, choose: Choose, benches: Benches, tally: Tally
    ) -> None:
        self._batch, self._choose, self._benches, self._tally = batch, choose, benches, tally
        self._laboratory = batch.problem.task.laboratory
        self._said: list[list[Step]] = [[] for _ in range(batch.rows)]
        self._known: dict[tuple[int, ...], list[Step]] = {}
        self._executed = 0
        self._refused = np.zeros(batch.rows, dtype=np.bool_)

    def play(self, until: int) -> None:
        """Plays until so many actions and their recipes were judged in all."""
        kinds = self._tally.inputs
        while sum(kinds[k] for k in ("action", "said", "done")) < until:
            self._turn()

    def _turn(self) -> None:
        batch, tally = self._batch, self._tally
        before = [batch.executed_actions(row) for row in range(batch.rows)]
        actions = self._choose(batch, self._refused)
        _, _, ended, _, info = batch.step(actions)
        self._refused = info["vetoed"].copy()
        tally.masked += int(np.count_nonzero(self._refused))
        decided, taken = np.ones(batch.rows, dtype=np.bool_), actions
        if isinstance(batch, CursorSynthesis):
            decided, taken = batch.decided, batch.acting
        for row in range(batch.rows):
            # A choice that no decision can end in leaves no action: the mask's refusal.
            if decided[row] and 0 <= taken[row, 0] < len(batch.problem.choices.verbs):
                self._decision(row, self._steps(before[row]), taken[row])
            if ended[row]:
                self._episode(row)

    def _decision(self, row: int, done: Sequence[Step], action: NDArray[np.int64]) -> None:
        steps = self._steps(action[None])
        self._tally.steps("action", done, steps, self._laboratory)
        self._said[row] += steps

    def _episode(self, row: int) -> None:
        said, self._said[row] = self._said[row], []
        done = self._batch.executed_steps(row, finished=True)
        tally, laboratory = self._tally, self._laboratory
        if said:
            tally.recipe("said", Recipe.model_construct(steps=tuple(said)), laboratory)
        if not done:
            return
        if not tally.recipe("done", Recipe(steps=tuple(done)), laboratory):
            tally.leaks["executed by an environment, vetoed by sdl.safety"] += 1
            return
        self._executed += 1
        if self._executed % MADE == 0:
            from sdl.bench.safety import make

            make(done, self._benches, tally)

    def _steps(self, actions: NDArray[np.int64]) -> list[Step]:
        """The steps of actions, each worked out once."""
        steps: list[Step] = []
        for action in actions:
            key = tuple(int(n) for n in action)
            if key not in self._known:
                self._known[key] = self._batch.problem.choices.steps([key])
            steps += self._known[key]
        return steps
