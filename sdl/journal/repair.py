"""Keeps what can be trusted of a damaged journal and moves the rest aside; loses nothing.

The kept records are copied into a new database that replaces the old one by a rename, so a repair
that is killed leaves either. The old database stays beside it under another name.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.exc import SQLAlchemyError

from sdl.core.errors import JournalCorruptError, JournalError
from sdl.journal import tables
from sdl.journal.blobs import sync_directory, write_durably
from sdl.journal.chain import Damage, Record, first_damage
from sdl.journal.lock import OwnerLock
from sdl.journal.reading import raw_records
from sdl.journal.store import Backend, Location, clear_errors, connect, locate


def damage(url: str) -> Damage | None:
    """Looks for the first record that cannot be trusted; changes nothing.

    Returns:
        ``None`` for a sound journal. Where the file itself is damaged, ``record`` is the first one
        that cannot be read, or the next number when all can.

    Raises:
        JournalError: Absent, or not SQLite at all.
    """
    location = locate(url)
    connection = connect(location, "salvage")
    try:
        found, _ = _examine(connection, location)
        return found
    finally:
        _close(connection)


def truncate_tail(url: str) -> Path:
    """Keeps the records before the first damaged one and moves the others to a side file.

    Args:
        url: ``sqlite:///path`` of a journal that no controller owns.

    Returns:
        ``<db>.damaged-<n>.json`` with the readable part of records n and later. The database as it
        was stays as ``<db>.damaged-<n>.db``.

    Raises:
        JournalLockedError: A controller owns it.
        JournalError: There is no damage, nothing can be kept, or the disk is full; the journal is
            then as it was.
    """
    location = locate(url)
    if location.backend is not Backend.FILE or location.path is None:
        raise JournalError(
            "only a journal in a file can be repaired",
            got=location.name,
            allowed="sqlite:///path/to/campaign.db",
            do="restore the database from a backup",
        )
    _close(connect(location, "salvage"))
    lock = OwnerLock.acquire(location.beside(".lock"), location.name)
    try:
        return _rebuild(location, location.path)
    except OSError as err:
        raise JournalError(
            "the repair could not be written; the journal is as it was",
            got=str(err),
            do="free space or rights and repeat it",
            where=location.name,
        ) from err
    finally:
        lock.release()


def _rebuild(location: Location, path: Path) -> Path:
    _settle(location)
    old = connect(location, "salvage")
    try:
        found, records = _examine(old, location)
        if found is None:
            raise JournalError(
                "this journal is not damaged",
                got=f"{len(records)} sound records",
                do=f"go on with `sdl resume {location.run}`",
                where=location.name,
            )
        kept = [r for r in records if r.seq < found.record]
        if not kept:
            raise JournalCorruptError(
                "the first record is damaged, nothing can be kept",
                got=found.got,
                allowed=found.expected,
                do="restore the file from a copy, or begin the campaign anew",
                where=f"{location.name}, record 1",
            )
        owners = _readable(old, tables.owners)
        documents = _readable(old, tables.documents)
    finally:
        _close(old)
    new = location.beside(".repaired")
    _write_new(location, new, kept, owners, documents)
    side, aside = _unused(location, found.record)
    lost = {
        "damage": asdict(found),
        "records": [asdict(r) for r in records if r.seq >= found.record],
    }
    write_durably(side, json.dumps(lost, indent=1).encode())
    _exchange(location, path, new, aside)
    return side


def _examine(connection: Connection, location: Location) -> tuple[Damage | None, list[Record]]:
    """The first damage and every record that can be read, whatever it holds."""
    try:
        with connection.begin():
            records = raw_records(connection)
            found = first_damage(records)
            check = "ok"
            if location.backend is Backend.FILE:
                check = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except (SQLAlchemyError, sqlite3.Error) as err:
        return _partly_readable(connection, location, str(getattr(err, "orig", err)))
    if found is None and check != "ok":
        found = _file_damage(len(records) + 1, str(check).splitlines()[-1])
    return found, records


def _partly_readable(
    connection: Connection, location: Location, got: str
) -> tuple[Damage, list[Record]]:
    """Reads one record after the other until the file gives no more."""
    records: list[Record] = []
    column = tables.events.c.seq
    readable = True
    while readable:
        query = select(tables.events).where(column == len(records) + 1)
        try:
            with connection.begin():
                row = connection.execute(query).first()
        except (SQLAlchemyError, sqlite3.Error):
            row = None
        readable = row is not None
        if row is not None:
            records.append(Record(*row))
    found = first_damage(records) or _file_damage(len(records) + 1, got)
    return found, records


def _file_damage(record: int, got: str) -> Damage:
    return Damage(
        record, "the journal file is damaged, malformed or cut short", got, "a sound file"
    )


def _readable(connection: Connection, table: Table) -> list[dict[str, Any]]:
    """Rows of a table outside the chain, as far as the file gives them."""
    key = next(iter(table.primary_key.columns))
    rows: list[dict[str, Any]] = []
    try:
        with connection.begin():
            rows.extend(
                dict(row) for row in connection.execute(select(table).order_by(key)).mappings()
            )
    except (SQLAlchemyError, sqlite3.Error):
        return rows
    return rows


def _write_new(
    location: Location,
    path: Path,
    kept: list[Record],
    owners: list[dict[str, Any]],
    documents: list[dict[str, Any]],
) -> None:
    """A sound database beside the old one, on disk as a whole before it is used."""
    _remove(path)
    location = Location(Backend.FILE, location.url, path)
    connection = connect(location, "create")
    try:
        with clear_errors(location), connection.begin():
            tables.metadata.create_all(connection)
            connection.execute(insert(tables.events), [asdict(record) for record in kept])
            for table, rows in ((tables.owners, owners), (tables.documents, documents)):
                if rows:
                    connection.execute(insert(table), rows)
    finally:
        # The last connection to close moves the write-ahead log into the file.
        _close(connection)


def _exchange(location: Location, path: Path, new: Path, aside: Path) -> None:
    """Puts the new database in the place of the old, which stays as ``aside``."""
    logs = [location.beside(suffix) for suffix in ("-wal", "-shm")]
    for source in (path, *logs):
        if source.exists():
            copy = aside.with_name(aside.name + source.name.removeprefix(path.name))
            write_durably(copy, source.read_bytes())
    # A log of the old database must not be played into the new one.
    for log in logs:
        log.unlink(missing_ok=True)
    os.replace(new, path)
    sync_directory(path.parent)


def _unused(location: Location, record: int) -> tuple[Path, Path]:
    """Names for the damaged records and the old database that no earlier repair has taken."""
    for count in itertools.count(1):
        name = f".damaged-{record}" if count == 1 else f".damaged-{record}-{count}"
        pair = location.beside(f"{name}.json"), location.beside(f"{name}.db")
        if not any(path.exists() for path in pair):
            return pair
    raise AssertionError("unreachable: the count is endless")


def _settle(location: Location) -> None:
    """Moves the write-ahead log into the file where the damage allows it.

    Then the exchange of the files is one rename, with no moment at which a kill could part them.
    """
    with contextlib.suppress(JournalError):
        _close(connect(location, "write"))


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _close(connection: Connection) -> None:
    connection.close()
    connection.engine.dispose()
