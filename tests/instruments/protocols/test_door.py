"""Status lines of the furnace door: golden lines, and everything that is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import door as golden
from instruments.protocols.door import STATUS, DoorState, command, frame, read_status
from sdl.core.errors import ProtocolError

VALID = [golden.SHUT, golden.OPENING, golden.OPEN, golden.FAULT, golden.TWO_DOORS]


def test_requests_are_the_golden_lines() -> None:
    assert golden.STATUS == STATUS
    assert command("A", is_open=True) == golden.OPEN_A
    assert command("B", is_open=False) == golden.CLOSE_B


@pytest.mark.parametrize("name", ["", "A\nOpen B", "A B", "Ä", "x" * 17])
def test_a_name_cannot_carry_a_second_command(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a door"):
        command(name, is_open=True)


def test_status_lines_are_read() -> None:
    assert read_status(golden.OPENING, "door").state is DoorState.RUNNING
    assert read_status(golden.FAULT, "door").state is DoorState.ERROR
    two = read_status(golden.TWO_DOORS, "door")
    assert (two.state, dict(two.is_open)) == (DoorState.STOP, {"A": False, "B": True})
    assert read_status(golden.OPEN.replace(b"\n", b"\r\n"), "door").is_open["A"]


def test_an_answer_ends_with_its_line() -> None:
    assert frame(golden.SHUT[:-1]) is None
    assert frame(golden.SHUT + golden.OPEN) == len(golden.SHUT)
    with pytest.raises(ValueError, match="at most 512 bytes"):
        frame(b"x" * 513)


@pytest.mark.parametrize(
    "line",
    [
        b"State: STOP\n",
        b"State: STOP;Furnace A: Opening\n",
        b"State: STOP;Furnace A: Open;Furnace A: Closed\n",
        b"State: STOPPED;Furnace A: Open\n",
        b" State: STOP;Furnace A: Open\n",
        b"State: STOP;Furnace A: Open;\n",
        b"",
    ],
)
def test_no_status_is_refused_with_its_bytes(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="sent no status"):
        read_status(line, "door")


@settings(max_examples=200)
@given(st.binary(max_size=80) | st.sampled_from(VALID), st.integers(0, 60), st.binary(max_size=3))
def test_mutated_lines_are_refused_or_say_what_they_say(
    line: bytes, at: int, insert: bytes
) -> None:
    mutated = line[:at] + insert + line[at + len(insert) :]
    try:
        status = read_status(mutated, "door")
    except ProtocolError:
        return
    doors = "".join(
        f";Furnace {name}: {'Open' if is_open else 'Closed'}"
        for name, is_open in status.is_open.items()
    )
    assert mutated.decode().rstrip("\r\n") == f"State: {status.state.value}{doors}"
