"""The rows that a policy learns or plays in: environments by name, several tasks as one batch."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from agents.learning.config import TrainConfig
from envs.batch import Batch, Together
from sdl.core.errors import ConfigError
from sdl.core.seeds import seed_of
from simulators.laboratory import Split

ENVIRONMENTS = {
    "plain": ("envs.batched", "BatchedSynthesis"),
    "cursor": ("envs.cursor_batch", "CursorSynthesis"),
    "continuous": ("envs.continuous_batch", "ContinuousSynthesis"),
}
"""Module and class of each environment of ``TrainConfig.environment``."""


def make_rows(
    config: TrainConfig, *, seed: int, rows: int | None = None, split: Split | None = None
) -> Batch:
    """A batch of all tasks of a config.

    Args:
        config: Environment, tasks, budgets.
        seed: Of every draw; each task has its own, drawn from it.
        rows: Rows of all tasks together; the config's if ``None``.
        split: Laboratories; the config's if ``None``.

    Raises:
        ConfigError: The environment is not there, or a task cannot be played in it.
    """
    module, name = ENVIRONMENTS[config.environment]
    try:
        kind: Any = getattr(import_module(module), name)
    except ModuleNotFoundError as err:
        if err.name != module:
            raise
        raise ConfigError(
            "this version has no such environment",
            got=config.environment,
            do="choose another one",
        ) from err
    each = (rows or config.rows) // len(config.tasks)
    parts: list[Batch] = [
        kind(
            task,
            max(1, each),
            seed=seed_of("rows", seed, task),
            split=split or config.split,
            max_decisions=config.max_decisions,
            furnace_hours=config.furnace_hours,
            threads=1,
        )
        for task in config.tasks
    ]
    return parts[0] if len(parts) == 1 else Together(parts)
