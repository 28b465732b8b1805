"""What a laboratory can do: stations, limits, gases, shelf."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from sdl.core.material import Lot
from sdl.core.model import Frozen, SafeId
from sdl.core.property import Property
from sdl.core.recipe import Cooling, Gas, Recipe
from sdl.core.units import Celsius, CelsiusPerMinute, Hours, Milligram, Minutes


class StationKind(StrEnum):
    """What a station is for."""

    DISPENSER = "dispenser"
    MIXER = "mixer"
    FURNACE = "furnace"
    QUENCH = "quench"
    DIFFRACTOMETER = "diffractometer"
    MAGNETOMETER = "magnetometer"
    """A vibrating-sample magnetometer with an oven."""
    WASHER = "washer"
    """Stirs a powder in water, filters and dries it."""
    TRANSFER = "transfer"
    TABLE = "table"
    """A table of measured experiments: one act gives the outcome of a whole recipe."""


MEASURED_AT: dict[Property, StationKind] = {
    Property.FERRITE_MAGNETISATION: StationKind.MAGNETOMETER,
    Property.FERRITE_CURIE_POINT: StationKind.MAGNETOMETER,
}
"""Which kind of station measures a property."""

SOLVENTS = ("water",)
"""What washers hold."""

LONGEST_WASH_MIN = 600.0
"""Longest time in a solvent that is meant, min; longer ones are taken for mistakes."""


class Station(Frozen):
    """One place where samples are worked on."""

    name: SafeId
    kind: StationKind
    capacity: Annotated[int, Field(ge=1, le=1000)] = 1
    """Samples at a time."""
    max_temperature_c: Celsius | None = None
    """Furnaces and the ovens of instruments: highest programmable temperature, degC; an instrument
    without it measures in the room."""
    max_ramp_c_per_min: CelsiusPerMinute | None = None
    max_dwell_h: Hours | None = None
    gases: tuple[Gas, ...] = ()
    coolings: tuple[Cooling, ...] = ()
    """Quench stations: what they can do. Every furnace cools in the furnace."""
    min_dose_mg: Milligram | None = None
    max_dose_mg: Milligram | None = None
    max_mill_min: Minutes | None = None
    power_kw: Annotated[float, Field(ge=0)] = 0.0


class Capabilities(Frozen):
    """Stations, shelf and rules of one laboratory."""

    name: SafeId
    stations: tuple[Station, ...]
    shelf: tuple[Lot, ...]
    vial_capacity_mg: Milligram = 5_000.0
    pool: tuple[Recipe, ...] = ()
    """Laboratories that replay a table: every recipe they hold; empty where any recipe goes."""

    def of_kind(self, kind: StationKind) -> tuple[Station, ...]:
        """Stations of one kind, in the order of the file."""
        return tuple(s for s in self.stations if s.kind == kind)

    def station(self, name: str) -> Station:
        """The station of that name.

        Raises:
            KeyError: There is none.
        """
        for station in self.stations:
            if station.name == name:
                return station
        raise KeyError(name)

    def lot(self, name: str) -> Lot | None:
        """The lot of that name, or ``None`` when it is not on the shelf."""
        return next((lot for lot in self.shelf if lot.name == name), None)
