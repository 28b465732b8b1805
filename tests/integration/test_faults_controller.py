"""Faults of the controller, its disk, its clock and its network."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdl.bench.faults import controller

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_fault_01_killed_in_anneal(tmp_path: Path) -> None:
    assert "re-attached" in controller.killed_in_anneal(tmp_path)


def test_fault_02_killed_in_dispense(tmp_path: Path) -> None:
    assert "every dose once" in controller.killed_in_dispense(tmp_path)


def test_fault_16_full_disk(tmp_path: Path) -> None:
    assert "resumed without loss" in controller.full_disk(tmp_path)


def test_fault_17_damaged_database(tmp_path: Path) -> None:
    assert "nothing was done twice" in controller.damaged_database(tmp_path)


def test_fault_18_jumping_clock(tmp_path: Path) -> None:
    assert "soaks whole" in controller.jumping_clock(tmp_path)


def test_fault_19_two_controllers(tmp_path: Path) -> None:
    assert "writes neither note nor record" in controller.two_controllers(tmp_path)


def test_fault_20_network_down(tmp_path: Path) -> None:
    assert "then went out once" in controller.network_down(tmp_path)
