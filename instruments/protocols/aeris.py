"""Aeris diffractometer, TCP 702: messages to bytes, answers to words.

Everything sent and answered is ASCII text of fields between ``@``, ended by ``@END``. What an
answer repeats of its question must be the same; a failure holds the word ``fatal``. No message
carries a checksum, and that a command was taken is only told by the absence of ``fatal``: callers
look afterwards whether what they asked for happened.
"""

from __future__ import annotations

import re

from sdl.core.errors import DeviceError, ProtocolError
from sdl.core.model import SAFE_ID

END = b"@END"
FIRST_SLOT, LAST_SLOT = 2, 6
"""Slots of the positions 1 to 5 of the changer; slot 1 is the belt."""
LONGEST = 4096
"""Bytes of one answer at most."""
_FAILURE = "fatal"


def identifier(text: str) -> str:
    """A sample id or a program name that can neither end a message nor leave a folder.

    Raises:
        DeviceError: It is not a ``SafeId``, or holds ``..``.
    """
    if re.fullmatch(SAFE_ID, text) is None or ".." in text:
        raise DeviceError(
            "a name is not safe in a message to the Aeris",
            got=repr(text[:80]),
            allowed="1 to 64 letters, digits and _ . - without '..', a letter or digit first",
            do="correct the name; nothing was sent",
        )
    return text


def ask_ready() -> bytes:
    """Whether the diffractometer itself is idle."""
    return b"@STATUS_REQUEST@UNIT=xrd" + END


def ask_system() -> bytes:
    """Who has control."""
    return b"@STATUS_REQUEST@SYSTEM" + END


def ask_slot(slot: int) -> bytes:
    """Whether something stands in a slot."""
    return f"@STATUS_REQUEST@LOCATION=0,{slot}".encode() + END


def add(sample_id: str, program: str, slot: int) -> bytes:
    """Tells that a sample stands in a slot; ``DeviceError`` for a name that is not safe."""
    sample, application = identifier(sample_id), identifier(program)
    text = f"@SAMPLE@ADD@APPLICATION={application}@SAMPLE_ID={sample}@AT=0,{slot}"
    return text.encode() + END


def measure(sample_id: str, program: str) -> bytes:
    """Starts a scan of a sample that was added; ``DeviceError`` for a name that is not safe."""
    sample, application = identifier(sample_id), identifier(program)
    return f"@SAMPLE@MEASURE@SAMPLE_ID={sample}@APPLICATION={application}".encode() + END


def remove(sample_id: str) -> bytes:
    """Forgets a sample that was added; ``DeviceError`` for a name that is not safe."""
    return f"@SAMPLE@REMOVE@SAMPLE_ID={identifier(sample_id)}".encode() + END


def frame(received: bytes) -> int | None:
    """Where an answer ends, line ends behind it included; see ``transports.tcp.Framer``.

    Raises:
        ValueError: No answer can begin so.
    """
    if not all(32 <= byte < 127 or byte in b"\r\n" for byte in received):
        raise ValueError("printable ASCII")
    at = received.find(END)
    if at < 0:
        if len(received) > LONGEST:
            raise ValueError(f"an answer of at most {LONGEST} bytes that ends with '@END'")
        return None
    end = at + len(END)
    while end < len(received) and received[end : end + 1] in b"\r\n":
        end += 1
    return end


def refused(answer: bytes, request: bytes, device: str) -> bool:
    """Whether an answer tells a failure: it holds ``fatal``.

    Args:
        answer: One frame.
        request: What it must answer.
        device: For messages.

    Raises:
        ProtocolError: The answer cannot be read.
    """
    # A sample may be called `fatal`: what only repeats the question is no failure.
    sent = _parts(request, device)
    told = [part for part in _parts(answer, device) if part not in sent]
    return any(_FAILURE in part.lower() for part in told)


def accepted(answer: bytes, request: bytes, device: str) -> None:
    """Checks that a command was not refused; arguments as of ``refused``.

    Raises:
        DeviceError: It was.
        ProtocolError: The answer is about something else, or cannot be read.
    """
    if refused(answer, request, device):
        raise DeviceError(
            f"{device} refused",
            got=repr(answer[:120]),
            allowed=f"what it takes; it was told {request.decode('ascii')}",
            do="look at its screen",
            where=device,
        )
    asked = dict(_fields(request, device))
    for name, value in _fields(answer, device):
        if asked.get(name, value) != value:
            raise _nonsense(answer, device, f"an answer about {name}={asked[name]}")


def word(answer: bytes, request: bytes, key: str, device: str, allowed: tuple[str, ...]) -> str:
    """The value of one field of an answer.

    Args:
        answer: One frame.
        request: What it must answer.
        key: Name of the field.
        device: For messages.
        allowed: What the value may be; empty for any word.

    Raises:
        DeviceError: The answer tells a failure.
        ProtocolError: The field is absent, stands twice or holds something else.
    """
    accepted(answer, request, device)
    values = [value for name, value in _fields(answer, device) if name == key]
    known = len(values) == 1 and re.fullmatch(r"[A-Za-z_]{1,32}", values[0]) is not None
    if not known or (allowed and values[0] not in allowed):
        wanted = " or ".join(allowed) or "a word"
        raise _nonsense(answer, device, f"{key}={wanted}, once")
    return values[0]


def _parts(message: bytes, device: str) -> list[str]:
    text = message.rstrip(b"\r\n")
    if not text.endswith(END) or not all(32 <= byte < 127 for byte in text):
        raise _nonsense(message, device, "printable ASCII that ends with '@END'")
    return text[: -len(END)].decode("ascii").split("@")


def _fields(message: bytes, device: str) -> list[tuple[str, str]]:
    """Names and values, in order."""
    split = (part.partition("=") for part in _parts(message, device))
    return [(name, value) for name, equals, value in split if equals]


def _nonsense(answer: bytes, device: str, allowed: str) -> ProtocolError:
    return ProtocolError(
        f"{device} answered what its protocol does not allow",
        got=repr(answer[:120]),
        allowed=allowed,
        do="ask again; look at the instrument if it stays so",
        where=device,
    )
