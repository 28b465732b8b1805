"""What every core keeps to: names, channels, limits, silence, stop, close."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from instruments.cores.core import STOP_S, Channel, Core, Show
from instruments.readout import Quality, Readout
from instruments.testing.expect import at_once, expect, refused, timed, until

LOOK_S = 10.0
"""Wall time within which one channel answers or is unreachable, s."""
RECOVER_S = 20.0
"""Wall time within which an instrument that answers again is read again, s; pauses included."""
STOPPERS = 4
"""Threads that stop an instrument at the same time."""

UNITS: Mapping[str, str] = {
    "_c": "degC",
    "_c_per_min": "degC/min",
    "_s": "s",
    "_min": "min",
    "_h": "h",
    "_mg": "mg",
    "_pct": "%",
    "_kwh": "kWh",
    "_deg": "deg",
}
"""Units by the end of a channel's name; the longest end counts."""

NO_NUMBERS: tuple[Any, ...] = (
    math.nan, math.inf, -math.inf, True, False, "text", "", 10**400, None, [1.0],
)  # fmt: skip
"""What no channel of numbers takes."""


def check_names(core: Core, station: str) -> None:
    """An instrument's name is a Python identifier and begins with its station's."""
    expect(core.name.isidentifier(), "the name of an instrument is an identifier", core.name)
    expect(core.name.startswith(station), f"it begins with the station's, {station}", core.name)
    for channel in core.channels:
        plain = re.fullmatch(r"[a-z][a-z0-9_]*", channel.name)
        expect(plain, "a channel's name is lower case and an identifier", channel.name)


def check_channels(core: Core) -> None:
    """Channels are unique and documented, with units and limits; one or two are hinted."""
    names = [channel.name for channel in core.channels]
    expect(names, f"{core.name} has channels")
    expect(len(set(names)) == len(names), "each channel stands once", names)
    for channel in core.channels:
        _check_channel(core, channel)
    hinted = [c.name for c in core.channels if c.show is Show.HINTED]
    expect(1 <= len(hinted) <= 2, f"one or two channels of {core.name} are hinted", hinted)
    try:
        core.read("no_such_channel")
    except KeyError:
        return
    raise AssertionError(f"{core.name} must raise KeyError for a channel that it does not have")


def _check_channel(core: Core, channel: Channel) -> None:
    source = f"{core.name}.{channel.name}"
    if channel.text:
        bounds = (channel.low, channel.high)
        expect(not channel.unit and bounds == (None, None), f"{source} is text: no unit, no limits")
        return
    low, high = core.limits(channel.name)
    ends = [end for end in UNITS if channel.name.endswith(end)]
    unit = UNITS[max(ends, key=len)] if ends else None
    expect(unit in (None, channel.unit), f"{source} has the unit its name says", channel.unit)
    is_count = not channel.unit and channel.low is not None and channel.low >= 0.0
    expect(channel.unit or is_count, f"{source} has a unit, or is a count from 0 on")
    for bound in (low, high):
        expect(bound is None or math.isfinite(bound), f"limits of {source} are finite", bound)
    if low is not None and high is not None:
        expect(low < high, f"limits of {source} are in order", (low, high))
    if channel.settable:
        expect(None not in (low, high), f"{source} can be set, so it has limits", (low, high))


def check_identity(core: Core) -> None:
    """An instrument says what it is."""
    identity = core.identify()
    expect(identity.model.strip(), f"{core.name} names its model", identity)
    for text in (identity.model, identity.serial, identity.firmware):
        expect(text.isprintable(), "its nameplate is plain text", text)


def check_readings(core: Core) -> None:
    """Every channel of a healthy instrument is read, with its unit and its source.

    Those that documents do not show may have no value now: a driver's own.
    """
    for channel in core.channels:
        if channel.show is Show.OMITTED:
            expect(
                core.read(channel.name).quality is not Quality.UNREACHABLE, "it answers", channel
            )
            continue
        what = f"{core.name}.{channel.name} is good"
        readout = until(lambda n=channel.name: _good(core.read(n)), what, within_s=RECOVER_S)
        expect(isinstance(readout.value, str) is channel.text, f"{what}: text or number", readout)
        expect(readout.unit == channel.unit, f"{what}: in its unit", readout)
        expect(readout.source == f"{core.name}.{channel.name}", f"{what}: its source", readout)
        expect(0.0 <= readout.age_s < LOOK_S, f"{what}: its age", readout)
        expect(not readout.reason, f"{what}: no reason against it", readout)
        if not channel.text:
            expect(type(readout.value) is float, f"{what}: a float", readout)


def check_unreachable(core: Core, *, only: tuple[Show, ...] = tuple(Show)) -> None:
    """While it does not answer, no channel has a value: neither the last one nor 0.

    Args:
        core: An instrument that was read before and is silent or gone now.
        only: Channels to look at; a frozen instrument takes a deadline for each.
    """
    for channel in core.channels:
        if channel.show not in only:
            continue
        begun_s = time.monotonic()
        readout = core.read(channel.name)
        what = f"{core.name}.{channel.name} is unreachable"
        expect(readout.quality is Quality.UNREACHABLE, what, readout)
        expect(readout.value is None and readout.reason, f"{what}: no value, a reason", readout)
        expect(time.monotonic() - begun_s < LOOK_S, f"{what}, and says so in time")


def check_limits(core: Core, sent: Callable[[], int]) -> None:
    """What a channel cannot take is refused before anything is sent.

    Args:
        core: An instrument.
        sent: Requests that it got so far.
    """
    before = sent()
    for channel in core.channels:
        for value in (*NO_NUMBERS, *_outside(core, channel)):
            if channel.settable and channel.text and isinstance(value, str):
                continue
            what = f"{core.name}.{channel.name} = {value!r:.40}"
            refused(lambda n=channel.name, v=value: core.put(n, v), what)
    expect(sent() == before, f"{core.name} was sent nothing of what is refused", sent() - before)


def _outside(core: Core, channel: Channel) -> list[float]:
    """Numbers just outside the limits of a channel, and far outside."""
    low, high = core.limits(channel.name)
    near = [math.nextafter(low, -math.inf)] if low is not None else []
    near += [math.nextafter(high, math.inf)] if high is not None else []
    return [*near, sys.float_info.max, -sys.float_info.max]


def check_stop(core: Core) -> None:
    """Stopping is documented, bounded, may be repeated and asked by several threads."""
    expect(len(core.stop_action.strip()) > 10, f"{core.name} says what stop does", core.stop_action)
    for _ in range(2):
        wall_s, err = timed(core.stop)
        expect(err is None and wall_s < STOP_S, f"{core.name} stops, again and again", err)
    for wall_s, err in at_once(lambda _: timed(core.stop), range(STOPPERS)):
        expect(err is None and wall_s < STOP_S, f"{core.name} stops for several at once", err)
    check_readings(core)


def check_silent_stop(core: Core) -> None:
    """A stop that gets no answer ends within ``STOP_S`` too, and says so."""
    for wall_s, _ in at_once(lambda _: timed(core.stop), range(STOPPERS)):
        expect(wall_s < STOP_S, f"stop of the silent {core.name} ends within {STOP_S:g} s", wall_s)


def check_close(core: Core) -> None:
    """What is closed, also twice, opens again by itself."""
    core.close()
    core.close()
    check_readings(core)


def check_silence(core: Core, freeze: Callable[[], None], thaw: Callable[[], None]) -> None:
    """All about an instrument that falls silent and comes back.

    Args:
        core: A healthy instrument.
        freeze: Makes it silent.
        thaw: Makes it answer again.
    """
    check_readings(core)
    freeze()
    try:
        check_unreachable(core)
        check_silent_stop(core)
        check_unreachable(core, only=(Show.HINTED,))
    finally:
        thaw()
    check_readings(core)


def _good(readout: Readout) -> Readout | None:
    return readout if readout.ok else None


CORE_CHECKS = (check_channels, check_identity, check_readings, check_close, check_stop)
"""The checks that need a healthy instrument and nothing else."""
