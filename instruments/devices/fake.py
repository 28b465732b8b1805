"""A core without an instrument: what ``ophyd.sim.make_fake_device`` of a face stands on."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from instruments.cores.core import Channel, Core, Identity
from instruments.readout import Value


class FakeCore(Core):
    """Channels in memory; made by ``fake_core`` for another class of cores.

    Args:
        name: Name of the instrument.
    """

    channels = ()
    stop_action = "Nothing: there is no instrument."

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._values = {c.name: _first(c) for c in self.channels}
        self.stops = 0
        """How often it was stopped."""

    def hold(self, channel: str, value: Value) -> None:
        """Makes a channel show a value from now on, NaN and impossible ones included."""
        self._values[self.channel(channel).name] = value

    def identify(self) -> Identity:
        """Says that it is none."""
        return Identity("fake")

    def fetch(self, channel: str) -> Value:
        """The value that ``hold`` or ``put`` gave the channel last."""
        return self._values[channel]

    def assign(self, channel: str, value: Value) -> None:
        """Takes what ``put`` has checked."""
        self._values[channel] = value

    def stop(self) -> None:
        """Counts."""
        self.stops += 1

    def close(self) -> None:
        """Nothing to let go."""


def _first(channel: Channel) -> Value:
    """Zero, or what of the channel's range is nearest to it."""
    if channel.text:
        return ""
    low = 0.0 if channel.low is None else max(channel.low, 0.0)
    return low if channel.high is None else min(low, channel.high)


@cache
def _fake_class(like: type[Core]) -> type[FakeCore]:
    return type(f"Fake{like.__name__}", (FakeCore,), {"channels": like.channels})


def fake_core(like: type[Core], name: str) -> FakeCore:
    """A core with the channels and limits of a class of cores, and no transport.

    Args:
        like: The class.
        name: Name of the instrument.
    """
    return _fake_class(like)(name)


def is_fake(device_class: type) -> bool:
    """Whether ``ophyd.sim.make_fake_device`` made a class."""
    sim: Any = sys.modules.get("ophyd.sim")
    return sim is not None and sim.fake_device_cache.get(device_class.__mro__[1]) is device_class
