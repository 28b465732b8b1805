"""Limits as pure functions: what a laboratory must refuse."""

from sdl.safety.limits import (
    check_command,
    check_measurement,
    check_recipe,
    check_step,
    check_steps,
    require_safe,
)

__all__ = [
    "check_command",
    "check_measurement",
    "check_recipe",
    "check_step",
    "check_steps",
    "require_safe",
]
