"""Takes committed Bluesky documents to a target, run by run, beside the controller.

The outbox reads the journal and never writes in it. A run is settled when the target has it or
will never take it; a cursor beside the journal tells how far that is. Killed anywhere, the outbox
goes on there; what it does a second time the target knows already. While the target is down it
waits longer and longer, up to some minutes, and the documents are safe in the journal.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from sdl.core.crashpoint import crashpoint
from sdl.core.errors import JournalError, JournalLockedError
from sdl.journal.backlog import Backlog, backlog_of
from sdl.journal.cursor import Cursor, cursor_path, read_cursor, write_cursor
from sdl.journal.exporters.target import (
    ExportError,
    RunFailedError,
    RunRefusedError,
    Target,
    TargetDownError,
)
from sdl.journal.lock import OwnerLock
from sdl.journal.runs import Head, Heads, Standing, StoredRuns
from sdl.journal.store import locate

POLL_S = 5.0
"""Between two looks for new runs."""

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
"""Between two attempts at a target that is down."""

_SAVE_EVERY_S = 1.0
_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Pushed:
    """What one pass did."""

    written: int = 0
    there: int = 0
    """Runs the target had already."""
    refused: int = 0
    failed: int = 0
    """Runs the target failed at; they are tried again."""


class Outbox:
    """One journal, one target, one exporter at a time.

    Args:
        url: Store of the journal; a controller may be at work in it.
        target: Where the runs go; closed together with the outbox.
        cursor: File of the cursor; beside the journal by default.
        again: Walks all runs again, those that were refused too.
        jitter: Draws the waiting times, so that exporters of many campaigns do not come together.

    Raises:
        JournalLockedError: Another exporter works for this target.
        JournalError: The journal is no file and no cursor is named.
    """

    def __init__(
        self,
        url: str,
        target: Target,
        *,
        cursor: Path | None = None,
        again: bool = False,
        jitter: random.Random | None = None,
    ) -> None:
        self.target = target
        self._url = url
        self._path = cursor or cursor_path(locate(url), target)
        self._jitter = jitter or random.Random()
        self._lock = _only_one(self._path)
        name = f"{target.kind}: {target.address}"
        known = None if again else read_cursor(self._path)
        self._cursor = known if known is not None and known.target == name else Cursor(target=name)
        self._written = known
        self._settled = set(self._cursor.settled)
        self._failed = Counter[str]()
        self._saved = time.monotonic()

    def push(self, stop: threading.Event | None = None) -> Pushed:
        """Exports every run that is over and not there; one pass.

        Args:
            stop: Ends the pass after the present run.

        Raises:
            TargetDownError: Nothing goes through; what is done is remembered.
            JournalError: The journal cannot be read, or the cursor not be written.
        """
        pushed = Pushed()
        trouble = ""
        with StoredRuns(self._url) as runs:
            self._check_mark(runs)
            heads = runs.heads(self._cursor.after)
            try:
                # Runs the target failed at come last: they must not keep new ones back.
                for head in sorted(self._over(heads), key=lambda h: self._failed[h.uid]):
                    if stop is not None and stop.is_set():
                        break
                    pushed = self._one(runs, head, pushed)
            except ExportError as err:
                trouble = str(err)
                raise
            finally:
                self._advance(runs, heads, trouble)
        return pushed

    def follow(
        self,
        stop: threading.Event,
        *,
        poll_s: float = POLL_S,
        first_wait_s: float = FIRST_WAIT_S,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Exports whatever comes until ``stop`` is set; outlives any outage of the target.

        Args:
            stop: Ends the following, soon.
            poll_s: Between two looks for new runs, s.
            first_wait_s: After the first failure, s; doubled with each further one.
            tell: Gets a line when something was exported and when the target is down.
        """
        failures = 0
        while not stop.is_set():
            try:
                pushed = self.push(stop)
                failures = failures + 1 if pushed.failed else 0
                wait_s = self._wait_s(failures, first_wait_s) if failures else poll_s
                if pushed != Pushed():
                    tell(self.backlog().words())
            except (TargetDownError, JournalError) as err:
                failures += 1
                wait_s = self._wait_s(failures, first_wait_s)
                tell(f"{err}; next attempt in {wait_s:.0f} s; {self._waiting_words()}")
            stop.wait(wait_s)

    def backlog(self) -> Backlog:
        """What the target does not have yet.

        Raises:
            JournalError: The journal cannot be read.
        """
        return backlog_of(self._url, self._cursor, self._settled)

    def close(self) -> None:
        """Lets go of target and cursor; may be repeated."""
        self.target.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _over(self, heads: Heads) -> list[Head]:
        return [
            head
            for head in heads.runs
            if head.standing is not Standing.OPEN and head.uid not in self._settled
        ]

    def _one(self, runs: StoredRuns, head: Head, pushed: Pushed) -> Pushed:
        """Exports one run and counts it."""
        changes: dict[str, object] = {}
        try:
            new = self.target.put(runs.load(head))
        except RunRefusedError as err:
            changes["refused"] = {**self._cursor.refused, head.uid: str(err)}
            pushed = replace(pushed, refused=pushed.refused + 1)
        except RunFailedError as err:
            self._failed[head.uid] += 1
            pushed = replace(pushed, failed=pushed.failed + 1)
            if pushed.failed < _FAILURES:
                return pushed
            raise TargetDownError(
                f"the target failed at {_FAILURES} runs",
                got=str(err),
                do="look at the target; the export goes on by itself",
                where=self.target.address,
            ) from err
        else:
            changes["exported"] = self._cursor.exported + 1
            count = {"written": pushed.written + 1} if new else {"there": pushed.there + 1}
            pushed = replace(pushed, **count)
        crashpoint("run-exported")
        self._settled.add(head.uid)
        self._cursor = self._cursor.model_copy(update=changes)
        if time.monotonic() - self._saved > _SAVE_EVERY_S:
            self._save()
        return pushed

    def _check_mark(self, runs: StoredRuns) -> None:
        """Begins anew when the journal is not the one the cursor was made for."""
        if self._cursor.after and runs.mark(self._cursor.after) != self._cursor.mark:
            self._cursor = Cursor(target=self._cursor.target)
            self._settled = set()

    def _advance(self, runs: StoredRuns, heads: Heads, trouble: str) -> None:
        """Moves the cursor up to the first run that is not settled, and saves it."""
        unsettled = [h.id for h in heads.runs if h.uid not in self._settled]
        after = max(self._cursor.after, min(unsettled) - 1 if unsettled else heads.last)
        self._settled &= {h.uid for h in heads.runs if h.id > after}
        mark = self._cursor.mark if after == self._cursor.after else runs.mark(after)
        changes = {"after": after, "mark": mark, "trouble": trouble}
        self._cursor = self._cursor.model_copy(update=changes)
        self._save()

    def _save(self) -> None:
        settled = tuple(sorted(self._settled))
        self._cursor = self._cursor.model_copy(update={"settled": settled})
        if self._cursor != self._written:
            write_cursor(self._path, self._cursor)
        self._written = self._cursor
        self._saved = time.monotonic()

    def _wait_s(self, failures: int, first_wait_s: float) -> float:
        longest = min(LONGEST_WAIT_S, first_wait_s * 2.0 ** min(failures - 1, 30))
        return longest * self._jitter.uniform(0.5, 1.0)

    def _waiting_words(self) -> str:
        try:
            backlog = self.backlog()
        except JournalError:
            return "what waits is not known"
        if not backlog.waiting:
            return "nothing waits"
        return f"{backlog.waiting} waiting, the oldest since {backlog.oldest}"


def _only_one(path: Path) -> OwnerLock:
    """Keeps a second exporter away from one cursor.

    Raises:
        JournalLockedError: There is one at work.
    """
    try:
        return OwnerLock.acquire(path.with_name(f"{path.name}.lock"), str(path))
    except JournalLockedError as err:
        raise JournalLockedError(
            "another exporter works for this target",
            got=err.got,
            allowed="one at a time",
            do="let it work; `sdl export` without --follow ends by itself",
            where=path,
        ) from err
