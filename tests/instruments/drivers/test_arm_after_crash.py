"""What a new process finds of a move whose end nobody saw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arm_bench import Bench, arm_bench
from instruments.cores.arm import RobotArm
from instruments.drivers.job import JobState
from sdl.core.command import Presence
from sdl.core.errors import DeviceError, LinkError
from wire_room import wait_for


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with arm_bench(tmp_path) as bench:
        yield bench


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
