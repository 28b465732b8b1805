"""Checks before a controller may own a journal."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select, text

from sdl.core.errors import JournalCorruptError, JournalError
from sdl.journal import tables
from sdl.journal.blobs import sync_directory
from sdl.journal.chain import Head
from sdl.journal.lock import locked_error
from sdl.journal.reading import read_records
from sdl.journal.store import Backend, Location
from sdl.journal.versions import known_kind


def check_empty(connection: Connection, location: Location) -> None:
    """Raises unless nothing, or a journal without a record, stands there.

    Raises:
        JournalError: A campaign or another program's tables are there.
    """
    present = set(inspect(connection).get_table_names())
    ours = set(tables.metadata.tables)
    if "events" in present and ours >= present:
        if connection.execute(select(func.max(tables.events.c.seq))).scalar() is None:
            return
        raise JournalError(
            "there is a campaign here already",
            got=location.name,
            allowed="a new place",
            do=f"go on with `sdl resume {location.run}`, or give another `store:`",
            where=location.name,
        )
    foreign = sorted(present - ours)
    if foreign:
        raise JournalError(
            "this database belongs to another program",
            got=f"tables {', '.join(foreign[:5])}",
            allowed="a new file, or an empty database",
            do="give another `store:`",
            where=location.name,
        )


def verify(connection: Connection, location: Location) -> tuple[Head, int]:
    """Reads the whole journal once.

    Returns:
        Its last record and the highest epoch.

    Raises:
        JournalCorruptError: A record or the file is damaged.
        JournalError: No journal, no campaign in it, or a newer program wrote in it.
    """
    if not {"events", "owners"} <= set(inspect(connection).get_table_names()):
        raise _nothing_begun(location, "a database without our tables")
    records = read_records(connection, location)
    if not records:
        raise _nothing_begun(location, "a journal without a record")
    if location.backend is Backend.FILE:
        finding = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if finding != "ok":
            raise JournalCorruptError(
                "the journal file is damaged, malformed or cut short",
                got=str(finding).splitlines()[-1],
                do=f"`sdl resume {location.run} --repair` keeps every record before the damage",
                where=location.name,
            )
    for record in records:
        known_kind(record.kind, record.version, f"{location.name}, record {record.seq}")
    epoch = connection.execute(select(func.max(tables.owners.c.epoch))).scalar() or 0
    last = records[-1]
    return Head(last.seq, last.checksum, last.time_s), max(epoch, max(r.epoch for r in records))


def _nothing_begun(location: Location, got: str) -> JournalError:
    return JournalError(
        "no campaign was begun here",
        got=got,
        allowed="the store of a campaign that was begun",
        do="begin it with `sdl run`",
        where=location.name,
    )


def advisory_lock(connection: Connection, location: Location) -> None:
    """Takes PostgreSQL's session lock on this schema; the server frees it with the connection.

    Raises:
        JournalLockedError: Another session holds it.
    """
    with connection.begin():
        schema = connection.execute(text("SELECT current_schema()")).scalar()
        name = hashlib.sha256(f"solid-state-sdl journal {schema}".encode()).digest()
        key = int.from_bytes(name[:8], "big", signed=True)
        got = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar()
        if got:
            return
        owner = {}
        if "owners" in inspect(connection).get_table_names():
            newest = select(tables.owners).order_by(tables.owners.c.epoch.desc()).limit(1)
            row = connection.execute(newest).first()
            if row is not None:
                owner = {"pid": row.pid, "host": row.host, "since": row.since_utc}
    raise locked_error(location.name, owner)


def sync_parent(path: Path) -> None:
    """Makes the name of a new database durable.

    Raises:
        JournalError: The disk refuses.
    """
    try:
        sync_directory(path.parent)
    except OSError as err:
        raise JournalError(
            "the disk refused to write", got=str(err), do="check the disk", where=path
        ) from err
