"""Records and the chain of checksums that makes a change of any of them visible.

The checksum of a record is SHA-256 over the checksum of the record before it and the record
itself, so a changed, missing or exchanged record breaks the chain at its number. Records cut off
at the very end leave a shorter, valid chain; no chain can show that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

GENESIS = "0" * 64
"""Stands for the checksum before the first record."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the journal, as stored."""

    seq: int
    kind: str
    version: int
    time_s: float
    """Laboratory time, s."""
    epoch: int
    """Fencing token of the controller that wrote it."""
    payload: str
    """Canonical JSON."""
    checksum: str

    def digest(self, previous: str) -> str:
        """The checksum this record must carry after a record whose checksum is ``previous``."""
        return digest(
            previous, self.seq, self.kind, self.version, self.time_s, self.epoch, self.payload
        )


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends."""

    seq: int = 0
    checksum: str = GENESIS
    time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Damage:
    """The first record that cannot be trusted; every later one hangs on it."""

    record: int
    reason: str
    got: str
    expected: str


def digest(
    previous: str, seq: int, kind: str, version: int, time_s: float, epoch: int, payload: str
) -> str:
    """SHA-256 of ``previous`` and one field a line, in hexadecimal.

    Fields come back from a damaged file as any type; they are written as they are, so that a type
    that changed is a mismatch as well.
    """
    text = f"{previous}\n{seq}\n{kind}\n{version}\n{time_s!r}\n{epoch}\n{payload}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def first_damage(records: Iterable[Record], after: Head | None = None) -> Damage | None:
    """Follows the chain; ``None`` when every record matches.

    Args:
        records: Rows by rising ``seq``.
        after: The record before the first of them; the begin of the journal by default.
    """
    head = after or Head()
    previous, expected_seq = head.checksum, head.seq + 1
    for record in records:
        if record.seq != expected_seq:
            return Damage(
                expected_seq,
                f"record {expected_seq} is missing",
                f"record {record.seq} in its place",
                f"record {expected_seq}",
            )
        expected = record.digest(previous)
        if record.checksum != expected:
            return Damage(
                record.seq,
                f"record {record.seq} does not match its checksum",
                f"checksum {record.checksum}",
                expected,
            )
        previous, expected_seq = expected, expected_seq + 1
    return None
