"""The world's own file: truth, devices and clock, one durable transaction per act.

``world.db`` is SQLite in WAL mode with ``synchronous=FULL``. The controller never opens it; benches
read it through ``audit``.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sdl.chemistry.system import ChemicalSystem
from sdl.core.errors import LabError
from simulators import world_file
from simulators.act import Act, ActState
from simulators.matter import Material
from simulators.vial import Heat, Vial
from simulators.world_file import told

FORMAT = 3
_TABLES = """
create table meta(key text primary key, value text not null) without rowid;
create table clock(id integer primary key check (id = 0), now_s real not null);
create table acts(serial integer primary key, label text not null, station text not null,
    verb text not null, samples text not null, args text not null, start_s real not null,
    end_s real not null, state text not null, result text not null, note text not null,
    stop_share real not null, data blob);
create table vials(name text primary key, place text not null, acts integer not null,
    heat text, material text not null, history text not null) without rowid;
create table devices(name text primary key, state text not null) without rowid;
create table stock(lot text primary key, mass_mg real not null) without rowid;
insert into clock values (0, 0.0);
"""
_ACT_ROW = "insert or replace into acts values (?,?,?,?,?,?,?,?,?,?,?,?,?)"


class WorldStore:
    """Writes and reads the rows of one ``world.db``.

    Args:
        path: The file, made by ``create``.

    Raises:
        LabError: Absent, or not a world.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise LabError(
                "the virtual world of this campaign is gone",
                got=str(path),
                do="put the file back; without it the state of the samples is lost",
            )
        self.path = path
        self.disk_s = 0.0
        """Wall time spent in commits; a figure for benches."""
        self._db = world_file.connect(path)

    @staticmethod
    def create(path: Path, meta: Mapping[str, Any]) -> None:
        """Makes an empty world, complete or not at all.

        Args:
            path: The file.
            meta: What the world is made from, JSON values.

        Raises:
            LabError: ``path`` exists, or the disk is full or refuses; nothing is left then.
        """
        world_file.create(path, _TABLES, {"format": FORMAT, **meta})

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Closes the file when what it holds makes no world.

        Raises:
            LabError: Rows are damaged or missing.
        """
        try:
            with told(self.path):
                yield
        except LabError:
            self._db.close()
            raise

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def read_meta(self) -> dict[str, Any]:
        """What the world was made from.

        Raises:
            LabError: The file is not a world, or one of another format.
        """
        with told(self.path):
            rows = self._db.execute("select key, value from meta").fetchall()
            meta = {key: json.loads(value) for key, value in rows}
        if meta.get("format") != FORMAT:
            raise LabError(
                "this virtual world was written by another version",
                got=f"format {meta.get('format')}",
                allowed=f"format {FORMAT}",
                do="begin a new campaign, or use the version that wrote it",
                where=self.path,
            )
        return meta

    def commit(
        self,
        *,
        now_s: float | None = None,
        acts: Iterable[Act] = (),
        vials: Iterable[Vial] = (),
        devices: Mapping[str, Mapping[str, Any]] | None = None,
        stock: Mapping[str, float] | None = None,
    ) -> None:
        """Writes what an act changed in one durable transaction.

        Raises:
            LabError: The disk is full or gone; the store is closed, its last state stays.
        """
        begun = time.perf_counter()
        try:
            self._write(now_s, acts, vials, devices or {}, stock or {})
        except sqlite3.Error as err:
            self._db.close()
            raise LabError(
                "the virtual world cannot be written; it stands still as it was",
                got=str(err),
                do="make room on the disk, then resume",
                where=self.path,
            ) from err
        self.disk_s += time.perf_counter() - begun

    def _write(
        self,
        now_s: float | None,
        acts: Iterable[Act],
        vials: Iterable[Vial],
        devices: Mapping[str, Mapping[str, Any]],
        stock: Mapping[str, float],
    ) -> None:
        db = self._db
        db.execute("begin immediate")
        if now_s is not None:
            db.execute("update clock set now_s = ? where id = 0", (now_s,))
        for act in acts:
            db.execute(_ACT_ROW, _act_row(act))
        for vial in vials:
            db.execute("insert or replace into vials values (?,?,?,?,?,?)", _vial_row(vial))
        for name, state in devices.items():
            db.execute("insert or replace into devices values (?,?)", (name, json.dumps(state)))
        for lot, mass_mg in stock.items():
            db.execute("insert or replace into stock values (?,?)", (lot, mass_mg))
        db.execute("commit")

    def now_s(self) -> float:
        """The clock, s."""
        with told(self.path):
            return float(self._db.execute("select now_s from clock").fetchone()[0])

    def acts(self) -> list[Act]:
        """Every act in order, without result files."""
        with told(self.path):
            return _read_acts(self._db)

    def data(self, serial: int) -> bytes | None:
        """The result file of an act."""
        with told(self.path):
            row = self._db.execute("select data from acts where serial = ?", (serial,)).fetchone()
        return None if row is None or row[0] is None else zlib.decompress(row[0])

    def vials(self, system: ChemicalSystem) -> list[Vial]:
        """Every vial."""
        with told(self.path):
            rows = self._db.execute(
                "select name, place, acts, heat, material, history from vials order by name"
            )
            return [
                Vial(
                    name=name,
                    place=place,
                    material=Material.from_json(system, json.loads(material)),
                    acts=acts,
                    heat=None if heat is None else Heat(**json.loads(heat)),
                    history=tuple((a, b, s) for a, b, s in json.loads(history)),
                )
                for name, place, acts, heat, material, history in rows
            ]

    def devices(self) -> dict[str, dict[str, Any]]:
        """Non-volatile state of the devices."""
        with told(self.path):
            rows = self._db.execute("select name, state from devices order by name")
            return {name: json.loads(state) for name, state in rows}

    def stock(self) -> dict[str, float]:
        """What is left in the bottles, mg."""
        with told(self.path):
            return dict(self._db.execute("select lot, mass_mg from stock order by lot"))


def audit(path: Path) -> list[Act]:
    """Every physical start a world has seen, in order: what benches count repeats in.

    Args:
        path: A ``world.db``; it may be in use.

    Raises:
        LabError: The file is absent or not a world.
    """
    if not path.is_file():
        raise LabError(
            "there is no virtual world here",
            got=str(path),
            do="give the world.db of a campaign",
        )
    with told(path), closing(world_file.connect_to_read(path)) as db:
        return _read_acts(db)


def _read_acts(db: sqlite3.Connection) -> list[Act]:
    rows = db.execute(
        "select serial, label, station, verb, samples, args, start_s, end_s, state, result, note,"
        " stop_share from acts order by serial"
    )
    return [
        Act(
            serial=serial,
            label=label,
            station=station,
            verb=verb,
            samples=tuple(json.loads(samples)),
            args=json.loads(args),
            start_s=start_s,
            end_s=end_s,
            state=ActState(state),
            result=json.loads(result),
            note=note,
            stop_share=stop_share,
        )
        for serial, label, station, verb, samples, args, start_s, end_s, state, result, note,
        stop_share in rows
    ]  # fmt: skip


def _act_row(act: Act) -> tuple[Any, ...]:
    return (
        act.serial,
        act.label,
        act.station,
        act.verb,
        json.dumps(act.samples),
        json.dumps(act.args),
        act.start_s,
        act.end_s,
        act.state.value,
        json.dumps(act.result),
        act.note,
        act.stop_share,
        None if act.data is None else zlib.compress(act.data, 1),
    )


def _vial_row(vial: Vial) -> tuple[Any, ...]:
    heat = None if vial.heat is None else json.dumps(asdict(vial.heat))
    material, history = json.dumps(vial.material.to_json()), json.dumps(vial.history)
    return (vial.name, vial.place, vial.acts, heat, material, history)
