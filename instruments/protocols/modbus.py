"""Modbus TCP: requests to bytes, bytes to answers; the PDUs are pymodbus's, the checks are ours.

pymodbus's own framer waits for ever on a wrong protocol number, and takes a transaction number of 0
for any; here both are refused. Modbus TCP carries no checksum: a flipped bit inside a register
cannot be seen, so drivers read back what they write and check what they read for plausibility.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Sequence
from typing import Any

from pymodbus.exceptions import ModbusException
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from sdl.core.errors import ProtocolError

logging.getLogger("pymodbus").addHandler(logging.NullHandler())

HEADER = struct.Struct(">HHHB")
"""Transaction, protocol (0), length of what follows the first six bytes, unit."""
LONGEST_PDU = 253
MOST_REGISTERS = 125
_FAULTS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    6: "device busy",
}
_DECODER = DecodePDU(False)


def read_registers(address: int, count: int) -> ModbusPDU:
    """Function 3: holding registers."""
    return ReadHoldingRegistersRequest(address=address, count=count)


def read_inputs(address: int, count: int) -> ModbusPDU:
    """Function 4: input registers."""
    return ReadInputRegistersRequest(address=address, count=count)


def read_coils(address: int, count: int) -> ModbusPDU:
    """Function 1: coils."""
    return ReadCoilsRequest(address=address, count=count)


def read_contacts(address: int, count: int) -> ModbusPDU:
    """Function 2: discrete inputs."""
    return ReadDiscreteInputsRequest(address=address, count=count)


def write_register(address: int, value: int) -> ModbusPDU:
    """Function 6: one holding register, 0 to 65535."""
    return WriteSingleRegisterRequest(address=address, registers=[value])


def write_registers(address: int, values: Sequence[int]) -> ModbusPDU:
    """Function 16: consecutive holding registers, 0 to 65535 each."""
    return WriteMultipleRegistersRequest(address=address, registers=list(values))


def write_coil(address: int, on: bool) -> ModbusPDU:
    """Function 5: one coil."""
    return WriteSingleCoilRequest(address=address, bits=[on])


def encode(request: ModbusPDU, unit: int, transaction: int) -> bytes:
    """The bytes of a request.

    Args:
        request: From one of the functions above.
        unit: Device behind the address, 0 to 255.
        transaction: 1 to 65535; its answer carries the same.
    """
    pdu = bytes([request.function_code]) + request.encode()
    return HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def frame(received: bytes) -> int | None:
    """Where an answer ends; see ``instruments.transports.tcp.Framer``.

    Raises:
        ValueError: The header is none of Modbus TCP.
    """
    if len(received) < HEADER.size:
        return None
    _, protocol, length, _ = HEADER.unpack_from(received)
    if protocol != 0 or not 3 <= length <= LONGEST_PDU + 1:
        raise ValueError("a Modbus TCP header: protocol 0, length 3 to 254")
    return 6 + length if len(received) >= 6 + length else None


def decode(
    answer: bytes, request: ModbusPDU, unit: int, transaction: int, device: str
) -> list[int]:
    """The registers or bits of an answer; empty for an answer to a write.

    Args:
        answer: One frame.
        request: What it must answer.
        unit: Device it must come from.
        transaction: Number it must carry.
        device: For messages.

    Raises:
        ProtocolError: It answers something else, says less or more than asked, or is an exception
            of the device.
    """

    def wrong(what: str, allowed: object) -> ProtocolError:
        return ProtocolError(
            f"{device} {what}", got=answer[:80].hex(" "), allowed=allowed, where=device
        )

    got_transaction, _, _, got_unit = HEADER.unpack_from(answer)
    if (got_transaction, got_unit) != (transaction, unit):
        raise wrong(
            "answered another question",
            f"transaction {transaction} of unit {unit}, not {got_transaction} of {got_unit}",
        )
    try:
        pdu = _DECODER.decode(answer[HEADER.size :])
    except (
        ModbusException,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        struct.error,
    ) as err:
        raise wrong("sent an answer that cannot be read", str(err)) from err
    if isinstance(pdu, ExceptionResponse):
        code = pdu.exception_code
        raise wrong(f"refused: {_FAULTS.get(code, 'exception')} ({code})", "what the device takes")
    if pdu is None or pdu.function_code != request.function_code:
        raise wrong("answered another function", f"function {request.function_code}")
    return _values(pdu, request, answer, wrong)


def _values(
    pdu: Any, request: Any, answer: bytes, wrong: Callable[[str, object], ProtocolError]
) -> list[int]:
    body = answer[HEADER.size + 1 :]
    if request.function_code in (5, 6):
        if body != request.encode():
            raise wrong("echoed another write", request.encode().hex(" "))
        return []
    if request.function_code == 16:
        if body != request.encode()[:4]:
            raise wrong("echoed another write", request.encode()[:4].hex(" "))
        return []
    bits = request.function_code in (1, 2)
    size = (request.count + 7) // 8 if bits else 2 * request.count
    if len(body) != size + 1 or body[0] != size:
        raise wrong("sent another number of values", f"{request.count} values")
    values = [int(b) for b in pdu.bits[: request.count]] if bits else list(pdu.registers)
    return values


def signed(register: int) -> int:
    """A register as a number of -32768 to 32767."""
    return register - 65536 if register > 32767 else register


def float32(registers: Sequence[int]) -> float:
    """Two registers, high word first, as a float."""
    high, low = registers
    return struct.unpack(">f", struct.pack(">HH", high, low))[0]


def float32_registers(value: float) -> list[int]:
    """A float as two registers, high word first.

    Raises:
        OverflowError: Larger than a float of 32 bits can be.
    """
    return list(struct.unpack(">HH", struct.pack(">f", value)))
