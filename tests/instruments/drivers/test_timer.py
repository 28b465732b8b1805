"""Mill and blower behind a timer, against their simulators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from instruments.drivers.base import start_job
from instruments.drivers.job import Job, JobState
from sdl.core.command import Presence, Verb
from sdl.core.errors import BusyError, DeviceError, LinkError
from simulators.act import ActState
from wired_rig import Rig, command

MILL = Job("c1", Verb.MILL, ("S1",), {"mill_min": 12.0})
FIRST = Job("c1", Verb.QUENCH, ("S1",), {"cooling": "air"})
SECOND = Job("c2", Verb.QUENCH, ("S2",), {"cooling": "air"})


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Rig]:
    with Rig("mixer", tmp_path) as rig:
        rig.put("S1")
        yield rig


@pytest.fixture
def blower(tmp_path: Path) -> Iterator[Rig]:
    with Rig("quench", tmp_path) as rig:
        rig.put("S1", "S2")
        yield rig


def device(rig: Rig, act: str, *args: Any) -> Any:
    """Does something to the simulator in its own thread."""
    return rig.simulated.ask(lambda: getattr(rig.simulator, act)(*args))


def press(rig: Rig, button: str) -> None:
    """Somebody presses a button on the machine."""
    coil = getattr(rig.simulator.wiring, button)
    device(rig, "set_coils", coil, [True])


def milled(rig: Rig) -> list[Any]:
    """What the mill really did."""
    return [a for a in rig.simulated.ask(rig.world.acts) if a.verb == Verb.MILL]


def dies(rig: Rig, job: Job, *, after: bool) -> None:
    """A process that ends just before or just after the start is told, its proof not noted."""
    begin = rig.driver.core.begin

    def die() -> int:
        if after:
            begin()
        raise KeyboardInterrupt

    rig.driver.core.begin = die
    with pytest.raises(KeyboardInterrupt):
        start_job(rig.driver, job)
    rig.restarted()


# -- the mill --------------------------------------------------------------------------------------


def test_mill(mill: Rig) -> None:
    begun_s = mill.clock.now_s()
    assert start_job(mill.driver, MILL).end_s == pytest.approx(begun_s + 720.0)
    mill.turn(300.0)
    record = mill.driver.record("c1")
    assert (record.state, record.end_s) == (JobState.RUNNING, pytest.approx(begun_s + 720.0))
    mill.turn(500.0)
    record = mill.driver.record("c1")
    assert (record.state, record.end_s, record.error) == (JobState.COMPLETE, begun_s + 720.0, "")
    assert mill.driver.result("c1") == {"energy_kwh": pytest.approx(0.4 * 0.2)}
    (act,) = milled(mill)
    assert (act.args["mill_min"], act.state) == (12.0, ActState.COMPLETE)


@pytest.mark.parametrize("minutes", [0.0, 0.001, 61.0, float("inf"), "12", True, None])
def test_mill_refuses(mill: Rig, minutes: Any) -> None:
    with pytest.raises(DeviceError, match="outside its limits"):
        mill.driver.load(Job("c1", Verb.MILL, ("S1",), {"mill_min": minutes}))
    assert mill.simulator.preset_s == 0


def test_mill_is_read_back(mill: Rig) -> None:
    assert mill.driver.read_back() == ""
    mill.driver.load(MILL)
    assert mill.driver.read_back() == MILL.setup_hash
    device(mill, "set_registers", mill.simulator.wiring.preset_s, [60])
    assert mill.driver.read_back() not in ("", MILL.setup_hash)
    with pytest.raises(DeviceError, match="holds another preset than c1's"):
        mill.driver.start()
    assert milled(mill) == []


def test_mill_is_busy(mill: Rig) -> None:
    start_job(mill.driver, MILL)
    with pytest.raises(BusyError, match="busy with c1"):
        mill.driver.load(Job("c2", Verb.MILL, ("S1",), {"mill_min": 1.0}))
    assert mill.simulator.preset_s == 720


def test_mill_that_somebody_started_by_hand_is_busy(mill: Rig) -> None:
    mill.driver.load(MILL)
    press(mill, "start_coil")
    with pytest.raises(BusyError, match="runs already"):
        mill.driver.start()


def test_mill_that_was_stopped_by_hand(mill: Rig) -> None:
    start_job(mill.driver, MILL)
    mill.turn(180.0)
    press(mill, "stop_coil")
    record = mill.driver.record("c1")
    assert record.state is JobState.ABORTED
    assert record.error == "the mill stopped with 540 s left of 720 s"
    assert mill.driver.result("c1") == {"energy_kwh": pytest.approx(0.4 * 180 / 3600)}


def test_mill_that_lost_power(mill: Rig) -> None:
    start_job(mill.driver, MILL)
    mill.turn(180.0)
    device(mill, "reboot")
    record = mill.driver.record("c1")
    assert record.state is JobState.ABORTED
    assert "power was lost" in record.error


def test_mill_that_somebody_started_again(mill: Rig) -> None:
    start_job(mill.driver, MILL)
    mill.turn(800.0)
    press(mill, "start_coil")
    record = mill.driver.record("c1")
    assert record.state is JobState.ABORTED
    assert "counter is another" in record.error


def test_abort_of_the_mill(mill: Rig) -> None:
    start_job(mill.driver, MILL)
    mill.turn(60.0)
    assert mill.driver.abort("c1")
    assert mill.driver.record("c1").state is JobState.ABORTED
    assert milled(mill)[0].state is not ActState.COMPLETE
    assert not mill.driver.abort("c1")


def test_a_pause_does_not_stop_the_mill(mill: Rig) -> None:
    start_job(mill.driver, MILL)
    mill.driver.stop()
    assert mill.driver.core.is_running()


def test_mill_killed_before_the_start_is_sent_again(mill: Rig) -> None:
    dies(mill, MILL, after=False)
    assert mill.driver.inspect(command(MILL, "mixer")).presence is Presence.ABSENT
    assert start_job(mill.driver, MILL).state is JobState.RUNNING
    assert len(milled(mill)) == 1


def test_mill_killed_after_the_start_is_not(mill: Rig) -> None:
    dies(mill, MILL, after=True)
    assert mill.driver.inspect(command(MILL, "mixer")).presence is Presence.STARTED
    mill.turn(800.0)
    assert mill.driver.record("c1").state is JobState.COMPLETE
    assert len(milled(mill)) == 1


@pytest.mark.parametrize("after", [False, True])
def test_mill_killed_and_its_timer_lost_power(mill: Rig, after: bool) -> None:
    dies(mill, MILL, after=after)
    device(mill, "reboot")
    assert mill.driver.inspect(command(MILL, "mixer")).presence is Presence.UNKNOWN


def test_mill_killed_and_somebody_started_it_twice(mill: Rig) -> None:
    dies(mill, MILL, after=True)
    mill.turn(800.0)
    press(mill, "start_coil")
    assert mill.driver.inspect(command(MILL, "mixer")).presence is Presence.UNKNOWN


def test_mill_whose_contact_stays_off(mill: Rig) -> None:
    mill.driver.load(MILL)
    mill.driver.core.is_running = lambda: False
    with pytest.raises(DeviceError, match="was started and does not run"):
        mill.driver.start()
    assert mill.simulator.left_s(mill.clock.now_s()) == 0.0
    del mill.driver.core.is_running
    mill.driver.load(Job("c2", Verb.MILL, ("S1",), {"mill_min": 1.0}))
    assert mill.driver.record("c1").state is JobState.ABORTED


def test_a_link_that_breaks_ends_no_milling(mill: Rig) -> None:
    start_job(mill.driver, MILL)
    mill.unplug()
    with pytest.raises(LinkError):
        mill.driver.record("c1")
    note = mill.site.notebook.read("mixer", "c1")
    assert note is not None
    assert "state" not in note


def test_nonsense_ends_no_milling(mill: Rig) -> None:
    start_job(mill.driver, MILL)

    def nonsense() -> bool:
        del mill.driver.core.is_running
        raise DeviceError("mixer answered nonsense")

    mill.driver.core.is_running = nonsense
    with pytest.raises(LinkError, match="mixer answered nonsense"):
        mill.driver.record("c1")
    assert mill.driver.record("c1").state is JobState.RUNNING


# -- the blower ------------------------------------------------------------------------------------


def test_two_vials_over_one_blower(blower: Rig) -> None:
    begun_s = blower.clock.now_s()
    assert start_job(blower.driver, FIRST).end_s == begun_s + 900.0
    blower.turn(600.0)
    assert start_job(blower.driver, SECOND).end_s == begun_s + 1500.0
    blower.turn(400.0)
    first, second = blower.driver.record("c1"), blower.driver.record("c2")
    assert (first.state, first.end_s) == (JobState.COMPLETE, begun_s + 900.0)
    assert second.state is JobState.RUNNING
    blower.turn(600.0)
    second = blower.driver.record("c2")
    assert (second.state, second.end_s) == (JobState.COMPLETE, begun_s + 1500.0)
    assert blower.driver.result("c2") == {}


@pytest.mark.parametrize(
    ("samples", "args"),
    [(("S1",), {"cooling": "liquid"}), (("S1", "S2"), {"cooling": "air"}), (("S1",), {})],
)
def test_blower_refuses(blower: Rig, samples: tuple[str, ...], args: dict[str, Any]) -> None:
    with pytest.raises(DeviceError, match="outside its limits"):
        blower.driver.load(Job("c1", Verb.QUENCH, samples, args))


def test_blower_refuses_a_vial_that_is_not_there(blower: Rig) -> None:
    blower.driver.load(Job("c1", Verb.QUENCH, ("S9",), {"cooling": "air"}))
    with pytest.raises(DeviceError, match="it holds other vials"):
        blower.driver.start()


def test_blower_that_was_stopped(blower: Rig) -> None:
    start_job(blower.driver, FIRST)
    blower.turn(100.0)
    assert blower.driver.abort("c1")
    record = blower.driver.record("c1")
    assert (record.state, record.error) == (JobState.ABORTED, "the blower stopped with 800 s left")


def test_blower_that_lost_power(blower: Rig) -> None:
    start_job(blower.driver, FIRST)
    device(blower, "reboot")
    record = blower.driver.record("c1")
    assert record.state is JobState.ABORTED
    assert "power was lost" in record.error


@pytest.mark.parametrize(
    ("after", "presence"), [(False, Presence.ABSENT), (True, Presence.STARTED)]
)
def test_blower_killed_at_the_second_start(blower: Rig, after: bool, presence: Presence) -> None:
    start_job(blower.driver, FIRST)
    dies(blower, SECOND, after=after)
    assert blower.driver.inspect(command(FIRST, "quench")).presence is Presence.STARTED
    assert blower.driver.inspect(command(SECOND, "quench")).presence is presence


def test_a_start_of_another_vial_explains_the_counter(blower: Rig) -> None:
    dies(blower, FIRST, after=False)
    start_job(blower.driver, SECOND)
    assert blower.driver.inspect(command(FIRST, "quench")).presence is Presence.ABSENT
