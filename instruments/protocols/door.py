"""The furnace door's controller (an Arduino on TCP 8888): lines out, status lines back.

Source: alab_control, ``door_controller.py``. ``Status`` is answered by ``State: RUNNING`` (or
``STOP``, ``ERROR``) and, after semicolons, ``Furnace A: Open`` (or ``Closed``) for every door of
the controller. The source reads an answer to ``Open A`` and ``Close A`` too, but never looks at it
and does not say what it is: here it is one line, read and not interpreted; only ``Status`` says
where the door is (the simulator answers every line with a status line). Lines end with LF; a CR
before it is allowed, as an Arduino's ``println`` sends it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from instruments.transports.framing import until
from sdl.core.errors import ProtocolError

STATUS = b"Status\n"
LONGEST_LINE = 512
"""Bytes: an Arduino drives a few doors, not dozens."""
DOOR_NAME = re.compile(r"[A-Za-z0-9_]{1,16}")
"""Names of doors that can stand in a command: no space, no line end."""
_LINE = re.compile(
    r"State: (RUNNING|STOP|ERROR)((?:;Furnace [A-Za-z0-9_]{1,16}: (?:Open|Closed))+)"
)
_DOOR = re.compile(r";Furnace ([A-Za-z0-9_]{1,16}): (Open|Closed)")

frame = until(b"\n", longest=LONGEST_LINE)
"""Where an answer ends."""


class DoorState(StrEnum):
    """What the controller does."""

    RUNNING = "RUNNING"
    """A door moves."""
    STOP = "STOP"
    """Nothing moves."""
    ERROR = "ERROR"
    """The controller itself reports an error; a lost network is never this."""


@dataclass(frozen=True)
class DoorStatus:
    """One status line.

    Args:
        state: What the controller does.
        is_open: By name of the door: whether its sensor says open.
    """

    state: DoorState
    is_open: Mapping[str, bool]


def command(door: str, *, is_open: bool) -> bytes:
    """``Open A`` or ``Close A`` with its line end.

    Raises:
        ValueError: The name cannot stand in a command.
    """
    if DOOR_NAME.fullmatch(door) is None:
        raise ValueError(f"{door!r} is no name of a door; allowed: letters, digits, underscore")
    return f"{'Open' if is_open else 'Close'} {door}\n".encode("ascii")


def read_status(answer: bytes, device: str) -> DoorStatus:
    """The status of a line.

    Args:
        answer: One frame.
        device: For messages.

    Raises:
        ProtocolError: It is no status line, or it names a door twice.
    """
    line = answer.removesuffix(b"\n").removesuffix(b"\r")
    match = _LINE.fullmatch(line.decode("ascii", "replace"))
    doors = [] if match is None else _DOOR.findall(match[2])
    if match is None or len({name for name, _ in doors}) < len(doors):
        raise ProtocolError(
            f"{device} sent no status of a door",
            got=repr(answer[:80]),
            allowed="State: RUNNING|STOP|ERROR;Furnace <name>: Open|Closed, each name once",
            do="look at the door's controller",
            where=device,
        )
    return DoorStatus(DoorState(match[1]), {name: word == "Open" for name, word in doors})
