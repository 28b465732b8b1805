"""Where a journal lives, how it is opened, and what its database's errors mean to a person."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from sdl.core.errors import (
    JournalCorruptError,
    JournalError,
    JournalLockedError,
    MissingExtraError,
    excerpt,
)

Mode = Literal["create", "write", "read", "salvage"]
"""How a journal is opened; ``salvage`` reads what it can of a file that was cut short."""

_STORES = "sqlite:///path/to/campaign.db, sqlite:// (memory), postgresql://user@host/database"
_BUSY_TIMEOUT_S = 5.0
# Of 255 bytes that systems allow: files beside the journal add a suffix to its name.
_LONGEST_NAME = 240


class Backend(StrEnum):
    """Kinds of store."""

    MEMORY = "memory"
    FILE = "file"
    SERVER = "server"


@dataclass(frozen=True)
class Location:
    """One journal's place.

    Attributes:
        backend: Kind of store.
        url: As given, for SQLAlchemy.
        path: Absolute path of the SQLite file; ``None`` elsewhere.
    """

    backend: Backend
    url: URL
    path: Path | None = None

    @property
    def name(self) -> str:
        """For messages; without a password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    @property
    def run(self) -> str:
        """What to put for RUN in ``sdl resume RUN``."""
        return str(self.path.parent) if self.path else "RUN"

    def beside(self, suffix: str) -> Path:
        """A file next to the database: ``campaign.db`` + suffix."""
        if self.path is None:
            raise JournalError(
                "this journal has no file of its own", got=self.name, allowed="sqlite:///path"
            )
        return self.path.with_name(self.path.name + suffix)


def locate(url: str) -> Location:
    """Reads a store URL.

    The path of every form of SQLite URL is absolute: ``~`` is the home folder, ``%20`` a space,
    ``file:`` before it and options after ``?`` are no part of it (a ``?`` of a name is ``%3F``).

    Raises:
        JournalError: It is none, or of a database that is not supported.
    """
    if url == "memory:":
        url = "sqlite://"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as err:  # ValueError: a port that is no number
        raise _no_store("this is not a store", url) from err
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.host:
            raise _no_store("a SQLite store has three slashes before its path", url)
        # By hand: SQLAlchemy 2.0 leaves `%20` in the path, 2.1 makes it a space.
        name = unquote(url.partition("?")[0].partition("///")[2]).removeprefix("file:")
        if name in ("", ":memory:"):
            return Location(Backend.MEMORY, parsed)
        return Location(Backend.FILE, parsed, _file(name, url))
    if backend == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return Location(Backend.SERVER, parsed)
    raise JournalError(
        "this database is not supported",
        got=parsed.drivername,
        allowed=_STORES,
        do="correct `store:`",
    )


def _file(name: str, url: str) -> Path:
    """The absolute path of a database file that need not exist."""
    try:
        longest = max(len(os.fsencode(part)) for part in (*Path(name).parts, ""))
        path = Path(name).expanduser().absolute()
    except (RuntimeError, ValueError) as err:  # `~nobody`, half a character
        raise _no_store("this is no path of a file", url) from err
    if "\0" in name or longest > _LONGEST_NAME:
        raise _no_store(f"a name in this path holds NUL or is over {_LONGEST_NAME} bytes", url)
    return path


def _no_store(what: str, url: str) -> JournalError:
    try:
        got = make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        got = re.sub(r":[^:@/]*@", ":***@", url)
    return JournalError(what, got=excerpt(got), allowed=_STORES, do="correct `store:`")


def connect(location: Location, mode: Mode) -> Connection:
    """One connection, kept open for the life of the journal.

    Args:
        location: Where.
        mode: ``create`` makes an absent file, the others do not.

    Raises:
        JournalError: Absent, not SQLite, damaged, not reachable, driver not installed.
    """
    if location.path is not None and mode != "create" and not location.path.is_file():
        raise JournalError(
            "there is no journal here" if not location.path.exists() else "this is not a file",
            got=str(location.path),
            allowed="the campaign.db of a campaign that was begun",
            do="check the path, or begin the campaign with `sdl run`",
            where=location.name,
        )
    with clear_errors(location):
        engine = _engine(location, mode)
        if location.backend is not Backend.SERVER:
            begin = "BEGIN IMMEDIATE" if mode in ("create", "write") else "BEGIN"
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        try:
            return engine.connect()
        except (SQLAlchemyError, sqlite3.Error):
            engine.dispose()
            raise


def _engine(location: Location, mode: Mode) -> Engine:
    if location.backend is Backend.SERVER:
        try:
            return create_engine(location.url, poolclass=StaticPool)
        except ModuleNotFoundError as err:
            raise MissingExtraError(
                err.name or "psycopg", "postgresql", "a journal on PostgreSQL"
            ) from err

    def open_sqlite() -> sqlite3.Connection:
        if location.path is None:
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        else:
            access = {"create": "rwc", "write": "rw"}.get(mode, "ro")
            connection = sqlite3.connect(
                f"{location.path.as_uri()}?mode={access}",
                uri=True,
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
        # Damaged text must reach the checksum, not fail to decode on the way.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        try:
            if mode == "salvage":
                # SQLite refuses a file with missing pages altogether unless told this.
                connection.execute("PRAGMA writable_schema=ON")
            elif location.path is not None and mode != "read":
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
            # The first look into the file tells whether it is SQLite at all.
            connection.execute("PRAGMA schema_version")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return create_engine("sqlite://", creator=open_sqlite, poolclass=StaticPool)


@contextmanager
def clear_errors(location: Location) -> Iterator[None]:
    """Turns errors of the database inside the block into one clear message."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as err:
        raise explain(err, location) from err


def explain(err: Exception, location: Location) -> JournalError:
    """What an error of the database means and what to do about it."""
    cause = getattr(err, "orig", None) or err
    code = getattr(cause, "sqlite_errorcode", None)
    lines = str(cause).strip().splitlines()
    got, where = lines[0] if lines else type(cause).__name__, location.name
    if code is not None:
        return _explain_sqlite(code & 0xFF, got, location)
    if isinstance(err, IntegrityError):
        return _intruder(got, where)
    if getattr(cause, "sqlstate", None) == "53100":
        return _disk_full(got, where)
    return JournalError(
        "the database cannot be used",
        got=got,
        do="check that the server runs and the store's address is right, then resume",
        where=where,
    )


def _disk_full(got: str, where: str) -> JournalError:
    return JournalError(
        "the disk is full, the last append was not written",
        got=got,
        do="free space, then `sdl resume`; every earlier record is intact",
        where=where,
    )


def _intruder(got: str, where: str) -> JournalLockedError:
    return JournalLockedError(
        "this append was refused, nothing was written",
        got=got,
        allowed="new records, from the one controller that owns the campaign",
        do="stop the other writer, then `sdl resume`",
        where=where,
    )


def _explain_sqlite(code: int, got: str, location: Location) -> JournalError:
    where = location.name
    match code:
        case sqlite3.SQLITE_FULL:
            return _disk_full(got, where)
        case sqlite3.SQLITE_IOERR:
            return JournalError(
                "the disk refused to write or read",
                got=got,
                do="check disk, quota and file size limits, then `sdl resume`; every earlier "
                "record is intact",
                where=where,
            )
        case sqlite3.SQLITE_NOTADB:
            return JournalError(
                "this file is not a journal",
                got="a file that is not SQLite, or whose first page is damaged",
                allowed="the campaign.db of a campaign",
                do="check the path; if it is the right file, restore it from a copy",
                where=where,
            )
        case sqlite3.SQLITE_CORRUPT:
            return JournalCorruptError(
                "the journal file is damaged, malformed or cut short",
                got=got,
                do=f"`sdl resume {location.run} --repair` keeps every record before the damage",
                where=where,
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return JournalLockedError(
                "another program holds the journal's database",
                got=f"{got} after {_BUSY_TIMEOUT_S:g} s",
                do="close the other program, then `sdl resume`",
                where=where,
            )
        case sqlite3.SQLITE_CONSTRAINT:
            return _intruder(got, where)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return JournalError(
                "the journal cannot be opened or written",
                got=got,
                allowed="a file and a directory this user may write to",
                do="check owner and rights of file and directory",
                where=where,
            )
        case _:
            return JournalError(
                "the database refused",
                got=got,
                do="check that the file is the campaign.db of a campaign",
                where=where,
            )
