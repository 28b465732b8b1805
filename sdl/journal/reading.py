"""Reads records and documents out of the tables."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from sdl.core.errors import JournalCorruptError
from sdl.journal import tables
from sdl.journal.chain import Damage, Head, Record, first_damage
from sdl.journal.store import Backend, Location

_EVENTS = select(tables.events).order_by(tables.events.c.seq)


def read_records(connection: Connection, location: Location, after: int = 0) -> list[Record]:
    """Records with ``seq`` above ``after``, their chain verified from there.

    Raises:
        JournalCorruptError: With the number of the first record that does not match.
    """
    records = raw_records(connection, after)
    if after > 0 and records:
        column = tables.events.c
        before = connection.execute(select(column.checksum).where(column.seq == after)).scalar()
        head = Head(after, str(before))
    else:
        head = Head()
    damage = first_damage(records, head)
    if damage is not None:
        raise corrupt_error(damage, location)
    return records


def raw_records(connection: Connection, after: int = 0) -> list[Record]:
    """Records as they stand, nothing verified."""
    rows = connection.execute(_EVENTS.where(tables.events.c.seq > after))
    return [Record(*row) for row in rows]


def corrupt_error(damage: Damage, location: Location) -> JournalCorruptError:
    """The message for a broken chain."""
    n = damage.record
    if location.backend is Backend.FILE:
        kept = f"keeps records 1 to {n - 1}" if n > 1 else "can keep no record"
        do = (
            f"`sdl resume {location.run} --repair` {kept} and moves the damaged ones to "
            f"{location.beside(f'.damaged-{n}.json').name}"
        )
    else:
        do = "restore the database from a backup"
    return JournalCorruptError(
        damage.reason,
        got=damage.got,
        allowed=damage.expected,
        do=do,
        where=f"{location.name}, record {n}",
    )


def stored_documents(
    connection: Connection, run: str | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """Bluesky documents in order; of one run if given."""
    column = tables.documents.c
    query = select(column.name, column.doc).order_by(column.id)
    if run is not None:
        query = query.where(column.run == run)
    return [(name, json.loads(doc)) for name, doc in connection.execute(query)]
