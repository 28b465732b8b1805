"""Any driver core as an ophyd-async device: the same signals as the classic face.

``async_instrument(core, name)`` inside ``init_devices()`` makes one. Values are asked for when they
are read; subscribers get a new one every ``poll_s``, or are told that there is none.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bluesky.protocols import Location
from ophyd_async.core import (
    AsyncStatus,
    DeviceMock,
    SignalR,
    SignalRW,
    StandardReadable,
    StandardReadableFormat,
    default_mock_class,
    set_mock_precision,
    set_mock_units,
    set_mock_value,
    soft_signal_r_and_setter,
)

from instruments.cores.core import STOP_S, Channel, Core, Show
from instruments.devices.async_backend import (
    AgeBackend,
    Asker,
    ChannelBackend,
    PlateBackend,
    QualityBackend,
)
from instruments.devices.async_reading import OneLook, Pair
from instruments.devices.order import late
from instruments.devices.quality import AGE_LIMIT_S, Nameplate, attribute_of, main_settable
from instruments.readout import Quality
from sdl.core.errors import ConfigError

SET_S = 10.0
"""Wall time within which an instrument takes a setting, s."""
POLL_S = 1.0
"""Wall time between two values for subscribers, s."""


class InstrumentMock(DeviceMock["AsyncInstrument"]):
    """Gives a mocked instrument the units of the real one, and good qualities."""

    async def connect(self, device: AsyncInstrument) -> None:
        """Called when the device connects in mock mode."""
        for channel in device.core.channels:
            if not channel.text:
                signal = getattr(device, attribute_of(channel.name))
                set_mock_units(signal, channel.unit)
                set_mock_precision(signal, 6)
            if channel.show is not Show.OMITTED:
                set_mock_value(getattr(device, f"{channel.name}_quality"), Quality.GOOD.value)


@default_mock_class(InstrumentMock)
class AsyncInstrument(StandardReadable):
    """An ophyd-async device over any core.

    ``stop`` carries out the core's ``stop_action``, bounded as in the classic face. Nothing is
    asked before the device connects, and nothing at all in mock mode.

    Args:
        core: The instrument.
        name: Name of the device, a Python identifier.
        age_limit_s: Age beyond which a value is stale, s of wall time.
        poll_s: Wall time between two values for subscribers, s.
        calibration: Identity of the calibration in force, empty if there is none.
        calibrated_on: Its date, as ``2026-11-03``.

    Raises:
        ConfigError: A channel has a name that ophyd-async needs for itself.
    """

    def __init__(
        self,
        core: Core,
        name: str = "",
        *,
        age_limit_s: float = AGE_LIMIT_S,
        poll_s: float = POLL_S,
        calibration: str = "",
        calibrated_on: str = "",
    ) -> None:
        self.core = core
        asker = Asker(core, age_limit_s)
        shown: dict[str, Pair] = {}
        for channel in core.channels:
            pair = self._add(channel, asker, poll_s)
            if pair is not None:
                shown[channel.name] = pair
        self.age_s = SignalR(AgeBackend(asker, poll_s))
        self._reading = OneLook(asker, shown, self.age_s)
        self.add_readables([self._reading])
        nameplate = Nameplate(core)
        lines = {"model": "model", "serial_number": "serial", "firmware": "firmware"}
        constants = {
            "calibration": calibration,
            "calibrated_on": calibrated_on,
            "stop_action": core.stop_action,
        }
        for attribute, line in lines.items():
            if not hasattr(self, attribute):
                source = f"core:{core.name}.{attribute}"
                backend = PlateBackend(nameplate, line, source, poll_s)
                self._constant(attribute, SignalR(backend))
        for attribute, text in constants.items():
            if not hasattr(self, attribute):
                self._constant(attribute, soft_signal_r_and_setter(str, text)[0])
        super().__init__(name=name)

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        """Names the device and its signals as the classic face does, whatever the separator."""
        super().set_name(name, child_name_separator="_")

    def _add(self, channel: Channel, asker: Asker, poll_s: float) -> Pair | None:
        own, beside = attribute_of(channel.name), f"{channel.name}_quality"
        taken = next((n for n in (own, beside) if hasattr(self, n)), None)
        if taken is not None:
            raise ConfigError(
                f"a channel of {self.core.name} cannot become a signal",
                got=taken,
                allowed="a name that no ophyd-async device uses, as temperature_c",
                do="rename the channel",
            )
        make = SignalRW if channel.settable else SignalR
        setattr(self, own, make(ChannelBackend(asker, channel, poll_s), SET_S))
        if channel.show is Show.OMITTED:
            return None
        setattr(self, beside, SignalR(QualityBackend(asker, channel, poll_s)))
        pair = Pair(channel, getattr(self, own), getattr(self, beside))
        if channel.show is not Show.CONFIG:
            return pair
        self.add_readables([pair.value, pair.quality], StandardReadableFormat.CONFIG_SIGNAL)
        return None

    def _constant(self, attribute: str, signal: SignalR[str]) -> None:
        setattr(self, attribute, signal)
        self.add_readables([signal], StandardReadableFormat.CONFIG_SIGNAL)

    async def stop(self, success: bool = True) -> None:
        """Carries out the instrument's safe action.

        Raises:
            DeviceError: It did not take it, or did not answer within ``STOP_S``.
        """
        try:
            await asyncio.wait_for(asyncio.to_thread(self.core.stop), STOP_S)
        except TimeoutError as err:
            raise late(f"stop {self.core.name}", STOP_S) from err


class SettableAsyncInstrument(AsyncInstrument):
    """The device over a core with one main settable channel: setting it sets that one."""

    @AsyncStatus.wrap
    async def set(self, value: Any, timeout: float | None = None) -> None:
        """Sets the main channel; done when the instrument holds the value.

        Args:
            value: In the unit of the channel.
            timeout: Wall time it may take, s; ``SET_S`` if not given.

        Raises:
            DeviceError: Outside the limits, refused, or no answer in time.
        """
        signal, limit_s = self.main, SET_S if timeout is None else timeout
        try:
            await signal.set(value, timeout=limit_s)
        except TimeoutError as err:
            raise late(f"set {signal.source} to {value!r:.40}", limit_s) from err

    async def locate(self) -> Location[Any]:
        """What the main channel was set to, as the instrument holds it."""
        return await self.main.locate()

    @property
    def main(self) -> SignalRW[Any]:
        """The signal of the main channel."""
        channel = main_settable(self.core)
        if channel is None:
            raise ConfigError(f"{self.core.name} has no main settable channel")
        return getattr(self, attribute_of(channel.name))


def async_instrument(core: Core, name: str = "", **settings: Any) -> AsyncInstrument:
    """The ophyd-async device of a core.

    Args:
        core: The instrument.
        name: Name of the device; ``init_devices`` gives it that of the variable if it is empty.
        settings: As for ``AsyncInstrument``.
    """
    made = AsyncInstrument if main_settable(core) is None else SettableAsyncInstrument
    return made(core, name, **settings)
