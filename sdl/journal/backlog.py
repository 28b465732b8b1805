"""What waits in the outbox: told from journal and cursor alone, without asking the target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sdl.journal.cursor import Cursor, cursor_paths, read_cursor
from sdl.journal.runs import Standing, StoredRuns
from sdl.journal.store import locate


@dataclass(frozen=True)
class Backlog:
    """What one target does not have yet.

    Attributes:
        target: ``kind: address``.
        exported: Runs it has.
        waiting: Runs that are over and not there.
        open: Runs whose end has not come.
        oldest: UTC label of the oldest waiting run's start; empty when nothing waits.
        refused: Runs it will never take, with the reason.
        strays: Documents that belong to no run; they stay in the journal.
        trouble: What stopped the last pass.
    """

    target: str
    exported: int
    waiting: int
    open: int
    oldest: str
    refused: dict[str, str]
    strays: int
    trouble: str

    def words(self) -> str:
        """For people, in one line."""
        text = f"{self.target}: {_runs(self.exported)} exported"
        if self.waiting:
            text += f", {self.waiting} waiting, the oldest since {self.oldest}"
        if self.open:
            text += f", {self.open} still open"
        if self.refused:
            run, reason = next(iter(self.refused.items()))
            text += f", {len(self.refused)} refused (first {run[:64]}: {reason})"
        if self.strays:
            text += f", {self.strays} documents of no run"
        return f"{text}; {self.trouble}" if self.trouble else text


def backlogs(url: str) -> list[Backlog]:
    """What each target of a journal does not have yet, without asking any of them.

    Args:
        url: Store of the journal.

    Raises:
        JournalError: The journal cannot be read.
    """
    cursors = [read_cursor(path) for path in cursor_paths(locate(url))]
    return [backlog_of(url, c, set(c.settled)) for c in cursors if c is not None]


def backlog_of(url: str, cursor: Cursor, settled: set[str]) -> Backlog:
    """What the target of a cursor does not have yet.

    Args:
        url: Store of the journal.
        cursor: The cursor.
        settled: Settled runs behind it.

    Raises:
        JournalError: The journal cannot be read.
    """
    with StoredRuns(url) as runs:
        whole = not cursor.after or runs.mark(cursor.after) == cursor.mark
        heads = runs.heads(cursor.after if whole else 0)
        left = [h for h in heads.runs if not whole or h.uid not in settled]
        waiting = [h for h in left if h.standing is not Standing.OPEN]
        time_s = runs.start_time(waiting[0]) if waiting else None
        strays = runs.strays()
    return Backlog(
        target=cursor.target,
        exported=cursor.exported,
        waiting=len(waiting),
        open=len(left) - len(waiting),
        oldest=_label(time_s) if waiting else "",
        refused=dict(cursor.refused),
        strays=strays,
        trouble=cursor.trouble,
    )


def _label(time_s: float | None) -> str:
    try:
        return datetime.fromtimestamp(time_s or 0.0, UTC).isoformat(timespec="seconds")
    except (OverflowError, OSError, ValueError):
        return "an unknown time"


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"
