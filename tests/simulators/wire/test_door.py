"""Simulated doors move in their time, stick when jammed, and share an Arduino."""

from __future__ import annotations

from typing import Any

import pytest

from golden import door as golden
from hand_clock import Hand
from sdl.core.lab import LabStation
from simulators.wire.door import DoorSimulator
from simulators.wire.plant import Plant

SHUT, OPENING, OPEN, FAULT = (
    line.decode().strip() for line in (golden.SHUT, golden.OPENING, golden.OPEN, golden.FAULT)
)


def furnace(settings: dict[str, Any]) -> LabStation:
    return LabStation.model_validate(
        {"name": "furnace_1", "kind": "furnace", "driver": "eurotherm", "settings": settings}
    )


@pytest.fixture
def door(plant: Plant) -> DoorSimulator:
    return DoorSimulator(plant, furnace({"link": "tcp://127.0.0.1:0", "name": "A"}))


def test_a_door_opens_and_closes_in_its_time(door: DoorSimulator, hand: Hand) -> None:
    assert door.tell("Status") == SHUT
    assert door.tell("Open A") == OPENING
    hand.turn(door.travel_s - 0.1)
    assert door.tell("Status") == OPENING
    assert not door.plant.doors["furnace_1"]
    hand.turn(0.2)
    assert door.tell("Status") == OPEN
    assert door.plant.doors["furnace_1"]
    assert door.tell("Close A") == "State: RUNNING;Furnace A: Open"
    hand.turn(door.travel_s)
    assert door.tell("Status") == SHUT
    assert not door.plant.doors["furnace_1"]


def test_an_open_door_is_not_opened_again(door: DoorSimulator, hand: Hand) -> None:
    door.tell("Open A")
    hand.turn(5.0)
    assert door.tell("Open A") == OPENING
    hand.turn(5.0)
    assert door.tell("Open A") == OPEN


def test_a_command_in_the_other_direction_turns_the_door_back(
    door: DoorSimulator, hand: Hand
) -> None:
    door.tell("Open A")
    hand.turn(5.0)
    door.tell("Close A")
    hand.turn(5.0)
    assert door.tell("Status") == OPENING
    hand.turn(5.0)
    assert door.tell("Status") == SHUT


def test_a_jammed_door_ends_in_error_and_tries_again_when_freed(
    door: DoorSimulator, hand: Hand
) -> None:
    door.jam("A")
    assert door.tell("Status") == SHUT
    assert door.tell("Open A") == OPENING
    hand.turn(door.travel_s)
    assert door.tell("Status") == FAULT
    assert door.tell("Open A") == OPENING
    hand.turn(door.travel_s)
    assert door.tell("Status") == FAULT
    door.free("A")
    assert door.tell("Status") == SHUT
    door.tell("Open A")
    hand.turn(door.travel_s)
    assert door.tell("Status") == OPEN


def test_a_reboot_stops_the_door_where_its_switch_says_it_was(
    door: DoorSimulator, hand: Hand
) -> None:
    door.tell("Open A")
    hand.turn(5.0)
    door.reboot()
    hand.turn(60.0)
    assert door.tell("Status") == SHUT


@pytest.mark.parametrize("line", ["", "open A", "Open", "Open C", "Open A B", "Stop", "\ufffd"])
def test_what_it_does_not_know_moves_nothing(door: DoorSimulator, line: str) -> None:
    assert door.tell(line) == SHUT


def test_two_doors_on_one_arduino(door: DoorSimulator, hand: Hand) -> None:
    door.add("B", "furnace_2")
    door.tell("Open B")
    assert door.tell("Status") == "State: RUNNING;Furnace A: Closed;Furnace B: Closed"
    hand.turn(door.travel_s)
    assert door.tell("Status").encode() + b"\n" == golden.TWO_DOORS
    assert door.plant.doors == {"furnace_1": False, "furnace_2": True}
