"""The Gymnasium environments of solid-state synthesis, single and batched.

Importing this package registers the ids with Gymnasium where it is installed and imports nothing
heavy: the physics is imported when an environment is made. In another process (subprocess
vector environments) name the module too: ``gymnasium.make("envs:sdl/SolidStateSynthesis-v0")``.
"""

from __future__ import annotations

from importlib.util import find_spec

ENVIRONMENT_ID = "sdl/SolidStateSynthesis-v0"
"""One sample of the task ``batio3-coarse``; ``task=`` takes any task with a search space."""
IDS = (ENVIRONMENT_ID,)
"""Every registered id."""

__all__ = ["ENVIRONMENT_ID", "IDS"]


def _register() -> None:
    if find_spec("gymnasium") is None:  # the extra `rl` is not installed
        return
    from gymnasium.envs.registration import register, registry

    if ENVIRONMENT_ID not in registry:
        register(id=ENVIRONMENT_ID, entry_point="envs.synthesis:SynthesisEnv")


_register()
