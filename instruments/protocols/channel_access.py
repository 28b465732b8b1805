"""EPICS Channel Access over TCP: messages of a client as bytes, answers of a server as values.

Source: the Channel Access protocol specification (docs.epics-controls.org, "Channel Access Protocol
Specification", 4.13). Everything is big endian; a message is 16 bytes of header and a payload in
multiples of eight.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from instruments.readout import Value

_HEADER = struct.Struct(">HHHHII")
_EXTENDED = struct.Struct(">II")
_TIMED = struct.Struct(">HHII")
"""Status, severity, seconds and nanoseconds since 1990, before a value with its time."""
HEADER_BYTES = _HEADER.size
LONGEST = 16_384
"""Payload of one message at most, bytes: we ask for single values."""
STRING_BYTES = 40
MINOR_VERSION = 13
NORMAL = 1
"""ECA_NORMAL."""
INVALID = 3
"""Severity of a value that the IOC itself does not believe."""


class Verb(IntEnum):
    """Commands of the protocol that a client sends or may get."""

    VERSION = 0
    ERROR = 11
    READ_NOTIFY = 15
    CREATE_CHANNEL = 18
    WRITE_NOTIFY = 19
    CLIENT_NAME = 20
    HOST_NAME = 21
    ACCESS_RIGHTS = 22
    ECHO = 23
    CREATE_FAILED = 26
    SERVER_DISCONNECT = 27


class Kind(IntEnum):
    """Types of values that are asked for or written; servers convert."""

    STRING = 0
    DOUBLE = 6
    TIME_STRING = 14
    TIME_DOUBLE = 20


@dataclass(frozen=True)
class Message:
    """One message.

    Args:
        command: A ``Verb``, or any other number a server may send.
        kind: Type of the value; the priority in a version.
        count: Number of values; the minor version in a version.
        first: First parameter.
        second: Second parameter.
        payload: Without the padding of our own making; servers' payloads as they came.
    """

    command: int
    kind: int = 0
    count: int = 0
    first: int = 0
    second: int = 0
    payload: bytes = b""

    def encode(self) -> bytes:
        """The bytes, padded."""
        payload = self.payload + b"\0" * (-len(self.payload) % 8)
        head = (self.command, len(payload), self.kind, self.count, self.first, self.second)
        return _HEADER.pack(*head) + payload


@dataclass(frozen=True)
class Sample:
    """A value with what the IOC thinks of it.

    Args:
        value: Number or text.
        status: Why it is in alarm, as EPICS numbers it; 0 for no alarm.
        severity: 0 to 3.
        seconds: When it was processed, s since the beginning of 1990, by the IOC's clock.
    """

    value: Value
    status: int
    severity: int
    seconds: float


def parse(data: bytes) -> tuple[Message, bytes] | None:
    """The first message of what was received, and the bytes after it; ``None`` until it is whole.

    Raises:
        ValueError: Its payload is longer than any that was asked for.
    """
    if len(data) < HEADER_BYTES:
        return None
    command, size, kind, count, first, second = _HEADER.unpack_from(data)
    start = HEADER_BYTES
    if size == 0xFFFF:
        start += _EXTENDED.size
        if len(data) < start:
            return None
        size, count = _EXTENDED.unpack_from(data, HEADER_BYTES)
    if size > LONGEST:
        raise ValueError(f"a payload of {size} bytes")
    end = start + size
    if len(data) < end:
        return None
    return Message(command, kind, count, first, second, bytes(data[start:end])), data[end:]


def greeting(client: str, host: str) -> bytes:
    """What a client says first on a connection."""
    return b"".join(
        message.encode()
        for message in (
            Message(Verb.VERSION, 0, MINOR_VERSION),
            Message(Verb.HOST_NAME, payload=_text(host)),
            Message(Verb.CLIENT_NAME, payload=_text(client)),
        )
    )


def create_channel(channel: int, name: str) -> bytes:
    """Asks for a PV; ``channel`` is the client's number for it.

    Raises:
        ValueError: The name has no or too many characters, or some that no PV has.
    """
    if not (name.isascii() and name.isprintable() and 0 < len(name) <= 60 and " " not in name):
        raise ValueError(f"no name of a PV: {name[:80]!r}")
    message = Message(Verb.CREATE_CHANNEL, first=channel, second=MINOR_VERSION, payload=_text(name))
    return message.encode()


def read_request(server_channel: int, request: int, *, text: bool) -> bytes:
    """Asks for one value with its alarm and time."""
    kind = Kind.TIME_STRING if text else Kind.TIME_DOUBLE
    return Message(Verb.READ_NOTIFY, kind, 1, server_channel, request).encode()


def write_request(server_channel: int, request: int, value: Value) -> bytes:
    """Writes one value and asks to be told when it is done.

    Raises:
        ValueError: A text that does not fit, or is no Latin-1.
    """
    if isinstance(value, str):
        text = value.encode("latin-1")
        if len(text) >= STRING_BYTES or b"\0" in text:
            raise ValueError(f"no text of an EPICS string: {value[:80]!r}")
        kind, payload = Kind.STRING, text.ljust(STRING_BYTES, b"\0")
    else:
        kind, payload = Kind.DOUBLE, struct.pack(">d", value)
    return Message(Verb.WRITE_NOTIFY, kind, 1, server_channel, request, payload).encode()


def sample(message: Message) -> Sample:
    """The value of an answer to ``read_request``.

    Raises:
        ValueError: It holds something else.
    """
    if message.command != Verb.READ_NOTIFY or message.count != 1:
        raise ValueError(f"command {message.command} with {message.count} values")
    payload = message.payload
    if len(payload) < _TIMED.size:
        raise ValueError(f"a value of {len(payload)} bytes")
    status, severity, seconds, nanoseconds = _TIMED.unpack_from(payload)
    if severity > INVALID:
        raise ValueError(f"a severity of {severity}")
    value: Value
    if message.kind == Kind.TIME_DOUBLE and len(payload) == _TIMED.size + 12:
        (value,) = struct.unpack_from(">d", payload, _TIMED.size + 4)
    elif message.kind == Kind.TIME_STRING and len(payload) in (_TIMED.size + 40, _TIMED.size + 44):
        raw = payload[_TIMED.size : _TIMED.size + STRING_BYTES]
        value = raw.partition(b"\0")[0].decode("latin-1")
    else:
        raise ValueError(f"type {message.kind} in {len(payload)} bytes")
    return Sample(value, status, severity, seconds + nanoseconds * 1e-9)


def refusal(message: Message) -> tuple[int, str]:
    """Number of the refused request and the server's words, of an error message.

    Raises:
        ValueError: The message does not say which request it is about.
    """
    if len(message.payload) < HEADER_BYTES:
        raise ValueError(f"an error of {len(message.payload)} bytes")
    request = _HEADER.unpack_from(message.payload)[5]
    words = message.payload[HEADER_BYTES:].partition(b"\0")[0].decode("latin-1")
    return request, words or f"status {message.second}"


def _text(text: str) -> bytes:
    return text.encode("ascii", "replace") + b"\0"
