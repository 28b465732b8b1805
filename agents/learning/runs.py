"""Several seeds of one training file, a few at a time, each a process with one thread."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from agents.learning.config import TrainConfig
from agents.learning.train import Result, train_seed

LOOK_S = 1.0
"""Time between two looks at the learning curves, s of wall time."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def folder_of(out: Path, seed: int) -> Path:
    """Where a seed is written."""
    return out / f"seed-{seed}"


def train_all(
    config: TrainConfig,
    out: Path,
    *,
    commit: str = "unknown",
    watch: Callable[[], None] = lambda: None,
    executor: Executor | None = None,
) -> list[Result]:
    """Trains every seed of a config; seeds that are done are not done again.

    Args:
        config: The training file.
        out: Folder of the runs.
        commit: Of the program, for the cards.
        watch: Called about once a second while seeds run.
        executor: Where they run; processes of this machine if ``None``.

    Returns:
        The results in the order of the seeds.
    """
    if executor is not None:
        return _gather(executor, config, out, commit, watch)
    if config.workers == 1 or len(config.seeds) == 1:
        results = []
        for seed in config.seeds:
            results.append(train_seed(config, seed, folder_of(out, seed), commit))
            watch()
        return results
    with _one_thread(), _processes(config.workers) as pool:
        return _gather(pool, config, out, commit, watch)


def _gather(
    pool: Executor, config: TrainConfig, out: Path, commit: str, watch: Callable[[], None]
) -> list[Result]:
    futures: list[Future[Result]] = [
        pool.submit(train_seed, config, seed, folder_of(out, seed), commit) for seed in config.seeds
    ]
    left = set(futures)
    while left:
        done, left = wait(left, timeout=LOOK_S, return_when=FIRST_COMPLETED)
        watch()
        for future in done:
            if future.exception() is not None:
                for other in left:
                    other.cancel()
                future.result()
    return [future.result() for future in futures]


def _processes(workers: int) -> ProcessPoolExecutor:
    # Spawned: a fork would inherit the threads of torch and numba in an unknown state.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that start here have one thread each; libraries read this when they load."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
