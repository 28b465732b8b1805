"""One tree of errors; every message says what, got, allowed and what to do.

* SdlError
  x ConfigError            a file or an option is wrong (exit code 2)
    - NameCollisionError   another distribution owns one of our package names
    - MissingExtraError    an optional dependency is not installed
  x SafetyError            a limit forbids what was asked
  x ChemistryError         a chemical system is inconsistent or incomplete
  x LabError               the laboratory could not do what it was told
    - DeviceError          one device failed
      . LinkError          it does not answer: no connection, no reply before the deadline
      . ProtocolError      it answers what its protocol does not allow
    - BusyError            the station or the engine is in use
  x JournalError           the record cannot be used (exit code 2)
    - JournalLockedError   another controller owns it
    - JournalCorruptError  a record does not match its checksum
  x PolicyError            a policy proposed something that is not a recipe
  x ModelError             a surrogate or its file cannot be used
"""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import ClassVar

LONGEST_GOT = 200
"""Characters of what was given that a message repeats."""

LONGEST_PART = 1500
"""Characters of every other part of a message: what is wrong may quote what was given."""


class _Excerpt(reprlib.Repr):
    """Short texts of values however large: nothing is written out only to be cut."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = 120

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write integers of thousands of digits.
        if x.bit_length() > 400:
            return f"an integer of {x.bit_length()} bits"
        return repr(x)


_EXCERPT = _Excerpt()


def excerpt(value: object) -> str:
    """``repr`` of a value in at most ``LONGEST_GOT`` characters."""
    return _cut(_EXCERPT.repr(value), LONGEST_GOT)


def one_line(text: str) -> str:
    """The text with line ends, control characters and lone surrogates written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in " \u00a0\u202f" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


class SdlError(Exception):
    """Base of all errors of this project.

    Args:
        what: What is wrong, in one sentence.
        got: What was given.
        allowed: What would have been accepted.
        do: What the reader can do now.
        where: File and line, record or device: the place to look at.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        *,
        got: object = None,
        allowed: object = None,
        do: str | None = None,
        where: str | Path | None = None,
    ) -> None:
        self.what = what
        self.got = got
        self.allowed = allowed
        self.do = do
        self.where = None if where is None else str(where)
        super().__init__(self.render())

    def render(self) -> str:
        """The message as one line: ``where: what; got ...; allowed ...; do``."""
        parts = [_cut(self.what, LONGEST_PART)]
        if self.got is not None:
            parts.append(f"got {_cut(str(self.got), LONGEST_GOT)}")
        if self.allowed is not None:
            parts.append(f"allowed: {_cut(str(self.allowed), LONGEST_PART)}")
        if self.do is not None:
            parts.append(f"what to do: {self.do}")
        text = "; ".join(parts)
        return one_line(text if self.where is None else f"{self.where}: {text}")


class ConfigError(SdlError):
    """A file, a key or an option is wrong."""

    exit_code: ClassVar[int] = 2


class NameCollisionError(ConfigError):
    """Another installed distribution uses one of our top-level package names."""


class MissingExtraError(ConfigError):
    """An optional dependency is asked for but not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            do=f"pip install 'solid-state-sdl[{extra}]'",
        )


class SafetyError(SdlError):
    """A limit forbids what was asked."""

    exit_code: ClassVar[int] = 2


class ChemistryError(SdlError):
    """A chemical system is inconsistent or incomplete."""


class LabError(SdlError):
    """The laboratory could not do what it was told."""


class DeviceError(LabError):
    """One device refused or failed."""


class LinkError(DeviceError):
    """A device does not answer: no connection, or no reply before the deadline."""


class ProtocolError(DeviceError):
    """A device answered something that its protocol does not allow; the message shows the bytes."""


class BusyError(LabError):
    """The station, device or engine is in use."""


class JournalError(SdlError):
    """The record of a campaign cannot be used."""

    exit_code: ClassVar[int] = 2


class JournalLockedError(JournalError):
    """Another controller owns this campaign."""


class JournalCorruptError(JournalError):
    """A record does not match its checksum."""


class PolicyError(SdlError):
    """A policy returned something the laboratory cannot read as a recipe."""


class ModelError(SdlError):
    """A surrogate model or its file cannot be used."""
