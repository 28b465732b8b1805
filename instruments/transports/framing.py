"""Where an answer ends."""

from __future__ import annotations

from instruments.transports.tcp import Framer


def until(end: bytes, *, longest: int = 4096) -> Framer:
    """Answers that end with ``end``, as CR LF.

    Args:
        end: Last bytes of every answer.
        longest: Bytes after which no answer of this protocol can still be without its end.
    """

    def length(received: bytes) -> int | None:
        at = received.find(end)
        if at >= 0:
            return at + len(end)
        if len(received) > longest:
            raise ValueError(f"an answer of at most {longest} bytes that ends with {end!r}")
        return None

    return length


def lines(count: int, end: bytes) -> Framer:
    """Answers of so many lines."""
    one = until(end)

    def length(received: bytes) -> int | None:
        total = 0
        for _ in range(count):
            found = one(received[total:])
            if found is None:
                return None
            total += found
        return total

    return length
