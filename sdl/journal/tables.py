"""Tables of the journal, the same on SQLite and PostgreSQL, and what keeps them append-only."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
)

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("time_s", Double, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("payload", Text, nullable=False),
    Column("checksum", String(64), nullable=False),
)
"""The chain of records."""

owners = Table(
    "owners",
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("pid", Integer, nullable=False),
    Column("host", String(255), nullable=False),
    Column("since_utc", String(40), nullable=False),
)
"""One row for each controller that ever owned the campaign; the highest epoch may write."""

documents = Table(
    "documents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(32), nullable=False),
    Column("run", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("doc", Text, nullable=False),
    Index("documents_run", "run"),
)
"""Bluesky documents in the order they were emitted; outside the chain."""

blobs = Table(
    "blobs",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""Content-addressed bytes; used where there is no directory beside the database."""

APPEND_ONLY = "the journal is append-only"

_SQLITE = (
    "CREATE TRIGGER IF NOT EXISTS events_no_update BEFORE UPDATE ON events "
    f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END",
    "CREATE TRIGGER IF NOT EXISTS events_no_delete BEFORE DELETE ON events "
    f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END",
    # INSERT OR REPLACE deletes without firing the trigger above.
    "CREATE TRIGGER IF NOT EXISTS events_no_replace BEFORE INSERT ON events "
    "WHEN EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq) "
    f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END",
)

_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{APPEND_ONLY}'; END $$",
    "CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events "
    "FOR EACH ROW EXECUTE FUNCTION events_append_only()",
    "CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events "
    "FOR EACH STATEMENT EXECUTE FUNCTION events_append_only()",
)

for _dialect, _statements in (("sqlite", _SQLITE), ("postgresql", _POSTGRESQL)):
    for _statement in _statements:
        event.listen(events, "after_create", DDL(_statement).execute_if(dialect=_dialect))
