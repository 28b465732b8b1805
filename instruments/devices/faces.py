"""One face per kind of station."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ophyd import Component as Cpt
from ophyd import Kind

from instruments.devices.signals import Shown
from instruments.devices.station import Outcome, StationFace
from instruments.drivers.base import Driver
from instruments.drivers.virtual import FurnaceDriver
from sdl.core.command import Verb


class DoseOutcome(Outcome):
    """Balance readings, powder only."""

    balance_before_mg = Cpt(Shown, units="mg", kind=Kind.normal)
    balance_after_mg = Cpt(Shown, units="mg", kind=Kind.hinted)


class Dispenser(StationFace):
    """Doses powder into the vial on its balance."""

    outcome = Cpt(DoseOutcome, kind=Kind.normal)


class MillOutcome(Outcome):
    """What milling took."""

    energy_kwh = Cpt(Shown, units="kWh", kind=Kind.normal)


class Mixer(StationFace):
    """Mills the vial inside."""

    outcome = Cpt(MillOutcome, kind=Kind.normal)


class AnnealOutcome(Outcome):
    """Program hash, energy and the thermocouple at the end of the soak."""

    program = Cpt(Shown, text=True, kind=Kind.normal)
    energy_kwh = Cpt(Shown, units="kWh", kind=Kind.normal)
    thermocouple_c = Cpt(Shown, units="degC", kind=Kind.hinted)


class Furnace(StationFace):
    """Holds a program and runs it by itself; ``loaded`` is the hash of the program it holds.

    ``stop`` leaves heater and program alone: a pause is not a stop for a furnace.
    """

    readback = Cpt(Shown, units="degC", limits=(0.0, 1800.0), kind=Kind.omitted)
    remaining_s = Cpt(Shown, units="s", kind=Kind.omitted)
    outcome = Cpt(AnnealOutcome, kind=Kind.normal)

    def value_of(self, signal: str) -> Any:
        """Temperature and remaining time besides what every station shows."""
        driver = cast(FurnaceDriver, self.driver)
        if signal == "readback":
            return driver.temperature_c()
        if signal == "remaining_s":
            return driver.remaining_s()
        return super().value_of(signal)


class QuenchStation(StationFace):
    """Cools hot vials; it reports nothing but the end."""


class WashOutcome(Outcome):
    """What washing and drying took."""

    energy_kwh = Cpt(Shown, units="kWh", kind=Kind.normal)


class Washer(StationFace):
    """Washes and dries the vials inside."""

    outcome = Cpt(WashOutcome, kind=Kind.normal)


class ScanOutcome(Outcome):
    """The pattern by its content hash, and its grid."""

    pattern = Cpt(Shown, text=True, kind=Kind.normal)
    two_theta_start_deg = Cpt(Shown, units="deg", kind=Kind.normal)
    two_theta_step_deg = Cpt(Shown, units="deg", kind=Kind.normal)
    scan_min = Cpt(Shown, units="min", kind=Kind.normal)
    energy_kwh = Cpt(Shown, units="kWh", kind=Kind.normal)


class Diffractometer(StationFace):
    """Records powder patterns."""

    outcome = Cpt(ScanOutcome, kind=Kind.normal)


class MeasuredOutcome(Outcome):
    """The raw curve by its content hash, and of what it is."""

    curve = Cpt(Shown, text=True, kind=Kind.normal)
    property = Cpt(Shown, text=True, kind=Kind.normal)
    temperature_c = Cpt(Shown, units="degC", kind=Kind.normal)
    mass_mg = Cpt(Shown, units="mg", kind=Kind.normal)
    energy_kwh = Cpt(Shown, units="kWh", kind=Kind.normal)


class Magnetometer(StationFace):
    """Measures magnetisation against field or temperature."""

    outcome = Cpt(MeasuredOutcome, kind=Kind.normal)


class TransferOutcome(Outcome):
    """Where the vial is."""

    place = Cpt(Shown, text=True, kind=Kind.normal)


class TransferArm(StationFace):
    """Moves vials between rack and stations."""

    outcome = Cpt(TransferOutcome, kind=Kind.normal)


FACES: dict[Verb, type[StationFace]] = {
    Verb.DISPENSE: Dispenser,
    Verb.MILL: Mixer,
    Verb.ANNEAL: Furnace,
    Verb.QUENCH: QuenchStation,
    Verb.WASH: Washer,
    Verb.SCAN: Diffractometer,
    Verb.MEASURE: Magnetometer,
    Verb.TRANSFER: TransferArm,
}
"""Face of a station by the verb it knows."""


def faces_of(drivers: Mapping[str, Driver]) -> dict[str, StationFace]:
    """An ophyd device for every driver; its name is the station's."""
    return {name: FACES[driver.verb](driver, name=name) for name, driver in drivers.items()}
