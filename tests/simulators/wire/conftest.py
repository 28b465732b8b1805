"""A small virtual world on a clock that tests turn by hand."""

from __future__ import annotations

import pytest

from hand_clock import Hand
from sdl.chemistry.system import load_system
from sdl.tasks.task import Task, load_task
from simulators.laboratory import Laboratory, nominal_laboratory
from simulators.wire.plant import Plant, ScaledClock
from simulators.world import World


@pytest.fixture(scope="session")
def task() -> Task:
    return load_task("batio3-coarse")


@pytest.fixture(scope="session")
def nominal(task: Task) -> Laboratory:
    furnaces = ["furnace_1", "furnace_2"]
    return nominal_laboratory(load_system(task.system), task.laboratory.shelf, furnaces)


@pytest.fixture
def world(task: Task, nominal: Laboratory) -> World:
    return World.create(None, task, seed=11, laboratory=nominal)


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def plant(world: World, hand: Hand) -> Plant:
    return Plant(world, ScaledClock(1.0, monotonic=hand))
