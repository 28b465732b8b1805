"""What drivers must still know after a crash: written durably before the act it is about.

Real instruments keep no command ids. Before a driver starts an irreversible act it notes what it
will be recognised by afterwards (the balance's reading, the program's tag, a counter), so that a
new process can look whether the act happened. One SQLite file beside the journal, WAL mode with
``synchronous=FULL``; each row carries a checksum and the epoch of the controller that wrote it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdl.core.errors import LabError
from sdl.core.model import canonical_json

_TABLES = """
create table if not exists notes(station text not null, label text not null, epoch integer not null,
    data text not null, crc integer not null, primary key (station, label)) without rowid;
create table if not exists places(sample text primary key, place text not null) without rowid;
create table if not exists fence(id integer primary key check (id = 0), epoch integer not null);
"""
_FENCE = """insert into fence values (0, ?)
    on conflict(id) do update set epoch = max(epoch, excluded.epoch)"""
_WRITE = """insert into notes select ?,?,?,?,? where ? >= (select epoch from fence)
    on conflict(station, label) do update
    set epoch = excluded.epoch, data = excluded.data, crc = excluded.crc"""
_PUT = """insert into places select ?,? where ? >= (select epoch from fence)
    on conflict(sample) do update set place = excluded.place"""


class Notebook:
    """Notes by station and label, and where each sample stands.

    Args:
        path: The file; ``None`` keeps everything in memory.
        epoch: Fencing token of this controller: once one with a higher token has opened the file,
            this one writes nothing more.

    Raises:
        LabError: The file cannot be used.
    """

    def __init__(self, path: Path | None = None, epoch: int = 1) -> None:
        self.path = path
        self.epoch = epoch
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(
                ":memory:" if path is None else path,
                isolation_level=None,
                timeout=5.0,
                check_same_thread=False,
            )
            self._db.execute("pragma journal_mode=WAL")
            self._db.execute("pragma synchronous=FULL")
            self._db.executescript(_TABLES)
            self._db.execute(_FENCE, (epoch,))
        except sqlite3.Error as err:
            raise self._broken(err) from err

    def read(self, station: str, label: str) -> dict[str, Any] | None:
        """The note of a job, ``None`` when there is none.

        Raises:
            LabError: The row is damaged, or the file cannot be read.
        """
        with self._lock:
            try:
                row = self._db.execute(
                    "select data, crc from notes where station = ? and label = ?", (station, label)
                ).fetchone()
            except sqlite3.Error as err:
                raise self._broken(err) from err
        if row is None:
            return None
        if zlib.crc32(row[0].encode()) != row[1]:
            raise self._broken(f"the note of {label} at {station} does not match its checksum")
        return json.loads(row[0])

    def write(self, station: str, label: str, note: Mapping[str, Any]) -> dict[str, Any]:
        """Adds to the note of a job, durably; returns all of it.

        Raises:
            LabError: The disk is full or gone, or a later controller has opened the notebook: then
                this process must not act any more.
        """
        with self._lock:
            merged = {**(self.read(station, label) or {}), **note}
            text = canonical_json(merged)
            crc = zlib.crc32(text.encode())
            self._change(_WRITE, (station, label, self.epoch, text, crc, self.epoch))
        return merged

    def labels(self, station: str) -> tuple[str, ...]:
        """Labels of all notes of a station."""
        with self._lock:
            rows = self._db.execute("select label from notes where station = ?", (station,))
            return tuple(row[0] for row in rows)

    def place(self, sample: str) -> str | None:
        """Where a sample stands; ``None`` when it was never moved."""
        with self._lock:
            row = self._db.execute(
                "select place from places where sample = ?", (sample,)
            ).fetchone()
        return None if row is None else row[0]

    def put(self, sample: str, place: str) -> None:
        """Notes where a sample stands from now on: one row, so never in two places.

        Raises:
            LabError: As ``write``.
        """
        with self._lock:
            self._change(_PUT, (sample, place, self.epoch))

    def occupants(self, place: str) -> tuple[str, ...]:
        """Samples at a place, in order of their names."""
        with self._lock:
            rows = self._db.execute(
                "select sample from places where place = ? order by sample", (place,)
            )
            return tuple(row[0] for row in rows)

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._db.close()

    def _change(self, statement: str, values: tuple[object, ...]) -> None:
        """Writes one row, unless a later controller has come."""
        try:
            done = self._db.execute(statement, values).rowcount
        except sqlite3.Error as err:
            raise self._broken(err) from err
        if done != 1:
            raise LabError(
                "a later controller drives this laboratory",
                got=f"epoch {self.epoch}",
                do="end this process; the later one goes on",
                where=self.path,
            )

    def _broken(self, why: object) -> LabError:
        return LabError(
            "the drivers' notebook cannot be used; nothing was started",
            got=str(why),
            do="make room on the disk or put the file back, then resume",
            where=self.path,
        )
