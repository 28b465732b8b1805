"""A sample of a campaign, followed step by step in the laboratory in which every label is true.

The matter of the mirror is what the twin expects; what a policy sees of it is corrected by every
real scan, and by what the scans of earlier samples say about the bottles.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from envs.bottles import judge_bottles
from envs.cursor import show
from envs.cursor_batch import CursorSynthesis
from envs.cursor_tables import OUTLOOK_AT, OUTLOOK_FEATURES, OUTLOOKS
from envs.tables import (
    ACCEPTED,
    EPISODE,
    FRESH,
    FURNACE_H,
    SCAN_2,
    SCAN_8,
    SCANNED,
    STOP,
    TERMINATED,
    VERB,
)
from envs.views import write_mask, write_observation
from sdl.chemistry.system import load_system
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.errors import PolicyError
from sdl.core.material import Observation
from sdl.core.recipe import Mix, Step
from sdl.tasks.task import Task
from simulators.laboratory import nominal_laboratory
from simulators.network import FloatArray, IntArray

SAMPLES = 2**40
"""Samples of the mirror's one laboratory: more than any campaign makes."""


class Mirror(CursorSynthesis):
    """One row of the cursor in the nominal laboratory, believed in as the task's prior says.

    Args:
        task: A task with a search space, about purity.
        max_decisions: Largest number of decisions of a sample.
        furnace_hours: Furnace time of a sample, h; the task's budget per experiment if ``None``.

    Raises:
        ConfigError: The task cannot be played choice by choice.
    """

    def __init__(
        self, task: Task, *, max_decisions: int = 12, furnace_hours: float | None = None
    ) -> None:
        nominal = nominal_laboratory(load_system(task.system), task.laboratory.shelf, ())
        super().__init__(
            task,
            1,
            laboratories=[nominal],
            samples_per_lab=SAMPLES,
            max_decisions=max_decisions,
            furnace_hours=furnace_hours,
            threads=1,
        )
        self._unknown = self._state.bottle[0].copy()
        self._known = self._unknown.copy()
        self._spared_h = 0.0

    def forget(self) -> None:
        """Takes all bottles to be as labelled, within what the task hides."""
        self._known[:] = self._unknown

    def learn(self, mix: Mix, observation: Observation) -> None:
        """Takes in what the last scan of a finished sample says about its bottles.

        Raises:
            PolicyError: No choice of the environment stands for the mix.
        """
        state, action = self._state, self.problem.choices.actions([mix])[0]
        self._state.bottle[0] = self._known
        state.history[0, 0], state.whole[0, ACCEPTED] = action, 1
        self._write(observation)
        judge_bottles(self.problem.network.net, self.problem.rules.desk, state, 0)
        self._known[:] = state.bottle[0]

    def begin(self, sample: int, furnace_hours: float, absent: Collection[str] = ()) -> None:
        """An empty vial, with what is known of the bottles.

        Args:
            sample: Samples made before in the laboratory.
            furnace_hours: Furnace time that this sample may use, h.
            absent: Lots that are not to be taken.
        """
        state = self._state
        state.whole[0, EPISODE] = sample
        self._work(self._restarting)
        state.bottle[0] = self._known
        self._spared_h = max(0.0, self.problem.furnace_hours - furnace_hours)
        state.real[0, FURNACE_H] = self._spared_h
        for slot, lot in enumerate(self.order[0].tolist()):
            if lot >= 0 and self.cursor_problem.lots[lot] in absent:
                self.order[0, slot] = -1
        self._rewrite()

    def see(self, observation: Observation | None) -> None:
        """Puts a real scan in the place of the mirror's own.

        Args:
            observation: Of phases; ``None`` for a scan that is of no use: as if not made.
        """
        self._write(observation)
        if observation is None:
            self._state.whole[0, [SCANNED, FRESH]] = 0
        self._rewrite()

    def replay(self, step: Step) -> IntArray:
        """The choices that spell a step out here, (choices, 7)."""
        return self.spelling.actions([step], self.order[0])

    def asked(self) -> bool:
        """Whether the last choice asked for a scan or ended the sample."""
        if self._result.flags[TERMINATED, 0]:
            return True
        return bool(self.decided[0]) and int(self.acting[0, VERB]) in (SCAN_2, SCAN_8, STOP)

    @property
    def ended(self) -> bool:
        """Whether the last choice ended the sample."""
        return bool(self._result.flags[TERMINATED, 0])

    @property
    def furnace_hours_used(self) -> float:
        """Furnace time of the sample so far, without what it had not been allotted, h."""
        return float(self._state.real[0, FURNACE_H]) - self._spared_h

    def may_heat(self, furnace_hours: float) -> bool:
        """Whether so much furnace time, h, suffices for an anneal."""
        choice = self.problem.rules.desk.choice
        return bool(choice.overhead_h + choice.dwell_h[0] <= furnace_hours)

    def outlook_h(self) -> FloatArray:
        """Temperature, degC, and hours to 90 % of the slowest needed step, shape (2, 8)."""
        grid = self.cursor_problem.grid
        part = self.observations[0, OUTLOOK_AT : OUTLOOK_AT + OUTLOOKS * OUTLOOK_FEATURES]
        hours = 10.0 ** (2.0 * part[::OUTLOOK_FEATURES].astype(np.float64))
        return np.stack([grid.sight.temperature_k - ZERO_CELSIUS_K, hours])

    def known(self) -> dict[str, tuple[float, float]]:
        """Ln(true / label) of each lot as known from scans: mean and standard deviation."""
        lots = self.problem.task.laboratory.shelf
        return {
            lot.name: (float(self._known[0, n]), float(np.sqrt(self._known[1 + n, n])))
            for n, lot in enumerate(lots)
        }

    @property
    def bottle(self) -> FloatArray:
        """Mean and covariance of ln(true / label) as known from scans, (1 + lots, lots)."""
        return self._known[:-1]

    def _write(self, observation: Observation | None) -> None:
        """The estimate of an observation; phases that the network lacks are left out."""
        estimate = self._state.estimate[0]
        estimate[:] = 0.0
        if observation is None:
            return
        if not observation.phases:
            raise PolicyError("this observation is no scan", got=observation.name)
        names = self.problem.network.solid_names
        for name, amount in observation.phases.items():
            if name in names:
                place = names.index(name)
                estimate[0, place] = max(amount.weight_fraction, 0.0)
                estimate[1, place] = amount.sigma

    def _rewrite(self) -> None:
        """Shows the state as it is now."""
        rules, state, result = self._rules, self._state, self._result
        desk = rules.desk
        write_observation(rules.net.used, desk.choice, desk.shown, state, 0, result.observation[0])
        write_mask(desk.choice, state, 0, result.mask[0])
        show(self._grid, desk.choice, self._cursor, state, result, self._seen, 0)
