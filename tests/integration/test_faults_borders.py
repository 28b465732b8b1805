"""Faults that come in through files, names and policies: 22 to 26."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdl.bench.faults import borders

pytestmark = pytest.mark.timeout(300)


def test_fault_22_poisoned_files(tmp_path: Path) -> None:
    assert "poisons refused" in borders.poisoned_files(tmp_path)


def test_fault_23_injected_names(tmp_path: Path) -> None:
    assert "names refused" in borders.injected_names(tmp_path)


def test_fault_24_uninvited_peer(tmp_path: Path) -> None:
    assert "all on loopback" in borders.uninvited_peer(tmp_path)


def test_fault_25_untrusted_code(tmp_path: Path) -> None:
    assert "none carried out" in borders.untrusted_code(tmp_path)


def test_fault_26_unsafe_proposals(tmp_path: Path) -> None:
    assert "recipes vetoed" in borders.unsafe_proposals(tmp_path)
