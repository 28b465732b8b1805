"""The arm against its simulator: proof by the counter, doors, slots, moves that fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arm_bench import Bench, arm_bench
from golden import ur as golden
from instruments.cores.arm import CODES, RobotArm
from instruments.drivers.arm import ArmStation
from instruments.drivers.base import start_job
from instruments.drivers.job import JobState
from sdl.core.clock import VirtualClock
from sdl.core.errors import BusyError, DeviceError, LinkError
from wire_room import wait_for


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with arm_bench(tmp_path) as bench:
        yield bench


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


def test_every_code_of_the_program_has_words() -> None:
    assert tuple(CODES) == golden.ERROR_CODES
