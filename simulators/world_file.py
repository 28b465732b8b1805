"""The SQLite file of a world: made whole or not at all, every failure told as a ``LabError``."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sdl.core.errors import LabError

_DRAFT = ".new"
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite may leave beside a database."""
_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR")
_IN_USE = ("SQLITE_BUSY", "SQLITE_LOCKED")
_RESTORE = "put back an undamaged copy of the file; without it the state of the samples is lost"


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns what SQLite and the disk say into a ``LabError``.

    Args:
        path: The file that is worked on.

    Raises:
        LabError: Damaged or no world, in use, or the disk is full or refuses.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as err:
        what = "the virtual world cannot be read or written"
        do = "make room on the disk and check the rights of the folder, then repeat"
        name = getattr(err, "sqlite_errorname", "")
        if name.startswith(_DAMAGED):
            what, do = "this file is not a virtual world, or is damaged", _RESTORE
        elif name.startswith(_IN_USE):
            what, do = "this virtual world is in use", "end the other controller, then repeat"
        raise LabError(what, got=str(err), do=do, where=path) from err
    except (ValueError, KeyError, TypeError) as err:
        # Rows of JSON that cannot be read back: SQLite keeps no checksum of its pages.
        what = "this file is not a virtual world, or is damaged"
        got = f"{type(err).__name__} in its rows"
        raise LabError(what, got=got, do=_RESTORE, where=path) from err


def connect(path: Path) -> sqlite3.Connection:
    """A durable connection to a world.

    Raises:
        LabError: Damaged or no world, in use, or the disk is full or refuses.
    """
    with told(path):
        # Plans call the devices from the RunEngine's thread; calls never overlap.
        db = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
        try:
            # Read before anything is written: an empty file would silently become a database.
            db.execute("select count(*) from meta").fetchone()
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=full")
        except sqlite3.Error:
            db.close()
            raise
    return db


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; the world may be in use.

    Raises:
        LabError: The file cannot be opened.
    """
    with told(path):
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def create(path: Path, tables: str, meta: Mapping[str, Any]) -> None:
    """Makes a world's file, complete or not at all.

    It is drafted under another name with a rollback journal, so that one file holds everything,
    read back, brought to the disk, and only then given its name.

    Args:
        path: The file.
        tables: SQL of the empty tables, among them ``meta``.
        meta: Rows of ``meta``, JSON values.

    Raises:
        LabError: ``path`` or remains of a world exist, or the disk is full or refuses.
    """
    if path.exists():
        raise LabError(
            "there is a virtual world already",
            got=str(path),
            do="open it, or choose another folder",
        )
    for ending in _BESIDE:
        if path.with_name(path.name + ending).exists():
            # SQLite would play a log left by another world into the new one.
            raise LabError(
                "the virtual world is gone, but a part of it is left",
                got=path.name + ending,
                do=f"put {path.name} back, or choose another folder",
                where=path,
            )
    draft = path.with_name(path.name + _DRAFT)
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A controller killed in an earlier draft left it.
        _remove(draft)
        try:
            _draft(draft, tables, {key: json.dumps(value) for key, value in meta.items()})
            draft.replace(path)
            sync_folder(path.parent)
        finally:
            _remove(draft)
    try:
        connect(path).close()
    except LabError:
        # There is room for the file but not for working in it; nothing has happened in there yet.
        with told(path):
            _remove(path)
        raise


def sync_folder(folder: Path) -> None:
    """Brings a new name in a folder to the disk, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft(draft: Path, tables: str, rows: Mapping[str, str]) -> None:
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        db.execute("pragma journal_mode=delete")
        db.execute("pragma synchronous=full")
        db.executescript(f"begin immediate;{tables}")
        db.executemany("insert into meta values (?, ?)", rows.items())
        db.execute("commit")
    with closing(connect_to_read(draft)) as db:
        check = db.execute("pragma quick_check").fetchone()[0]
        kept = dict(db.execute("select key, value from meta"))
    if check != "ok" or kept != rows:
        raise LabError(
            "the new virtual world does not read back as it was written",
            got=check if check != "ok" else "other rows",
            do="check the disk, then repeat",
            where=draft,
        )
    # Opened to write: Windows brings only such a file to the disk.
    descriptor = os.open(draft, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    for ending in ("", *_BESIDE):
        path.with_name(path.name + ending).unlink(missing_ok=True)
