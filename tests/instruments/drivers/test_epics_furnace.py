"""The EPICS furnace's driver against its soft IOC: anneals, crashes, restarts, broken sensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

pytest.importorskip("caproto", reason="needs the extra epics")

from instruments.cores.epics_furnace import State
from instruments.devices.instrument import face_of
from instruments.drivers.base import start_job
from instruments.drivers.epics_furnace import (
    EpicsFurnaceSettings,
    EpicsFurnaceStation,
    tag_of,
)
from instruments.drivers.job import Job, JobState
from instruments.notebook import Notebook
from instruments.site import Site
from sdl.core.clock import VirtualClock
from sdl.core.command import Command, Effect, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, DeviceError, LinkError
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task
from wire_room import Room, room

ARGS = {
    "temperature_c": 800,
    "dwell_h": 2.0,
    "ramp_c_per_min": 10.0,
    "gas": "air",
    "cooling": "furnace",
}
RAMP_S, DWELL_S, COOL_S = 775.0 * 6.0, 7200.0, 775.0 * 30.0


@pytest.fixture
def there() -> Iterator[Room]:
    settings = {"address": "127.0.0.1:0", "prefix": "SDL:F1:"}
    with room("furnace_1", "epics-furnace", settings) as made:
        made.bring("s1", "furnace_1")
        yield made


@pytest.fixture
def site(tmp_path: Path, there: Room) -> Site:
    laboratory = load_task("batio3-coarse").laboratory
    clock = VirtualClock()
    clock.now_s = lambda: there.now_s  # type: ignore[method-assign]  # the world's clock is ours
    site = Site(laboratory, clock, 1.0, Notebook(None), MemoryBlobs(), tmp_path)
    site.notebook.put("s1", "furnace_1")
    return site


def station_of(there: Room, site: Site) -> EpicsFurnaceStation:
    settings = EpicsFurnaceSettings.model_validate(there.simulator.settings)
    return EpicsFurnaceStation(site.capabilities.station("furnace_1"), site, settings)


@pytest.fixture
def station(there: Room, site: Site) -> Iterator[EpicsFurnaceStation]:
    made = station_of(there, site)
    yield made
    made.core.close()


def job(label: str = "c1", **changes: Any) -> Job:
    return Job(label, Verb.ANNEAL, ("s1",), {**ARGS, **changes})


def command(label: str = "c1") -> Command:
    return Command(
        id=label,
        station="furnace_1",
        verb=Verb.ANNEAL,
        samples=("s1",),
        effect=Effect.IRREVERSIBLE,
        args=ARGS,
        time_s=0.0,
    )


def state(station: EpicsFurnaceStation, label: str = "c1") -> JobState:
    record = station.record(label)
    assert record is not None
    return record.state


def acts(there: Room) -> int:
    return len([a for a in there.ask(there.world.acts) if a.verb == "anneal"])


def test_an_anneal_from_load_to_result(there: Room, station: EpicsFurnaceStation) -> None:
    began_s = there.now_s
    record = start_job(station, job())
    assert record.state is JobState.RUNNING
    assert record.end_s == pytest.approx(began_s + RAMP_S + DWELL_S + COOL_S, abs=1.0)
    there.wait(RAMP_S / 2.0)
    assert station.temperature_c() == pytest.approx(412.5, abs=3.0)
    with pytest.raises(BusyError):
        station.load(job("c2"))
    there.wait(RAMP_S / 2.0 + DWELL_S / 2.0)
    assert state(station) is JobState.RUNNING
    assert station.core.number("segment") == 2.0
    there.wait(DWELL_S / 2.0 + COOL_S + 5000.0)
    record = station.record("c1")
    assert record is not None
    assert record.state is JobState.COMPLETE
    # The end is the furnace's own, not when somebody looked.
    assert record.end_s == pytest.approx(began_s + RAMP_S + DWELL_S + COOL_S, abs=1.0)
    result = station.result("c1")
    assert result["program"] == job().setup_hash
    assert result["thermocouple_c"] == pytest.approx(800.0, abs=3.0)
    assert result["energy_kwh"] > 0.0
    assert station.remaining_s() == 0.0
    start_job(station, job("c2", cooling="hold"))
    there.wait(RAMP_S + DWELL_S + 1.0)
    assert state(station, "c2") is JobState.COMPLETE
    assert station.temperature_c() == pytest.approx(800.0, abs=3.0)
    assert acts(there) == 2


def test_an_abort_cools_and_ends(there: Room, station: EpicsFurnaceStation) -> None:
    start_job(station, job())
    there.wait(RAMP_S)
    assert station.abort("c1")
    there.wait(60.0)
    assert station.core.state() is State.COOLING
    assert state(station) is JobState.RUNNING
    there.wait(COOL_S)
    record = station.record("c1")
    assert record is not None
    assert record.state is JobState.ABORTED
    assert "stopped on order" in record.error
    assert not station.abort("c1")


def test_a_crash_at_every_place(there: Room, site: Site, station: EpicsFurnaceStation) -> None:
    assert station.inspect(command()).presence is Presence.ABSENT
    station.load(job())
    assert station.inspect(command()).presence is Presence.ABSENT

    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    run = station.core.run
    station.core.run = killed  # type: ignore[method-assign]  # dies before the start
    with pytest.raises(KilledError):
        station.start()
    after = station_of(there, site)
    found = after.inspect(command())
    assert found.presence is Presence.ABSENT
    assert "IDLE" in found.evidence
    after.load(job())
    after.core.run = lambda tag: (run(tag), killed())  # type: ignore[method-assign]  # after it
    with pytest.raises(KilledError):
        after.start()
    last = station_of(there, site)
    assert last.inspect(command()).presence is Presence.STARTED
    with pytest.raises(BusyError):
        last.load(job())
    there.wait(RAMP_S + DWELL_S + COOL_S + 1.0)
    assert state(last) is JobState.COMPLETE
    assert acts(there) == 1
    for one in (after, last):
        one.core.close()


def test_another_program_in_the_furnace_is_unknown(
    there: Room, site: Site, station: EpicsFurnaceStation
) -> None:
    station.load(job())
    station.core.run = lambda tag: None  # type: ignore[method-assign]  # lost on the way
    with pytest.raises(DeviceError, match="did not start"):
        station.start()
    there.ask(lambda: there.simulator.furnace.put_program("T", 700.0))
    assert station.inspect(command()).presence is Presence.UNKNOWN


def test_a_restarted_ioc_aborts_the_step(there: Room, station: EpicsFurnaceStation) -> None:
    start_job(station, job())
    there.wait(RAMP_S)
    there.ask(there.simulator.reboot)
    record = station.record("c1")
    assert record is not None
    assert record.state is JobState.RUNNING  # its samples are not at hand yet
    with pytest.raises(DeviceError, match="below 60 degC"):
        station.site.doors[station.name].open()
    there.wait(record.end_s - record.start_s)
    record = station.record("c1")
    assert record is not None
    assert record.state is JobState.ABORTED
    assert "restarted" in record.error
    station.site.doors[station.name].open()
    assert "s1" in record.error
    assert station.core.number("setpoint_c") == 25.0


def test_a_restart_before_anybody_saw_the_start_is_unknown(
    there: Room, site: Site, station: EpicsFurnaceStation
) -> None:
    station.load(job())
    site_note = station.evidence(job())
    site.notebook.write(
        "furnace_1",
        "c1",
        {"verb": "anneal", "samples": ["s1"], "args": ARGS, "start_s": 0.0, **site_note},
    )
    there.ask(there.simulator.reboot)
    found = station.inspect(command())
    assert found.presence is Presence.UNKNOWN
    assert "restarted" in found.evidence


def test_a_restart_between_load_and_start_starts_nothing(
    there: Room, station: EpicsFurnaceStation
) -> None:
    station.load(job())
    there.ask(there.simulator.reboot)
    with pytest.raises(DeviceError, match="does not hold"):
        station.start()
    assert station.running() == ()
    assert acts(there) == 0


def test_a_broken_thermocouple_ends_the_program(there: Room, station: EpicsFurnaceStation) -> None:
    start_job(station, job())
    there.wait(RAMP_S)
    there.ask(lambda: setattr(there.simulator.furnace.thermocouple, "broken", "open"))
    assert station.core.read("temperature_c").value is None
    assert state(station) is JobState.RUNNING
    there.wait(COOL_S + 60.0)
    record = station.record("c1")
    assert record is not None
    assert record.state is JobState.ABORTED
    assert "broken" in record.error
    with pytest.raises(DeviceError):
        start_job(station, job("c2"))


@pytest.mark.parametrize("kind", ["short", "stuck"])
def test_a_lying_thermocouple_ends_the_program(
    there: Room, station: EpicsFurnaceStation, kind: str
) -> None:
    start_job(station, job())
    assert state(station) is JobState.RUNNING
    furnace = there.simulator.furnace.thermocouple
    there.ask(
        lambda: setattr(furnace, *(("stuck", True) if kind == "stuck" else ("broken", "short")))
    )
    there.wait(RAMP_S)
    assert state(station) is JobState.RUNNING
    there.wait(60.0)
    assert state(station) is JobState.RUNNING
    assert station.core.state() is State.COOLING


def test_a_frozen_ioc_is_asked_again_later(there: Room, station: EpicsFurnaceStation) -> None:
    start_job(station, job())
    station.core.link.deadline_s = 0.2
    there.ask(there.simulator.freeze)
    with pytest.raises(LinkError):
        station.record("c1")
    with pytest.raises(LinkError):
        station.core.stop()
    there.ask(there.simulator.thaw)
    assert state(station) is JobState.RUNNING


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature_c": 901.0},
        {"temperature_c": float("nan")},
        {"dwell_h": 0.0},
        {"ramp_c_per_min": 21.0},
        {"gas": "steam"},
        {"cooling": "ice"},
        {"more": 1},
    ],
)
def test_what_is_outside_the_limits_is_refused(
    there: Room, station: EpicsFurnaceStation, changes: dict[str, Any]
) -> None:
    with pytest.raises(DeviceError):
        station.load(job(**changes))
    assert there.ask(lambda: there.simulator.furnace.tag) == ""


def test_settings() -> None:
    made = EpicsFurnaceSettings.model_validate({"address": "10.0.0.7:5064", "prefix": "A:"})
    assert str(made.address) == "tcp://10.0.0.7:5064"
    for wrong in (
        {"address": "10.0.0.7", "prefix": "A:"},
        {"address": "10.0.0.7:5064", "prefix": "A B"},
        {"address": 5, "prefix": "A:"},
        {"address": "10.0.0.7:5064", "prefix": "a" * 41},
    ):
        with pytest.raises(ValidationError):
            EpicsFurnaceSettings.model_validate(wrong)
    assert len(tag_of("c" * 64, ("s",))) == 24


def test_a_furnace_without_a_limit_is_refused(there: Room, site: Site) -> None:
    plain = site.capabilities.station("furnace_1").model_copy(update={"max_temperature_c": None})
    settings = EpicsFurnaceSettings.model_validate(there.simulator.settings)
    with pytest.raises(ConfigError, match="max_temperature_c"):
        EpicsFurnaceStation(plain, site, settings)


def test_the_classic_face_of_the_furnace(there: Room, station: EpicsFurnaceStation) -> None:
    face: Any = face_of(type(station.core))("", core=station.core, name="furnace_1")
    read = {k: v["value"] for k, v in face.read().items()}
    assert read["furnace_1_program_state"] == "IDLE"
    assert read["furnace_1_temperature_c_quality"] == "good"
    config = {k: v["value"] for k, v in face.read_configuration().items()}
    assert config["furnace_1_serial_number"] == "SDL:F1:"
    assert config["furnace_1_boot"]
    assert isinstance(face.set(300.0).exception(5.0), DeviceError)  # the world: a vial is inside
    face.stop()
