"""Faults of stations and samples: doors, balance, result files, lost vials."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdl.bench.faults import stations

pytestmark = pytest.mark.timeout(300)


@pytest.mark.slow
def test_fault_10_stuck_door(tmp_path: Path) -> None:
    assert "3 of 3 samples end in the other one" in stations.stuck_door(tmp_path)


def test_fault_14_balance(tmp_path: Path) -> None:
    assert "4 faults refused" in stations.wrong_balance(tmp_path)


def test_fault_15_result_files(tmp_path: Path) -> None:
    assert stations.wrong_files(tmp_path).count("the next scan good") == 4


def test_fault_27_lost_sample(tmp_path: Path) -> None:
    assert "bottles lost" in stations.lost_sample(tmp_path)
