"""Runs of Bluesky documents in a journal's database, read beside the controller that writes them.

One short read transaction at a time, nothing is written, and the owner's lock is looked at only
when a run stands open: a plan notices nothing of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection, func, select

from sdl.journal.exporters.run import check_run, with_end, with_link
from sdl.journal.exporters.target import Run
from sdl.journal.lock import owner_of
from sdl.journal.store import clear_errors, connect, locate
from sdl.journal.tables import documents as table
from sdl.journal.tables import owners

_C = table.c


class Standing(StrEnum):
    """What became of a run."""

    CLOSED = "closed"
    OPEN = "open"
    """Its controller is at work."""
    LOST = "lost"
    """Its controller is gone; no stop document will come."""


@dataclass(frozen=True, slots=True)
class Head:
    """A run as its start document shows it.

    Attributes:
        id: Number of the start document in the journal.
        uid: Of the run.
        epoch: Fencing token of its controller.
        standing: What became of it.
    """

    id: int
    uid: str
    epoch: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Heads:
    """Runs that started behind a document.

    Attributes:
        runs: In the order of their start documents.
        last: Number of the newest document.
    """

    runs: tuple[Head, ...]
    last: int


@dataclass(frozen=True, slots=True)
class _Lost:
    id: int
    uid: str
    epoch: int
    command: object


class StoredRuns:
    """Reads runs; one connection, for the length of one pass.

    Args:
        url: Store of the journal.

    Raises:
        JournalError: There is no journal, or it cannot be read.
    """

    def __init__(self, url: str) -> None:
        self._location = locate(url)
        self._connection = connect(self._location, "read")
        self._lost: list[_Lost] | None = None

    def heads(self, after: int) -> Heads:
        """Runs whose start document has a number above ``after``."""
        with self._reading() as connection:
            heads, newest = _heads(connection, after, gone=0)
        if not any(r.standing is Standing.OPEN for r in heads.runs) or not self._unowned():
            return heads
        # Nobody had the lock after `newest` was known: owners up to it have written all they will.
        with self._reading() as connection:
            return _heads(connection, after, gone=newest)[0]

    def load(self, head: Head) -> Run:
        """All documents of a run, closed if its controller is gone, linked to the one it resumes.

        Raises:
            RunRefusedError: They are not one run with names that are safe.
        """
        with self._reading() as connection:
            query = select(_C.name, _C.doc).where(_C.run == head.uid).order_by(_C.id)
            documents = [(name, json.loads(doc)) for name, doc in connection.execute(query)]
            resumed = self._resumed(connection, head, documents[0][1]) if documents else None
        lost = head.standing is Standing.LOST
        if lost:
            documents = with_end(head.uid, documents)
        check_run(head.uid, documents)
        if resumed is not None:
            documents = with_link(documents, resumed)
        return Run(head.uid, tuple(documents), lost)

    def start_time(self, head: Head) -> float | None:
        """Wall-clock label of a run's start."""
        with self._reading() as connection:
            doc = connection.execute(select(_C.doc).where(_C.id == head.id)).scalar()
        time = json.loads(doc or "{}").get("time")
        return float(time) if isinstance(time, int | float) else None

    def strays(self) -> int:
        """Documents of no run that is known; they stay in the journal."""
        known = select(_C.run).where(_C.name == "start")
        query = select(func.count()).select_from(table).where(_C.run.not_in(known))
        with self._reading() as connection:
            return connection.execute(query).scalar() or 0

    def mark(self, number: int) -> str:
        """A hash of one document, to tell that a journal is not the one it was."""
        with self._reading() as connection:
            row = connection.execute(select(table).where(_C.id == number)).first()
        return "" if row is None else hashlib.sha256(repr(tuple(row)).encode()).hexdigest()

    def close(self) -> None:
        """Lets go of the database."""
        self._connection.close()
        self._connection.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _resumed(self, connection: Connection, head: Head, start: dict[str, Any]) -> str | None:
        """The lost run this one goes on with.

        The journal tells it by the command: the first run of a command behind a lost one of an
        earlier controller resumes it.
        """
        if self._lost is None:
            self._lost = _lost(connection)
        command = start.get("command_id")
        mine = [
            run
            for run in self._lost
            if run.command == command and run.id < head.id and run.epoch < head.epoch
        ]
        if command is None or not mine or _same_command_between(connection, mine[-1], head):
            return None
        return mine[-1].uid

    def _unowned(self) -> bool:
        """Whether no controller has the journal; unknown, so False, on a server."""
        if self._location.path is None:
            return False
        return owner_of(self._location.beside(".lock")) is None

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with clear_errors(self._location), self._connection.begin():
            yield self._connection


def _heads(connection: Connection, after: int, gone: int) -> tuple[Heads, int]:
    """Runs, and the newest epoch; owners up to ``gone`` are known to have ended."""
    newest = connection.execute(select(func.max(owners.c.epoch))).scalar() or 0
    last = connection.execute(select(func.max(_C.id))).scalar() or 0
    stopped = set(
        connection.execute(select(_C.run).where(_C.name == "stop", _C.id > after)).scalars()
    )
    query = select(_C.id, _C.run, _C.epoch).where(_C.name == "start", _C.id > after)
    found: dict[str, Head] = {}
    for number, uid, epoch in connection.execute(query.order_by(_C.id)):
        over = epoch < newest or epoch <= gone
        standing = Standing.CLOSED if uid in stopped else Standing.LOST if over else Standing.OPEN
        found.setdefault(uid, Head(number, uid, epoch, standing))
    return Heads(tuple(found.values()), last), newest


def _lost(connection: Connection) -> list[_Lost]:
    """Runs of earlier owners without a stop; every one was cut short by a kill, so they are few."""
    newest = select(func.max(owners.c.epoch)).scalar_subquery()
    stopped = select(_C.run).where(_C.name == "stop")
    query = select(_C.id, _C.run, _C.epoch, _C.doc).where(_C.name == "start", _C.epoch < newest)
    rows = connection.execute(query.where(_C.run.not_in(stopped)).order_by(_C.id))
    return [_Lost(i, uid, epoch, json.loads(doc).get("command_id")) for i, uid, epoch, doc in rows]


def _same_command_between(connection: Connection, lost: _Lost, head: Head) -> bool:
    query = select(_C.doc).where(_C.name == "start", _C.id > lost.id, _C.id < head.id)
    return any(
        json.loads(doc).get("command_id") == lost.command
        for doc in connection.execute(query).scalars()
    )
