"""A trained policy as campaigns use it: it learns of the bottles, its physics stays the prior.

``agents.rl`` in many laboratories at once. Each sample is decided choice by choice in a mirror, the
laboratory in which every label is true; the last scans of earlier samples say what the bottles
hold. A scan that the policy asks for before the end would show it the mirror's own powder; the
shipped policies ask for none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agents.adapting.truth import Seen
from agents.learning.actor import Actor
from agents.learning.artifact import read_policy
from envs.bottles import judge_bottles
from envs.cursor import show
from envs.cursor_batch import CursorSynthesis
from envs.tables import ACCEPTED, EPISODE, STOP, VERB
from envs.views import write_mask, write_observation
from sdl.chemistry.system import load_system
from sdl.core.errors import ConfigError
from sdl.tasks.task import Task
from simulators.laboratory import nominal_laboratory
from simulators.network import IntArray

LONGEST = 500
"""Choices after which a sample counts as endless."""


class _Mirrors(CursorSynthesis):
    """One mirror per laboratory, all in the nominal laboratory."""

    def remember(self, actions: IntArray, seen: Seen) -> None:
        """Takes in what the last scan of a finished sample says about its bottles, row by row."""
        state = self._state
        net, desk = self.problem.network.net, self.problem.rules.desk
        state.bottle[:] = self.known
        state.history[:, 0], state.whole[:, ACCEPTED] = actions[:, 0], 1
        state.estimate[:, 0], state.estimate[:, 1] = seen.fractions, seen.sigma
        for row in range(self.rows):
            judge_bottles(net, desk, state, row)
        self.known[:] = state.bottle

    def begin(self, sample: int) -> None:
        """Empty vials, with what is known of the bottles."""
        state, rules, result = self._state, self._rules, self._result
        state.whole[:, EPISODE] = sample
        self._work(self._restarting)
        state.bottle[:] = self.known
        desk = rules.desk
        for row in range(self.rows):
            write_observation(
                rules.net.used, desk.choice, desk.shown, state, row, result.observation[row]
            )
            write_mask(desk.choice, state, row, result.mask[row])
            show(self._grid, desk.choice, self._cursor, state, result, self._seen, row)

    def prepare(self) -> None:
        """Nothing is known yet."""
        super().prepare()
        self.known = np.zeros_like(self._state.bottle)

    def forget(self) -> None:
        """Takes all bottles to be as labelled, within what the task hides."""
        self.known[:] = self._state.bottle


class UnadaptedPolicy:
    """The most probable choices of a trained actor in L laboratories.

    Args:
        path: ``policy.safetensors``, trained in the environment ``cursor``.
        task: The task.
        laboratories: How many.
        remembers: Whether it is told of the bottles' earlier samples, as in campaigns; else every
            sample is the first one to it.
        threads: Threads to use.

    Raises:
        ConfigError: The policy was trained in another environment.
    """

    def __init__(
        self,
        path: Path,
        task: Task,
        laboratories: int,
        *,
        remembers: bool = True,
        threads: int | None = None,
    ) -> None:
        found = read_policy(path)
        config = found.card.config
        if config.get("environment", "cursor") != "cursor":
            raise ConfigError(
                "this policy cannot be asked choice by choice",
                got=config.get("environment"),
                allowed="a policy trained in the environment cursor",
            )
        self._actor: Actor = found.actor
        nominal = nominal_laboratory(load_system(task.system), task.laboratory.shelf, ())
        self._mirrors = _Mirrors(
            task,
            laboratories,
            laboratories=[nominal],
            samples_per_lab=2**40,
            max_decisions=int(config.get("max_decisions", 12)),
            furnace_hours=config.get("furnace_hours"),
            threads=threads,
        )
        self._mirrors.forget()
        self._actor.check_spaces(self._mirrors)
        self._most = int(config.get("samples_per_lab") or 1) - 1
        self.name = "remembering" if remembers else "unadapted"
        self._remembers, self._sample = remembers, 0
        self._actions = self._decide()

    def choose(self) -> IntArray:
        """As of ``Chooser``."""
        return self._actions

    def learn(self, seen: Seen) -> None:
        """As of ``Chooser``: of the bottles alone."""
        self.learn_of(self._actions, seen)

    def learn_of(self, actions: IntArray, seen: Seen) -> None:
        """As of ``Base``."""
        if not self._remembers:
            return
        self._mirrors.remember(actions, seen)
        self._sample += 1
        self._actions = self._decide()

    def _decide(self) -> IntArray:
        mirrors = self._mirrors
        # More samples than any laboratory of the training had are as many as its last one saw.
        mirrors.begin(min(self._sample, self._most))
        memory = self._actor.memory(mirrors.rows)
        heads = len(mirrors.problem.choices.counts)
        plans = np.zeros((mirrors.rows, mirrors.problem.max_decisions, heads), dtype=np.int64)
        plans[:, :, VERB] = STOP
        waiting = np.ones(mirrors.rows, dtype=np.bool_)
        for _ in range(LONGEST):
            chosen = self._actor.act(mirrors.observations, mirrors.action_masks(), None, memory)
            ended = mirrors.step(chosen.astype(np.int64))[2]
            for row in np.flatnonzero(waiting & ended).tolist():
                done = mirrors.executed_actions(row, finished=True)
                plans[row, : len(done)] = done
            waiting &= ~ended
            if not waiting.any():
                return plans
        raise ConfigError("a sample does not end", got=f"{int(waiting.sum())} laboratories")
