"""The arm against its simulator: proof by the counter, doors, slots, faults, crashes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from golden import ur as golden
from instruments.cores.arm import CODES, RobotArm
from instruments.drivers.arm import ArmSettings, ArmStation
from instruments.drivers.base import start_job
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.notebook import Notebook
from instruments.readout import Quality
from instruments.site import Site
from sdl.core.clock import VirtualClock
from sdl.core.command import Command, Effect, Presence, Verb
from sdl.core.errors import BusyError, DeviceError, LinkError
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task
from wire_room import Room, room, wait_for

SETTINGS: dict[str, Any] = {
    "dashboard": "tcp://127.0.0.1:0",
    "rtde": "tcp://127.0.0.1:0",
    "program": "sdl_move.urp",
    "places": {
        "rack": 0,
        "dispenser": 1,
        "mixer": 2,
        "furnace_1": 3,
        "furnace_2": 4,
        "quench": 5,
        "diffractometer": 6,
    },
}


@dataclass
class FakeDoor:
    """A door that moves at once and remembers what it was told."""

    move: Callable[[bool], None]
    told: list[str] = field(default_factory=list)
    stuck: DeviceError | None = None
    hot: DeviceError | None = None

    def open(self) -> None:
        self.told.append("open")
        if self.hot is not None:
            raise self.hot
        self.move(True)

    def shut(self) -> None:
        self.told.append("shut")
        if self.stuck is not None:
            raise self.stuck
        self.move(False)


@dataclass
class Bench:
    """An arm's driver, its simulator, and the doors of two furnaces."""

    room: Room
    site: Site
    driver: ArmStation
    doors: dict[str, FakeDoor]

    def job(self, label: str, sample: str, origin: str, destination: str) -> Job:
        args = {"sample": sample, "origin": origin, "destination": destination}
        return Job(label, Verb.TRANSFER, (sample,), args)

    def start(self, label: str, sample: str, origin: str, destination: str) -> JobRecord:
        return start_job(self.driver, self.job(label, sample, origin, destination))

    def finish(self, label: str, wait_s: float = 100.0) -> JobRecord:
        self.room.wait(wait_s)
        wait_for(lambda: self.record(label).state is not JobState.RUNNING)
        return self.record(label)

    def move(self, label: str, sample: str, origin: str, destination: str) -> JobRecord:
        self.start(label, sample, origin, destination)
        return self.finish(label)

    def record(self, label: str) -> JobRecord:
        record = self.driver.record(label)
        assert record is not None
        return record

    def command(self, label: str, sample: str, origin: str, destination: str) -> Command:
        job = self.job(label, sample, origin, destination)
        return Command(
            id=label,
            station="transfer",
            verb=Verb.TRANSFER,
            samples=(sample,),
            effect=Effect.IDEMPOTENT,
            args=dict(job.args),
            time_s=0.0,
        )

    def reborn(self) -> ArmStation:
        """The driver of a new process: only the notebook is left."""
        self.driver.arm.close()
        return ArmStation(self.driver.station, self.site, self.driver.settings)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with room("transfer", "ur-arm", SETTINGS) as running:
        capabilities = load_task("batio3-coarse").laboratory
        site = Site(capabilities, VirtualClock(), 1.0, Notebook(None), MemoryBlobs(), tmp_path)
        doors: dict[str, FakeDoor] = {}
        for furnace in ("furnace_1", "furnace_2"):

            def move(is_open: bool, furnace: str = furnace) -> None:
                running.ask(lambda: running.plant.doors.update({furnace: is_open}))

            move(False)
            doors[furnace] = FakeDoor(move)
        site.doors.update(doors)
        settings = ArmSettings.model_validate(running.simulator.settings)
        driver = ArmStation(capabilities.station("transfer"), site, settings)
        made = Bench(running, site, driver, doors)
        yield made
        made.driver.arm.close()
        site.notebook.close()


# -- core ------------------------------------------------------------------------------------------


def test_the_core_reads_all_its_channels(bench: Bench) -> None:
    arm = bench.driver.arm
    values = {channel.name: arm.read(channel.name).value for channel in arm.channels}
    assert values == {
        "mode": "RUNNING",
        "safety": "NORMAL",
        "program_state": "STOPPED",
        "finished_job": 0.0,
        "in_gripper": 0.0,
    }
    assert arm.identify().firmware == "5.12.0.0"


def test_stop_is_bounded_when_the_arm_is_frozen(bench: Bench) -> None:
    arm = bench.driver.arm
    arm.shows()
    bench.room.ask(bench.room.simulator.freeze)
    begun_s = time.monotonic()
    with pytest.raises(LinkError):
        arm.stop()
    assert time.monotonic() - begun_s < 5.0
    assert arm.read("finished_job").quality is Quality.UNREACHABLE
    bench.room.ask(bench.room.simulator.thaw)


def test_stop_does_not_wait_for_other_exchanges(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "dispenser")
    arm = bench.driver.arm
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with arm._link._lock, arm._registers._link._lock:
            held.set()
            free.wait(10.0)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5.0)
    arm.stop()
    free.set()
    thread.join(5.0)
    assert arm.program_state().value == "STOPPED"
    arm.stop()


# -- moves -----------------------------------------------------------------------------------------


def test_a_vial_moves_once_the_counter_says_so(bench: Bench) -> None:
    record = bench.start("c1", "S7", "rack", "dispenser")
    assert record.state is JobState.RUNNING
    assert bench.site.place("S7") == "transfer"
    assert bench.driver.arm.shows().in_gripper
    ended = bench.finish("c1")
    assert (ended.state, ended.error) == (JobState.COMPLETE, "")
    assert bench.driver.result("c1") == {"place": "dispenser"}
    assert bench.site.place("S7") == "dispenser" == bench.room.world.place("S7")
    assert bench.driver.place("S7") == "dispenser"


def test_many_moves_keep_notebook_and_world_equal(bench: Bench) -> None:
    route = [
        ("S1", "rack", "furnace_1"),
        ("S2", "rack", "furnace_1"),
        ("S3", "rack", "quench"),
        ("S1", "furnace_1", "quench"),
        ("S4", "rack", "furnace_1"),
        ("S2", "furnace_1", "rack"),
        ("S3", "quench", "rack"),
        ("S2", "rack", "quench"),
    ]
    for number, (sample, origin, destination) in enumerate(route):
        ended = bench.move(f"c{number}", sample, origin, destination)
        assert (ended.state, ended.error) == (JobState.COMPLETE, "")
    world = bench.room.world
    for sample in ("S1", "S2", "S3", "S4"):
        assert bench.site.place(sample) == world.place(sample)
    assert world.occupants("quench") == ("S1", "S2")
    assert bench.driver.slots.held("S1", "quench") == 1
    assert bench.driver.slots.held("S2", "quench") == 0
    assert bench.driver.slots.held("S3", "rack") == 3


def test_doors_are_open_during_a_move_and_shut_after_it(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "furnace_1")
    assert bench.room.plant.doors == {"furnace_1": True, "furnace_2": False}
    assert bench.finish("c1").state is JobState.COMPLETE
    assert bench.room.plant.doors == {"furnace_1": False, "furnace_2": False}
    assert bench.doors["furnace_1"].told == ["open", "shut"]
    assert bench.move("c2", "S1", "furnace_1", "furnace_2").state is JobState.COMPLETE
    assert bench.doors["furnace_2"].told == ["open", "shut"]


def test_a_vial_that_is_there_is_not_moved(bench: Bench) -> None:
    bench.move("c1", "S1", "rack", "dispenser")
    bench.room.ask(bench.room.simulator.emergency_stop)
    ended = bench.start("c2", "S1", "rack", "dispenser")
    assert ended.state is JobState.COMPLETE
    assert bench.driver.result("c2") == {"place": "dispenser"}
    assert len(bench.room.world.acts()) == 1


@pytest.mark.parametrize(
    ("sample", "origin", "destination"),
    [
        ("S1", "rack", "transfer"),
        ("S1", "nowhere", "rack"),
        ("S1", "mixer", "dispenser"),
    ],
)
def test_impossible_moves_are_refused(
    bench: Bench, sample: str, origin: str, destination: str
) -> None:
    with pytest.raises(DeviceError, match="refuses c1"):
        bench.start("c1", sample, origin, destination)
    assert bench.room.world.acts() == ()


def test_a_full_station_takes_no_more(bench: Bench) -> None:
    bench.move("c1", "S1", "rack", "dispenser")
    with pytest.raises(DeviceError, match="no position for S2"):
        bench.start("c2", "S2", "rack", "dispenser")
    assert bench.site.place("S2") == "rack"
    assert bench.move("c3", "S2", "rack", "mixer").state is JobState.COMPLETE


def test_job_numbers_grow_beyond_what_the_arm_shows(bench: Bench) -> None:
    robot = bench.room.simulator.robot
    bench.room.ask(lambda: robot.outputs.__setitem__(24, 41))
    bench.move("c1", "S1", "rack", "dispenser")
    assert bench.driver.arm.shows().finished_job == 42
    bench.room.ask(lambda: robot.outputs.__setitem__(24, 0))
    bench.move("c2", "S1", "dispenser", "rack")
    assert bench.driver.arm.shows().finished_job == 43


# -- what keeps the arm from starting --------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "match"),
    [("emergency_stop", "safety status"), ("protective_stop", "safety"), ("local", "remote")],
)
def test_an_arm_that_is_not_fit_moves_nothing(bench: Bench, fault: str, match: str) -> None:
    bench.room.ask(getattr(bench.room.simulator, fault))
    with pytest.raises(DeviceError, match=match):
        bench.start("c1", "S1", "rack", "furnace_1")
    assert bench.driver.running() == ()
    assert bench.doors["furnace_1"].told == []
    assert bench.site.place("S1") == "rack"


def test_one_move_at_a_time(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "dispenser")
    with pytest.raises(BusyError):
        bench.start("c2", "S2", "rack", "mixer")
    bench.finish("c1")
    with pytest.raises(BusyError, match="started c1 before"):
        bench.start("c1", "S1", "rack", "dispenser")


def test_a_hot_furnace_keeps_both_doors_shut(bench: Bench) -> None:
    bench.move("c1", "S1", "rack", "furnace_1")
    bench.doors["furnace_2"].hot = DeviceError("furnace_2 is at 640 degC")
    with pytest.raises(DeviceError, match="640 degC"):
        bench.start("c2", "S1", "furnace_1", "furnace_2")
    assert bench.room.plant.doors == {"furnace_1": False, "furnace_2": False}
    assert bench.site.place("S1") == "furnace_1"
    bench.doors["furnace_2"].hot = None
    assert bench.move("c2", "S1", "furnace_1", "furnace_2").state is JobState.COMPLETE


def test_a_missing_program_moves_nothing(bench: Bench) -> None:
    settings = bench.driver.settings.model_copy(update={"program": "other.urp"})
    driver = ArmStation(bench.driver.station, bench.site, settings)
    with pytest.raises(DeviceError, match="File not found"):
        start_job(driver, bench.job("c1", "S1", "rack", "furnace_1"))
    driver.arm.close()
    assert bench.site.place("S1") == "rack"
    assert bench.room.plant.doors["furnace_1"] is False
    assert bench.driver.running() == ()


# -- moves that fail -------------------------------------------------------------------------------


def test_a_program_that_never_started_is_not_finished(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instruments.drivers.arm.START_S", 0.1)
    bench.room.ask(bench.room.simulator.never_start)
    ended = bench.start("c1", "S1", "rack", "furnace_1")
    assert ended.state is JobState.ABORTED
    assert "never ran" in ended.error
    assert bench.site.place("S1") == "rack"
    assert bench.room.plant.doors["furnace_1"] is False


@pytest.mark.parametrize("fault", ["protective_stop", "emergency_stop"])
def test_fault_21_a_safety_stop_aborts_and_shuts_no_door_on_the_arm(
    bench: Bench, fault: str
) -> None:
    bench.start("c1", "S1", "rack", "furnace_1")
    bench.room.wait(5.0)
    bench.room.ask(getattr(bench.room.simulator, fault))
    ended = bench.record("c1")
    assert ended.state is JobState.ABORTED
    assert "safety status" in ended.error
    assert "open doors, for the arm may stand in them: furnace_1" in ended.error
    assert "shut" not in bench.doors["furnace_1"].told
    assert "the gripper holds S1" in ended.error
    assert bench.driver.result("c1") == {"place": "transfer"}
    assert bench.site.place("S1") == "transfer"


def test_an_aborted_move_is_not_finished(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "mixer")
    bench.room.wait(5.0)
    assert bench.driver.abort("c1")
    ended = bench.record("c1")
    assert ended.state is JobState.ABORTED
    assert "never finished job 1" in ended.error
    assert not bench.driver.abort("c1")
    assert bench.site.place("S1") == "rack", ended.error
    assert bench.room.world.place("S1") == "rack"


def test_a_vial_that_another_program_left_in_the_gripper_is_not_ours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.start("c1", "S1", "rack", "mixer")
    bench.room.wait(5.0)
    bench.room.ask(bench.room.simulator.protective_stop)
    assert bench.record("c1").state is JobState.ABORTED
    bench.room.simulator.dashboard.safety = "NORMAL"
    monkeypatch.setattr(RobotArm, "require_ready", RobotArm.shows)
    ended = bench.start("c2", "S2", "rack", "mixer")
    assert "it is not S2" in ended.error
    assert bench.site.place("S2") == "rack"


def test_fault_10_a_slot_that_is_empty_is_told_in_words(bench: Bench) -> None:
    bench.site.notebook.put("S1", "quench")
    ended = bench.start("c1", "S1", "quench", "furnace_1")
    assert ended.state is JobState.ABORTED
    assert "error 1: nothing stands where" in ended.error
    assert bench.site.place("S1") == "quench"
    assert bench.doors["furnace_1"].told == ["open", "shut"]


def test_fault_27_a_vial_that_fell_is_in_no_station(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "dispenser")
    bench.room.ask(bench.room.simulator.drop)
    ended = bench.finish("c1")
    assert "error 5: the vial fell" in ended.error
    assert bench.site.place("S1") == "transfer"


def test_a_door_that_does_not_shut_is_named(bench: Bench) -> None:
    bench.doors["furnace_1"].stuck = DeviceError("the door A did not shut")
    ended = bench.move("c1", "S1", "rack", "furnace_1")
    assert ended.state is JobState.ABORTED
    assert "the door of furnace_1 did not shut" in ended.error
    assert bench.driver.result("c1") == {"place": "furnace_1"}
    assert bench.site.place("S1") == "furnace_1" == bench.room.world.place("S1")


def test_a_door_that_does_not_answer_is_asked_again(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "furnace_1")
    bench.doors["furnace_1"].stuck = LinkError("the door does not answer")
    bench.room.wait(100.0)
    wait_for(lambda: bench.driver.arm.shows().finished_job == 1)
    with pytest.raises(LinkError):
        bench.driver.record("c1")
    bench.doors["furnace_1"].stuck = None
    assert bench.finish("c1").state is JobState.COMPLETE


def test_a_move_without_end_is_given_up(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "mixer")
    assert isinstance(bench.site.clock, VirtualClock)
    bench.site.clock.advance_to(3601.0)
    with pytest.raises(DeviceError, match="quarantine the arm"):
        bench.driver.record("c1")


# -- after a crash ---------------------------------------------------------------------------------


def test_a_move_that_ended_meanwhile_is_found(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "dispenser")
    driver = bench.reborn()
    command = bench.command("c1", "S1", "rack", "dispenser")
    assert driver.inspect(command).presence is Presence.STARTED
    bench.room.wait(100.0)
    wait_for(lambda: driver.arm.shows().finished_job == 1)
    found = driver.inspect(command)
    assert found.presence is Presence.STARTED
    record = driver.record("c1")
    assert record is not None
    assert record.state is JobState.COMPLETE
    assert bench.site.place("S1") == "dispenser"
    driver.arm.close()


def test_every_code_of_the_program_has_words() -> None:
    assert tuple(CODES) == golden.ERROR_CODES


def crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_crash_before_the_start_is_found_absent_and_sent_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RobotArm, "play", crash)
        with pytest.raises(KeyboardInterrupt):
            bench.start("c1", "S1", "rack", "furnace_1")
    assert bench.site.place("S1") == "transfer"
    driver = bench.reborn()
    found = driver.inspect(bench.command("c1", "S1", "rack", "furnace_1"))
    assert found.presence is Presence.ABSENT
    assert "the counter was 0 and is 0" in found.evidence
    assert bench.site.place("S1") == "rack"
    bench.driver = driver
    assert bench.move("c1", "S1", "rack", "furnace_1").state is JobState.COMPLETE
    assert len(bench.room.world.acts()) == 1
    assert bench.room.plant.doors["furnace_1"] is False


def test_a_crash_before_the_job_was_written_shuts_the_doors(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RobotArm, "prepare", crash)
        with pytest.raises(KeyboardInterrupt):
            bench.start("c1", "S1", "rack", "furnace_1")
    found = bench.driver.inspect(bench.command("c1", "S1", "rack", "furnace_1"))
    assert found.presence is Presence.ABSENT
    assert bench.room.plant.doors["furnace_1"] is False


def test_a_vial_in_the_gripper_after_a_crash_is_for_a_person(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "dispenser")

    def cut() -> None:
        bench.room.simulator.halt()
        bench.room.simulator.robot.outputs[26] = 1

    bench.room.ask(cut)
    found = bench.driver.inspect(bench.command("c1", "S1", "rack", "dispenser"))
    assert found.presence is Presence.UNKNOWN
    assert "the gripper holds a vial" in found.evidence
    with pytest.raises(DeviceError, match="gripper holds a vial"):
        bench.driver.arm.require_ready()


def test_another_job_on_the_counter_is_for_a_person(bench: Bench) -> None:
    bench.move("c1", "S1", "rack", "dispenser")
    bench.start("c2", "S1", "dispenser", "rack")
    bench.room.ask(bench.room.simulator.reboot)
    wait_for(lambda: bench.driver.arm.read("finished_job").ok)
    found = bench.driver.inspect(bench.command("c2", "S1", "dispenser", "rack"))
    assert found.presence is Presence.UNKNOWN


def test_a_lost_answer_to_play_is_not_sent_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = RobotArm.play

    def lost(arm: RobotArm) -> None:
        played(arm)
        raise LinkError("the answer was lost")

    monkeypatch.setattr(RobotArm, "play", lost)
    with pytest.raises(LinkError, match="did not say whether it started"):
        bench.start("c1", "S1", "rack", "furnace_1")
    assert bench.room.plant.doors["furnace_1"] is True
    found = bench.driver.inspect(bench.command("c1", "S1", "rack", "furnace_1"))
    assert found.presence is Presence.STARTED
    assert bench.finish("c1").state is JobState.COMPLETE
    assert len(bench.room.world.acts()) == 1
