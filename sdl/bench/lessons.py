"""One training of ours, rollout by rollout; ``sdl bench throughput`` starts two as programs.

``python -m sdl.bench.lessons --seed 0`` answers on its standard output as
``benchmarks/peers/chemgymrl_training.py`` does: once by itself, after everything is compiled, then
once for each line on its standard input. It trains what ``sdl train`` trains, recorder included;
``--plain`` takes the library's own ``MaskablePPO`` with its own ``MlpPolicy`` instead, nothing of
ours but the environment.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import configure

from agents.learning.algorithm import Falling, make_learner, network_layout
from agents.learning.bench import bench_config
from agents.learning.config import TrainConfig
from agents.learning.recorder import Recorder
from agents.learning.rows import make_rows
from agents.learning.standard import StandardRows, measure
from envs.stable import StableVecEnv
from sdl.core.seeds import seed_of
from sdl.tasks.task import load_task


class Counted(BaseCallback):
    """Counts the choices that ended a decision about the sample.

    Args:
        batch: The rows; ``decided`` says which.
    """

    def __init__(self, batch: Any) -> None:
        super().__init__()
        self.batch = batch
        self.decisions = 0

    def _on_step(self) -> bool:
        self.decisions += int(self.batch.decided.sum())
        return True


class Lessons:
    """A training that goes on by one rollout and one update at a time.

    Args:
        config: What is trained.
        seed: Of everything.
        folder: For the learning curve.
        plain: The library's learner and policy instead of ours.
    """

    def __init__(self, config: TrainConfig, seed: int, folder: Path, *, plain: bool) -> None:
        self._steps = config.rollout
        rows = make_rows(config, seed=seed_of("train", seed), variants=True)
        layout = network_layout(config, rows)
        if config.net.standard:
            rows = StandardRows(rows, measure(rows, layout))
        env = StableVecEnv(rows)
        env.seed(seed)
        falling = (Falling(config.ppo.learning_rate, True), Falling(config.ppo.ent_coef, True))
        learner = make_learner(config, env, layout, falling[0], seed)
        if plain:
            learner = _plain(config, env, seed)
        learner.set_logger(configure(None, []))
        self._learner: Any = learner
        self._counted = Counted(rows)
        path = folder / f"curve-{seed}.jsonl"
        every = 16 * config.rollout
        recorder = Recorder(path, steps=config.steps, every=every, falling=falling)
        self._callback = CallbackList([recorder, self._counted])

    def turn(self) -> dict[str, float]:
        """One rollout and one update: numbers of steps and decisions, and times, s."""
        moments = [_clocks()]
        update = type(self._learner).train

        def timed() -> None:
            moments.append(_clocks())
            update(self._learner)
            moments.append(_clocks())

        self._learner.train = timed
        before = self._counted.decisions
        self._learner.learn(self._steps, callback=self._callback, reset_num_timesteps=False)
        begun, collected, ended = moments
        return {
            "steps": self._steps,
            "decisions": self._counted.decisions - before,
            "collect_s": collected[0] - begun[0],
            "update_s": ended[0] - collected[0],
            "collect_cpu_s": collected[1] - begun[1],
            "update_cpu_s": ended[1] - collected[1],
        }


def _plain(config: TrainConfig, env: StableVecEnv, seed: int) -> MaskablePPO:
    """The library's learner with the same settings."""
    return MaskablePPO(
        "MlpPolicy",
        env,
        n_steps=config.ppo.n_steps,
        batch_size=config.ppo.batch_size,
        n_epochs=config.ppo.epochs,
        policy_kwargs={"net_arch": list(config.net.hidden)},
        seed=seed,
        device="cpu",
    )


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    """Trains for as long as somebody asks."""
    parser = argparse.ArgumentParser(description="A training, rollout by rollout.")
    parser.add_argument("--task", default="batio3-coarse")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="learner and policy of the library")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    config = bench_config(load_task(asked.task), 1, quick=False)
    with tempfile.TemporaryDirectory(prefix="sdl-lessons-") as folder:
        lessons = Lessons(config, asked.seed, Path(folder), plain=asked.plain)
        print(json.dumps(lessons.turn()), flush=True)
        for _ in sys.stdin:
            print(json.dumps(lessons.turn()), flush=True)


if __name__ == "__main__":
    main()
