"""Instruments of a laboratory file to a happi database, and back by an allow-list.

A happi database is code: happi imports and calls whatever ``device_class`` names, and renders every
text argument as a Jinja template that may run Python. So nothing of an entry reaches happi before
its class, its arguments and its names have been checked here, and what was checked is what is
loaded: the file is read once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from instruments.devices.stored import cores_of
from sdl.core.errors import ConfigError, excerpt
from sdl.core.extras import require_extra
from sdl.core.lab import LabFile
from sdl.core.model import SafeId
from sdl.core.yaml import read_text

INSTRUMENT = "instruments.devices.stored.open_instrument"
EPICS_FURNACE = "instruments.devices.epics.EpicsFurnace"

ALLOWED: Mapping[str, tuple[int, frozenset[str]]] = {
    INSTRUMENT: (0, frozenset({"name", "station", "core", "folder"})),
    EPICS_FURNACE: (1, frozenset({"name"})),
}
"""What may be loaded: exact names, with the number of arguments and the keywords of each."""

TEMPLATES = ("{{name}}", "{{prefix}}")
"""The only templates: happi puts the entry's own name or prefix in, whose characters are known."""


class Entry(BaseModel):
    """What is read of an entry; whatever else stands in it is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Annotated[SafeId, Field(alias="_id")]
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    type: Literal["OphydItem"]
    device_class: str
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:.\-]{1,64}$")]
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    active: bool = True


def to_happi(lab: LabFile, path: Path, *, folder: Path | None = None) -> tuple[str, ...]:
    """Writes a database with one entry for each instrument of a laboratory file.

    Args:
        lab: The file.
        path: The database, which does not exist yet.
        folder: Where relative paths of the file begin; the present directory if not given.

    Returns:
        Names of the entries, which are Python identifiers.

    Raises:
        ConfigError: The database exists, or a driver or setting is wrong.
        MissingExtraError: happi is not installed.
    """
    happi = _happi("a database of devices")
    if path.exists():
        raise ConfigError("the database exists", where=path, do="give another path")
    base = (folder or Path()).resolve()
    entries: dict[str, dict[str, Any]] = {}
    for station, cores in cores_of(lab, base).items():
        for core in cores:
            name = re.sub(r"\W", "_", core.name)
            if name in entries:
                raise ConfigError("two instruments have one name", got=name, do="rename a station")
            written: dict[str, Any] = {
                "name": "{{name}}",
                "station": lab.station(station).model_dump(mode="json", exclude_defaults=True),
                "core": core.name,
                "folder": str(base),
            }
            entries[name] = {
                "_id": name,
                "name": name,
                "type": "OphydItem",
                "device_class": INSTRUMENT,
                "prefix": station,
                "args": [],
                "kwargs": written,
            }
    items = [happi.OphydItem(**_for_happi(checked(name, e, path))) for name, e in entries.items()]
    client = happi.Client(path=str(path), initialize=True)
    for item in items:
        client.add_item(item)
    return tuple(entries)


def from_happi(path: Path, *, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Devices of a database, by name; none is connected.

    Args:
        path: The database, a JSON file.
        names: Ids of the entries to load; all active ones if not given.

    Raises:
        ConfigError: The file is no database, or an entry is not one that may be loaded. Nothing was
            imported or called then.
        MissingExtraError: happi is not installed.
    """
    happi = _happi("a database of devices")
    database = _read(path)
    wanted = tuple(database) if names is None else tuple(names)
    absent = [n for n in wanted if n not in database]
    if absent:
        raise ConfigError(
            "there is no such entry", got=excerpt(absent[0]), allowed=excerpt(sorted(database))
        )
    entries = [checked(name, database[name], path) for name in wanted]
    devices: dict[str, Any] = {}
    for entry in entries:
        if not entry.active and names is None:
            continue
        if entry.name in devices:
            raise ConfigError("two entries have one name", got=entry.name, where=path)
        item = happi.OphydItem(**_for_happi(entry))
        devices[entry.name] = happi.from_container(item, use_cache=False)
    return devices


def checked(name: str, data: object, path: Path) -> Entry:
    """An entry that may be loaded.

    Args:
        name: Its key in the database.
        data: What stands there.
        path: The database, for messages.

    Raises:
        ConfigError: Says what is not allowed.
    """
    where = f"{path}, entry {excerpt(name)}"
    try:
        entry = Entry.model_validate(data)
    except ValidationError as err:
        first = err.errors()[0]
        raise ConfigError(
            f"a happi entry cannot be used: {first['msg']}",
            got=f"{'.'.join(map(str, first['loc']))}: {excerpt(first.get('input'))}",
            where=where,
        ) from err
    if entry.device_class not in ALLOWED:
        raise ConfigError(
            "a happi entry names a class that is not on the allow-list; nothing was imported",
            got=excerpt(entry.device_class),
            allowed=", ".join(ALLOWED),
            do="remove the entry, or make the device by hand",
            where=where,
        )
    count, keywords = ALLOWED[entry.device_class]
    odd = sorted(set(entry.kwargs) ^ keywords)
    if odd or len(entry.args) != count or entry.id != name:
        raise ConfigError(
            "a happi entry has other arguments than its class takes",
            got=excerpt(odd or entry.args or entry.id),
            allowed=f"{count} arguments, and the keywords {', '.join(sorted(keywords))}",
            where=where,
        )
    for value in (*entry.args, *entry.kwargs.values()):
        if value not in TEMPLATES:
            _refuse_templates(value, where)
    return entry


def _refuse_templates(value: object, where: str) -> None:
    """Templates anywhere in a value: happi renders top-level text only, but need not for ever."""
    if isinstance(value, Mapping):
        inner = (*value, *value.values())
    elif isinstance(value, list):
        inner = tuple(value)
    else:
        if isinstance(value, str) and any(mark in value for mark in ("{{", "{%", "{#")):
            raise ConfigError(
                "a happi entry holds a template, which could run code; nothing was imported",
                got=excerpt(value),
                allowed=" or ".join(TEMPLATES),
                where=where,
            )
        return
    for part in inner:
        _refuse_templates(part, where)


def _read(path: Path) -> dict[str, Any]:
    text = read_text(path, "the happi database")
    try:
        data = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refused)
    except (ValueError, RecursionError) as err:
        raise ConfigError("the happi database is no JSON", got=str(err)[:200], where=path) from err
    if not isinstance(data, dict):
        raise ConfigError("the happi database is no object", got=excerpt(data), where=path)
    return data


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _for_happi(entry: Entry) -> dict[str, Any]:
    known = entry.model_dump(exclude={"id", "type"})
    return {**known, "_id": entry.id}


def _happi(purpose: str) -> Any:
    require_extra("happi", purpose, "happi")
    import happi

    return happi
