"""The rows that a policy learns or plays in: environments by name, several tasks as one batch."""

from __future__ import annotations

from typing import Any

from agents.learning.config import TrainConfig
from envs.batch import Batch, Together
from envs.batched import BatchedSynthesis
from envs.continuous import ContinuousSynthesis
from envs.cursor_batch import CursorSynthesis
from sdl.core.seeds import seed_of
from simulators.laboratory import Split

ENVIRONMENTS: dict[str, Any] = {
    "plain": BatchedSynthesis,
    "cursor": CursorSynthesis,
    "continuous": ContinuousSynthesis,
}
"""Class of each environment of ``TrainConfig.environment``."""


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
        ConfigError: A task cannot be played in the environment.
    """
    kind = ENVIRONMENTS[config.environment]
    more: dict[str, Any] = {} if config.belief is None else {"belief": config.belief}
    each = (rows or config.rows) // len(config.tasks)
    parts: list[Batch] = [
        kind(
            task,
            max(1, each),
            seed=seed_of("rows", seed, task),
            split=split or config.split,
            max_decisions=config.max_decisions,
            furnace_hours=config.furnace_hours,
            samples_per_lab=config.samples_per_lab,
            threads=1,
            **more,
        )
        for task in config.tasks
    ]
    return parts[0] if len(parts) == 1 else Together(parts)
