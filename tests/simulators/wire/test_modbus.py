"""The simulators' Modbus server: frames by hand, exceptions, pipelined and broken requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import modbus as golden
from sdl.core.errors import BusyError, DeviceError
from simulators.wire import modbus
from simulators.wire.modbus import Bank, Code, RefusedError


class Board(Bank):
    """A bank with what the golden frames talk about."""

    def __init__(self) -> None:
        self.held = {1: 214, 100: 0, 0xC122: 0, 0xC123: 0}
        self.lamps = [False] * 10
        self.fault: Exception | None = None

    def registers(self, address: int, count: int) -> Sequence[int]:
        try:
            return [self.held[address + i] for i in range(count)]
        except KeyError as err:
            raise RefusedError(Code.ADDRESS, f"nothing at {err}") from err

    def inputs(self, address: int, count: int) -> Sequence[int]:
        return [0x258, 7]

    def coils(self, address: int, count: int) -> Sequence[bool]:
        return self.lamps[address : address + count]

    def contacts(self, address: int, count: int) -> Sequence[bool]:
        return [True]

    def set_registers(self, address: int, values: Sequence[int]) -> None:
        if self.fault is not None:
            raise self.fault
        self.held.update(enumerate(values, address))

    def set_coils(self, address: int, values: Sequence[bool]) -> None:
        if self.fault is not None:
            raise self.fault
        self.lamps[address : address + len(values)] = values


def talk(bank: Bank, sent: bytes, unit: int = 1) -> bytes:
    """Everything the server answers to bytes after which the peer is silent for good."""

    async def run() -> bytes:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await modbus.serve(bank, unit, reader, writer)
            except asyncio.IncompleteReadError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(10.0):
            answered = await reader.read()
        writer.close()
        server.close()
        return answered

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (golden.READ_PV, golden.PV_21_4),
        (golden.READ_TWO_INPUTS, golden.TWO_INPUTS),
        (golden.WRITE_REGISTER, golden.WRITE_REGISTER),
        (golden.WRITE_FLOAT, golden.FLOAT_WRITTEN),
        (golden.WRITE_COIL, golden.WRITE_COIL),
        (golden.WRITE_COILS + golden.READ_COILS, golden.COILS_WRITTEN + golden.COILS),
        (golden.READ_CONTACT, golden.CONTACT_ON),
    ],
)
def test_golden_frames(request_: bytes, answer: bytes) -> None:
    assert talk(Board(), request_) == answer


def test_a_written_float_arrives_high_word_first() -> None:
    board = Board()
    talk(board, golden.WRITE_FLOAT)
    assert (board.held[0xC122], board.held[0xC123]) == (0x4461, 0)


def test_exceptions() -> None:
    board = Board()
    assert talk(board, bytes.fromhex("0009 0000 0002 01 2b")) == golden.ILLEGAL_FUNCTION
    assert talk(board, bytes.fromhex("000a 0000 0006 01 03 0002 0001")) == golden.ILLEGAL_ADDRESS
    board.fault = RefusedError(Code.VALUE, "too hot")
    assert talk(board, bytes.fromhex("000b 0000 0006 01 06 0001 ffff")) == golden.ILLEGAL_VALUE
    assert board.refusal == "value: too hot"
    board.fault = DeviceError("no vial")
    assert talk(board, bytes.fromhex("000c 0000 0006 01 05 0000 ff00")) == golden.DEVICE_FAILURE
    board.fault = BusyError("it runs")
    busy = talk(board, bytes.fromhex("000d 0000 0009 01 10 0001 0001 02 0001"))
    assert busy == golden.BUSY
    assert board.refusal == "it runs"
    board.fault = None
    talk(board, golden.WRITE_REGISTER)
    assert board.refusal == ""


def test_a_bank_without_a_kind_of_value_answers_illegal_function() -> None:
    for function, rest in (
        (1, "00000001"),
        (2, "00000001"),
        (3, "00000001"),
        (4, "00000001"),
        (5, "0000ff00"),
        (6, "00000000"),
        (15, "0000000101ff"),
        (16, "00000001020000"),
    ):
        answer = modbus.answer(Bank(), bytes([function]) + bytes.fromhex(rest))
        assert answer == bytes([function | 0x80, 1])


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("03 0001 0000", 3),  # no registers
        ("03 0001 007e", 3),  # 126 registers
        ("01 0000 07d1", 3),  # 2001 coils
        ("03 ffff 0002", 2),  # beyond the last address
        ("03 0001", 3),  # half a request
        ("03 0001 0001 00", 3),  # a byte too many
        ("05 0000 0001", 3),  # neither on nor off
        ("10 0064 0002 04 0001", 3),  # fewer bytes than announced
        ("10 0064 0002 02 0001", 3),  # fewer values than announced
        ("10 0064 0001 02 0001 00", 3),  # a byte too many
        ("10 0064 007c 00", 3),  # 124 registers
        ("0f 0000 000a 01 cd", 3),  # ten coils in one byte
        ("10 0064", 3),
    ],
)
def test_malformed_requests_are_refused_and_change_nothing(pdu: str, code: int) -> None:
    board, raw = Board(), bytes.fromhex(pdu)
    before = (dict(board.held), list(board.lamps))
    assert modbus.answer(board, raw) == bytes([raw[0] | 0x80, code])
    assert (board.held, board.lamps) == before


def test_pipelined_requests_are_answered_in_order_even_in_pieces() -> None:
    sent = golden.READ_PV + golden.WRITE_REGISTER + golden.READ_TWO_INPUTS
    assert talk(Board(), sent + golden.READ_PV[:9]) == (
        golden.PV_21_4 + golden.WRITE_REGISTER + golden.TWO_INPUTS
    )


def test_another_protocol_ends_the_connection_without_an_answer() -> None:
    assert talk(Board(), bytes.fromhex("0001 0001 0006 01 03 0001 0001") + golden.READ_PV) == b""
    assert talk(Board(), bytes.fromhex("0001 0000 0001 01") + golden.READ_PV) == b""
    assert talk(Board(), bytes.fromhex("0001 0000 00ff 01") + golden.READ_PV) == b""


def test_another_unit_is_not_answered() -> None:
    other = golden.READ_PV[:6] + b"\x02" + golden.READ_PV[7:]
    assert talk(Board(), other + golden.READ_PV) == golden.PV_21_4
    assert talk(Board(), other, unit=2)[6] == 2


@settings(max_examples=300)
@given(st.binary(min_size=1, max_size=40))
def test_any_request_gets_an_answer_of_its_function(pdu: bytes) -> None:
    answer = modbus.answer(Board(), pdu)
    if answer[0] == pdu[0] and pdu[0] < 0x80:
        assert pdu[0] in (1, 2, 3, 4, 5, 6, 15, 16)
    else:
        assert answer[0] == pdu[0] | 0x80
        assert len(answer) == 2
        assert answer[1] in (1, 2, 3)
