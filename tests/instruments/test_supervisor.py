"""The supervisor: trips, keeps tripped, stops, refuses."""

import threading
import time
from typing import Any

import pytest

from instruments.cores.core import Channel, Core, Identity
from instruments.supervisor import ALL, Supervisor, stop_all, watched
from sdl.core.errors import ConfigError, DeviceError, LinkError, SafetyError
from sdl.core.event import Topic
from sdl.core.lab import Interlock


class Oven(Core):
    channels = (Channel("temperature_c", "degC"),)
    stop_action = "heater off"

    def __init__(self, name="furnace_1"):
        super().__init__(name)
        self.value: Any = 20.0
        self.stopped = 0
        self.hangs = threading.Event()
        self.hangs.set()

    def identify(self):
        return Identity("oven")

    def fetch(self, channel):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def stop(self):
        self.hangs.wait()
        self.stopped += 1

    def close(self):
        pass


class Station:
    def __init__(self, *cores):
        self.cores = cores


@pytest.fixture
def oven():
    return Oven()


def supervisor(oven, *interlocks, **words):
    drivers: Any = {"furnace_1": Station(oven), "mixer": Station()}
    return Supervisor(interlocks, drivers, **words)


HOT = Interlock(name="too-hot", watch="furnace_1.temperature_c", above=900.0)


def test_a_trip_stops_the_station_once_and_stays_until_it_is_released(oven):
    watch = supervisor(oven, HOT)
    watch.look()
    watch.require_clear("furnace_1")
    oven.value = 901.0
    watch.look()
    oven.value = 20.0
    watch.look()
    assert oven.stopped == 1
    with pytest.raises(SafetyError, match="901"):
        watch.require_clear("furnace_1")
    watch.require_clear("mixer")
    topics = [note.topic for note in watch.notes()]
    assert topics == [Topic.INTERLOCK, Topic.QUARANTINE, Topic.REFUSAL]


def test_below_and_the_whole_laboratory(oven):
    cold = Interlock(name="cold", watch="furnace_1.temperature_c", below=5.0, stop="laboratory")
    watch = supervisor(oven, cold)
    oven.value = 4.0
    watch.look()
    with pytest.raises(SafetyError):
        watch.require_clear("mixer")
    stations = [n.station for n in watch.notes() if n.topic is Topic.QUARANTINE]
    assert stations == ["furnace_1", "mixer"]


def test_silence_trips_after_its_time_only(oven, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stale = Interlock(name="blind", watch="furnace_1.temperature_c", stale_s=10.0)
    watch = supervisor(oven, stale)
    oven.value = LinkError("gone")
    now[0] += 9.0
    watch.look()
    watch.require_clear("furnace_1")
    now[0] += 2.0
    watch.look()
    with pytest.raises(SafetyError, match=r"no valid reading .* 11\.0 s"):
        watch.require_clear("furnace_1")


def test_nan_is_no_reading_below_a_limit(oven):
    watch = supervisor(oven, HOT)
    oven.value = float("nan")
    watch.look()
    watch.require_clear("furnace_1")
    assert (oven.stopped, watch.notes()) == (0, [])


def test_the_stop_file_stops_everything_and_names_who_wrote_it(oven, tmp_path):
    file = tmp_path / "lab.yaml.stop"
    watch = supervisor(oven, stop_file=file)
    watch.require_clear("mixer")
    file.write_text("smoke (by A. Chemist)", encoding="utf-8")
    with pytest.raises(SafetyError, match=r"A\. Chemist"):
        watch.require_clear("mixer")
    assert oven.stopped == 1


def test_the_thread_watches_by_itself(oven):
    watch = supervisor(oven, HOT, period_s=0.005)
    watch.start()
    oven.value = 1000.0
    deadline_s = time.monotonic() + 10.0
    while not oven.stopped and time.monotonic() < deadline_s:
        threading.Event().wait(0.005)
    watch.close()
    assert oven.stopped == 1


def test_one_instrument_that_hangs_delays_no_other(oven):
    stuck = Oven("stuck")
    stuck.hangs.clear()
    began = time.monotonic()
    failed = stop_all([stuck, oven], within_s=0.2)
    assert time.monotonic() - began < 5.0
    assert oven.stopped == 1
    assert failed == ["stuck did not answer within 0.2 s"]
    stuck.hangs.set()


def test_an_instrument_that_refuses_to_stop_is_named(oven):
    oven.stop = lambda: (_ for _ in ()).throw(DeviceError("furnace_1 does not take it"))
    assert stop_all([oven]) == ["furnace_1: furnace_1 does not take it"]
    watch = supervisor(oven)
    watch.trip(ALL, "fire")
    assert "NOT stopped: furnace_1" in watch.notes()[0].message


def test_an_interlock_on_nothing_is_refused(oven):
    drivers: Any = {"furnace_1": Station(oven)}
    nothing = Interlock(name="x", watch="furnace_1.pressure_bar", above=1.0)
    with pytest.raises(ConfigError, match="temperature_c"):
        watched(nothing, drivers)
