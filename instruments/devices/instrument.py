"""Any driver core as a classic ophyd device: one signal for each channel, with its quality.

``face_of(EurothermCore)`` is a class with a signal ``temperature_c`` for the channel of that name
and a text signal ``temperature_c_quality`` beside it: ``good``, or why there is no value. Where
there is none the number is NaN and the text empty, never 0 and never the last one. ``age_s`` is the
age of the oldest value of a reading. All values of one reading come from one look. A channel whose
name Bluesky keeps for itself gets an underscore: ``position_``.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar, cast

from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.device import Staged

from instruments.cores.core import STOP_S, Channel, Core, Show
from instruments.devices.fake import fake_core, is_fake
from instruments.devices.order import OrderStatus, order, within
from instruments.devices.quality import (
    AGE_LIMIT_S,
    Look,
    Nameplate,
    attribute_of,
    documented,
    in_document,
    look,
    main_settable,
    plain,
)
from instruments.devices.signals import Described, Shown
from sdl.core.errors import ConfigError

SET_S = 10.0
"""Wall time within which an instrument takes a setting, s."""

_KINDS = {
    Show.HINTED: Kind.hinted,
    Show.NORMAL: Kind.normal,
    Show.CONFIG: Kind.config,
    Show.OMITTED: Kind.omitted,
}

_NAMEPLATE = ("model", "serial_number", "firmware", "calibration", "calibrated_on")
"""Signals that a core may replace by channels of its own."""


class ChannelSignal(Shown):
    """One channel; settable ones take values by ``set``, which ends in time, and ``put``.

    Args:
        channel: The channel.
        kwargs: As for ``ophyd.Signal``.
    """

    def __init__(self, *, channel: Channel, **kwargs: Any) -> None:
        super().__init__(units=channel.unit, text=channel.text, **kwargs)
        self.channel = channel
        self._face = cast(InstrumentFace, self.parent)
        low, high = self._face.core.limits(channel.name)
        key = {**self._key, "source": f"core:{self._face.core.name}.{channel.name}"}
        if low is not None:
            key["lower_ctrl_limit"] = low
        if high is not None:
            key["upper_ctrl_limit"] = high
        self._key = key

    def get(self, **kwargs: Any) -> Any:
        """The value now: NaN or empty text where there is none to be believed."""
        name = self.channel.name
        return in_document(self._face.seen(name).readout(name), self.channel)

    def read(self) -> dict[str, dict[str, Any]]:
        """The value with the wall time at which it was measured."""
        name = self.channel.name
        seen = self._face.seen(name)
        value = in_document(seen.readout(name), self.channel)
        return {self.name: {"value": value, "timestamp": time.time() - seen.age_s(name)}}

    def put(self, value: Any, **kwargs: Any) -> None:
        """Sets the channel and reads it back; blocks for the instrument's deadline.

        Raises:
            DeviceError: Not settable, outside the limits, or the instrument did not take it.
        """
        self._face.core.put(self.channel.name, plain(value))

    def set(self, value: Any, *, timeout: float | None = None, **kwargs: Any) -> OrderStatus:
        """Sets the channel; the status ends when the instrument holds the value, or in time.

        Args:
            value: In the unit of the channel.
            timeout: Wall time it may take, s; ``SET_S`` if not given.
            kwargs: Not used: an instrument that holds a value needs no time to settle.
        """
        what = f"set {self._face.core.name}.{self.channel.name} to {value!r:.40}"
        return order(self, what, lambda: self.put(value), SET_S if timeout is None else timeout)


class QualitySignal(Shown):
    """Why a channel may be believed or not: a word of ``instruments.readout.Quality``.

    Args:
        channel: Name of the channel.
        kwargs: As for ``ophyd.Signal``.
    """

    def __init__(self, *, channel: str, **kwargs: Any) -> None:
        super().__init__(text=True, **kwargs)
        self._channel = channel

    def get(self, **kwargs: Any) -> Any:
        """The word now."""
        face = cast(InstrumentFace, self.parent)
        return face.seen(self._channel).readout(self._channel).quality.value


class InstrumentFace(Described):
    """A classic ophyd device over any core; made by ``face_of``. Nothing is asked before a reading.

    There is nothing to trigger: ``read`` asks the instrument, for at most ``LOOK_S`` and one more
    exchange, and holds the plan as long. The asynchronous face holds nothing.

    ``stop`` carries out the core's ``stop_action``, which stands in the configuration, and returns
    within ``STOP_S`` even from a frozen instrument. The RunEngine calls it on a pause too.

    Args:
        prefix: Not used; ophyd's first argument.
        core: The instrument.
        name: Name of the device, a Python identifier.
        age_limit_s: Age beyond which a value is stale, s of wall time.
        calibration: Identity of the calibration in force, empty if there is none.
        calibrated_on: Its date, as ``2026-11-03``.
        kwargs: As for ``ophyd.Device``, ``labels`` among them.

    Raises:
        ConfigError: No core was given.
    """

    core_class: ClassVar[type[Core]]
    """Class of the core it is the face of."""

    age_s = Cpt(Shown, units="s", kind=Kind.normal)
    model = Cpt(Shown, text=True, kind=Kind.config)
    serial_number = Cpt(Shown, text=True, kind=Kind.config)
    firmware = Cpt(Shown, text=True, kind=Kind.config)
    calibration = Cpt(Shown, text=True, kind=Kind.config)
    calibrated_on = Cpt(Shown, text=True, kind=Kind.config)
    stop_action = Cpt(Shown, text=True, kind=Kind.config)

    trigger: Any = None
    """None, so that a plan neither triggers it nor waits for that: two messages less a point."""

    def __init__(
        self,
        prefix: str = "",
        *,
        core: Core | None = None,
        name: str,
        age_limit_s: float = AGE_LIMIT_S,
        calibration: str = "",
        calibrated_on: str = "",
        **kwargs: Any,
    ) -> None:
        self.core = self._core(core, name)
        self.age_limit_s = age_limit_s
        self._calibration = {"calibration": calibration, "calibrated_on": calibrated_on}
        self._nameplate = Nameplate(self.core)
        self._lock = threading.RLock()
        self._shown: Look | None = None
        self._last: Look | None = None
        kwargs.setdefault("labels", {"instruments"})
        super().__init__(prefix, name=name, **kwargs)

    def _core(self, core: Core | None, name: str) -> Core:
        if core is not None:
            return core
        if is_fake(type(self)):
            return fake_core(self.core_class, name)
        raise ConfigError(f"{name} is a face without an instrument", do="give it a core")

    def look(self, channels: Iterable[str]) -> Look:
        """Asks the instrument for channels."""
        self._last = look(self.core, channels, self.age_limit_s)
        return self._last

    def seen(self, channel: str) -> Look:
        """The look a reading is made of; a new one for a signal that is read by itself."""
        shown = self._shown
        if shown is not None and channel in shown.readouts:
            return shown
        return self.look((channel,))

    def value_of(self, signal: str) -> Any:
        """The values of the signals that are no channels."""
        if signal == "age_s":
            seen = self._shown or self._last
            return math.nan if seen is None else seen.oldest_s()
        if signal == "stop_action":
            return self.core.stop_action
        if signal in self._calibration:
            return self._calibration[signal]
        identity = self._nameplate.read()
        return identity.serial if signal == "serial_number" else getattr(identity, signal)

    def read(self) -> Any:
        """Values, qualities and the age of one new look; blocks as long as that takes."""
        with self._lock, self._showing(self.look(self._read_channels())):
            return super().read()

    def read_configuration(self) -> Any:
        """Slow values, and who the instrument is; empty where it does not answer."""
        slow = (c.name for c in documented(self.core) if c.show is Show.CONFIG)
        with self._lock, self._showing(self.look(slow)):
            return super().read_configuration()

    def stop(self, *, success: bool = False) -> None:
        """Carries out the instrument's safe action.

        Raises:
            DeviceError: It did not take it, or did not answer within ``STOP_S``.
        """
        within(STOP_S, f"stop {self.core.name}", self.core.stop)

    def stage(self) -> list[object]:
        """Makes ready for readings; a second time changes nothing."""
        return [self] if self._staged is Staged.yes else super().stage()

    def _read_channels(self) -> tuple[str, ...]:
        return tuple(c.name for c in documented(self.core) if c.show is not Show.CONFIG)

    @contextmanager
    def _showing(self, seen: Look) -> Generator[None]:
        self._shown = seen
        try:
            yield
        finally:
            self._shown = None


class SettableFace(InstrumentFace):
    """The face of a core with one main settable channel: setting the device sets that one."""

    main_signal: ClassVar[str]
    """Attribute of its signal."""

    def set(self, value: Any, *, timeout: float | None = None) -> OrderStatus:
        """Sets the main channel. Arguments and status are those of the channel's signal."""
        return cast(ChannelSignal, getattr(self, self.main_signal)).set(value, timeout=timeout)


@cache
def face_of(core_class: type[Core]) -> type[InstrumentFace]:
    """The classic device class of a class of cores; the same class for the same core class.

    Raises:
        ConfigError: A channel has a name that ophyd needs for itself.
    """
    main = main_settable(core_class)
    base = InstrumentFace if main is None else SettableFace
    parts: dict[str, Any] = {"core_class": core_class, "__doc__": core_class.__doc__}
    if main is not None:
        parts["main_signal"] = attribute_of(main.name)
    for channel in core_class.channels:
        kind = _KINDS[channel.show]
        names = (attribute_of(channel.name), f"{channel.name}_quality")
        used = (n for n in names if n in parts or (hasattr(base, n) and n not in _NAMEPLATE))
        taken = next(used, None)
        if taken is not None:
            raise ConfigError(
                f"a channel of {core_class.__name__} cannot become a signal",
                got=taken,
                allowed="a name that no ophyd device uses, as temperature_c",
                do="rename the channel",
            )
        parts[names[0]] = Cpt(ChannelSignal, channel=channel, kind=kind, doc=channel.doc)
        if channel.show is not Show.OMITTED:
            beside = Kind.config if channel.show is Show.CONFIG else Kind.normal
            parts[names[1]] = Cpt(QualitySignal, channel=channel.name, kind=beside)
    made: Any = type(f"{core_class.__name__}Face", (base,), parts)
    return made
