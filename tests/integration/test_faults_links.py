"""Faults of the links between controller and instruments, one test for each."""

from pathlib import Path

import pytest

from sdl.bench.faults import garbled, links, messages, readings

pytestmark = pytest.mark.timeout(120)


def test_fault_05_frozen_device(tmp_path: Path) -> None:
    assert links.frozen_device(tmp_path)


def test_fault_06_reconnect_storm(tmp_path: Path) -> None:
    assert links.reconnect_storm(tmp_path)


def test_fault_07_stale_value(tmp_path: Path) -> None:
    assert readings.stale_value(tmp_path)


def test_fault_08_no_numbers(tmp_path: Path) -> None:
    assert readings.no_numbers(tmp_path)


def test_fault_12_repeated_commands(tmp_path: Path) -> None:
    assert messages.repeated_commands(tmp_path)


def test_fault_13_garbled_answers(tmp_path: Path) -> None:
    assert garbled.garbled_answers(tmp_path)
