"""Policies by name. Nothing is imported before it is asked for: `random` needs no torch."""

from __future__ import annotations

import difflib
from importlib import import_module

from sdl.core.errors import ConfigError
from sdl.core.protocols import BlobStore, Policy
from sdl.tasks.task import Task

_MODULES = {
    "random": "agents.random_policy",
    "published": "agents.published",
    "default": "agents.bayes",
    "hottest": "agents.pool_baselines",
    "hottest_no_carbonate": "agents.pool_baselines",
    "forest_ucb": "agents.pool_baselines",
}
"""Module of each policy. It offers ``make(task, blobs)``, or ``make_baseline(name)`` for pools."""


def policy_names() -> tuple[str, ...]:
    """Names that ``make_policy`` knows."""
    return tuple(_MODULES)


def make_policy(name: str, *, task: Task | None = None, blobs: BlobStore | None = None) -> Policy:
    """A new policy, without any memory: ingest the journal to bring it up to date.

    Args:
        name: One of ``policy_names()``.
        task: The campaign's task; ``published`` and ``default`` need it outside pools.
        blobs: Where model files are; needed by policies that learn and are resumed.

    Raises:
        ConfigError: There is no such policy.
        PolicyError: The policy cannot be used for the task.
    """
    if name not in _MODULES:
        near = difflib.get_close_matches(name, _MODULES, n=1)
        raise ConfigError(
            "there is no such policy",
            got=repr(name),
            allowed=", ".join(_MODULES),
            do=f"did you mean {near[0]!r}?" if near else "correct the key `policy`",
        )
    module = import_module(_MODULES[name])
    if _MODULES[name] == "agents.pool_baselines":
        return module.make_baseline(name)
    return module.make(task, blobs)
