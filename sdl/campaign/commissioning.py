"""Cold commissioning: what a person must have looked at before real hardware is commanded.

The record lies beside the laboratory file (``lab.yaml`` -> ``lab.commissioning.yaml``). It holds,
for each station, who ticked which item and when, and a hash of the station's entry in the file: a
station that was changed since must be commissioned again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml
from pydantic import Field

from sdl.core.capabilities import StationKind
from sdl.core.errors import ConfigError
from sdl.core.lab import LabFile, LabStation
from sdl.core.model import Frozen, Sha256, content_hash
from sdl.core.yaml import load

_EVERYWHERE = (
    "identity: maker, model and serial number in `sdl doctor --lab` are those on the plate",
    "stop: the safe action was carried out by hand from the panel and by the driver, cold",
    "limits: the limits in the file are at or below those of the instrument's plate",
    "cable: the cable was pulled while idle; the driver said so within its deadline",
    "estop: the emergency stop of the room cuts this station, whatever software does",
)
_BY_KIND: dict[StationKind, tuple[str, ...]] = {
    StationKind.FURNACE: (
        "over-temperature: an independent cut-out is fitted, set, and was seen to trip",
        "thermocouple: type and position are those the controller is set to",
        "program: a program to 60 degC ran to its end, cold crucible inside, log compared",
        "power: the supply was cut for ten seconds in that program; the recovery is as wanted",
        "survey: temperature was measured beside the sample at two set points",
    ),
    StationKind.DISPENSER: (
        "weight: a check-weight read within its tolerance",
        "dose: ten doses of a harmless powder into an empty vial were within tolerance",
        "jam: an empty head was told to dose; the driver said what is missing",
    ),
    StationKind.DIFFRACTOMETER: (
        "reference: a pattern of Si or LaB6 lies where it should",
        "shutter: the interlock of the enclosure was seen to close the shutter",
        "file: a result of another sample in the folder was refused",
    ),
    StationKind.TRANSFER: (
        "path: every pair of places was driven slowly with an empty vial",
        "door: a shut door on the way was refused",
        "gripper: a vial was taken out of the gripper; the driver noticed",
    ),
    StationKind.MIXER: ("guard: the lid switch stops the mill",),
    StationKind.QUENCH: ("hot: a hot empty crucible was put down; nothing near it was damaged",),
}


class Ticked(Frozen):
    """One item that a person looked at."""

    item: str
    by: str
    utc: str


class StationRecord(Frozen):
    """What was looked at of one station."""

    entry: Sha256
    """Hash of the station's entry in the laboratory file at that time."""
    ticked: tuple[Ticked, ...] = ()


class Commissioning(Frozen):
    """The record of a laboratory."""

    stations: dict[str, StationRecord] = Field(default_factory=dict[str, StationRecord])


def items_for(station: LabStation) -> tuple[str, ...]:
    """What must be looked at, each ``name: sentence``."""
    return (*_EVERYWHERE, *_BY_KIND.get(station.kind, ()))


def record_path(lab: Path) -> Path:
    """Where the record of a laboratory file lies."""
    return lab.with_name(f"{lab.stem}.commissioning.yaml")


def read_record(lab: Path) -> Commissioning:
    """The record; empty when there is none.

    Raises:
        ConfigError: The file is damaged.
    """
    path = record_path(lab)
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        return Commissioning()
    return load(path, Commissioning, "the commissioning record")


def missing_of(station: LabStation, record: Commissioning) -> tuple[str, ...]:
    """Names of items that nobody has ticked since the station's entry was changed last."""
    found = record.stations.get(station.name)
    names = [item.partition(":")[0] for item in items_for(station)]
    if found is None or found.entry != entry_hash(station):
        return tuple(names)
    ticked = {each.item for each in found.ticked}
    return tuple(name for name in names if name not in ticked)


def entry_hash(station: LabStation) -> str:
    """Hash of a station's entry."""
    return content_hash(station)


def require_commissioned(lab: LabFile, path: Path) -> None:
    """Refuses real hardware that was not looked at.

    Raises:
        ConfigError: An item of a station is missing; names all stations that lack some.
    """
    if not lab.real:
        return
    record = read_record(path)
    lacking = {s.name: missing_of(s, record) for s in lab.stations}
    lacking = {name: items for name, items in lacking.items() if items}
    if lacking:
        first = next(iter(lacking))
        raise ConfigError(
            "real hardware is not commanded before it was commissioned cold",
            got="; ".join(f"{name} lacks {', '.join(items)}" for name, items in lacking.items()),
            allowed="every item of every station ticked in " + record_path(path).name,
            do=f"`sdl commission {path} {first}` lists them; or run with --shadow, which commands "
            "nothing",
            where=path,
        )


def tick(path: Path, lab: LabFile, name: str, items: Sequence[str], by: str) -> tuple[str, ...]:
    """Records that a person looked at items of a station; returns what is still missing.

    Raises:
        ConfigError: No such station or item, or nobody is named.
    """
    station = next((s for s in lab.stations if s.name == name), None)
    if station is None:
        raise ConfigError(
            "there is no such station", got=name, allowed=", ".join(s.name for s in lab.stations)
        )
    known = [item.partition(":")[0] for item in items_for(station)]
    unknown = next((item for item in items if item not in known), None)
    if unknown is not None:
        raise ConfigError(
            f"{name} has no such item", got=unknown, allowed=", ".join(known), do="correct --item"
        )
    record = read_record(path)
    if items:
        if not by.strip():
            raise ConfigError("nobody is named", got="no --by", do="add --by 'your name'")
        found = record.stations.get(name)
        same = found is not None and found.entry == entry_hash(station)
        kept = [t for t in found.ticked if t.item not in items] if found and same else []
        now = datetime.now(UTC).isoformat(timespec="seconds")
        new = [Ticked(item=item, by=by, utc=now) for item in items]
        entry = StationRecord(entry=entry_hash(station), ticked=(*kept, *new))
        record = Commissioning(stations={**record.stations, name: entry})
        text = yaml.safe_dump(record.model_dump(mode="json"), sort_keys=False)
        try:
            record_path(path).write_text(text, encoding="utf-8")
        except OSError as err:
            raise ConfigError(
                "the commissioning record cannot be written",
                got=err.strerror,
                allowed="a folder this user may write to",
                do="check owner and rights of the folder",
                where=record_path(path),
            ) from err
    return missing_of(station, record)
