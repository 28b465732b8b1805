"""What every driver core is: channels with units and limits, identity, a documented safe action.

A core alone holds the transport of its instrument, so its limits cannot be passed by. It knows
nothing of Bluesky, of samples or of campaigns.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from instruments.readout import Quality, Readout, Value, bad, bounds, judged
from sdl.core.errors import DeviceError, LinkError, ProtocolError, excerpt

STOP_S = 5.0
"""Wall time within which ``Core.stop`` returns, whatever the device does."""


class Show(StrEnum):
    """Where a channel belongs in documents (ophyd's ``Kind``)."""

    HINTED = "hinted"
    """Plotted by itself: one or two of an instrument."""
    NORMAL = "normal"
    """Science data."""
    CONFIG = "config"
    """Slow: ramp rate, firmware."""
    OMITTED = "omitted"
    """Commands, and what only a driver needs."""


@dataclass(frozen=True)
class Channel:
    """One value of an instrument.

    Args:
        name: With its unit, as ``temperature_c``.
        unit: As ``degC``; empty for text and counts.
        show: Where it belongs in documents.
        low: Smallest value it can show, or take; ``None`` for no bound.
        high: Largest.
        settable: Whether ``Core.put`` takes it.
        text: Whether it is text.
        doc: One sentence.
    """

    name: str
    unit: str = ""
    show: Show = Show.NORMAL
    low: float | None = None
    high: float | None = None
    settable: bool = False
    text: bool = False
    doc: str = ""


@dataclass(frozen=True)
class Identity:
    """What an instrument says it is; empty where its protocol cannot tell."""

    model: str
    serial: str = ""
    firmware: str = ""


class Core(ABC):
    """One instrument. Every method may block for its deadline and raises ``DeviceError`` only.

    Args:
        name: Name of the instrument, a Python identifier.
    """

    channels: ClassVar[tuple[Channel, ...]]
    """All values it has, in the order they are shown."""
    stop_action: ClassVar[str]
    """What ``stop`` does, in one sentence for operators and documents."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def identify(self) -> Identity:
        """Asks the instrument what it is; moves nothing.

        Raises:
            DeviceError: No answer, or another instrument than this core is for.
        """

    @abstractmethod
    def fetch(self, channel: str) -> Value:
        """Asks the instrument for one channel; numbers may still be NaN or out of range.

        Raises:
            LinkError: No answer.
            ProtocolError: Nonsense, or the instrument says that the value is not to be believed.
        """

    def assign(self, channel: str, value: Value) -> None:
        """Writes a channel that ``put`` has checked, and reads it back.

        Raises:
            DeviceError: The instrument refuses, or holds another value than was written.
        """
        raise DeviceError(f"{self.name}.{channel} cannot be set", where=self.name)

    @abstractmethod
    def stop(self) -> None:
        """Carries out ``stop_action`` within ``STOP_S``, from any state, as often as asked.

        Raises:
            DeviceError: The instrument did not take it; the caller must take other measures.
        """

    @abstractmethod
    def close(self) -> None:
        """Lets go of the transport; the next call opens it again."""

    def glance(self) -> AbstractContextManager[None]:
        """For reading many channels at once: a core may ask for all of them in fewer exchanges."""
        return nullcontext()

    def limits(self, channel: str) -> tuple[float | None, float | None]:
        """Smallest and largest value of a channel; cores narrow them to their laboratory's."""
        found = self.channel(channel)
        return found.low, found.high

    @classmethod
    def channel(cls, name: str) -> Channel:
        """The channel of that name.

        Raises:
            KeyError: There is none.
        """
        for channel in cls.channels:
            if channel.name == name:
                return channel
        raise KeyError(name)

    def read(self, channel: str) -> Readout:
        """One channel with its quality; raises nothing that a device can cause."""
        found, source = self.channel(channel), f"{self.name}.{channel}"
        try:
            value = self.fetch(channel)
        except LinkError as err:
            return bad(Quality.UNREACHABLE, found.unit, source, str(err))
        except ProtocolError as err:
            return bad(Quality.IMPLAUSIBLE, found.unit, source, str(err))
        except DeviceError as err:
            return bad(Quality.MISSING, found.unit, source, str(err))
        if isinstance(value, str):
            return Readout(value, found.unit, Quality.GOOD, 0.0, source)
        low, high = self.limits(channel) if not found.settable else (found.low, found.high)
        return judged(float(value), found.unit, source, low=low, high=high)

    def number(self, channel: str) -> float:
        """A number that may be believed.

        Raises:
            DeviceError: There is none; says why.
        """
        readout = self.read(channel)
        if isinstance(readout.value, float):
            return readout.value
        raise DeviceError(
            f"{readout.source} cannot be believed",
            got=readout.reason or f"text {readout.value!r}",
            do="look at the instrument",
            where=self.name,
        )

    def put(self, channel: str, value: Value) -> None:
        """Sets a channel: checked against its limits here, then written and read back.

        Raises:
            DeviceError: Not settable, outside the limits, refused, or read back as another value.
        """
        found = self.channel(channel)
        if not found.settable:
            raise DeviceError(f"{self.name}.{channel} cannot be set", where=self.name)
        if found.text is not isinstance(value, str):
            kind = "text" if found.text else f"a number in {found.unit}"
            raise self._refusal(channel, value, kind)
        if not isinstance(value, str):
            low, high = self.limits(channel)
            # Whole numbers may be too large to become a float: compared, never converted.
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if (
                not number
                or not -sys.float_info.max <= value <= sys.float_info.max
                or (low is not None and value < low)
                or (high is not None and value > high)
            ):
                raise self._refusal(channel, value, f"{bounds(low, high)} {found.unit}".strip())
        self.assign(channel, value)

    def _refusal(self, channel: str, got: object, allowed: str) -> DeviceError:
        return DeviceError(
            f"{self.name} refuses a value of {channel}",
            got=excerpt(got),
            allowed=allowed,
            do="correct the value; nothing was sent",
            where=self.name,
        )
