"""Positions of vials on the rack and in stations."""

from __future__ import annotations

import pytest

from instruments.drivers.slots import Slots
from instruments.notebook import Notebook
from instruments.site import RACK
from sdl.core.errors import DeviceError
from sdl.tasks.task import load_task

CAPABILITIES = load_task("batio3-coarse").laboratory


@pytest.fixture
def notebook() -> Notebook:
    return Notebook(None)


@pytest.fixture
def slots(notebook: Notebook) -> Slots:
    return Slots(notebook, "transfer", CAPABILITIES)


def test_the_rack_keeps_one_position_for_each_sample(slots: Slots, notebook: Notebook) -> None:
    assert slots.held("S7", RACK) == 7
    assert slots.held("batch2-S7", RACK) == 1
    assert slots.held("blank", RACK) == 2
    assert slots.free("S7", RACK) == 7
    again = Slots(notebook, "transfer", CAPABILITIES)
    assert [again.held(name, RACK) for name in ("batch2-S7", "S7", "blank")] == [1, 7, 2]


def test_a_station_is_filled_from_the_lowest(slots: Slots, notebook: Notebook) -> None:
    capacity = CAPABILITIES.station("furnace_1").capacity
    for number in range(capacity):
        slot = slots.free(f"S{number}", "furnace_1")
        assert slot == number
        slots.keep(f"S{number}", "furnace_1", slot)
        notebook.put(f"S{number}", "furnace_1")
    with pytest.raises(DeviceError, match="no position for S9"):
        slots.free("S9", "furnace_1")
    notebook.put("S0", RACK)
    assert slots.free("S9", "furnace_1") == 0
    assert slots.held("S1", "furnace_1") == 1


def test_who_was_put_there_by_hand_stands_lowest(slots: Slots, notebook: Notebook) -> None:
    slots.keep("S1", "furnace_1", 0)
    notebook.put("S1", "furnace_1")
    notebook.put("S2", "furnace_1")
    assert slots.held("S2", "furnace_1") == 1
    assert slots.free("S3", "furnace_1") == 2
