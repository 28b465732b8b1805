"""RTDE packets: golden bytes, halves, garbage."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import ur as golden
from instruments.protocols import rtde
from instruments.protocols.rtde import Kind, MissingRegisterError, Recipe
from sdl.core.errors import ProtocolError

ANSWERS = [
    golden.VERSION_TAKEN,
    golden.CONTROLLER,
    golden.OUTPUTS,
    golden.OUTPUTS_MISSING,
    golden.INPUTS,
    golden.START_TAKEN,
    golden.PAUSE_TAKEN,
    golden.SHOWN,
    golden.TEXT,
]
OUT = Recipe(1, golden.OUTPUT_NAMES)


def test_requests_are_the_golden_bytes() -> None:
    assert rtde.ask_version() == golden.ASK_VERSION
    assert rtde.request(Kind.CONTROLLER) == golden.ASK_CONTROLLER
    assert rtde.ask_outputs(golden.OUTPUT_NAMES) == golden.ASK_OUTPUTS
    assert rtde.ask_inputs(golden.INPUT_NAMES) == golden.ASK_INPUTS
    assert rtde.request(Kind.START) == golden.START
    assert rtde.request(Kind.PAUSE) == golden.PAUSE
    assert rtde.data(Recipe(2, golden.INPUT_NAMES), [8, 0, 7, 3, 1]) == golden.WRITE


def test_answers_are_read() -> None:
    assert rtde.is_accepted(golden.VERSION_TAKEN, "arm")
    assert not rtde.is_accepted(golden.VERSION_REFUSED, "arm")
    assert rtde.read_controller(golden.CONTROLLER, "arm") == "5.12.0.1"
    assert rtde.read_recipe(golden.OUTPUTS, golden.OUTPUT_NAMES, "arm") == OUT
    assert rtde.read_recipe(golden.INPUTS, golden.INPUT_NAMES, "arm").number == 2
    assert list(rtde.read_data(golden.SHOWN, OUT, "arm").values()) == [7, 0, 1]
    assert list(rtde.read_data(golden.MINUS, OUT, "arm").values()) == [-1, 0, 0]


def test_registers_that_are_not_there_are_named() -> None:
    with pytest.raises(MissingRegisterError, match="output_int_register_26 is NOT_FOUND"):
        rtde.read_recipe(golden.OUTPUTS_MISSING, golden.OUTPUT_NAMES, "arm")
    with pytest.raises(MissingRegisterError, match="input_int_register_24 is IN_USE"):
        rtde.read_recipe(golden.INPUTS_IN_USE, golden.INPUT_NAMES, "arm")


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_packet_ends_where_its_size_says(answer: bytes) -> None:
    for cut in range(len(answer)):
        assert rtde.frame(answer[:cut]) is None
    assert rtde.frame(answer + golden.SHOWN) == len(answer)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x02V",
        b"\x00\x05V\x00\x02",
        b"\xff\xffU\x01",
        b"\x00\x10Z\x01",
        b"HTTP/1.1 400",
        b"\x00\x00\x00",
    ],
)
def test_what_no_controller_sends_is_refused(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="RTDE packet"):
        rtde.frame(garbage)


@pytest.mark.parametrize(
    "packet",
    [
        golden.SHOWN[:3] + b"\x02" + golden.SHOWN[4:],
        golden.SHOWN + b"\x00",
        golden.SHOWN[:-1],
        golden.WRITE,
    ],
)
def test_data_of_another_recipe_is_refused(packet: bytes) -> None:
    with pytest.raises(ProtocolError, match="3 registers of recipe 1"):
        rtde.read_data(packet, OUT, "arm")


@pytest.mark.parametrize("values", [[1, 2], [2**31, 0, 0], [-(2**31) - 1, 0, 0]])
def test_only_whole_recipes_of_32_bits_are_written(values: list[int]) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        rtde.data(OUT, values)


@settings(max_examples=300)
@given(
    st.binary(max_size=64) | st.sampled_from(ANSWERS),
    st.integers(0, 40),
    st.binary(max_size=4),
    st.integers(0, 3),
)
def test_mutated_packets_give_documented_errors_only(
    packet: bytes, at: int, insert: bytes, cut: int
) -> None:
    mutated = packet[:at] + insert + packet[at + cut :]
    try:
        length = rtde.frame(mutated)
    except ValueError:
        return
    if length is None:
        return
    whole = mutated[:length]
    assert len(whole) == length
    assert rtde.kind_of(whole) in Kind
    for names in (golden.OUTPUT_NAMES, golden.INPUT_NAMES):
        try:
            recipe = rtde.read_recipe(whole, names, "arm")
        except (ProtocolError, MissingRegisterError):
            continue
        assert whole[3:] == bytes([recipe.number]) + b",".join([b"INT32"] * len(names))
    try:
        values = rtde.read_data(whole, OUT, "arm")
    except ProtocolError:
        pass
    else:
        assert whole[4:] == b"".join(v.to_bytes(4, "big", signed=True) for v in values.values())
    for read in (rtde.is_accepted, rtde.read_controller):
        try:
            read(whole, "arm")
        except ProtocolError:
            continue
