"""The dashboard server of a Universal Robots e-Series arm (TCP 29999): lines out, lines back.

Source: UR article 15690. Lines end with LF; the server greets every new connection with one line.
Words are matched without case, as the CB-series says ``Robot running: True`` where the e-Series
says ``Program running: true``. Lists of words beyond those of the article's examples are from
memory; a word that is in no list is refused, never guessed at. PolyScope X has no such server.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeVar

from instruments.transports.framing import until
from sdl.core.errors import ProtocolError

GREETING = b"Connected: Universal Robots Dashboard Server"
PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-./]{0,127}\.urp")
"""Names of programs that can stand in a command: no space, no line end."""

STOP = b"stop\n"
PLAY = b"play\n"
RUNNING = b"running\n"
ROBOT_MODE = b"robotmode\n"
SAFETY_STATUS = b"safetystatus\n"
PROGRAM_STATE = b"programState\n"
REMOTE_CONTROL = b"is in remote control\n"

frame = until(b"\n", longest=1024)
"""Where an answer ends."""


class RobotMode(StrEnum):
    """What the arm is ready for."""

    NO_CONTROLLER = "NO_CONTROLLER"
    DISCONNECTED = "DISCONNECTED"
    CONFIRM_SAFETY = "CONFIRM_SAFETY"
    BOOTING = "BOOTING"
    POWER_OFF = "POWER_OFF"
    POWER_ON = "POWER_ON"
    IDLE = "IDLE"
    BACKDRIVE = "BACKDRIVE"
    RUNNING = "RUNNING"
    """Powered, brakes released: it moves when a program says so."""


class SafetyStatus(StrEnum):
    """What the safety system says."""

    NORMAL = "NORMAL"
    REDUCED = "REDUCED"
    PROTECTIVE_STOP = "PROTECTIVE_STOP"
    RECOVERY = "RECOVERY"
    SAFEGUARD_STOP = "SAFEGUARD_STOP"
    SYSTEM_EMERGENCY_STOP = "SYSTEM_EMERGENCY_STOP"
    ROBOT_EMERGENCY_STOP = "ROBOT_EMERGENCY_STOP"
    VIOLATION = "VIOLATION"
    FAULT = "FAULT"
    AUTOMATIC_MODE_SAFEGUARD_STOP = "AUTOMATIC_MODE_SAFEGUARD_STOP"
    SYSTEM_THREE_POSITION_ENABLING_STOP = "SYSTEM_THREE_POSITION_ENABLING_STOP"


class ProgramState(StrEnum):
    """What the loaded program does."""

    STOPPED = "STOPPED"
    PLAYING = "PLAYING"
    PAUSED = "PAUSED"


Word = TypeVar("Word", RobotMode, SafetyStatus, ProgramState)


def greeting_frame(received: bytes) -> int | None:
    """Where the greeting ends.

    Raises:
        ValueError: Another server speaks here.
    """
    if not received[: len(GREETING)].lower() == GREETING[: len(received)].lower():
        raise ValueError(f"the greeting {GREETING.decode()!r}")
    return frame(received)


def load(program: str) -> bytes:
    """``load x.urp`` with its line end.

    Raises:
        ValueError: The name cannot stand in a command.
    """
    if PROGRAM.fullmatch(program) is None or ".." in program:
        raise ValueError(f"{program!r} is no program; allowed: a name as folder/move.urp")
    return f"load {program}\n".encode("ascii")


def text(answer: bytes) -> str:
    """The line without its end; what is not ASCII is replaced, for it matches nothing then."""
    return answer.decode("ascii", "replace").rstrip("\r\n")


def robot_mode(answer: bytes, device: str) -> RobotMode:
    """The mode in ``Robotmode: RUNNING``. Raises ``ProtocolError`` for anything else."""
    return _word(answer, "Robotmode: ", RobotMode, device)


def safety_status(answer: bytes, device: str) -> SafetyStatus:
    """The status in ``Safetystatus: NORMAL``. Raises ``ProtocolError`` for anything else."""
    return _word(answer, "Safetystatus: ", SafetyStatus, device)


def program_state(answer: bytes, device: str) -> ProgramState:
    """The state in ``STOPPED x.urp``. Raises ``ProtocolError`` for anything else."""
    first = text(answer).partition(" ")[0]
    return _word(first.encode(), "", ProgramState, device)


def is_running(answer: bytes, device: str) -> bool:
    """The flag in ``Program running: true``. Raises ``ProtocolError`` for anything else."""
    return _flag(answer, r"[a-z]{1,16} running: ", device)


def is_remote(answer: bytes, device: str) -> bool:
    """The flag ``true``. Raises ``ProtocolError`` for anything else."""
    return _flag(answer, "", device)


def loading(answer: bytes, device: str) -> bytes:
    """An answer to ``load``, good or bad. Raises ``ProtocolError`` for anything else."""
    allowed = ("loading program: ", "file not found: ", "error while loading program: ")
    if not text(answer).lower().startswith(allowed):
        raise wrong(answer, "Loading program: ..., or why not", device)
    return answer


def is_loaded(answer: bytes, program: str) -> bool:
    """Whether ``load`` was answered by ``Loading program:`` and the name of that program."""
    line, prefix = text(answer), "loading program: "
    return line.lower().startswith(prefix) and f"/{line[len(prefix) :]}".endswith(f"/{program}")


def is_started(answer: bytes) -> bool:
    """Whether ``play`` was answered by ``Starting program``."""
    return text(answer).lower() == "starting program"


def is_refused(answer: bytes) -> bool:
    """Whether a command was answered by ``Failed to execute: ...``."""
    return text(answer).lower().startswith("failed to execute")


def _word(answer: bytes, prefix: str, words: type[Word], device: str) -> Word:
    line = text(answer)
    word = line[len(prefix) :].upper()
    if line.lower().startswith(prefix.lower()) and word in list(words):
        return words(word)
    raise wrong(answer, f"{prefix}{'|'.join(words)}", device)


def _flag(answer: bytes, prefix: str, device: str) -> bool:
    match = re.fullmatch(f"{prefix}(true|false)", text(answer), re.IGNORECASE)
    if match is None:
        raise wrong(answer, f"{prefix}true|false", device)
    return match[1].lower() == "true"


def wrong(answer: bytes, allowed: str, device: str) -> ProtocolError:
    """The error that shows the bytes of an answer that is none."""
    return ProtocolError(
        f"the dashboard of {device} answered something else",
        got=repr(answer[:80]),
        allowed=allowed,
        do="look at the arm's panel",
        where=device,
    )
