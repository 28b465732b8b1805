"""The Gymnasium environments of solid-state synthesis, single and batched.

Importing this package registers the ids with Gymnasium where it is installed and imports nothing
heavy: the physics is imported when an environment is made. In another process (subprocess
vector environments) name the module too: ``gymnasium.make("envs:sdl/SolidStateSynthesis-v0")``.
"""

from __future__ import annotations

from importlib.util import find_spec

ENVIRONMENT_ID = "sdl/SolidStateSynthesis-v0"
"""One sample of the task ``batio3-coarse``, choice by choice; ``task=`` takes any task with a
search space."""
DECISIONS_ID = "sdl/SolidStateDecisions-v0"
"""The same with one physical decision per step."""
CONTINUOUS_ID = "sdl/SolidStateContinuous-v0"
"""The same with actions from a box."""
IDS = (ENVIRONMENT_ID, DECISIONS_ID, CONTINUOUS_ID)
"""Every registered id."""

__all__ = ["CONTINUOUS_ID", "DECISIONS_ID", "ENVIRONMENT_ID", "IDS"]

_ENTRIES = {
    ENVIRONMENT_ID: "envs.synthesis:SynthesisEnv",
    DECISIONS_ID: "envs.synthesis:DecisionEnv",
    CONTINUOUS_ID: "envs.continuous:ContinuousEnv",
}


def _register() -> None:
    if find_spec("gymnasium") is None:  # the extra `rl` is not installed
        return
    from gymnasium.envs.registration import register, registry

    for name, entry in _ENTRIES.items():
        if name not in registry:
            register(id=name, entry_point=entry)


_register()
