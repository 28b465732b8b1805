"""Channel Access: golden messages both ways, and nonsense that is never a value."""

from __future__ import annotations

import math
import struct
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import channel_access as golden
from instruments.protocols import channel_access as ca
from instruments.protocols.channel_access import Message, Verb


def whole(data: bytes) -> Message:
    found = ca.parse(data)
    assert found is not None
    message, rest = found
    assert rest == b""
    return message


def test_what_a_client_sends() -> None:
    assert ca.greeting("sdl", "lab") == golden.VERSION + golden.HOST_NAME + golden.CLIENT_NAME
    assert ca.create_channel(7, "SDL:F1:RBV") == golden.CREATE_CHANNEL
    assert ca.read_request(3, 9, text=False) == golden.READ_DOUBLE
    assert ca.read_request(3, 9, text=True) == golden.READ_STRING
    assert ca.write_request(3, 10, 332.0) == golden.WRITE_DOUBLE
    assert ca.write_request(3, 10, "air") == golden.WRITE_STRING


def test_what_a_server_answers() -> None:
    created = whole(golden.CHANNEL_CREATED)
    assert (created.command, created.first, created.second) == (Verb.CREATE_CHANNEL, 7, 3)
    assert whole(golden.CHANNEL_ABSENT).command == Verb.CREATE_FAILED
    assert whole(golden.ACCESS_RIGHTS).command == Verb.ACCESS_RIGHTS
    assert ca.sample(whole(golden.DOUBLE_READ)) == ca.Sample(332.0, 0, 0, 1e9 + 0.5)
    assert ca.sample(whole(golden.STRING_READ)).value == "RUNNING"
    invalid = ca.sample(whole(golden.DOUBLE_INVALID))
    assert isinstance(invalid.value, float)
    assert math.isnan(invalid.value)
    assert invalid.severity == ca.INVALID
    written = whole(golden.WRITTEN)
    assert (written.command, written.first, written.second) == (Verb.WRITE_NOTIFY, ca.NORMAL, 10)
    assert ca.refusal(whole(golden.WRITE_REFUSED)) == (10, "too hot")


@pytest.mark.skipif(find_spec("caproto") is None, reason="needs the extra epics")
def test_caproto_reads_and_writes_the_same_bytes() -> None:
    caproto: Any = import_module("caproto")
    parse = caproto._commands.read_from_bytestream
    _, create, _ = parse(bytearray(golden.CREATE_CHANNEL), caproto.CLIENT)
    assert (create.name, create.cid) == ("SDL:F1:RBV", 7)
    _, write, _ = parse(bytearray(golden.WRITE_DOUBLE), caproto.CLIENT)
    assert (list(write.data), write.sid, write.ioid) == ([332.0], 3, 10)
    answer = caproto.CreateChanResponse(caproto.ChannelType.DOUBLE, 1, 7, 3)
    assert bytes(answer) == golden.CHANNEL_CREATED
    _, read, _ = parse(bytearray(golden.DOUBLE_READ), caproto.SERVER)
    assert list(read.data) == [332.0]
    _, refused, _ = parse(bytearray(golden.WRITE_REFUSED), caproto.SERVER)
    assert refused.status.name == "ECA_PUTFAIL"
    assert bytes(caproto.VersionRequest(0, 13)) == golden.VERSION


@pytest.mark.parametrize("name", ["", "a" * 61, "SDL F1", "SDL\0", "SDL:\u00b0", "a\n"])
def test_names_that_no_pv_has(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        ca.create_channel(1, name)


@pytest.mark.parametrize("text", ["a" * 40, "a\0b", "\u4e2d"])
def test_texts_that_do_not_fit(text: str) -> None:
    with pytest.raises(ValueError, match=r"no text|latin"):
        ca.write_request(1, 1, text)


def test_messages_come_in_pieces_and_together() -> None:
    data = golden.ACCESS_RIGHTS + golden.CHANNEL_CREATED
    for cut in range(16):
        assert ca.parse(data[:cut]) is None
    found = ca.parse(data)
    assert found is not None
    assert found[1] == golden.CHANNEL_CREATED
    for cut in range(len(golden.DOUBLE_READ)):
        assert ca.parse(golden.DOUBLE_READ[:cut]) is None


def test_an_extended_header() -> None:
    head = struct.pack(">HHHHII", 15, 0xFFFF, 20, 0, 1, 9) + struct.pack(">II", 24, 1)
    assert ca.parse(head[:20]) is None
    assert ca.sample(whole(head + golden.DOUBLE_READ[16:])).value == 332.0
    with pytest.raises(ValueError, match="payload of"):
        ca.parse(struct.pack(">HHHHII", 15, 0xFFFF, 20, 0, 1, 9) + struct.pack(">II", 2**31, 1))


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    rest = data
    try:
        while (found := ca.parse(rest)) is not None:
            message, after = found
            assert len(after) < len(rest)
            rest = after
            for read in (ca.sample, ca.refusal):
                try:
                    read(message)
                except ValueError:
                    continue
    except ValueError:
        return


@settings(max_examples=300)
@given(st.integers(0, len(golden.DOUBLE_READ) - 1), st.integers(1, 255))
def test_a_damaged_answer_is_no_other_value_of_the_same_request(at: int, flip: int) -> None:
    data = bytearray(golden.DOUBLE_READ)
    data[at] ^= flip
    try:
        found = ca.parse(bytes(data))
        if found is None or found[0].second != 9:
            return
        sample = ca.sample(found[0])
    except ValueError:
        return
    # Only damage to the value itself, which the protocol cannot show, changes it.
    assert sample.value == 332.0 or at >= len(data) - 8


def test_a_text_with_rubbish_behind_its_end() -> None:
    data = bytearray(golden.STRING_READ)
    data[-10:] = b"x" * 10
    assert ca.sample(whole(bytes(data))).value == "RUNNING"
