"""What a recipe may come to: the same decisions in laboratories drawn from the prior."""

from __future__ import annotations

import numpy as np

from envs.batched import BatchedSynthesis
from envs.choices import VERBS
from envs.mirror import SAMPLES
from envs.tables import EPISODE, SCAN_8, STOP, VERB
from sdl.chemistry.system import load_system
from sdl.core.seeds import generator
from sdl.tasks.task import Task
from simulators.laboratory import draw_laboratory
from simulators.network import FloatArray, IntArray

LEAST_ASSAY = 0.01
"""As ``simulators.laboratory.draw_laboratory`` cuts it."""


class Prospect(BatchedSynthesis):
    """A recipe in ``laboratories`` draws of a task's prior, but for what is known of the bottles.

    Args:
        task: A task with a search space, about purity.
        laboratories: Number of draws, always the same ones.
        decisions: Largest number of decisions that are played.
    """

    def __init__(self, task: Task, laboratories: int = 16, *, decisions: int = 12) -> None:
        lots, system = task.laboratory.shelf, load_system(task.system)
        drawn = [
            draw_laboratory(system, task.hidden, lots, (), "prospect", n)
            for n in range(laboratories)
        ]
        super().__init__(
            task,
            laboratories,
            laboratories=drawn,
            samples_per_lab=SAMPLES,
            max_decisions=decisions + 2,
            furnace_hours=1e6,
            threads=1,
        )
        rng = generator("prospect-bottles")
        self._normal = rng.standard_normal((laboratories, len(lots)))
        self._label = np.array([lot.assay for lot in lots])

    def purity(self, actions: IntArray, bottle: FloatArray) -> tuple[float, float]:
        """Mean and standard deviation of the measured weight fraction of the target.

        Scatter of the laboratories and of the scan together.

        Args:
            actions: (decisions, heads) of the batch; a stop is taken as a scan of 8 minutes.
            bottle: (1 + lots, lots) mean and covariance of ln(true / label) of the lots.
        """
        values, vectors = np.linalg.eigh(bottle[1:])
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        assay = self._label * np.exp(bottle[0] + self._normal @ root.T)
        self._rules.given.assay[:] = np.clip(assay, LEAST_ASSAY, 1.0)
        self._state.whole[:, EPISODE] = 0
        self._work(self._restarting)
        for action in actions:
            if action[VERB] != STOP:
                self.step(np.broadcast_to(action, (self.rows, action.size)))
        scan = np.zeros((self.rows, len(self.problem.choices.counts)), dtype=np.int64)
        scan[:, VERB] = VERBS.index("scan_8")
        if not len(actions) or actions[-1, VERB] != SCAN_8:
            self.step(scan)  # vetoed after a shorter scan, which then stands
        seen = self._state.estimate[:, 0, self.problem.rules.desk.target]
        return float(seen.mean()), float(seen.std(ddof=1))
