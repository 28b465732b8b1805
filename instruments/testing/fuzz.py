"""Parsers under damaged frames: only documented errors, never a value that the bytes do not say.

Frames are golden ones, changed by what cables and confused devices do, from a seed. What a parser
accepts is written again by an encoder of ``fuzz_cases`` and compared with the bytes. A flipped
digit of a protocol without a checksum is a valid frame: nobody can see it, and it counts as right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sdl.core.errors import excerpt

Judge = Callable[[bytes], bool]
"""Parses a frame and compares: True if a value was accepted that the bytes say. Raises documented
errors for frames that are refused, and ``WrongValueError``."""

UNCHANGED = 0.05
"""Share of frames that stay as they are: a parser that accepts nothing would pass otherwise."""
NOISE = 0.05
"""Share of frames that are nothing but random bytes."""
PIECES = (
    b"\r\n", b"\n", b"\0", b" ", b"-", b"+", b".", b"0", b"9" * 40, b"nan", b"NaN", b"inf",
    b"1e999", b"Infinity", b"\xff", b"\x7f\xc0\x00\x00", b"@END", b"@", b"=", b";", b'"',
    b"{}", b"<x/>",
)  # fmt: skip
"""What is put into frames."""
MOST_EXAMPLES = 5


class WrongValueError(Exception):
    """A parser accepted a value that the bytes do not say."""


@dataclass(frozen=True)
class Case:
    """One way into a parser.

    Args:
        module: Protocol it belongs to, as ``mt_sics``.
        goldens: Frames written out by hand.
        judge: Parses and compares.
        errors: What the parser documents to raise.
    """

    module: str
    goldens: Sequence[bytes]
    judge: Judge
    errors: tuple[type[Exception], ...]


@dataclass
class Found:
    """What fuzzing one protocol found.

    Args:
        tried: Frames.
        accepted: Those that were accepted and said what the parser told.
        faults: Other exceptions, and wrong values that were accepted.
        examples: Some of the faults, in words.
    """

    tried: int = 0
    accepted: int = 0
    faults: int = 0
    examples: list[str] = field(default_factory=list[str])


def fuzz_parsers(frames: int, seed: int) -> dict[str, tuple[int, int]]:
    """Tries every parser of ``instruments.protocols``.

    Args:
        frames: For each protocol.
        seed: Of the damage.

    Returns:
        By protocol: frames tried, and faults: exceptions that are not documented, and values
        accepted that the bytes do not say.
    """
    return {name: (f.tried, f.faults) for name, f in fuzz_all(frames, seed).items()}


def fuzz_all(frames: int, seed: int) -> dict[str, Found]:
    """As ``fuzz_parsers``, with what was accepted and examples of faults."""
    from instruments.testing.fuzz_cases import CASES

    by_module: dict[str, list[Case]] = {}
    for case in CASES:
        by_module.setdefault(case.module, []).append(case)
    return {
        module: _fuzz(cases, frames, random.Random(f"{seed} {module}"))
        for module, cases in by_module.items()
    }


def _fuzz(cases: Sequence[Case], frames: int, draw: random.Random) -> Found:
    found = Found()
    for number in range(frames):
        case = cases[number % len(cases)]
        frame = damaged(case.goldens, draw)
        found.tried += 1
        try:
            found.accepted += case.judge(frame)
        except case.errors:
            continue
        except Exception as err:
            found.faults += 1
            if len(found.examples) < MOST_EXAMPLES:
                found.examples.append(f"{excerpt(frame)}: {err!r}")
    return found


def damaged(goldens: Sequence[bytes], draw: random.Random) -> bytes:
    """One frame, usually changed in one to four places."""
    share = draw.random()
    if share < NOISE:
        return draw.randbytes(draw.randrange(0, 80))
    frame = draw.choice(goldens)
    if share < NOISE + UNCHANGED:
        return frame
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        frame = _changed(frame, goldens, draw)
    return frame


def _changed(frame: bytes, goldens: Sequence[bytes], draw: random.Random) -> bytes:
    at = draw.randrange(len(frame) + 1)
    to = min(len(frame), at + draw.choice((1, 1, 2, 4, 16)))
    match draw.randrange(9):
        case 0:
            return frame[:at]
        case 1:
            return frame[:at] + frame[to:]
        case 2:
            return frame[:to] + frame[at:]
        case 3:
            return frame[:at] + draw.choice(PIECES) + frame[at:]
        case 4:
            return frame[:at] + draw.choice(PIECES) + frame[to:]
        case 5:
            other = draw.choice(goldens)
            return frame[:at] + other[draw.randrange(len(other) + 1) :]
        case 6:
            return frame[:at] + draw.randbytes(draw.randrange(1, 9)) + frame[at:]
        case 7:
            return frame.swapcase()
        case _:
            flipped = bytes(b ^ (1 << draw.randrange(8)) for b in frame[at : at + 1])
            return frame[:at] + flipped + frame[at + 1 :]
