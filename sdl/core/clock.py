"""Laboratory time: virtual (jumps) or real (waits). Durations are monotonic, never wall time."""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    """Seconds of laboratory time since the campaign began."""

    def now_s(self) -> float:
        """Present laboratory time, s."""
        ...

    def advance_to(self, time_s: float) -> float:
        """Lets time pass until ``time_s``; returns the time reached. Never goes back."""
        ...


class VirtualClock:
    """Time that stands still until it is moved."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        """Present laboratory time, s."""
        return self._now_s

    def advance_to(self, time_s: float) -> float:
        """Jumps to ``time_s``; an earlier time is ignored, so that a repeated jump is harmless."""
        self._now_s = max(self._now_s, time_s)
        return self._now_s


class MonotonicClock:
    """Time from the monotonic clock, unmoved by changes of the wall clock.

    Args:
        start_s: Laboratory time now, s.
        scale: Laboratory seconds in a second: 1 in reality, more in a simulated laboratory.
    """

    def __init__(self, start_s: float = 0.0, scale: float = 1.0) -> None:
        self.scale = scale
        self._offset_s = start_s - time.monotonic() * scale

    def now_s(self) -> float:
        """Present laboratory time, s."""
        return time.monotonic() * self.scale + self._offset_s

    def advance_to(self, time_s: float) -> float:
        """Sleeps until ``time_s``."""
        remaining_s = (time_s - self.now_s()) / self.scale
        if remaining_s > 0:
            time.sleep(remaining_s)
        return self.now_s()
