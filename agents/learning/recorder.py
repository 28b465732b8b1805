"""The learning curve of one run: one line of JSON per update, and the same for TensorBoard."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from agents.learning.algorithm import Falling
from envs.batch import SCORES

_TOLD = {
    "train/entropy_loss": "entropy",
    "train/value_loss": "value_loss",
    "train/approx_kl": "kl",
    "train/explained_variance": "explained",
}
"""Figures of the update before, by their names in Stable-Baselines3."""


class Recorder(BaseCallback):
    """Writes what the episodes that ended since the last line came to.

    Args:
        path: The file of lines; appended to.
        steps: Of the whole run.
        every: Least number of steps between two lines.
        falling: Figures to move on with the run; the second is the weight of the entropy.
        seconds: Time that earlier processes have spent on the run.
    """

    def __init__(
        self,
        path: Path,
        *,
        steps: int,
        every: int,
        falling: tuple[Falling, Falling],
        seconds: float = 0.0,
    ) -> None:
        super().__init__()
        self._path, self._steps, self._every = path, steps, every
        self._rate, self._entropy = falling
        self._ended: list[dict[str, float]] = []
        self._written = 0
        self._begun = time.monotonic() - seconds

    @property
    def seconds(self) -> float:
        """Time of the run so far."""
        return time.monotonic() - self._begun

    def go_on(self, steps: int) -> None:
        """Takes the step at which a resumed run stands."""
        self._written = steps
        self._advance(steps)

    def _on_step(self) -> bool:
        for n in np.flatnonzero(self.locals["dones"]):
            info: dict[str, Any] = self.locals["infos"][n]
            ended = {"return": info["episode"]["r"], "decisions": info["episode"]["l"]}
            self._ended.append(ended | {k: float(info[k]) for k in SCORES if k in info})
        return True

    def _on_rollout_end(self) -> None:
        steps = self.num_timesteps
        self._advance(steps)
        if steps - self._written >= self._every and self._ended:
            self._write(steps)

    def end_piece(self) -> None:
        """Writes what is left, so that nothing is carried into the next piece of the run."""
        if self._ended:
            self._write(self.num_timesteps)
        self.logger.dump(self.num_timesteps)

    def _write(self, steps: int) -> None:
        means = {k: float(np.mean([each[k] for each in self._ended])) for k in self._ended[0]}
        line: dict[str, float] = {
            "steps": steps,
            "seconds": round(self.seconds, 3),
            "episodes": len(self._ended),
        } | means
        told = self.logger.name_to_value
        line |= {own: float(told[name]) for name, own in _TOLD.items() if name in told}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: v for k, v in line.items() if np.isfinite(v)}) + "\n")
        for name, value in means.items():
            self.logger.record(f"episode/{name}", value)
        self._ended.clear()
        self._written = steps

    def _advance(self, steps: int) -> None:
        self._rate.left = self._entropy.left = max(0.0, 1.0 - steps / self._steps)
        model: Any = self.model
        if hasattr(model, "clip_range"):  # the two PPOs; CrossQ tunes its entropy itself
            model.ent_coef = self._entropy(0.0)
