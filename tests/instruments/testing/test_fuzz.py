"""Damaged frames: every parser keeps to its documented errors; a parser that does not is found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from instruments.testing.expect import expect, refused, until
from instruments.testing.fuzz import Case, Found, WrongValueError, _fuzz, damaged, fuzz_all
from sdl.core.errors import DeviceError

FRAMES = 2000


@pytest.fixture(scope="module")
def found() -> dict[str, Found]:
    return fuzz_all(FRAMES, seed=7)


def protocols(root: Path) -> set[str]:
    folder = root / "instruments" / "protocols"
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


def test_no_parser_is_left_out(root: Path, found: dict[str, Found]) -> None:
    assert set(found) == protocols(root)


def test_only_documented_errors_and_no_wrong_value(found: dict[str, Found]) -> None:
    assert {name: f.examples for name, f in found.items() if f.faults} == {}
    for name, each in found.items():
        assert each.tried == FRAMES, name
        # What is whole is taken: a parser that refuses everything proves nothing.
        assert each.accepted > FRAMES / 100, name


def test_a_parser_that_errs_is_found() -> None:
    def crashes(frame: bytes) -> bool:
        return bool(frame[3])

    def believes(frame: bytes) -> bool:
        if frame != b"T 21.5\n":
            raise WrongValueError(frame)
        return True

    for judge in (crashes, believes):
        case = Case("thermometer", (b"T 21.5\n",), judge, (DeviceError,))
        seen = _fuzz([case], 300, random.Random(1))
        assert seen.faults > 0
        assert seen.examples


def test_damage_is_repeatable_and_leaves_some_frames_whole() -> None:
    def frames() -> list[bytes]:
        draw = random.Random(3)
        return [damaged((b"S S 1.0 g\r\n", b"S I\r\n"), draw) for _ in range(400)]

    assert frames() == frames()
    assert b"S I\r\n" in frames()
    assert len(set(frames())) > 250


def test_the_words_of_the_contract() -> None:
    expect(True, "it holds")
    with pytest.raises(AssertionError, match="it must hold that two is one; found: 2"):
        expect(False, "two is one", 2)

    def of_ours() -> None:
        raise DeviceError("no")

    assert refused(of_ours, "it").what == "no"
    with pytest.raises(AssertionError, match="was not"):
        refused(lambda: None, "it")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        refused(lambda: 1 / 0, "it")
    with pytest.raises(AssertionError, match="happen that pigs fly"):
        until(of_ours, "pigs fly", within_s=0.01)
