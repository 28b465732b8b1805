"""Drivers, ophyd devices and an engine over a small virtual world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from instruments.devices.faces import faces_of
from instruments.devices.station import StationFace
from instruments.drivers.virtual import VirtualDriver, virtual_drivers
from instruments.engine import Engine
from sdl.chemistry.system import load_system
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task
from simulators.laboratory import nominal_laboratory
from simulators.world import World


@pytest.fixture
def world() -> World:
    task = load_task("batio3-coarse")
    laboratory = nominal_laboratory(
        load_system(task.system), task.laboratory.shelf, ["furnace_1", "furnace_2"]
    )
    return World.create(None, task, seed=11, laboratory=laboratory)


@pytest.fixture
def drivers(world: World) -> dict[str, VirtualDriver]:
    return virtual_drivers(world, world.task.laboratory, MemoryBlobs())


@pytest.fixture
def devices(drivers: dict[str, VirtualDriver]) -> dict[str, StationFace]:
    return faces_of(drivers)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()
