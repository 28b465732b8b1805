"""RTDE of Universal Robots arms (TCP 30004), protocol version 2: registers of a running program.

Source: Universal Robots RTDE guide. A packet is a uint16 size (header included), a uint8 type and a
payload, big endian. RTDE carries no checksum: what is written is read back, and the registers' own
sense is checked by who reads them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from sdl.core.errors import DeviceError, ProtocolError

HEADER = struct.Struct(">HB")
LARGEST = 4096
"""Bytes of one packet: a recipe has at most 2048, a text message at most 515."""
VERSION = 2
FASTEST_HZ = 500.0
"""Of the e-Series: the first packet after a start comes within 2 ms."""
INT_MIN, INT_MAX = -(2**31), 2**31 - 1


class Kind(IntEnum):
    """Types of packets."""

    VERSION = 86
    CONTROLLER = 118
    OUTPUTS = 79
    INPUTS = 73
    START = 83
    PAUSE = 80
    DATA = 85
    TEXT = 77


_SIZES: dict[int, tuple[int, int]] = {
    Kind.VERSION: (4, 4),
    Kind.CONTROLLER: (19, 19),
    Kind.OUTPUTS: (4, LARGEST),
    Kind.INPUTS: (4, LARGEST),
    Kind.START: (4, 4),
    Kind.PAUSE: (4, 4),
    Kind.DATA: (4, LARGEST),
    Kind.TEXT: (6, LARGEST),
}
"""Smallest and largest size of what the controller sends, header included."""


@dataclass(frozen=True)
class Recipe:
    """Registers that travel together; all of them INT32.

    Args:
        number: As the controller gave it.
        names: In the order of the packet.
    """

    number: int
    names: tuple[str, ...]


class MissingRegisterError(DeviceError):
    """The controller has not all of the registers that were asked for."""


def frame(received: bytes) -> int | None:
    """Where a packet ends; see ``instruments.transports.tcp.Framer``.

    Raises:
        ValueError: No packet of a controller begins so.
    """
    if len(received) < HEADER.size:
        return None
    size, kind = HEADER.unpack_from(received)
    low, high = _SIZES.get(kind, (1, 0))
    if not low <= size <= high:
        raise ValueError("an RTDE packet: a known type, and a size that such a packet has")
    return size if len(received) >= size else None


def kind_of(packet: bytes) -> Kind:
    """The type of a framed packet."""
    return Kind(packet[2])


def request(kind: Kind, payload: bytes = b"") -> bytes:
    """The bytes of a packet."""
    return HEADER.pack(HEADER.size + len(payload), kind) + payload


def ask_version() -> bytes:
    """Asks for protocol version 2."""
    return request(Kind.VERSION, struct.pack(">H", VERSION))


def ask_outputs(names: Sequence[str], hz: float = FASTEST_HZ) -> bytes:
    """Asks to be sent registers so many times a second once started."""
    return request(Kind.OUTPUTS, struct.pack(">d", hz) + ",".join(names).encode("ascii"))


def ask_inputs(names: Sequence[str]) -> bytes:
    """Asks to be allowed to write registers."""
    return request(Kind.INPUTS, ",".join(names).encode("ascii"))


def data(recipe: Recipe, values: Sequence[int]) -> bytes:
    """The registers of a recipe, to be written.

    Raises:
        ValueError: Another number of values than the recipe has, or one that is no INT32.
    """
    count = len(recipe.names)
    if len(values) != count or not all(INT_MIN <= v <= INT_MAX for v in values):
        raise ValueError(f"{count} values of 32 bits each, not {values}")
    return request(Kind.DATA, struct.pack(f">B{count}i", recipe.number, *values))


def is_accepted(packet: bytes, device: str) -> bool:
    """The flag in the answer to a version, a start or a pause.

    Raises:
        ProtocolError: It is neither 0 nor 1.
    """
    if len(packet) != 4 or packet[3] > 1:
        raise wrong(packet, "one byte, 0 or 1", device)
    return packet[3] == 1


def read_recipe(packet: bytes, names: Sequence[str], device: str) -> Recipe:
    """The recipe in the answer to ``ask_outputs`` or ``ask_inputs``.

    Raises:
        MissingRegisterError: A register is not there, in use by another client, or no INT32.
        ProtocolError: Another number of types than registers, or no recipe number.
    """
    types = packet[4:].decode("ascii", "replace").split(",")
    known = {"INT32", "NOT_FOUND", "IN_USE", "UINT32", "DOUBLE", "BOOL", "UINT8", "UINT64"}
    if len(types) != len(names) or not known.issuperset(types):
        raise wrong(packet, f"{len(names)} types of registers", device)
    amiss = [f"{n} is {t}" for n, t in zip(names, types, strict=True) if t != "INT32"]
    if amiss:
        raise MissingRegisterError(
            f"{device} does not give all registers of the arm's program",
            got=", ".join(amiss),
            allowed="INT32 each",
            do="end the other client of these registers, or use a newer controller",
            where=device,
        )
    if packet[3] == 0:
        raise wrong(packet, "a recipe number other than 0", device)
    return Recipe(packet[3], tuple(names))


def read_data(packet: bytes, recipe: Recipe, device: str) -> dict[str, int]:
    """The registers of a data packet.

    Raises:
        ProtocolError: Another recipe, or more or fewer bytes than it has.
    """
    count = len(recipe.names)
    if len(packet) != 4 + 4 * count or packet[3] != recipe.number:
        raise wrong(packet, f"{count} registers of recipe {recipe.number}", device)
    return dict(zip(recipe.names, struct.unpack_from(f">{count}i", packet, 4), strict=True))


def read_controller(packet: bytes, device: str) -> str:
    """The version of the controller's software, as ``5.11.1.108``.

    Raises:
        ProtocolError: It has not four numbers.
    """
    if len(packet) != 19:
        raise wrong(packet, "four numbers", device)
    return ".".join(str(part) for part in struct.unpack_from(">4I", packet, 3))


def wrong(packet: bytes, allowed: str, device: str) -> ProtocolError:
    """The error that shows the bytes of a packet that is not what was asked for."""
    return ProtocolError(
        f"{device} sent another RTDE packet than was asked for",
        got=packet[:80].hex(" "),
        allowed=allowed,
        do="the connection was closed; the next exchange begins anew",
        where=device,
    )
