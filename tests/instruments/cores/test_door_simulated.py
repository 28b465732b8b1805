"""The furnace door against the simulator of its controller, and in the arm's way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from arm_bench import Bench, arm_bench
from instruments.cores.door import FurnaceDoor
from instruments.drivers.job import JobState
from sdl.core.errors import DeviceError
from sdl.core.lab import Endpoint, LabStation
from simulators.wire.door import DoorSimulator
from simulators.wire.plant import ScaledClock


@dataclass
class Doors:
    bench: Bench
    simulator: DoorSimulator
    door: FurnaceDoor


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with arm_bench(tmp_path) as bench:
        running, plant = bench.room.running, bench.room.plant
        running.ask(lambda: setattr(plant, "clock", ScaledClock(500.0)))
        plain = plant.world.task.laboratory.station("furnace_1")
        settings = {"link": "tcp://127.0.0.1:0", "name": "A"}
        station = LabStation(**plain.model_dump(), driver="eurotherm", settings=settings)
        simulator = DoorSimulator(plant, station)
        asyncio.run_coroutine_threadsafe(simulator.start(), running._loop).result(10.0)
        endpoint = Endpoint.of(simulator.settings["link"])
        door = FurnaceDoor("furnace_1_door", endpoint, "A", travel_s=5.0, start_s=0.05)
        bench.site.doors["furnace_1"] = door
        yield Doors(bench, simulator, door)
        door.close()
        asyncio.run_coroutine_threadsafe(simulator.stop(), running._loop).result(10.0)


def test_opens_and_shuts(doors: Doors) -> None:
    doors.door.open()
    assert doors.bench.room.plant.doors["furnace_1"] is True
    assert doors.door.read("position").value == "Open"
    doors.door.shut()
    assert doors.bench.room.plant.doors["furnace_1"] is False


def test_fault_10_a_jammed_door_is_given_up_after_two_attempts(doors: Doors) -> None:
    doors.bench.room.ask(lambda: doors.simulator.jam("A"))
    with pytest.raises(DeviceError, match="did not open; got ERROR, sensor says closed"):
        doors.door.open()
    doors.bench.room.ask(lambda: doors.simulator.free("A"))
    doors.door.open()


def test_the_arm_moves_a_vial_through_it(doors: Doors) -> None:
    for label, *way in (("c1", "rack", "furnace_1"), ("c2", "furnace_1", "rack")):
        ended = doors.bench.move(label, "S1", *way)
        assert (ended.state, ended.error) == (JobState.COMPLETE, "")
        assert not doors.door.is_open()
    assert doors.bench.room.world.place("S1") == "rack"
