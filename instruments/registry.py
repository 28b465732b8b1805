"""Drivers by the name that a laboratory file gives; each is imported when it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from instruments.drivers.wired import WiredDriver
from instruments.site import Site
from sdl.core.errors import ConfigError, excerpt
from sdl.core.extras import named_class
from sdl.core.lab import LabFile, LabStation
from sdl.core.yaml import place_of

ENTRY_POINTS = "solid_state_sdl.drivers"
"""Group in which other distributions name their drivers: ``my-furnace = "package.module:Class"``.
Installed distributions are trusted as code; files and peers never choose a class."""

SHIPPED: Mapping[str, str] = {
    "aeris": "instruments.drivers.aeris:AerisStation",
    "epics-furnace": "instruments.drivers.epics_furnace:EpicsFurnaceStation",
    "eurotherm": "instruments.drivers.furnace:EurothermStation",
    "file-drop": "instruments.drivers.file_drop:FileDropStation",
    "human": "instruments.drivers.human:HumanStation",
    "modbus-mill": "instruments.drivers.timer:MillStation",
    "modbus-quench": "instruments.drivers.timer:QuenchTimerStation",
    "mt-sics-dosing": "instruments.drivers.dosing:DosingStation",
    "ur-arm": "instruments.drivers.arm:ArmStation",
}


def driver_names() -> tuple[str, ...]:
    """Names of every driver that is installed."""
    return tuple(sorted({*SHIPPED, *(e.name for e in entry_points(group=ENTRY_POINTS))}))


def driver_class(name: str) -> type[WiredDriver]:
    """The driver of a name.

    Raises:
        ConfigError: There is none.
    """
    found = named_class(name, SHIPPED, ENTRY_POINTS, WiredDriver)
    if found is not None:
        return found
    near = difflib.get_close_matches(name, driver_names(), n=1)
    raise ConfigError(
        "there is no such driver",
        got=repr(name),
        allowed=", ".join(driver_names()),
        do=f"did you mean {near[0]!r}?" if near else "correct the key `driver`",
    )


def read_settings(station: LabStation, path: Path | None = None) -> Any:
    """The settings of a station, checked against its driver's model.

    Raises:
        ConfigError: There is no such driver, or a setting is wrong; with file and line.
    """
    try:
        model = driver_class(station.driver).Settings
    except ConfigError as err:
        where = None if path is None else place_of(path, "stations", station.name, "driver")
        raise ConfigError(
            err.what, got=err.got, allowed=err.allowed, do=err.do, where=where
        ) from err
    try:
        return model.model_validate(station.settings)
    except ValidationError as err:
        raise _wrong_setting(station, err, list(model.model_fields), path) from err


def _wrong_setting(
    station: LabStation, err: ValidationError, names: list[str], path: Path | None
) -> ConfigError:
    first = err.errors()[0]
    keys = ("settings", *first["loc"])
    dotted = ".".join(map(str, keys))
    where = None if path is None else place_of(path, "stations", station.name, *keys)
    if first["type"] == "extra_forbidden" and len(keys) == 2:
        near = difflib.get_close_matches(str(keys[-1]), names, n=1)
        return ConfigError(
            f"the driver {station.driver} of {station.name} has no such setting",
            got=dotted,
            allowed=", ".join(names),
            do=f"did you mean {near[0]!r}?" if near else "correct or remove the key",
            where=where,
        )
    whole = len(keys) == 1  # of several settings together: the words say what is allowed
    return ConfigError(
        f"{station.name}, {dotted}: {first['msg'].removeprefix('Value error, ')}",
        got=None if whole else excerpt(first.get("input")),
        do="correct the settings" if whole else "correct this value",
        where=where,
    )


def make_drivers(lab: LabFile, site: Site, path: Path | None = None) -> dict[str, WiredDriver]:
    """A driver for every station, by name; nothing is connected yet.

    Raises:
        ConfigError: A driver or a setting is wrong, or a driver cannot run such a station.
        MissingExtraError: A package is not installed.
    """
    drivers: dict[str, WiredDriver] = {}
    for station in lab.stations:
        settings = read_settings(station, path)
        drivers[station.name] = driver_class(station.driver)(station.plain(), site, settings)
    return drivers
