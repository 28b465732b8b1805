"""A Modbus TCP server: frames in, answers out, from the bank of registers of an instrument.

Written from the Modbus application protocol, not from any client: this is the independent check of
the drivers' encoding.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum

from sdl.core.errors import BusyError, DeviceError

HEADER = struct.Struct(">HHHB")
"""Transaction, protocol (0), bytes that follow the length (unit included), unit."""
SHORTEST, LONGEST = 2, 254
"""Bytes that follow the length: unit and function at least, unit and a PDU of 253 at most."""
_WORDS = struct.Struct(">HH")
_ON, _OFF = 0xFF00, 0x0000


class Code(IntEnum):
    """Exception codes."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    FAILURE = 4
    BUSY = 6


class RefusedError(Exception):
    """The instrument answers with an exception.

    Args:
        code: What goes over the wire.
        why: For whoever debugs; no instrument tells.
    """

    def __init__(self, code: Code, why: str) -> None:
        super().__init__(f"{code.name.lower()}: {why}")
        self.code = code


class Bank:
    """The registers of one unit; what a subclass does not have is answered by exception 1.

    Every method raises ``RefusedError``, or the world's ``BusyError`` (answered by exception 6) and
    ``DeviceError`` (exception 4). Addresses and counts are checked against the protocol's limits
    before, not against the instrument's own.
    """

    refusal: str = ""
    """Why the last request was refused; empty when it was not."""

    def registers(self, address: int, count: int) -> Sequence[int]:
        """Holding registers, 0 to 65535 each (function 3)."""
        raise RefusedError(Code.FUNCTION, "no holding registers")

    def inputs(self, address: int, count: int) -> Sequence[int]:
        """Input registers, 0 to 65535 each (function 4)."""
        raise RefusedError(Code.FUNCTION, "no input registers")

    def coils(self, address: int, count: int) -> Sequence[bool]:
        """Coils (function 1)."""
        raise RefusedError(Code.FUNCTION, "no coils")

    def contacts(self, address: int, count: int) -> Sequence[bool]:
        """Discrete inputs (function 2)."""
        raise RefusedError(Code.FUNCTION, "no discrete inputs")

    def set_registers(self, address: int, values: Sequence[int]) -> None:
        """Writes holding registers (functions 6 and 16)."""
        raise RefusedError(Code.FUNCTION, "no holding registers to write")

    def set_coils(self, address: int, values: Sequence[bool]) -> None:
        """Writes coils (functions 5 and 15)."""
        raise RefusedError(Code.FUNCTION, "no coils to write")


async def serve(
    bank: Bank, unit: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answers every request of one connection in order, pipelined ones too, until it ends.

    A header that is none of Modbus TCP closes the connection. A request to another unit is not
    answered: no device hears it.
    """
    while True:
        header = await reader.readexactly(HEADER.size)
        transaction, protocol, length, asked = HEADER.unpack(header)
        if protocol != 0 or not SHORTEST <= length <= LONGEST:
            return
        request = await reader.readexactly(length - 1)
        if asked != unit:
            continue
        reply = answer(bank, request)
        writer.write(HEADER.pack(transaction, 0, len(reply) + 1, unit) + reply)
        await writer.drain()


def answer(bank: Bank, request: bytes) -> bytes:
    """The PDU that answers a PDU of at least one byte.

    Args:
        bank: Who is asked; its ``refusal`` says afterwards why it refused.
        request: Function and what belongs to it.
    """
    function = request[0]
    carry_out = _FUNCTIONS.get(function, _unknown)
    try:
        body = carry_out(bank, request[1:])
    except RefusedError as err:
        code, bank.refusal = err.code, str(err)
    except BusyError as err:
        code, bank.refusal = Code.BUSY, str(err)
    except DeviceError as err:
        code, bank.refusal = Code.FAILURE, str(err)
    else:
        bank.refusal = ""
        return bytes([function]) + body
    return bytes([function | 0x80, code])


def _unknown(_bank: Bank, _body: bytes) -> bytes:
    raise RefusedError(Code.FUNCTION, "unknown function")


def _span(address: int, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise RefusedError(Code.VALUE, f"{count} values; allowed: 1 to {most}")
    if address + count > 0x10000:
        raise RefusedError(Code.ADDRESS, f"{count} values from {address}")


def _two_words(body: bytes) -> tuple[int, int]:
    if len(body) != _WORDS.size:
        raise RefusedError(Code.VALUE, f"{len(body)} bytes; allowed: 4")
    first, second = _WORDS.unpack(body)
    return first, second


def _read_words(look: Callable[[Bank, int, int], Sequence[int]], bank: Bank, body: bytes) -> bytes:
    address, count = _two_words(body)
    _span(address, count, 125)
    return bytes([2 * count]) + struct.pack(f">{count}H", *look(bank, address, count))


def _read_bits(look: Callable[[Bank, int, int], Sequence[bool]], bank: Bank, body: bytes) -> bytes:
    address, count = _two_words(body)
    _span(address, count, 2000)
    packed = bytearray((count + 7) // 8)
    for index, on in enumerate(look(bank, address, count)):
        packed[index // 8] |= bool(on) << (index % 8)
    return bytes([len(packed)]) + bytes(packed)


def _write_coil(bank: Bank, body: bytes) -> bytes:
    address, value = _two_words(body)
    if value not in (_ON, _OFF):
        raise RefusedError(Code.VALUE, f"coil value {value:#06x}; allowed: 0xff00, 0x0000")
    bank.set_coils(address, [value == _ON])
    return body


def _write_register(bank: Bank, body: bytes) -> bytes:
    address, value = _two_words(body)
    bank.set_registers(address, [value])
    return body


def _many(body: bytes, most: int, bits: int) -> tuple[int, int, bytes]:
    if len(body) < _WORDS.size + 1:
        raise RefusedError(Code.VALUE, f"{len(body)} bytes; allowed: 6 or more")
    address, count = _WORDS.unpack_from(body)
    data = body[_WORDS.size + 1 :]
    _span(address, count, most)
    if not body[_WORDS.size] == len(data) == (count * bits + 7) // 8:
        raise RefusedError(Code.VALUE, f"{len(data)} bytes for {count} values")
    return address, count, data


def _write_coils(bank: Bank, body: bytes) -> bytes:
    address, count, data = _many(body, 1968, 1)
    bank.set_coils(address, [bool(data[i // 8] >> (i % 8) & 1) for i in range(count)])
    return body[: _WORDS.size]


def _write_registers(bank: Bank, body: bytes) -> bytes:
    address, count, data = _many(body, 123, 16)
    bank.set_registers(address, struct.unpack(f">{count}H", data))
    return body[: _WORDS.size]


# Methods are looked up when they are called, so that a subclass's are taken.
_FUNCTIONS: Mapping[int, Callable[[Bank, bytes], bytes]] = {
    1: lambda bank, body: _read_bits(lambda b, a, n: b.coils(a, n), bank, body),
    2: lambda bank, body: _read_bits(lambda b, a, n: b.contacts(a, n), bank, body),
    3: lambda bank, body: _read_words(lambda b, a, n: b.registers(a, n), bank, body),
    4: lambda bank, body: _read_words(lambda b, a, n: b.inputs(a, n), bank, body),
    5: _write_coil,
    6: _write_register,
    15: _write_coils,
    16: _write_registers,
}
