"""MT-SICS lines of Mettler balances, and the dosing commands that Quantos units add to them.

ASCII, upper case, CR LF. Sources: the reference's section 5.2 (Mettler AL-IC manual p. 72; public
clients of the Quantos). Mettler does not publish the manual of the Quantos commands; the public
clients agree on this: an answer repeats the command without its last parameter, then says ``A``
(done), ``B`` (begun, the line with ``A`` or ``I`` follows by itself when it ends), ``I`` and a code
(not done), ``L`` (wrong parameter); a value that was asked for stands before the ``A``.

There is no checksum: a flipped digit cannot be seen in a line, so a reading is taken twice by
whoever needs to rely on it (``instruments.cores.balance``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from instruments.transports.framing import until
from instruments.transports.tcp import Announced
from sdl.core.errors import DeviceError, ProtocolError

END = b"\r\n"
WEIGH_NOW = b"SI\r\n"
"""The weight at once, with its status. ``S`` would hold the line until the pan is at rest, and a
stop could not get through meanwhile."""
ZERO = b"Z\r\n"
CANCEL = b"@\r\n"
"""Cancels what the device does; it answers with its serial number. It does not zero."""
MODEL = b"I2\r\n"
FIRMWARE = b"I3\r\n"
SERIAL = b"I4\r\n"

OPEN_DOOR = b"QRA 60 7 3\r\n"
CLOSE_DOOR = b"QRA 60 7 2\r\n"
ASK_DOOR = b"QRD 2 3 7\r\n"
UNLOCK_PIN = b"QRA 60 2 3\r\n"
LOCK_PIN = b"QRA 60 2 4\r\n"
START = b"QRA 61 1\r\n"
END_DOSE = b"QRA 61 4\r\n"
"""Stops a dose. Not in the reference; several public clients know it (not verified)."""

TARGET_MG = (0.1, 250_000.0)
TOLERANCE_PCT = (0.1, 40.0)
BUSY = 2
"""Code of a unit that works on something else."""
CODES = {
    1: "the dosing head is not mounted",
    2: "the unit is busy with another job",
    3: "the unit gave up waiting (time-out)",
    4: "no dosing head is selected",
    5: "the unit does not allow it at the moment",
    6: "the weight did not become stable",
    7: "the powder does not flow",
    8: "it was stopped from outside",
    9: "the unit is not in its safe position",
    10: "this dosing head is not allowed",
    11: "the dosing head has reached its limit",
    12: "the dosing head has expired",
    13: "the sampler is blocked",
}
"""What a Quantos says after ``I``."""
_BROKEN = {1: "boot error", 3: "wrong checksum", 9: "option fails", 10: "EEPROM error"}
_REFUSED = {
    "ES": "does not understand a command (ES)",
    "ET": "received a damaged command (ET)",
    "EL": "cannot carry out a command now (EL)",
}
_MILLIGRAMS = {"mg": Decimal(1), "g": Decimal(1000), "kg": Decimal(1_000_000)}
_WEIGHT = re.compile(r"S ([SD]) +(-?[0-9]{1,9}(?:\.[0-9]{1,7})?) (mg|g|kg)")
_ERROR = re.compile(r"S S +Error ([0-9]{1,2})([tb])")
_TEXT = re.compile(r'([A-Z0-9]{1,5}) ([AB])(?: [0-9]{1,4})? "([ -~]*)"')
_CODE = re.compile(r"[1-9][0-9]?")

line = until(END, longest=256)
"""Where a line ends."""


def block(received: bytes) -> int | None:
    """Where an answer of lines ends: with the first one whose second field is not ``B``."""
    total = 0
    while (found := line(received[total:])) is not None:
        fields = received[total : total + found].split(maxsplit=2)
        total += found
        if len(fields) < 2 or fields[1] != b"B":
            return total
    if total > 65536:
        raise ValueError("an answer of at most 65536 bytes whose last line does not say B")
    return None


class WeightState(StrEnum):
    """What a balance says of the weight on its pan."""

    STABLE = "stable"
    DYNAMIC = "dynamic"
    BUSY = "not executable"
    """It does something else, or gave up waiting for rest."""
    OVERLOAD = "overload"
    UNDERLOAD = "underload"


_STATES = {
    "S I": WeightState.BUSY,
    "S +": WeightState.OVERLOAD,
    "S -": WeightState.UNDERLOAD,
}


@dataclass(frozen=True)
class Weight:
    """An answer to ``SI``.

    Args:
        state: What the balance says of it.
        mass_mg: Gross, mg, with sign; a number only if the state is ``STABLE``.
    """

    state: WeightState
    mass_mg: float | None = None


@dataclass(frozen=True)
class Reply:
    """An answer to a ``QRA`` or ``QRD`` command.

    Args:
        status: ``A``, ``B``, ``I`` or ``L``.
        code: After ``I``: usually a key of ``CODES``; ``None`` where the unit names none.
        value: What was asked for.
    """

    status: str
    code: int | None = None
    value: str = ""

    @property
    def reason(self) -> str:
        """Why it was not done, in words; empty if it was, or has begun."""
        if self.status in "AB":
            return ""
        if self.status == "L":
            return "the unit does not accept the parameter"
        if self.code is None:
            return "the unit cannot do it now"
        return CODES.get(self.code, f"the unit names code {self.code}, which is not known")


def target(mass_mg: float) -> bytes:
    """``QRD 1 1 5``: the mass of the next dose, mg.

    Raises:
        ValueError: Outside ``TARGET_MG``: the unit would go on with its old target.
    """
    if not TARGET_MG[0] <= mass_mg <= TARGET_MG[1]:
        raise ValueError(f"{mass_mg!r} mg; allowed: {TARGET_MG[0]:g} to {TARGET_MG[1]:g}")
    whole, _, decimals = f"{mass_mg:.3f}".partition(".")
    return f"QRD 1 1 5 {whole}.{decimals.rstrip('0') or '0'}\r\n".encode("ascii")


def tolerance(share_pct: float) -> bytes:
    """``QRD 1 1 6``: how far the next dose may be off, %.

    Raises:
        ValueError: Outside ``TOLERANCE_PCT``.
    """
    if not TOLERANCE_PCT[0] <= share_pct <= TOLERANCE_PCT[1]:
        low, high = TOLERANCE_PCT
        raise ValueError(f"{share_pct!r} %; allowed: {low:g} to {high:g}")
    return f"QRD 1 1 6 {share_pct:g}\r\n".encode("ascii")


def repeated(command: bytes) -> str:
    """What answers to a Quantos command begin with: all of it but its last parameter.

    ``QRA 61 1`` and ``QRD 2 3 7`` are commands without a parameter.
    """
    words = command.decode("ascii").split()
    bare = command in (START, END_DOSE, ASK_DOOR)
    return " ".join(words if bare else words[:-1])


def announced(command: bytes) -> Announced:
    """That an answer ``B`` to a command announces a later line with its end."""
    prefix = repeated(command).encode("ascii")
    begun = prefix + b" B\r\n"
    # A damaged line is not the announced one: the link closes, and the unit is asked instead.
    end = re.compile(re.escape(prefix) + rb" (?:A|L|I|I [1-9][0-9]?)\r\n")
    return Announced(
        by=lambda answer: answer == begun,
        line=lambda later: end.fullmatch(later) is not None,
    )


def read_weight(answer: bytes, device: str) -> Weight:
    """The weight in an answer to ``S`` or ``SI``.

    Args:
        answer: One line.
        device: For messages.

    Raises:
        ProtocolError: It is none: garbage, an unknown unit, not a finite decimal number.
        DeviceError: The balance reports an error of its own.
    """
    text = _words(answer, device)
    if text in _STATES:
        return Weight(_STATES[text])
    broken = _ERROR.fullmatch(text)
    if broken is not None:
        part = "terminal" if broken[2] == "t" else "weighing bridge"
        raise DeviceError(
            f"{device} reports an error of its {part}",
            got=f"{text}: {_BROKEN.get(int(broken[1]), 'see its manual')}",
            do="switch the balance off and on with an empty pan; call service if it stays",
            where=device,
        )
    match = _WEIGHT.fullmatch(text)
    if match is None:
        raise _nonsense(answer, device, "S S <number> g|mg|kg, S D, S I, S +, S -")
    if match[1] == "D":
        return Weight(WeightState.DYNAMIC)
    mass_mg = float(Decimal(match[2]) * _MILLIGRAMS[match[3]])
    return Weight(WeightState.STABLE, mass_mg)


def read_text(answer: bytes, command: bytes, device: str) -> str:
    """The quoted text in an answer to ``I2``, ``I3``, ``I4`` or ``@``; of several lines, all of it.

    Args:
        answer: A ``block``.
        command: What was asked; ``@`` is answered as ``I4``.
        device: For messages.

    Raises:
        ProtocolError: It is an answer to something else, or none.
        DeviceError: The device cannot answer now.
    """
    name = "I4" if command == CANCEL else command.decode("ascii").strip()
    lines = [_words(part + END, device) for part in answer.removesuffix(END).split(END)]
    if lines == [f"{name} I"]:
        raise DeviceError(f"{device} cannot answer {name} now", do="wait", where=device)
    texts: list[str] = []
    for number, text in enumerate(lines, start=1):
        match = _TEXT.fullmatch(text)
        status = "A" if number == len(lines) else "B"
        if match is None or match[1] != name or match[2] != status:
            raise _nonsense(answer, device, f'{name} A "..."')
        texts.append(match[3])
    return " ".join(texts)


def read_zeroed(answer: bytes, device: str) -> None:
    """Sees that a balance was zeroed.

    Raises:
        ProtocolError: It is no answer to ``Z``.
        DeviceError: It was not zeroed.
    """
    text = _words(answer, device)
    if text == "Z A":
        return
    if text not in ("Z I", "Z +", "Z -"):
        raise _nonsense(answer, device, "Z A, Z I, Z +, Z -")
    raise DeviceError(
        f"{device} was not zeroed", got=text, allowed="Z A", do="empty the pan", where=device
    )


def read_reply(answer: bytes, command: bytes, device: str) -> Reply:
    """What a Quantos unit says to a command.

    Args:
        answer: One line.
        command: What was sent.
        device: For messages.

    Raises:
        ProtocolError: An answer to something else, or none.
    """
    prefix = repeated(command)
    text = _words(answer, device)
    rest = text.removeprefix(prefix + " ").split(" ")
    asked = command == ASK_DOOR
    if not text.startswith(prefix + " "):
        raise _nonsense(answer, device, f"{prefix} and a status")
    if asked and len(rest) == 2 and rest[1] == "A" and rest[0].isdigit():
        return Reply("A", value=rest[0])
    if rest in (["I"], ["L"]) or (not asked and rest in (["A"], ["B"])):
        return Reply(rest[0])
    if len(rest) == 2 and rest[0] == "I" and _CODE.fullmatch(rest[1]):
        return Reply("I", int(rest[1]))
    raise _nonsense(answer, device, f"{prefix} A, B, L or I <code>")


def _words(answer: bytes, device: str) -> str:
    """A line as text; the errors that every command can be answered with are raised."""
    try:
        text = answer.decode("ascii")
    except UnicodeDecodeError as err:
        raise _nonsense(answer, device, "ASCII") from err
    text = text.removesuffix("\r\n")
    if not text.isprintable() or len(answer) - len(text) != 2:
        raise _nonsense(answer, device, "one line that ends with CR LF")
    if text in _REFUSED:
        raise ProtocolError(f"{device} {_REFUSED[text]}", got=text, where=device)
    return text


def _nonsense(answer: bytes, device: str, allowed: str) -> ProtocolError:
    return ProtocolError(
        f"{device} gave an answer that is none",
        got=repr(answer[:80]),
        allowed=allowed,
        do="check the line and what else talks to the device",
        where=device,
    )
