"""What a check of a chemical system says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sdl.core.model import Frozen

State = Literal["ok", "warning", "failed", "skipped"]


class Finding(Frozen):
    """The outcome of one check."""

    check: str
    """What was looked at, in a few words."""
    state: State
    words: str
    """What was found, in one line."""
    details: tuple[str, ...] = ()
    """Each entry that is not as it should be."""


def judged(
    check: str,
    good: str,
    *,
    failed: Sequence[str] = (),
    warned: Sequence[str] = (),
    what: str = "",
) -> Finding:
    """A finding from two lists: failed before warning before ok.

    Args:
        check: What was looked at.
        good: The line where both lists are empty; it stands before the count otherwise.
        failed: Entries that must be mended.
        warned: Entries a reader should know of.
        what: What the entries are, as ``"do not balance"``; no count without it.
    """
    entries = (*failed, *warned)
    if not entries:
        return Finding(check=check, state="ok", words=good)
    return Finding(
        check=check,
        state="failed" if failed else "warning",
        words=f"{good}; {what}: {len(entries)}" if what else good,
        details=entries,
    )
