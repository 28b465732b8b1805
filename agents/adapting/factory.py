"""Makes the policy ``adaptive``; nothing heavy is imported before it is asked for."""

from __future__ import annotations

from sdl.core.errors import PolicyError
from sdl.core.extras import require_extra
from sdl.core.protocols import BlobStore, Policy
from sdl.tasks.task import Task


def make(task: Task | None, blobs: BlobStore | None) -> Policy:
    """Factory for the registry.

    Raises:
        ConfigError: A package is not at hand.
        PolicyError: The task has no recipe space.
    """
    if task is None or task.space is None:
        raise PolicyError(
            "the policy adaptive needs a task with a recipe space",
            do="give the campaign a task with the key `space`",
        )
    require_extra("twin", "the policy adaptive", "numba", "scipy")
    from agents.adapting.policy import AdaptingPolicy

    return AdaptingPolicy(task)
