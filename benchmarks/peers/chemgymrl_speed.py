"""Steps per second of ChemGymRL's environments; run with the Python of the peer's environment.

ChemGymRL is GPL-3.0 and stays outside of this repository and of its environment: this script is
started as a program of its own and answers with one JSON line per environment and repetition::

    {"env": "FictReact-v2", "processes": 2, "repeat": 0, "steps": 3391, "episodes": 169,
     "seconds": 1.0, "cpu_s": 1.98, "steps_per_s": 3390.4, "steps_per_s_alone": 3424.1,
     "versions": {...}}

A step is what a training loop waits for: `env.step`, and `env.reset` after the end of an episode.
Actions are uniform over the action space (the peer has no masks) and drawn before the clock starts,
as for our own environments. The environment checker of Gymnasium, which slows the peer, is off.
Several processes begin each repetition together and run for the same time; their rates are added.
`alone` counts the seconds in which a processor worked for the process, so that other programs on
the machine do not make the peer look slow.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import platform
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from typing import Any, NamedTuple

PACKAGE, DISTRIBUTION = "chemistrylab", "chemistrygym"
DRAWN = 4096
"""Actions drawn before the clock; used again from the first when they run out."""
WARM_UP_STEPS = 30
BARRIER_S = 120.0
"""Longest wait of one process for the others."""

_together: list[threading.Barrier] = []
"""The barrier of this worker; given once, when the worker starts."""


class Run(NamedTuple):
    """One timed repetition in one process."""

    steps: int
    episodes: int
    seconds: float
    cpu_s: float

    @property
    def rate_alone(self) -> float:
        """Steps per second had no other program had the processor."""
        return self.steps / min(self.seconds, self.cpu_s)


def main() -> None:
    """Times every environment named on the command line."""
    parser = argparse.ArgumentParser(description="Steps per second of ChemGymRL.")
    parser.add_argument("--envs", nargs="+", required=True, help="registered ids")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one repetition")
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(asked.processes)
    with ProcessPoolExecutor(asked.processes, context, _join, (barrier,)) as pool:
        for env in asked.envs:
            # Each worker waits at the barrier, so none of them can take two of these jobs.
            jobs = [
                pool.submit(_measure, env, asked.repeats, asked.seconds, seed)
                for seed in range(asked.processes)
            ]
            for repeat, runs in enumerate(zip(*(job.result() for job in jobs), strict=True)):
                print(json.dumps(_line(env, repeat, runs)), flush=True)


def _join(barrier: threading.Barrier) -> None:
    """Starts a worker."""
    _together.append(barrier)
    warnings.simplefilter("ignore")  # old ids announce newer ones at every start


def _measure(env_id: str, repeats: int, seconds: float, seed: int) -> list[Run]:
    """Warms one environment up and times it.

    Args:
        env_id: A registered id.
        repeats: Timed repetitions.
        seconds: Length of each.
        seed: Of the actions and the first reset.
    """
    import gymnasium

    importlib.import_module(PACKAGE)  # registers the ids
    env = gymnasium.make(env_id, disable_env_checker=True)
    env.action_space.seed(seed)
    actions = [env.action_space.sample() for _ in range(DRAWN)]
    env.reset(seed=seed)
    _go_on(env, actions, min(seconds, 0.5), WARM_UP_STEPS)  # compiles what the peer compiles
    env.reset()
    runs = []
    for _ in range(repeats):
        _together[0].wait(BARRIER_S)
        runs.append(_go_on(env, actions, seconds))
    env.close()
    return runs


def _go_on(env: Any, actions: list[Any], seconds: float, least: int = 1) -> Run:
    """Steps, and resets after each end, until the time is over."""
    steps = episodes = 0
    begun, cpu_begun = time.perf_counter(), time.process_time()
    while (took := time.perf_counter() - begun) < seconds or steps < least:
        _, _, terminated, truncated, _ = env.step(actions[steps % DRAWN])
        steps += 1
        if terminated or truncated:
            env.reset()
            episodes += 1
    return Run(steps, episodes, took, time.process_time() - cpu_begun)


def _line(env: str, repeat: int, runs: tuple[Run, ...]) -> dict[str, Any]:
    return {
        "env": env,
        "processes": len(runs),
        "repeat": repeat,
        "steps": sum(run.steps for run in runs),
        "episodes": sum(run.episodes for run in runs),
        "seconds": max(run.seconds for run in runs),
        "cpu_s": sum(run.cpu_s for run in runs),
        "steps_per_s": sum(run.steps / run.seconds for run in runs),
        "steps_per_s_alone": sum(run.rate_alone for run in runs),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in (DISTRIBUTION, "gymnasium", "numpy", "numba")},
        },
    }


if __name__ == "__main__":
    main()
