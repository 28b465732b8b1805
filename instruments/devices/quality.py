"""One look at an instrument: every channel with its quality and age, in values documents can hold.

Nothing polls behind a reading: a value is asked for when it is wanted, and every look remembers
when that was, so that a look that is shown too late says ``stale`` instead of its number.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import SupportsFloat

from instruments.cores.core import Channel, Core, Identity, Show
from instruments.readout import Quality, Readout, Value, bad
from sdl.core.errors import DeviceError, excerpt

LOOK_S = 2.0
"""Wall time after which a look asks no further channel, s; the one being asked still ends."""
AGE_LIMIT_S = 30.0
"""A value older than this is stale, s of wall time, unless a device is given another limit."""

RESERVED = frozenset(
    [
        "check_value",
        "clear_sub",
        "collect",
        "collect_asset_docs",
        "collect_pages",
        "complete",
        "configure",
        "describe",
        "describe_collect",
        "describe_configuration",
        "event_types",
        "get_index",
        "hints",
        "kickoff",
        "locate",
        "name",
        "parent",
        "pause",
        "position",
        "prepare",
        "read",
        "read_configuration",
        "resume",
        "root",
        "set",
        "signal_names",
        "stage",
        "stop",
        "subscribe",
        "trigger",
        "unstage",
    ]
)
"""Names that Bluesky's protocols keep for themselves."""


def attribute_of(channel: str) -> str:
    """Attribute of a channel's signal: its name, with an underscore where Bluesky keeps it."""
    return f"{channel}_" if channel in RESERVED else channel


@dataclass(frozen=True)
class Look:
    """What an instrument said, and when it was asked.

    Args:
        readouts: By channel.
        asked_s: Monotonic time at which each was asked for, s.
        age_limit_s: Age beyond which a value is stale, s.
    """

    readouts: Mapping[str, Readout]
    asked_s: Mapping[str, float]
    age_limit_s: float

    def age_s(self, channel: str) -> float:
        """Wall time since the device measured a value, s, as far as the core knows."""
        return self.readouts[channel].age_s + time.monotonic() - self.asked_s[channel]

    def oldest_s(self) -> float:
        """Age of the oldest value, s; NaN when none was asked for."""
        return max(map(self.age_s, self.readouts), default=math.nan)

    def readout(self, channel: str) -> Readout:
        """A channel as it may be shown now: beyond the age limit it is stale and has no value.

        Its ``age_s`` is that at the look; ``age_s`` of the look is the present one.

        Raises:
            KeyError: The channel was not asked for.
        """
        readout, age_s = self.readouts[channel], self.age_s(channel)
        if readout.ok and age_s > self.age_limit_s:
            reason = f"{age_s:.1f} s old, at most {self.age_limit_s:g} s are allowed"
            return bad(Quality.STALE, readout.unit, readout.source, reason, age_s)
        return readout


def look(core: Core, channels: Iterable[str], age_limit_s: float = AGE_LIMIT_S) -> Look:
    """Asks an instrument for channels, one after another.

    Args:
        core: The instrument.
        channels: Names of channels.
        age_limit_s: For the look.

    Returns:
        A look with all of them; those that time did not allow to ask are unreachable.
    """
    until_s = time.monotonic() + LOOK_S
    readouts: dict[str, Readout] = {}
    asked_s: dict[str, float] = {}
    begun_s = time.monotonic()
    with core.glance():
        for name in channels:
            # Inside a glance a value is as old as the glance.
            asked_s[name] = begun_s
            if time.monotonic() <= until_s:
                readouts[name] = core.read(name)
                continue
            reason = f"not asked: the channels before it took longer than {LOOK_S:g} s"
            unit, source = core.channel(name).unit, f"{core.name}.{name}"
            readouts[name] = bad(Quality.UNREACHABLE, unit, source, reason)
    return Look(readouts, asked_s, age_limit_s)


def in_document(readout: Readout, channel: Channel) -> Value:
    """The value as documents show it: NaN, or empty text, where there is none to be believed."""
    if readout.value is None:
        return "" if channel.text else math.nan
    return readout.value


def documented(core: type[Core] | Core) -> tuple[Channel, ...]:
    """Channels that reach documents: all but the omitted ones."""
    return tuple(c for c in core.channels if c.show is not Show.OMITTED)


def main_settable(core: type[Core] | Core) -> Channel | None:
    """The channel that setting the whole instrument means; ``None`` where that is not clear.

    It is the only settable one among the hinted and normal channels, else the only settable one.
    """
    able = [c for c in core.channels if c.settable]
    main = [c for c in able if c.show in (Show.HINTED, Show.NORMAL)] or able
    return main[0] if len(main) == 1 else None


def plain(value: object) -> Value:
    """A value for ``Core.put``, which checks it; numbers of other libraries become floats.

    Raises:
        DeviceError: It is neither text nor a number.
    """
    if isinstance(value, str | bool):
        return value
    if not isinstance(value, SupportsFloat):
        raise DeviceError(
            "no instrument takes such a value", got=excerpt(value), allowed="a number or text"
        )
    return float(value)


class Nameplate:
    """Who an instrument is: asked for until it has answered once.

    Args:
        core: The instrument.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._identity: Identity | None = None

    def require(self) -> Identity:
        """Model, serial number and firmware.

        Raises:
            DeviceError: The instrument does not answer, or is another one.
        """
        if self._identity is None:
            self._identity = self._core.identify()
        return self._identity

    def read(self) -> Identity:
        """Model, serial number and firmware; empty while the instrument does not answer."""
        try:
            return self.require()
        except DeviceError:
            return Identity("")
