"""The room of the simulators: its clock, labels, and what the balance carries."""

from __future__ import annotations

import pytest

from hand_clock import Hand
from simulators.wire.plant import TARE_MG, TARE_SD_MG, Plant, ScaledClock


def test_a_scaled_clock_starts_where_it_is_told_and_runs_as_fast_as_it_is_told() -> None:
    hand = Hand()
    hand.turn(1000.0)
    clock = ScaledClock(3600.0, 50.0, monotonic=hand)
    assert clock.now_s() == pytest.approx(50.0)
    hand.turn(2.0)
    assert clock.now_s() == pytest.approx(7250.0)


def test_the_world_comes_up_to_the_clock_and_never_goes_back(plant: Plant, hand: Hand) -> None:
    hand.turn(30.0)
    assert plant.tick() == plant.world.now_s == 30.0
    hand.turn(-10.0)
    assert plant.tick() == 30.0


def test_labels_are_never_the_same(plant: Plant) -> None:
    labels = [plant.label(station) for station in ("mixer", "mixer", "furnace_1")]
    assert len(set(labels)) == 3
    assert labels[0].startswith("mixer-")


def test_a_vial_weighs_the_same_at_every_look(plant: Plant) -> None:
    tares = [plant.tare_mg(f"S{i}") for i in range(50)]
    assert tares == [plant.tare_mg(f"S{i}") for i in range(50)]
    assert len(set(tares)) == 50
    assert all(abs(t - TARE_MG) < 5.0 * TARE_SD_MG for t in tares)


def test_the_pan_carries_the_vial_and_what_is_in_it(plant: Plant, hand: Hand) -> None:
    world = plant.world
    assert plant.gross_mg("dispenser") == 0.0
    world.start_transfer("transfer", "in", "S1", "dispenser")
    hand.turn(60.0)
    plant.tick()
    empty_mg = plant.gross_mg("dispenser")
    assert empty_mg == pytest.approx(plant.tare_mg("S1"), abs=1.0)
    world.start_dispense("dispenser", "dose", "BaCO3-fine", 1000.0, {})
    hand.turn(600.0)
    plant.tick()
    assert plant.gross_mg("dispenser") - empty_mg == pytest.approx(1000.0, rel=0.02)
