"""Simulators by the name of the driver they answer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from sdl.core.errors import ConfigError
from sdl.core.extras import named_class
from sdl.core.lab import LabStation
from simulators.wire.plant import Plant
from simulators.wire.server import WireSimulator

ENTRY_POINTS = "solid_state_sdl.simulators"
"""Group in which other distributions name the simulators of their drivers, by the driver's name:
``my-mill = "package.module:Class"``."""

SHIPPED: Mapping[str, str] = {
    "aeris": "simulators.wire.aeris:AerisSimulator",
    "epics-furnace": "simulators.wire.epics:EpicsFurnaceSimulator",
    "eurotherm": "simulators.wire.eurotherm:EurothermSimulator",
    "file-drop": "simulators.wire.file_drop:FileDropSimulator",
    "modbus-mill": "simulators.wire.timer:MillSimulator",
    "modbus-quench": "simulators.wire.timer:QuenchSimulator",
    "mt-sics-dosing": "simulators.wire.dosing:DosingSimulator",
    "ur-arm": "simulators.wire.arm:ArmSimulator",
}


def simulator_names() -> tuple[str, ...]:
    """Names of the drivers for which a simulator is installed."""
    return tuple(sorted({*SHIPPED, *(e.name for e in entry_points(group=ENTRY_POINTS))}))


def make_simulator(plant: Plant, station: LabStation) -> WireSimulator:
    """The simulator of a station; it does not listen yet.

    Raises:
        ConfigError: There is none for its driver.
    """
    return _class_of(station)(plant, station)


def _class_of(station: LabStation) -> type[WireSimulator]:
    found = named_class(station.driver, SHIPPED, ENTRY_POINTS, WireSimulator)
    if found is not None:
        return found
    raise ConfigError(
        f"there is no simulator for {station.name}",
        got=f"driver: {station.driver}",
        allowed=", ".join(simulator_names()),
        do="take a driver that has one, or leave the station out",
    )
