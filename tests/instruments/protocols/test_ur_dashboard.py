"""Lines of the dashboard server: golden lines, and everything that is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import ur as golden
from instruments.protocols import ur_dashboard as wire
from instruments.protocols.ur_dashboard import ProgramState, RobotMode, SafetyStatus
from sdl.core.errors import ProtocolError

READERS: list[Callable[[bytes, str], object]] = [
    wire.robot_mode,
    wire.safety_status,
    wire.program_state,
    wire.is_running,
    wire.is_remote,
]


def test_requests_are_the_golden_lines() -> None:
    assert wire.load("sdl_move.urp") == golden.LOAD
    assert (wire.PLAY, wire.STOP, wire.RUNNING) == (golden.PLAY, golden.STOP, golden.RUNNING)
    assert (wire.ROBOT_MODE, wire.SAFETY_STATUS) == (golden.ROBOT_MODE, golden.SAFETY_STATUS)
    assert (wire.PROGRAM_STATE, wire.REMOTE_CONTROL) == (
        golden.PROGRAM_STATE,
        golden.REMOTE_CONTROL,
    )


@pytest.mark.parametrize(
    "program", ["", "x", "x.urp\nplay", "a b.urp", "../x.urp", "/x.urp", "x.urp\n"]
)
def test_a_program_cannot_carry_a_second_command(program: str) -> None:
    with pytest.raises(ValueError, match="no program"):
        wire.load(program)


def test_answers_are_read_without_regard_to_case() -> None:
    assert all(wire.is_running(line, "arm") for line in golden.RUNS)
    assert not any(wire.is_running(line, "arm") for line in golden.RUNS_NOT)
    assert wire.is_remote(golden.REMOTE, "arm")
    assert not wire.is_remote(golden.LOCAL, "arm")
    assert wire.robot_mode(golden.MODE_RUNNING.lower(), "arm") is RobotMode.RUNNING
    assert wire.safety_status(golden.SAFETY_PROTECTIVE, "arm") is SafetyStatus.PROTECTIVE_STOP
    assert wire.program_state(golden.STATE_STOPPED, "arm") is ProgramState.STOPPED
    assert wire.is_started(golden.STARTED)
    assert not wire.is_started(golden.NOT_STARTED)
    assert wire.is_refused(golden.NOT_STARTED)


def test_only_our_program_counts_as_loaded() -> None:
    assert wire.is_loaded(golden.LOADED, "sdl_move.urp")
    assert wire.is_loaded(golden.LOADED_FROM, "sdl_move.urp")
    assert not wire.is_loaded(b"Loading program: other.urp\n", "sdl_move.urp")
    assert not wire.is_loaded(b"Loading program: not_sdl_move.urp\n", "sdl_move.urp")
    assert not any(wire.is_loaded(line, "sdl_move.urp") for line in golden.NOT_LOADED)


def test_the_greeting_tells_the_server() -> None:
    assert wire.greeting_frame(golden.GREETING[:10]) is None
    assert wire.greeting_frame(golden.GREETING) == len(golden.GREETING)
    with pytest.raises(ValueError, match="greeting"):
        wire.greeting_frame(b"SSH-2.0")


@settings(max_examples=200)
@given(
    st.binary(max_size=40)
    | st.sampled_from([golden.MODE_RUNNING, golden.SAFETY_NORMAL, golden.STATE_STOPPED]),
    st.integers(0, 30),
    st.binary(max_size=3),
)
def test_mutated_lines_are_refused_or_say_what_they_say(
    line: bytes, at: int, insert: bytes
) -> None:
    mutated = line[:at] + insert + line[at + len(insert) :]
    for read in READERS:
        try:
            value = read(mutated, "arm")
        except ProtocolError:
            continue
        assert str(value).lower() in mutated.decode("ascii", "replace").lower()
