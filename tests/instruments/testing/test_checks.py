"""The checks find what they are for: instruments that break the contract in one way each."""

from __future__ import annotations

import math
import threading

import pytest

from hot_plate import SILENT, HotPlate
from instruments.cores.core import Channel, Show
from instruments.readout import Quality, Readout, Value
from instruments.testing import cores


class Plate(HotPlate):
    """A hot plate that counts requests."""

    channels = HotPlate.channels[:-1]
    sent = 0

    def _reach(self) -> None:
        self.sent += 1
        super()._reach()


class Remembers(Plate):
    """Shows the last value when there is no answer."""

    last = 0.0

    def read(self, channel: str) -> Readout:
        found = super().read(channel)
        if isinstance(found.value, float):
            self.last = found.value
        unreachable = found.quality is Quality.UNREACHABLE
        unit = found.unit
        return Readout(self.last, unit, Quality.GOOD, 0.0, found.source) if unreachable else found


class Trusts(Plate):
    """Takes any number."""

    def put(self, channel: str, value: Value) -> None:
        self.assign(channel, value)


class AsksFirst(Plate):
    """Asks the instrument before it refuses."""

    def put(self, channel: str, value: Value) -> None:
        self._reach()
        super().put(channel, value)


class StopsOnce(Plate):
    """Refuses the second stop."""

    def stop(self) -> None:
        super().stop()
        if self.stops > 1:
            raise SILENT


class Hangs(Plate):
    """Waits for a dead instrument."""

    def stop(self) -> None:
        threading.Event().wait(0.3)


def test_a_good_instrument_passes() -> None:
    core = Plate()
    cores.check_names(core, "plate")
    for check in cores.CORE_CHECKS:
        check(core)
    cores.check_limits(core, lambda: core.sent)
    cores.check_silence(
        core, lambda: setattr(core, "error", SILENT), lambda: setattr(core, "error", None)
    )


def test_a_remembered_value_is_found() -> None:
    core = Remembers()
    cores.check_readings(core)
    core.error = SILENT
    with pytest.raises(AssertionError, match="unreachable"):
        cores.check_unreachable(core)


@pytest.mark.parametrize("kind", [Trusts, AsksFirst])
def test_limits_that_do_not_hold_are_found(kind: type[Plate]) -> None:
    core = kind()
    with pytest.raises(AssertionError, match="refused"):
        cores.check_limits(core, lambda: core.sent)


def test_stops_that_fail_or_hang_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="again and again"):
        cores.check_stop(StopsOnce())
    monkeypatch.setattr(cores, "STOP_S", 0.2)
    with pytest.raises(AssertionError, match="ends within"):
        cores.check_silent_stop(Hangs())


@pytest.mark.parametrize(
    "channels",
    [
        (),
        (Channel("temperature_c", "K", Show.HINTED),),
        (Channel("temperature_c", "degC"),),
        (Channel("power", show=Show.HINTED),),
        (Channel("power_w", "W", Show.HINTED, low=2.0, high=1.0),),
        (Channel("power_w", "W", Show.HINTED, low=0.0, high=math.inf),),
        (Channel("power_w", "W", Show.HINTED, settable=True),),
        (Channel("state", "V", Show.HINTED, text=True),),
        (Channel("state", show=Show.HINTED, text=True),) * 2,
    ],
)
def test_channels_that_say_too_little_are_found(channels: tuple[Channel, ...]) -> None:
    class Poor(Plate):
        pass

    Poor.channels = channels
    with pytest.raises(AssertionError):
        cores.check_channels(Poor())


@pytest.mark.parametrize("name", ["hot plate", "other", "2plate"])
def test_names_that_do_not_fit_are_found(name: str) -> None:
    with pytest.raises(AssertionError):
        cores.check_names(Plate(name), "plate")
