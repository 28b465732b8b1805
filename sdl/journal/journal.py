"""The journal: what was decided and what happened, in order, durable before anyone acts on it."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from sdl.core.crashpoint import crashpoint
from sdl.core.errors import JournalError, JournalLockedError
from sdl.core.event import CampaignBegun, Event
from sdl.core.protocols import BlobStore
from sdl.journal import claim, tables
from sdl.journal.blobs import DirectoryBlobs, MemoryBlobs, TableBlobs
from sdl.journal.boot import boot
from sdl.journal.chain import Head, Record
from sdl.journal.documents import Document, Documents
from sdl.journal.lock import OwnerLock
from sdl.journal.prepared import Prepared
from sdl.journal.reading import read_records, stored_documents
from sdl.journal.records import decode, seal
from sdl.journal.store import Backend, Location, clear_errors, connect, explain, locate


class Journal:
    """An append-only record with one owner and any number of readers.

    Open it with ``create`` or ``open``; use it as a context manager. Threads may share it; a forked
    process may not.

    Attributes:
        blobs: Content-addressed arrays that belong to the records.
        documents: Takes Bluesky documents; they are committed with the next ``append``.
        epoch: Fencing token of this owner; the last owner's for a reader.
    """

    def __init__(
        self, location: Location, *, owner: bool = True, begun: CampaignBegun | None = None
    ) -> None:
        self._location = location
        self._owner = owner
        self._head = Head()
        self._pid = os.getpid()
        self._insert_event = Prepared(insert(tables.events).inline(), _EVENT)
        self._insert_document = Prepared(insert(tables.documents).inline(), _DOCUMENT)
        self._fence = Prepared(_FENCE)
        self._mutex = threading.RLock()
        self._closed = False
        self._lock = _lock(location, begun is not None) if owner else None
        try:
            mode = "read" if not owner else "write" if begun is None else "create"
            self._connection = connect(location, mode)
        except JournalError:
            if self._lock is not None:
                self._lock.release()
            raise
        self.epoch = 0
        self.documents = Documents()
        self.blobs: BlobStore = self._blob_store()
        done = False
        try:
            self._start(begun)
            done = True
        finally:
            if not done:
                self._release()

    @classmethod
    def create(cls, url: str, begun: CampaignBegun) -> Journal:
        """Begins a campaign's journal: its tables, a CAMPAIGN and a BOOT record, in one commit.

        Args:
            url: ``sqlite:///path``, ``sqlite://`` (memory) or ``postgresql://...``.
            begun: What the campaign is.

        Raises:
            JournalLockedError: A controller is at work there.
            JournalError: There is a campaign already, or the place cannot be written.
        """
        return cls(locate(url), begun=begun)

    @classmethod
    def open(cls, url: str, *, owner: bool = True) -> Journal:
        """Opens a journal and verifies every record.

        Args:
            url: As for ``create``.
            owner: Takes the lock and appends a BOOT record with the next epoch. ``False`` reads
                only, beside an owner if there is one.

        Raises:
            JournalLockedError: Another controller owns it.
            JournalCorruptError: A record does not match its checksum, or the file is damaged.
            JournalError: Absent, not a journal, or written by a newer program.
        """
        location = locate(url)
        if location.backend is Backend.MEMORY:
            raise JournalError(
                "a journal in memory cannot be opened again",
                got=url,
                allowed="sqlite:///path/to/campaign.db",
                do="give a file as `store:`",
            )
        return cls(location, owner=owner)

    def _start(self, begun: CampaignBegun | None) -> None:
        if self._owner and self._location.backend is Backend.SERVER:
            with clear_errors(self._location):
                claim.advisory_lock(self._connection, self._location)
        with self._transaction() as connection:
            if begun is None:
                self._head, self.epoch = claim.verify(connection, self._location)
            else:
                claim.check_empty(connection, self._location)
                tables.metadata.create_all(connection)
            if self._owner:
                self._take_over([] if begun is None else [Event.of(0.0, begun)])
        if begun is not None and self._location.path is not None:
            claim.sync_parent(self._location.path)

    def _blob_store(self) -> BlobStore:
        match self._location.backend:
            case Backend.MEMORY:
                return MemoryBlobs()
            case Backend.FILE:
                return DirectoryBlobs(self._location.beside("").parent / "blobs")
            case Backend.SERVER:
                return TableBlobs(self._transaction, self._location.name)

    def _take_over(self, first: Sequence[Event]) -> None:
        """Claims the next epoch and writes ``first`` and a BOOT record; inside a transaction."""
        self.epoch += 1
        self_boot = boot(self.epoch)
        row = {
            "epoch": self.epoch,
            "pid": self_boot.pid,
            "host": socket.gethostname()[:255],
            "since_utc": self_boot.utc,
        }
        self._connection.execute(insert(tables.owners), row)
        events = [*first, Event.of(self._head.time_s, self_boot)]
        records = seal(events, self._head, self.epoch, self._location.name)
        self._insert(records, [])
        self._head = _head_after(records)

    def append(self, *events: Event) -> tuple[Event, ...]:
        """Writes events, and the documents that wait, in one durable transaction.

        Either all are on disk when this returns, or none is and it raises.

        Args:
            *events: Any number; none returns at once and writes nothing.

        Returns:
            The events as a later reader gets them, numbered. Act on these, so that a resumed
            campaign acts on the same values.

        Raises:
            JournalLockedError: Another controller has taken over meanwhile.
            JournalError: An event cannot be written as JSON, the disk is full, or this journal is
                closed or open for reading only.
        """
        if not events:
            return ()
        with self._mutex:
            self._check_writable()
            records = seal(events, self._head, self.epoch, self._location.name)
            # What cannot be read back must not be written.
            numbered = tuple(decode(record, self._location.name) for record in records)
            self._commit(records)
        return numbered

    def flush(self) -> None:
        """Commits the documents that wait, without an event.

        Raises:
            JournalError: As ``append``.
        """
        if len(self.documents):
            with self._mutex:
                self._check_writable()
                self._commit([])

    def events(self, after: int = 0) -> list[Event]:
        """Events with ``seq`` above ``after``, verified, at the present versions.

        Raises:
            JournalCorruptError: A record does not match its checksum.
            JournalError: A newer program wrote a record, or the file cannot be read.
        """
        with self._transaction() as connection:
            records = read_records(connection, self._location, after)
        return [decode(record, self._location.name) for record in records]

    def stored_documents(self, run: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """Committed Bluesky documents as ``(name, document)``, in order; of one run if given."""
        with self._transaction() as connection:
            return stored_documents(connection, run)

    @property
    def last_seq(self) -> int:
        """Number of the last record this journal knows of."""
        return self._head.seq

    @property
    def path(self) -> Path | None:
        """The SQLite file, ``None`` in memory and on a server."""
        return self._location.path

    def close(self) -> None:
        """Commits waiting documents, closes the database, lets go of the lock. May be repeated.

        Raises:
            JournalError: The documents could not be committed; all else is closed nevertheless.
        """
        if self._closed:
            return
        try:
            if self._owner and self._pid == os.getpid():
                self.flush()
        finally:
            self._release()

    def _release(self) -> None:
        self._closed = True
        if self._pid == os.getpid():
            self._connection.close()
            self._connection.engine.dispose()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """A connection for reading, or for a table of arrays; commits at the end."""
        with self._mutex:
            self._check_open()
            with clear_errors(self._location), self._connection.begin():
                yield self._connection

    def _check_open(self) -> None:
        if self._closed or self._pid != os.getpid():
            raise JournalError(
                "this journal is closed" if self._closed else "a forked process uses this journal",
                got=f"process {os.getpid()}",
                allowed=f"process {self._pid}, before close()",
                do="open it again; workers open it with owner=False",
                where=self._location.name,
            )

    def _check_writable(self) -> None:
        self._check_open()
        if not self._owner:
            raise JournalError(
                "this journal is open for reading only",
                do="open it with owner=True",
                where=self._location.name,
            )

    def _commit(self, records: Sequence[Record]) -> None:
        waiting = self.documents.take()
        try:
            with self._connection.begin():
                self._check_fence()
                self._insert(records, waiting)
                crashpoint("journal-before-commit")
            crashpoint("journal-committed")
        except (SQLAlchemyError, sqlite3.Error) as err:
            self.documents.put_back(waiting)
            raise explain(err, self._location) from err
        except JournalError:
            self.documents.put_back(waiting)
            raise
        if records:
            self._head = _head_after(records)

    def _check_fence(self) -> None:
        """Refuses when another controller has taken over or anything else was written."""
        newest, last = self._fence.one(self._connection)
        if newest != self.epoch or last != self._head.seq:
            raise JournalLockedError(
                "another controller has taken over this campaign; nothing was written",
                got=f"epoch {self.epoch} at record {self._head.seq}",
                allowed=f"epoch {newest} at record {last}",
                do="stop this process; the other one goes on. `sdl status` shows it",
                where=self._location.name,
            )

    def _insert(self, records: Sequence[Record], waiting: Sequence[Document]) -> None:
        if records:
            events = ({name: getattr(record, name) for name in _EVENT} for record in records)
            self._insert_event.write(self._connection, events)
        if waiting:
            epoch = self.epoch
            rows = ({"name": d.name, "run": d.run, "epoch": epoch, "doc": d.doc} for d in waiting)
            self._insert_document.write(self._connection, rows)


_EVENT = ("seq", "kind", "version", "time_s", "epoch", "payload", "checksum")
_DOCUMENT = ("name", "run", "epoch", "doc")
_FENCE = select(
    select(func.max(tables.owners.c.epoch)).scalar_subquery(),
    select(func.max(tables.events.c.seq)).scalar_subquery(),
)


def _head_after(records: Sequence[Record]) -> Head:
    last = records[-1]
    return Head(last.seq, last.checksum, last.time_s)


def _lock(location: Location, create: bool) -> OwnerLock | None:
    """The lock of a journal in a file; an absent journal gets none, and no stray lock file."""
    path = location.path
    if path is None or not (create or path.is_file()):
        return None
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise JournalError(
                "the directory of the journal cannot be made",
                got=str(err),
                allowed="a place this user may write to",
                do="correct `store:`",
                where=path.parent,
            ) from err
    return OwnerLock.acquire(location.beside(".lock"), location.name)
