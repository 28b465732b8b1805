"""The virtual world carries out what devices are told, blindly, durably and reproducibly."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from sdl.chemistry.system import load_system
from sdl.core.errors import BusyError, DeviceError, LabError
from sdl.tasks.task import Task, load_task
from simulators.act import Act, ActState
from simulators.laboratory import Laboratory, draw_laboratory, nominal_laboratory
from simulators.stations import OPEN_C, Program
from simulators.world import World, audit

LOT = "BaCO3-fine"
HOT = Program(900.0, 2.0, 10.0, "air", "hold")
SLOW = Program(900.0, 2.0, 10.0, "air", "furnace")


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("batio3-coarse")


@pytest.fixture(scope="module")
def laboratory(task: Task) -> Laboratory:
    system = load_system(task.system)
    furnaces = ["furnace_1", "furnace_2"]
    return draw_laboratory(system, task.hidden, task.laboratory.shelf, furnaces, "world-test")


@pytest.fixture
def world(task: Task, laboratory: Laboratory) -> World:
    return World.create(None, task, seed=5, laboratory=laboratory)


def finish(world: World, act: Act) -> Act:
    world.advance(act.end_s)
    found = world.find(act.station, act.label)
    assert found is not None
    return found


def move(world: World, sample: str, place: str) -> None:
    finish(world, world.start_transfer("transfer", f"to-{place}", sample, place))


def dose(world: World, label: str, lot: str = LOT, mass_mg: float = 1000.0) -> Act:
    return finish(world, world.start_dispense("dispenser", label, lot, mass_mg, {}))


def mixture(world: World, sample: str = "S1") -> None:
    move(world, sample, "dispenser")
    dose(world, f"{sample}-a")
    dose(world, f"{sample}-b", "TiO2-rutile-fine", 400.0)
    move(world, sample, "mixer")
    finish(world, world.start_mill("mixer", f"{sample}-m", 20.0))


def test_a_repeated_dispense_dispenses_again(world: World) -> None:
    move(world, "S1", "dispenser")
    first, second = dose(world, "c1"), dose(world, "c1")
    mass_mg = world.effects.reactor.mass_mg(world.material("S1"))
    assert mass_mg == pytest.approx(2000.0, rel=0.02)
    assert [a.label for a in world.acts()].count("c1") == 2
    assert second.result["balance_before_mg"] == pytest.approx(
        first.result["balance_after_mg"], abs=1.0
    )


def test_the_bottle_empties(task: Task, laboratory: Laboratory) -> None:
    lots = tuple(lot.model_copy(update={"stock_mg": 600.0}) for lot in task.laboratory.shelf)
    shelf = task.laboratory.model_copy(update={"shelf": lots})
    world = World.create(
        None, task.model_copy(update={"laboratory": shelf}), seed=5, laboratory=laboratory
    )
    move(world, "S1", "dispenser")
    act = dose(world, "c1")
    assert act.state is ActState.ABORTED
    assert LOT in act.note
    assert world.effects.reactor.mass_mg(world.material("S1")) == pytest.approx(600.0)


def test_durations_follow_mass_and_program(world: World) -> None:
    move(world, "S1", "dispenser")
    small = world.start_dispense("dispenser", "c1", LOT, 5.0, {})
    finish(world, small)
    large = world.start_dispense("dispenser", "c2", LOT, 4000.0, {})
    finish(world, large)
    assert 60.0 <= small.end_s - small.start_s < large.end_s - large.start_s <= 120.0
    move(world, "S1", "furnace_1")
    world.load_program("furnace_1", SLOW)
    act = world.start_program("furnace_1", "c3")
    seconds = 87.5 * 60 + 2 * 3600 + 437.5 * 60
    assert act.end_s - act.start_s == pytest.approx(seconds)
    world.advance(act.start_s + 87.5 * 60)
    assert world.temperature_c("furnace_1") == pytest.approx(900.0)
    assert world.remaining_s("furnace_1") == pytest.approx(seconds - 87.5 * 60)


def test_a_busy_station_refuses(world: World) -> None:
    move(world, "S1", "dispenser")
    world.start_dispense("dispenser", "c1", LOT, 100.0, {})
    with pytest.raises(BusyError, match="c1"):
        world.start_dispense("dispenser", "c2", LOT, 100.0, {})
    with pytest.raises(BusyError):
        world.start_transfer("transfer", "c3", "S1", "mixer")


def test_a_full_station_and_a_running_furnace_refuse_vials(world: World) -> None:
    move(world, "S1", "dispenser")
    with pytest.raises(DeviceError, match="full"):
        world.start_transfer("transfer", "c1", "S2", "dispenser")
    with pytest.raises(DeviceError, match="reach"):
        world.start_transfer("transfer", "c1", "S2", "cellar")
    move(world, "S1", "furnace_1")
    world.load_program("furnace_1", HOT)
    act = world.start_program("furnace_1", "c2")
    with pytest.raises(BusyError):
        world.start_transfer("transfer", "c3", "S2", "furnace_1")
    finish(world, act)
    with pytest.raises(DeviceError, match="hot"):
        world.start_transfer("transfer", "c3", "S2", "furnace_1")


def test_holding_goes_into_the_thermal_history(task: Task, laboratory: Laboratory) -> None:
    amounts = []
    for wait_h in (0.0, 10.0):
        world = World.create(None, task, seed=5, laboratory=laboratory)
        mixture(world)
        move(world, "S1", "furnace_1")
        world.load_program("furnace_1", HOT)
        act = finish(world, world.start_program("furnace_1", "c9"))
        assert act.state is ActState.COMPLETE
        world.advance(act.end_s + wait_h * 3600.0)
        move(world, "S1", "quench")
        finish(world, world.start_quench("quench", "c10", "S1", "air"))
        amounts.append(world.effects.reactor.purity(world.material("S1"), "BaTiO3"))
    assert amounts[1] > amounts[0] > 0.0


def test_a_stopped_furnace_cools_closed_and_reacts_less(world: World) -> None:
    for sample, furnace in (("S1", "furnace_1"), ("S2", "furnace_2")):
        mixture(world, sample)
        move(world, sample, furnace)
        world.load_program(furnace, SLOW)
    world.start_program("furnace_1", "c1")
    other = world.start_program("furnace_2", "c2")
    world.advance(world.now_s + 100 * 60)
    assert world.abort("furnace_1", "c1")
    stopped = world.find("furnace_1", "c1")
    assert stopped is not None
    assert stopped.end_s == pytest.approx(world.now_s + (900.0 - OPEN_C) / 2.0 * 60.0)
    assert finish(world, stopped).state is ActState.ABORTED
    finish(world, other)
    reactor = world.effects.reactor
    short = reactor.purity(world.material("S1"), "BaTiO3")
    assert 0.0 < short < reactor.purity(world.material("S2"), "BaTiO3")
    assert not world.abort("furnace_1", "c1")


def test_time_never_goes_back(world: World) -> None:
    assert world.advance(100.0) == 100.0
    assert world.advance(50.0) == 100.0
    assert world.now_s == 100.0


def test_weighing_changes_nothing(world: World) -> None:
    move(world, "S1", "dispenser")
    dose(world, "c1")
    before = (world.material("S1"), len(world.acts()))
    assert world.weigh("dispenser") == world.weigh("dispenser")
    assert (world.material("S1"), len(world.acts())) == before


def everything(world: World) -> list[Act]:
    mixture(world)
    move(world, "S1", "furnace_2")
    world.load_program("furnace_2", Program(850.0, 3.0, 5.0, "steam", "hold"))
    finish(world, world.start_program("furnace_2", "c7"))
    move(world, "S1", "quench")
    finish(world, world.start_quench("quench", "c8", "S1", "air"))
    move(world, "S1", "diffractometer")
    finish(world, world.start_scan("diffractometer", "c9", 2.0))
    return list(world.acts())


def test_a_second_scan_counts_again_in_the_same_mount(world: World) -> None:
    mixture(world)
    move(world, "S1", "diffractometer")
    patterns = []
    for claim in ("c5", "c6"):
        finish(world, world.start_scan("diffractometer", claim, 8.0))
        scan = world.find("diffractometer", claim)
        assert scan is not None
        patterns.append(np.asarray(world.pattern(scan), dtype=float))
    one, two = patterns
    assert (one != two).any()
    # Counts of the same expectation: their difference has the variance of their sum.
    score = (one - two) / np.sqrt(np.maximum(one + two, 1.0))
    assert np.mean(score**2) == pytest.approx(1.0, abs=0.05)


def test_file_and_memory_agree_to_the_last_bit(
    task: Task, laboratory: Laboratory, tmp_path: Path
) -> None:
    path = tmp_path / "world.db"
    memory = World.create(None, task, seed=5, laboratory=laboratory)
    disk = World.create(path, task, seed=5, laboratory=laboratory)
    assert everything(memory) == everything(disk)
    scan = memory.find("diffractometer", "c9")
    assert scan is not None
    counts = memory.pattern(scan)
    disk.close()
    again = World.open(path)
    assert again.now_s == memory.now_s
    assert again.material("S1") == memory.material("S1")
    assert (again.pattern(scan) == counts).all()
    assert again.place("S1") == "diffractometer"
    again.close()
    assert [(a.serial, a.label, a.state) for a in audit(path)] == [
        (a.serial, a.label, a.state) for a in memory.acts()
    ]


def test_reopening_between_any_two_acts_changes_nothing(
    task: Task, laboratory: Laboratory, tmp_path: Path
) -> None:
    path = tmp_path / "world.db"
    World.create(path, task, seed=5, laboratory=laboratory).close()

    def reopened() -> World:
        return World.open(path)

    script = [
        lambda w: w.start_transfer("transfer", "c1", "S1", "dispenser"),
        lambda w: w.start_dispense("dispenser", "c2", LOT, 1000.0, {}),
        lambda w: w.start_dispense("dispenser", "c3", "TiO2-rutile-fine", 400.0, {}),
        lambda w: w.start_transfer("transfer", "c4", "S1", "mixer"),
        lambda w: w.start_mill("mixer", "c5", 10.0),
        lambda w: w.start_transfer("transfer", "c6", "S1", "furnace_1"),
        lambda w: w.load_program("furnace_1", HOT) or w.start_program("furnace_1", "c7"),
        lambda w: w.start_transfer("transfer", "c8", "S1", "quench"),
        lambda w: w.start_quench("quench", "c9", "S1", "air"),
    ]
    memory = World.create(None, task, seed=5, laboratory=laboratory)
    for act in script:
        finish(memory, act(memory))
        disk = reopened()
        end_s = act(disk).end_s
        disk.close()
        disk = reopened()
        disk.advance(end_s)
        disk.close()
    disk = reopened()
    assert disk.material("S1") == memory.material("S1")
    assert disk.now_s == memory.now_s
    disk.close()


def test_noise_depends_on_sample_and_act_not_on_order(task: Task, laboratory: Laboratory) -> None:
    readings = {}
    for order in (("S1", "S2"), ("S2", "S1")):
        world = World.create(None, task, seed=5, laboratory=laboratory)
        for sample in order:
            move(world, sample, "dispenser")
            readings[order, sample] = dose(world, sample).result
            move(world, sample, "rack")
    for sample in ("S1", "S2"):
        assert readings[("S1", "S2"), sample] == readings[("S2", "S1"), sample]
    assert readings[("S1", "S2"), "S1"] != readings[("S1", "S2"), "S2"]


def test_the_sample_sees_the_true_temperature(task: Task) -> None:
    system = load_system(task.system)
    nominal = nominal_laboratory(system, task.laboratory.shelf, ["furnace_1", "furnace_2"])
    purities = []
    for offset_c in (-30.0, 30.0):
        data = nominal.to_json()
        data["thermocouple_c"]["furnace_1"] = offset_c
        world = World.create(None, task, seed=1, laboratory=Laboratory.from_json(data))
        mixture(world)
        move(world, "S1", "furnace_1")
        world.load_program("furnace_1", SLOW)
        act = finish(world, world.start_program("furnace_1", "c1"))
        assert act.result["thermocouple_c"] == pytest.approx(900.0, abs=2.0)
        assert math.isfinite(act.result["energy_kwh"])
        purities.append(world.effects.reactor.purity(world.material("S1"), "BaTiO3"))
    assert purities[1] > purities[0]


def test_files_that_are_no_world_are_told(
    task: Task, laboratory: Laboratory, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match="gone"):
        World.open(tmp_path / "absent.db")
    broken = tmp_path / "broken.db"
    broken.write_text("this is not SQLite" * 100)
    with pytest.raises(LabError, match="not a virtual world"):
        World.open(broken)
    with pytest.raises(LabError, match="already"):
        World.create(broken, task, seed=1, laboratory=laboratory)
    with pytest.raises(LabError):
        audit(broken)


def test_a_world_is_made_whole_or_not_at_all(
    task: Task, laboratory: Laboratory, tmp_path: Path
) -> None:
    path = tmp_path / "world.db"
    for ending in ("", "-wal", "-shm"):
        (tmp_path / f"world.db.new{ending}").write_bytes(b"left by a killed controller")
    World.create(path, task, seed=1, laboratory=laboratory).close()
    assert [p.name for p in tmp_path.iterdir()] == ["world.db"]


def test_a_world_that_lost_its_power_has_stopped_everything(world: World) -> None:
    mixture(world, "S1")
    move(world, "S1", "furnace_1")
    world.load_program("furnace_1", SLOW)
    world.start_program("furnace_1", "c1")
    world.advance(world.now_s + 60.0)
    world.lose_power()
    stopped = world.find("furnace_1", "c1")
    assert stopped is not None
    assert "stopped after 60 s" in stopped.note
    assert finish(world, stopped).state is ActState.ABORTED
    world.lose_power()
    assert world.occupants("furnace_1") == ("S1",)
