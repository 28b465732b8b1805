"""The rows that a policy learns or plays in: environments by name, several tasks as one batch."""

from __future__ import annotations

from typing import Any

from agents.learning.config import TrainConfig
from envs.batch import Batch, Together
from envs.batched import BatchedSynthesis
from envs.continuous import ContinuousSynthesis
from envs.cursor_batch import CursorSynthesis
from sdl.core.seeds import seed_of
from sdl.tasks.task import Task, load_task
from sdl.tasks.vary import varied
from simulators.laboratory import Split

ENVIRONMENTS: dict[str, Any] = {
    "plain": BatchedSynthesis,
    "cursor": CursorSynthesis,
    "continuous": ContinuousSynthesis,
}
"""Class of each environment of ``TrainConfig.environment``."""


def make_rows(
    config: TrainConfig,
    *,
    seed: int,
    rows: int | None = None,
    split: Split | None = None,
    variants: bool = False,
) -> Batch:
    """A batch of all tasks of a config.

    Args:
        config: Environment, tasks, budgets.
        seed: Of every draw; each task has its own, drawn from it.
        rows: Rows of all tasks together; the config's if ``None``.
        split: Laboratories; the config's if ``None``.
        variants: Whether half of the rows play the config's variants of the tasks.

    Raises:
        ConfigError: A task cannot be played in the environment.
    """
    kind = ENVIRONMENTS[config.environment]
    more: dict[str, Any] = {} if config.belief is None else {"belief": config.belief}
    each = max(1, (rows or config.rows) // len(config.tasks))
    parts: list[Batch] = [
        kind(
            task,
            count,
            seed=seed_of("rows", seed, task.name),
            split=split or config.split,
            max_decisions=config.max_decisions,
            furnace_hours=config.furnace_hours,
            samples_per_lab=config.samples_per_lab,
            threads=1,
            **more,
        )
        for name in config.tasks
        for task, count in _shares(name, each, config.variants if variants else 0)
    ]
    return parts[0] if len(parts) == 1 else Together(parts)


def _shares(name: str, rows: int, variants: int) -> list[tuple[Task, int]]:
    """A task and its variants with the rows of each; half of them are the task's own."""
    task = load_task(name)
    if variants == 0:
        return [(task, rows)]
    other = rows // (2 * variants)
    shares = [(task, rows - variants * other)]
    return shares + [(varied(task, n), other) for n in range(1, variants + 1)]
