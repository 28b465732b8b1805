"""Policies by name. Nothing is imported before it is asked for: `random` needs no torch."""

from __future__ import annotations

import difflib
from importlib import import_module

from sdl.core.errors import ConfigError
from sdl.core.extras import require_extra
from sdl.core.protocols import BlobStore, Policy
from sdl.tasks.task import Task

_FACTORIES = {
    "random": ("agents.random_policy", "make"),
    "published": ("agents.published", "make"),
    "default": ("agents.default", "make"),
    "no_twin": ("agents.default", "make_without_twin"),
    "pairwise": ("agents.pairwise", "make"),
    "adaptive": ("agents.adapting.factory", "make"),
}
"""Module and function ``(task, blobs) -> Policy`` of each policy for any laboratory."""

_TRAINED = {"rl": ("agents.rl", "make")}
"""Module and function ``(task, blobs, model) -> Policy`` of each policy that is a file."""

_BASELINES = {
    "hottest": ("agents.pool_baselines", "Hottest"),
    "hottest_no_carbonate": ("agents.pool_baselines", "HottestNoCarbonate"),
    "forest_ucb": ("agents.pool_baselines", "ForestUcb"),
}
"""Module and class of each policy for pools; they need nothing."""


def policy_names() -> tuple[str, ...]:
    """Names that ``make_policy`` knows."""
    return (*_FACTORIES, *_TRAINED, *_BASELINES)


def trained_policies() -> tuple[str, ...]:
    """Names of the policies that need a policy file."""
    return tuple(_TRAINED)


def pool_policies() -> tuple[str, ...]:
    """Names of the policies that only choose from a table of experiments."""
    return tuple(_BASELINES)


def make_policy(
    name: str,
    *,
    task: Task | None = None,
    blobs: BlobStore | None = None,
    model: bytes | None = None,
) -> Policy:
    """A new policy, without any memory: ingest the journal to bring it up to date.

    Args:
        name: One of ``policy_names()``.
        task: The campaign's task; ``published`` and ``default`` need it outside pools.
        blobs: Where model files are; needed by policies that learn and are resumed.
        model: The policy file of a trained policy.

    Raises:
        ConfigError: There is no such policy, or its policy file or a package is not at hand.
        PolicyError: The policy cannot be used for the task.
        ModelError: The policy file is none, or was made for other spaces.
    """
    if name not in policy_names():
        near = difflib.get_close_matches(name, policy_names(), n=1)
        raise ConfigError(
            "there is no such policy",
            got=repr(name),
            allowed=", ".join(policy_names()),
            do=f"did you mean {near[0]!r}?" if near else "correct the key `policy`",
        )
    if name in _BASELINES:
        module, attribute = _BASELINES[name]
        return getattr(import_module(module), attribute)()
    if name in _TRAINED:
        require_extra("rl", f"the policy {name}", "torch", "safetensors")
        require_extra("twin", f"the policy {name}", "numba", "scipy")
        module, attribute = _TRAINED[name]
        return getattr(import_module(module), attribute)(task, blobs, model)
    module, attribute = _FACTORIES[name]
    return getattr(import_module(module), attribute)(task, blobs)
