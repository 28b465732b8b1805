"""Simulators by the name of the driver they answer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from sdl.core.errors import ConfigError
from sdl.core.lab import LabStation
from simulators.wire.plant import Plant
from simulators.wire.server import WireSimulator

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


def make_simulator(plant: Plant, station: LabStation) -> WireSimulator:
    """The simulator of a station; it does not listen yet.

    Raises:
        ConfigError: There is none for its driver.
    """
    if station.driver not in SHIPPED:
        raise ConfigError(
            f"there is no simulator for {station.name}",
            got=f"driver: {station.driver}",
            allowed=", ".join(SHIPPED),
            do="take a driver that has one, or leave the station out",
        )
    module, _, name = SHIPPED[station.driver].partition(":")
    return getattr(import_module(module), name)(plant, station)
