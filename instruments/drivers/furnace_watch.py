"""Whether a thermocouple can be believed while a program runs, and what it read during the soak."""

from __future__ import annotations

from dataclasses import dataclass

STUCK_SETPOINT_C = 50.0
STUCK_C = 2.0
"""A thermocouple that moved less while the setpoint moved by more than ``STUCK_SETPOINT_C`` is
taken for stuck, degC; both far beyond the noise of one."""
ASTRAY_C = 100.0
"""Farthest that the thermocouple may be from the setpoint during a soak, degC: shorted, or the
furnace runs away."""
STEADY_C = 5.0
"""A setpoint that moved more between two readings tells nothing of a temperature between them."""


@dataclass(frozen=True)
class Look:
    """One look at the controller.

    Args:
        before_c: Working setpoint, degC.
        in_soak: Whether the running segment is the soak.
        temperature_c: Thermocouple, degC.
        after_c: Working setpoint again, degC: readings are no snapshot, and time may be scaled.
    """

    before_c: float
    in_soak: bool
    temperature_c: float
    after_c: float

    @property
    def is_steady(self) -> bool:
        """Whether the readings belong together."""
        return abs(self.after_c - self.before_c) <= STEADY_C


class FurnaceWatch:
    """What was seen of one running program since this process began to look."""

    def __init__(self) -> None:
        self._anchor: Look | None = None
        self.soak_c: float | None = None
        """The last reading of the soak, degC."""

    def judge(self, look: Look) -> str:
        """Takes a look in; says what is wrong, empty if nothing."""
        if not look.is_steady:
            return ""
        if look.in_soak:
            astray_c = look.temperature_c - look.after_c
            if abs(astray_c) > ASTRAY_C:
                return (
                    f"the thermocouple reads {look.temperature_c:.0f} degC in a soak at "
                    f"{look.after_c:.0f} degC"
                )
            self.soak_c = look.temperature_c
        anchor = self._anchor
        if anchor is None or abs(look.temperature_c - anchor.temperature_c) >= STUCK_C:
            self._anchor = look
        elif abs(look.after_c - anchor.after_c) > STUCK_SETPOINT_C:
            return (
                f"the thermocouple stands at {look.temperature_c:.0f} degC while the setpoint went "
                f"from {anchor.after_c:.0f} to {look.after_c:.0f} degC"
            )
        return ""
