"""Messages of the Aeris: golden bytes, injection, fuzz."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import aeris as golden
from instruments.protocols import aeris
from sdl.core.errors import DeviceError, ProtocolError

UNSAFE = ["@END", "../x", "a..b", "S3\0", "S3\n", "x" * 300, "", "S3@END", "a/b", "é", "a b", "S3="]


def test_requests_are_the_golden_bytes() -> None:
    assert aeris.ask_ready() == golden.ASK_READY
    assert aeris.ask_system() == golden.ASK_SYSTEM
    assert aeris.ask_slot(2) == golden.ASK_SLOT
    assert aeris.add("S3-c12", "sdl-2min", 2) == golden.ADD
    assert aeris.measure("S3-c12", "sdl-2min") == golden.MEASURE
    assert aeris.remove("S3-c12") == golden.REMOVE


@pytest.mark.parametrize("text", UNSAFE)
def test_no_unsafe_name_becomes_a_message(text: str) -> None:
    for build in (
        lambda: aeris.add(text, "p", 2),
        lambda: aeris.add("S3", text, 2),
        lambda: aeris.measure(text, "p"),
        lambda: aeris.measure("S3", text),
        lambda: aeris.remove(text),
    ):
        with pytest.raises(DeviceError, match="nothing was sent"):
            build()


@pytest.mark.parametrize(
    ("answer", "request_", "key", "allowed", "value"),
    [
        (golden.READY, golden.ASK_READY, "READY", ("yes", "no"), "yes"),
        (golden.BUSY, golden.ASK_READY, "READY", ("yes", "no"), "no"),
        (b"READY=yes@END\r\n", golden.ASK_READY, "READY", ("yes", "no"), "yes"),
        (golden.REMOTE, golden.ASK_SYSTEM, "SYSTEM", (), "remote"),
        (golden.FREE, golden.ASK_SLOT, "STATE", ("free", "occupied"), "free"),
        (golden.OCCUPIED, golden.ASK_SLOT, "STATE", ("free", "occupied"), "occupied"),
    ],
)
def test_a_field_is_read(
    answer: bytes, request_: bytes, key: str, allowed: tuple[str, ...], value: str
) -> None:
    assert aeris.frame(answer) == len(answer)
    assert aeris.word(answer, request_, key, "xrd", allowed) == value


@pytest.mark.parametrize(
    "answer",
    [
        b"@END",
        b"@READY=maybe@END",
        b"@READY=yes@READY=no@END",
        b"@READY=@END",
        b"@UNIT=other@READY=yes@END",
        b"@READY=yes\x80@END",
        b"@READY=yes",
    ],
)
def test_an_answer_that_tells_nothing_is_refused(answer: bytes) -> None:
    with pytest.raises(ProtocolError, match="xrd answered"):
        aeris.word(answer, golden.ASK_READY, "READY", "xrd", ("yes", "no"))


def test_an_answer_about_another_sample_is_refused() -> None:
    with pytest.raises(ProtocolError, match="SAMPLE_ID=S3-c12"):
        aeris.accepted(b"@SAMPLE@SAMPLE_ID=S4-c13@END", golden.ADD, "xrd")
    aeris.accepted(golden.DONE, golden.ADD, "xrd")


def test_fatal_is_a_failure_unless_it_is_only_our_own_name() -> None:
    with pytest.raises(DeviceError, match="unknown application"):
        aeris.accepted(golden.FATAL, golden.MEASURE, "xrd")
    assert aeris.refused(b"@FATAL@END", golden.REMOVE, "xrd")
    named = aeris.measure("fatal-1", "sdl-2min")
    aeris.accepted(b"@SAMPLE@SAMPLE_ID=fatal-1@END", named, "xrd")
    with pytest.raises(DeviceError, match="refused"):
        aeris.accepted(b"@SAMPLE@SAMPLE_ID=fatal-1@fatal@END", named, "xrd")


def test_half_an_answer_is_no_answer() -> None:
    for length in range(len(golden.OCCUPIED)):
        assert aeris.frame(golden.OCCUPIED[:length]) is None
    assert aeris.frame(golden.READY + golden.BUSY) == len(golden.READY)
    with pytest.raises(ValueError, match="ends with '@END'"):
        aeris.frame(b"x" * (aeris.LONGEST + 1))


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_word_that_is_allowed_or_an_error(data: bytes) -> None:
    try:
        length = aeris.frame(data)
    except ValueError:
        length = None
    try:
        found = aeris.word(data, golden.ASK_READY, "READY", "xrd", ("yes", "no"))
    except DeviceError:
        return
    assert length is not None
    assert f"READY={found}".encode() in data


@settings(max_examples=200)
@given(st.integers(0, len(golden.OCCUPIED) - 1), st.integers(0, 255))
def test_one_wrong_byte_never_frees_an_occupied_slot(at: int, byte: int) -> None:
    data = bytearray(golden.OCCUPIED)
    data[at] = byte
    try:
        found = aeris.word(bytes(data), golden.ASK_SLOT, "STATE", "xrd", ("free", "occupied"))
    except DeviceError:
        return
    assert found == "occupied"
