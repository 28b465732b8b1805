"""A furnace station against its simulator: anneals, crashes, faults, the door."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from instruments.drivers.base import start_job
from instruments.drivers.furnace import EurothermStation
from instruments.drivers.furnace_settings import EurothermSettings
from instruments.drivers.job import Job, JobState
from instruments.protocols.eurotherm import Mode
from sdl.core.command import Presence, Verb
from sdl.core.errors import BusyError, ConfigError, DeviceError, LinkError
from sdl.core.recipe import Gas
from simulators.act import ActState
from wired_rig import Rig, command

ARGS = {
    "temperature_c": 850.0, "dwell_h": 4.0, "ramp_c_per_min": 5.0, "gas": "air",
    "cooling": "furnace",
}  # fmt: skip
JOB = Job("c1", Verb.ANNEAL, ("S1", "S2"), ARGS)
HOT = Job("c2", Verb.ANNEAL, ("S1", "S2"), {**ARGS, "cooling": "hold"})
RAMP_S, SOAK_S, COOL_S = 165 * 60.0, 4 * 3600.0, 412.5 * 60.0
BOTH = ["furnace_1", "furnace_2"]


@pytest.fixture
def station() -> str:
    return "furnace_1"


@pytest.fixture
def rig(station: str, tmp_path: Path) -> Iterator[Rig]:
    with Rig(station, tmp_path) as rig:
        rig.put("S1", "S2")
        yield rig


def through(rig: Rig, seconds: float, looks: int = 8, label: str = "c1") -> Any:
    """Lets time pass in steps and looks after each; the last look."""
    record = None
    for _ in range(looks):
        rig.turn(seconds / looks)
        record = rig.driver.record(label)
    return record


def device(rig: Rig, act: str, *args: Any) -> Any:
    """Does something to the simulator in its own thread."""
    return rig.simulated.ask(lambda: getattr(rig.simulator, act)(*args))


def acts(rig: Rig) -> list[Any]:
    """What the furnace really did."""
    return [a for a in rig.simulated.ask(rig.world.acts) if a.verb == Verb.ANNEAL]


@pytest.mark.parametrize("station", BOTH)
def test_anneal(rig: Rig, station: str) -> None:
    begun_s = rig.clock.now_s()
    record = start_job(rig.driver, JOB)
    assert record.state is JobState.RUNNING
    assert record.end_s == pytest.approx(begun_s + RAMP_S + SOAK_S + COOL_S, rel=0.001)
    assert rig.driver.remaining_s() > 0.0
    assert through(rig, RAMP_S + SOAK_S + COOL_S - 10.0, 12).state is JobState.RUNNING
    rig.turn(20.0)
    record = rig.driver.record("c1")
    assert (record.state, record.error, record.end_s) == (JobState.COMPLETE, "", rig.clock.now_s())
    result, (act,) = rig.driver.result("c1"), acts(rig)
    assert result["program"] == JOB.setup_hash == act.result["program"]
    assert result["energy_kwh"] == pytest.approx(act.result["energy_kwh"], rel=0.01)
    assert result["thermocouple_c"] == pytest.approx(850.0, abs=3.0)
    assert rig.driver.remaining_s() == 0.0
    assert rig.driver.temperature_c() == pytest.approx(25.0, abs=3.0)


@pytest.mark.parametrize("station", BOTH)
def test_hold_stays_hot_until_the_next_program(rig: Rig, station: str) -> None:
    start_job(rig.driver, HOT)
    record = through(rig, RAMP_S + SOAK_S + 60.0, label="c2")
    assert record.state is JobState.COMPLETE
    assert rig.driver.result("c2")["thermocouple_c"] == pytest.approx(850.0, abs=3.0)
    assert rig.driver.core.mode() is Mode.COMPLETE
    rig.driver.may_open()  # opens_hot
    rig.driver.load(JOB)
    assert rig.driver.core.mode() is Mode.RESET


def test_steam_is_its_event(tmp_path: Path) -> None:
    with Rig("furnace_2", tmp_path) as rig:
        rig.put("S1")
        start_job(rig.driver, Job("c1", Verb.ANNEAL, ("S1",), {**ARGS, "gas": "steam"}))
        assert acts(rig)[0].args["program"]["gas"] == "steam"


@pytest.mark.parametrize(
    "change",
    [
        {"temperature_c": 901.0}, {"temperature_c": 24.0}, {"temperature_c": float("nan")},
        {"dwell_h": 0.0}, {"dwell_h": 73.0}, {"ramp_c_per_min": 21.0}, {"ramp_c_per_min": 0.0},
        {"gas": "steam"}, {"cooling": "air"}, {"pressure_bar": 1.0},
    ],
)  # fmt: skip
def test_what_breaks_a_limit_is_refused_before_anything_is_sent(
    rig: Rig, change: dict[str, Any]
) -> None:
    with pytest.raises(DeviceError, match="outside its limits"):
        rig.driver.load(Job("c1", Verb.ANNEAL, ("S1", "S2"), {**ARGS, **change}))
    assert rig.driver.core.program_in(rig.driver.core.held()) is None


def test_what_old_registers_cannot_hold_is_refused(tmp_path: Path) -> None:
    with Rig("furnace_2", tmp_path) as rig:
        slow = Job("c1", Verb.ANNEAL, ("S1",), {**ARGS, "ramp_c_per_min": 0.0001})
        with pytest.raises(DeviceError, match="the program is outside its limits"):
            rig.driver.load(slow)


@pytest.mark.parametrize("station", BOTH)
def test_read_back_is_what_the_device_holds(rig: Rig, station: str) -> None:
    assert rig.driver.read_back() == ""
    odd = {**ARGS, "temperature_c": 843.21, "dwell_h": 1 / 3, "ramp_c_per_min": 3.37}
    job = Job("c1", Verb.ANNEAL, ("S1", "S2"), odd)
    rig.driver.load(job)
    assert rig.driver.read_back() == job.setup_hash
    rig.driver.core.close()
    device(rig, "set_registers", 8331, [0])  # somebody at the panel: dwells in seconds
    if station == "furnace_1":
        device(rig, "set_registers", 1173, [0])
    assert rig.driver.read_back() != job.setup_hash
    with pytest.raises(DeviceError, match="holds another program"):
        rig.driver.start()
    assert rig.driver.record("c1") is None
    assert acts(rig) == []


def test_busy_while_a_program_runs(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    with pytest.raises(BusyError, match="busy with c1"):
        rig.driver.load(HOT)
    rig.site.notebook.write("furnace_1", "c1", {"state": "aborted", "end_s": 0.0, "error": "x"})
    with pytest.raises(BusyError, match="runs a program"):
        rig.driver.load(HOT)


def test_does_not_heat_with_an_open_door_or_a_broken_thermocouple(rig: Rig) -> None:
    rig.driver.load(JOB)
    rig.simulated.ask(lambda: rig.simulated.plant.doors.update(furnace_1=True))
    with pytest.raises(DeviceError, match="must not heat while its door is open"):
        rig.driver.start()
    rig.simulated.ask(lambda: rig.simulated.plant.doors.update(furnace_1=False))
    device(rig, "break_sensor", "open")
    rig.driver.load(JOB)
    with pytest.raises(DeviceError, match="sensor break"):
        rig.driver.start()
    assert rig.driver.record("c1") is None
    assert acts(rig) == []


def test_a_tag_is_never_the_one_that_is_held(rig: Rig) -> None:
    rig.driver.load(JOB)
    first = rig.driver.evidence(JOB)["tag"]
    rig.driver.load(JOB)
    assert rig.driver.evidence(JOB)["tag"] != first


# -- after a crash ---------------------------------------------------------------------------------


def test_a_restart_attaches_to_the_running_program(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    through(rig, RAMP_S + SOAK_S - 600.0)
    rig.restarted()
    rig.turn(1200.0)
    found = rig.driver.inspect(command(JOB, "furnace_1"))
    assert found.presence is Presence.STARTED
    assert through(rig, COOL_S).state is JobState.COMPLETE
    # The soak was seen by the process before.
    assert rig.driver.result("c1")["thermocouple_c"] == pytest.approx(850.0, abs=3.0)
    assert len(acts(rig)) == 1


def test_a_restart_finds_what_ended_meanwhile(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    rig.restarted()
    rig.turn(RAMP_S + SOAK_S + COOL_S + 10.0)
    assert rig.driver.inspect(command(JOB, "furnace_1")).presence is Presence.STARTED
    assert rig.driver.record("c1").state is JobState.COMPLETE
    assert "thermocouple_c" not in rig.driver.result("c1")  # nobody saw the soak


def dies_before_run(rig: Rig) -> None:
    """A process that ends between the note and the command to run."""

    def die() -> None:
        raise KeyboardInterrupt

    rig.driver.core.run = die
    with pytest.raises(KeyboardInterrupt):
        start_job(rig.driver, JOB)
    rig.restarted()


def test_killed_before_it_ran_just_now_is_absent_and_sent_again(rig: Rig) -> None:
    dies_before_run(rig)
    rig.turn(30.0)
    found = rig.driver.inspect(command(JOB, "furnace_1"))
    assert found.presence is Presence.ABSENT
    assert start_job(rig.driver, JOB).state is JobState.RUNNING
    assert len(acts(rig)) == 1


def test_killed_before_it_ran_long_ago_is_unknown(rig: Rig) -> None:
    dies_before_run(rig)
    rig.turn(3600.0)
    found = rig.driver.inspect(command(JOB, "furnace_1"))
    assert found.presence is Presence.UNKNOWN
    assert "mode reset" in found.evidence


def test_killed_after_the_command_but_before_its_proof(rig: Rig) -> None:
    dies_before_run(rig)
    rig.driver.core.run()
    assert rig.driver.inspect(command(JOB, "furnace_1")).presence is Presence.STARTED


def test_another_tag_is_unknown(rig: Rig) -> None:
    dies_before_run(rig)
    device(rig, "set_registers", 8329, [4321])
    assert rig.driver.inspect(command(JOB, "furnace_1")).presence is Presence.UNKNOWN


def test_killed_while_loading_is_absent(rig: Rig) -> None:
    rig.driver.load(JOB)
    rig.restarted()
    assert rig.driver.inspect(command(JOB, "furnace_1")).presence is Presence.ABSENT
    assert start_job(rig.driver, JOB).state is JobState.RUNNING


def test_power_lost_while_nobody_looked(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    rig.turn(RAMP_S)
    device(rig, "reboot")
    rig.restarted()
    assert rig.driver.inspect(command(JOB, "furnace_1")).presence is Presence.STARTED
    assert rig.driver.record("c1").state is JobState.RUNNING  # nobody reaches in while it is hot
    rig.turn(20.0 * 3600.0)
    record = rig.driver.record("c1")
    assert record.state is JobState.ABORTED
    assert "lost its program" in record.error


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("station", BOTH)
def test_fault_4_a_furnace_that_restarted(rig: Rig, station: str) -> None:
    start_job(rig.driver, JOB)
    through(rig, RAMP_S)
    device(rig, "reboot")
    assert rig.driver.record("c1").state is JobState.RUNNING  # nobody reaches in while it is hot
    rig.turn(20.0 * 3600.0)
    record = rig.driver.record("c1")
    assert record.state is JobState.ABORTED
    assert "the furnace lost its program: mode reset, setpoint 25 degC" in record.error
    assert rig.driver.record("c1") == record  # noted, once


def test_another_program_under_the_same_run(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    device_values = rig.simulator._values
    rig.simulated.ask(lambda: device_values.update({8337: 700.0}))
    record = rig.driver.record("c1")
    assert record.state is JobState.ABORTED
    assert "segment 1 target (register 8337) is 700, not 850" in record.error


@pytest.mark.parametrize("station", BOTH)
def test_fault_9_thermocouple_break(rig: Rig, station: str) -> None:
    start_job(rig.driver, JOB)
    through(rig, RAMP_S)
    device(rig, "break_sensor", "open")
    record = rig.driver.record("c1")
    assert record.state is JobState.ABORTED
    assert "thermocouple is broken; the heater was switched off" in record.error
    assert rig.driver.core.mode() is Mode.RESET
    assert acts(rig)[0].state is not ActState.COMPLETE
    with pytest.raises(DeviceError, match="S1, S2 of c1: the thermocouple is broken"):
        rig.driver.may_open()


def test_fault_9_vials_of_a_furnace_that_was_not_believed_are_left_for_a_person(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    assert through(rig, 600.0, 1).state is JobState.RUNNING
    device(rig, "stick")  # far below the heat at which the furnace counts as hot
    record = through(rig, 3600.0, 12)
    assert record.state is JobState.ABORTED
    rig.restarted()
    rig.turn(2 * COOL_S)
    with pytest.raises(DeviceError, match="stands at"):
        rig.driver.may_open()
    for sample in JOB.samples:  # `sdl release`: a person took them out and mended it
        rig.site.notebook.put(sample, "rack")
    device(rig, "mend")
    rig.driver.may_open()


def test_fault_9_thermocouple_that_breaks_while_a_stopped_furnace_cools(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    through(rig, RAMP_S, 2)
    rig.driver.abort("c1")
    assert rig.driver.record("c1").state is JobState.RUNNING
    device(rig, "break_sensor", "open")
    record = rig.driver.record("c1")
    assert record.state is JobState.ABORTED
    assert "stopped on order; the thermocouple is broken" in record.error
    with pytest.raises(DeviceError, match="S1, S2 of c1"):
        rig.driver.may_open()


def test_a_furnace_without_a_door_is_asked_before_the_arm_reaches_in(tmp_path: Path) -> None:
    with Rig("furnace_1", tmp_path, door=None) as rig:
        rig.put("S1", "S2")
        hatch = rig.site.doors["furnace_1"]
        hatch.open()
        hatch.shut()
        start_job(rig.driver, JOB)
        through(rig, RAMP_S, 2)
        with pytest.raises(DeviceError, match="must not be opened now; got mode run"):
            hatch.open()
        rig.driver.abort("c1")
        with pytest.raises(DeviceError, match="below 60 degC"):
            hatch.open()


def test_fault_9_thermocouple_stuck_in_the_ramp(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    through(rig, 1800.0, 2)
    device(rig, "stick")
    record = through(rig, 1800.0, 6)
    assert record.state is JobState.ABORTED
    assert "stands at" in record.error
    assert rig.driver.core.mode() is Mode.RESET


@pytest.mark.parametrize("fault", [("break_sensor", "short"), ("runaway", 40.0)])
def test_faults_9_and_11_astray_in_the_soak(rig: Rig, fault: tuple[Any, ...]) -> None:
    start_job(rig.driver, JOB)
    assert through(rig, RAMP_S + 600.0).state is JobState.RUNNING
    device(rig, *fault)
    record = through(rig, 600.0, 2)
    assert record.state is JobState.ABORTED
    assert "in a soak at 850 degC" in record.error
    assert rig.driver.core.mode() is Mode.RESET


def test_fault_5_a_link_that_breaks_ends_nothing(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    through(rig, RAMP_S)
    rig.unplug()
    begun_s = time.monotonic()
    with pytest.raises(LinkError):
        rig.driver.record("c1")
    assert time.monotonic() - begun_s < 5.0
    note = rig.site.notebook.read("furnace_1", "c1")
    assert note is not None
    assert "state" not in note


def test_fault_13_nonsense_ends_nothing(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    keep = rig.driver.core.mode

    def nonsense() -> Mode:
        rig.driver.core.mode = keep
        raise DeviceError("furnace_1 answered nonsense")

    rig.driver.core.mode = nonsense
    with pytest.raises(LinkError, match="cannot be asked now: furnace_1 answered nonsense"):
        rig.driver.record("c1")
    assert rig.driver.record("c1").state is JobState.RUNNING


def test_a_pause_is_not_a_stop(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    rig.driver.stop()
    assert rig.driver.core.mode() is Mode.RUN
    assert rig.driver.record("c1").state is JobState.RUNNING


def test_abort_switches_off_and_waits_until_cold(rig: Rig) -> None:
    start_job(rig.driver, JOB)
    through(rig, RAMP_S + 600.0)
    assert rig.driver.abort("c1")
    assert rig.driver.core.mode() is Mode.RESET
    assert rig.driver.core.believed("setpoint_c") == 0.0
    record = rig.driver.record("c1")
    assert record.state is JobState.RUNNING
    assert record.end_s - rig.clock.now_s() == pytest.approx((850 - 60) / 2 * 60, rel=0.01)
    rig.restarted()
    assert rig.driver.inspect(command(JOB, "furnace_1")).presence is Presence.STARTED
    record = through(rig, COOL_S)
    assert (record.state, record.error) == (JobState.ABORTED, "stopped on order")
    assert not rig.driver.abort("c1")


def test_a_start_that_failed_does_not_block_the_station(rig: Rig) -> None:
    dies_before_run(rig)
    rig.driver.load(HOT)
    assert rig.driver.record("c1").state is JobState.ABORTED
    assert rig.driver.start().state is JobState.RUNNING


# -- the door --------------------------------------------------------------------------------------


def test_the_door_is_the_sites(rig: Rig) -> None:
    assert rig.site.doors["furnace_1"] is rig.driver.door
    assert [c.name for c in rig.driver.cores] == ["furnace_1", "furnace_1_door"]


def test_door_stays_shut_while_a_program_is_at_work(rig: Rig) -> None:
    rig.driver.may_open()
    start_job(rig.driver, JOB)
    with pytest.raises(DeviceError, match="must not be opened now; got mode run"):
        rig.site.doors["furnace_1"].open()


def test_door_stays_shut_while_hot_without_leave(tmp_path: Path) -> None:
    door = {"link": "tcp://127.0.0.1:0", "name": "A"}
    with Rig("furnace_1", tmp_path, door=door) as rig:
        rig.put("S1", "S2")
        start_job(rig.driver, HOT)
        through(rig, RAMP_S + SOAK_S + 60.0, label="c2")
        with pytest.raises(DeviceError, match="allowed: below 60 degC"):
            rig.site.doors["furnace_1"].open()


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"gas_events": {"air": 0, "steam": 0}},
        {"watchdog_s": 60.0},
        {"watchdog_action": 1},
        {"model": "2400", "watchdog_s": 60.0, "watchdog_action": 1},
        {"model": "3216"},
        {"link": "tcp://nowhere"},
        {"time_unit": "days"},
    ],
)
def test_settings_that_contradict_themselves(change: dict[str, Any]) -> None:
    good = {"link": "tcp://127.0.0.1:502", "model": "epc3000", "gas_events": {"air": 0}}
    EurothermSettings.model_validate(good)
    with pytest.raises(ValidationError):
        EurothermSettings.model_validate({**good, **change})


@pytest.mark.parametrize("change", [{"max_temperature_c": None}, {"gases": (Gas.AIR, Gas.ARGON)}])
def test_a_station_it_cannot_run(rig: Rig, change: dict[str, Any]) -> None:
    broken = rig.driver.station.model_copy(update=change)
    with pytest.raises(ConfigError, match="cannot be run by the driver eurotherm"):
        EurothermStation(broken, rig.site, rig.driver.settings)
