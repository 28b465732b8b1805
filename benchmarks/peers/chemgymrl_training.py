"""One training of PPO on ChemGymRL, rollout by rollout; run with the peer's Python.

ChemGymRL is GPL-3.0 and stays outside of this repository and of its environment: this script is
started as a program of its own. Each line on its standard input asks for one rollout and one
update; it answers with one JSON line::

    {"steps": 8192, "collect_s": 2.1, "update_s": 0.4, "collect_cpu_s": 2.1, "update_cpu_s": 0.4}

The first answer comes unasked, after a rollout and an update that compile what the peer compiles.
Processor time includes that of the workers. Policy and values have layers of their own with tanh,
as in the library's ``MlpPolicy``; Gymnasium's environment checker, which slows the peer, is off.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "chemistrylab"
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


class Moment(NamedTuple):
    """Two clocks, s."""

    wall: float
    cpu: float

    @classmethod
    def now(cls, workers: list[int]) -> Moment:
        """Of this process and of the workers with these ids."""
        return cls(time.perf_counter(), time.process_time() + sum(map(_spent, workers)))


def main() -> None:
    """Trains for as long as somebody asks."""
    parser = argparse.ArgumentParser(description="PPO on ChemGymRL, rollout by rollout.")
    parser.add_argument("--env", required=True, help="a registered id")
    parser.add_argument("--rows", type=int, required=True, help="environments side by side")
    parser.add_argument("--workers", action="store_true", help="each in a process of its own")
    parser.add_argument("--rollout", type=int, default=8192)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 128])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # old ids announce newer ones at every start

    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    torch.set_num_threads(asked.threads)
    makers = [_Maker(asked.env)] * asked.rows
    env: Any = SubprocVecEnv(makers) if asked.workers else DummyVecEnv(makers)
    workers = [process.pid for process in env.processes] if asked.workers else []
    learner = PPO(
        "MlpPolicy",
        env,
        n_steps=asked.rollout // asked.rows,
        batch_size=asked.batch_size,
        n_epochs=asked.epochs,
        policy_kwargs={"net_arch": list(asked.hidden)},
        seed=asked.seed,
        device="cpu",
    )
    # The first one compiles what the peer compiles.
    turn(learner, asked.rollout, workers)
    for _ in sys.stdin:
        turn(learner, asked.rollout, workers)
    env.close()


def turn(learner: Any, steps: int, workers: list[int]) -> None:
    """One rollout and one update; prints what they took."""
    moments = [Moment.now(workers)]
    update = type(learner).train

    def timed() -> None:
        moments.append(Moment.now(workers))
        update(learner)
        moments.append(Moment.now(workers))

    learner.train = timed
    learner.learn(steps, reset_num_timesteps=False)
    begun, collected, ended = moments
    line = {
        "steps": steps,
        "collect_s": collected.wall - begun.wall,
        "update_s": ended.wall - collected.wall,
        "collect_cpu_s": collected.cpu - begun.cpu,
        "update_cpu_s": ended.cpu - collected.cpu,
    }
    print(json.dumps(line), flush=True)


class _Maker:
    """Makes one environment, in this process or in a worker."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> Any:
        import gymnasium

        warnings.simplefilter("ignore")
        importlib.import_module(PACKAGE)  # registers the ids
        return gymnasium.make(self.name, disable_env_checker=True)


def _spent(process: int) -> float:
    """Processor time of another process, s."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


if __name__ == "__main__":
    main()
