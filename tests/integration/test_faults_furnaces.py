"""Faults of furnaces and stops of everything, one test for each."""

from pathlib import Path

import pytest

from sdl.bench.faults import furnaces, stops

pytestmark = pytest.mark.timeout(120)


def test_fault_03_power_loss(tmp_path: Path) -> None:
    assert furnaces.power_loss(tmp_path)


def test_fault_04_rebooted_furnace(tmp_path: Path) -> None:
    assert furnaces.rebooted_furnace(tmp_path)


def test_fault_09_lying_thermocouple(tmp_path: Path) -> None:
    assert furnaces.lying_thermocouple(tmp_path)


def test_fault_11_runaway(tmp_path: Path) -> None:
    assert furnaces.runaway(tmp_path)


def test_fault_21_emergency_stop(tmp_path: Path) -> None:
    assert stops.emergency_stop(tmp_path)
