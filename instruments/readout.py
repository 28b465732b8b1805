"""What an instrument shows: a value with its unit, quality, age and source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

Value = float | str


class Quality(StrEnum):
    """Whether a value may be believed."""

    GOOD = "good"
    MISSING = "missing"
    """The device has none: not measured, or NaN, infinite, or a code for "no value"."""
    STALE = "stale"
    """The last one is older than its age limit; it is not shown again."""
    IMPLAUSIBLE = "implausible"
    """Outside what the channel can be, or told by a device that reports a broken sensor."""
    UNREACHABLE = "unreachable"
    """The device does not answer, or answers nonsense."""


@dataclass(frozen=True)
class Readout:
    """One value of one channel.

    Args:
        value: ``None`` unless the quality is ``GOOD``: never 0, never the last good one.
        unit: As ``degC``; empty for text.
        quality: Whether it may be believed.
        age_s: Wall time since the device was asked, s.
        source: Instrument and channel, as ``furnace_1.temperature_c``.
        reason: Why the quality is not good; empty otherwise.
    """

    value: Value | None
    unit: str
    quality: Quality
    age_s: float
    source: str
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.quality is Quality.GOOD) is (self.value is None):
            raise ValueError(f"{self.source}: quality {self.quality.value}, value {self.value}")

    @property
    def ok(self) -> bool:
        """Whether the value may be believed."""
        return self.quality is Quality.GOOD


def bad(quality: Quality, unit: str, source: str, reason: str, age_s: float = 0.0) -> Readout:
    """A readout without a value, with the reason."""
    return Readout(None, unit, quality, age_s, source, reason)


NO_VALUE = (9.9e37, -9999.0)
"""Numbers that instruments send for "no value": SCPI overload (9.9E37), data loggers (-9999)."""
_FLOAT32 = 1e-6
"""Relative error that a number may have suffered as a float of 32 bits (6e-8), with room."""


def bounds(low: float | None, high: float | None) -> str:
    """Two bounds in words, as ``20 to 900``; an absent one is ``any``."""
    lowest, highest = ("any" if b is None else f"{b:g}" for b in (low, high))
    return f"{lowest} to {highest}"


def judged(
    value: float, unit: str, source: str, *, low: float | None, high: float | None
) -> Readout:
    """A number as a readout: NaN, infinity and codes for "no value" are missing, not numbers.

    Args:
        value: As the device sent it.
        unit: Its unit.
        source: Instrument and channel.
        low: Smallest value the channel can show; ``None`` for no bound.
        high: Largest.
    """
    if not math.isfinite(value) or any(
        math.isclose(value, code, rel_tol=_FLOAT32) for code in NO_VALUE
    ):
        return bad(Quality.MISSING, unit, source, f"the device sent {value:g}")
    if (low is not None and value < low) or (high is not None and value > high):
        reason = f"{value:g} {unit} is outside {bounds(low, high)}"
        return bad(Quality.IMPLAUSIBLE, unit, source, reason)
    return Readout(value, unit, Quality.GOOD, 0.0, source)
