"""Drivers of the virtual world's stations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from instruments.drivers.base import Driver
from instruments.drivers.job import Job, JobRecord, JobState
from sdl.core.capabilities import (
    LONGEST_WASH_MIN,
    MEASURED_AT,
    SOLVENTS,
    Capabilities,
    Station,
    StationKind,
)
from sdl.core.command import Verb
from sdl.core.errors import DeviceError
from sdl.core.model import content_hash
from sdl.core.property import Property
from sdl.core.protocols import BlobStore
from sdl.core.recipe import Gas
from simulators.act import Act, ActState
from simulators.stations import RACK, ROOM_C, Program, StationModel
from simulators.world import World

DOSE_ERROR = StationModel.dosing_sd * StationModel.dosing_cut
"""Farthest that a dose is off, as a share of it."""
BALANCE_MG = 1.0
"""What a reading of the balance is never off by, mg: ten of its standard deviations."""
LARGEST_READING_MG = 1_000_000.0
LONGEST_SCAN_MIN = 600.0
LONGEST_MILL_MIN = 600.0
LONGEST_DWELL_H = 500.0


class VirtualDriver(Driver):
    """What the drivers of all virtual stations share.

    Args:
        station: Name and limits.
        world: The world the device stands in.
        capabilities: The laboratory, for shelf and places.
    """

    def __init__(self, station: Station, world: World, capabilities: Capabilities) -> None:
        super().__init__(station)
        self.world = world
        self.capabilities = capabilities

    def write(self, job: Job) -> None:
        """Registers of the simulated devices are written at the start; nothing to do here."""

    def occupants(self) -> tuple[str, ...]:
        """Labels of the vials inside."""
        return self.world.occupants(self.name)

    def record(self, label: str) -> JobRecord | None:
        """The last line of the log under a label, ``None`` when the device never took it."""
        act = self.world.find(self.name, label)
        if act is None:
            return None
        return JobRecord(
            label=act.label,
            verb=Verb(act.verb),
            samples=act.samples,
            state=JobState(act.state.value),
            start_s=act.start_s,
            end_s=act.end_s,
            args=self.told(act),
            error=act.note,
        )

    def told(self, act: Act) -> Mapping[str, Any]:
        """The arguments of the job a line of the log is about."""
        return {name: value for name, value in act.args.items() if name in self.arguments}

    def result(self, label: str) -> dict[str, Any]:
        """What the device reports of an ended job.

        Raises:
            DeviceError: The job is unknown or runs.
        """
        act = self._ended(label)
        return {name: act.result[name] for name in self.result_units if name in act.result}

    def abort(self, label: str) -> bool:
        """Stops a running job safely; False when it had ended."""
        return self.world.abort(self.name, label)

    def _ended(self, label: str) -> Act:
        act = self.world.find(self.name, label)
        if act is None or act.state is ActState.RUNNING:
            state = "not in its log" if act is None else "running"
            raise DeviceError(f"{self.name} has no result of {label}", got=state)
        return act


class DispenserDriver(VirtualDriver):
    """Doses powder into the vial on its balance."""

    verb = Verb.DISPENSE
    arguments = frozenset({"lot", "mass_mg", "balance_before_mg"})
    result_units: Mapping[str, str] = {
        "balance_before_mg": "mg",
        "balance_after_mg": "mg",
    }

    def check(self, job: Job) -> None:
        """Lot on the shelf, mass between the limits of the head and within the vial."""
        self.choice(job, "lot", (lot.name for lot in self.capabilities.shelf))
        largest_mg = self.station.max_dose_mg or self.capabilities.vial_capacity_mg
        self.number(job, "mass_mg", self.station.min_dose_mg or 0.0, largest_mg, above=False)
        self.number(job, "mass_mg", 0.0, self.capabilities.vial_capacity_mg, above=True)
        if "balance_before_mg" in job.args:
            self.number(job, "balance_before_mg", -BALANCE_MG, LARGEST_READING_MG)

    def check_samples(self, job: Job) -> None:
        """The vial is on the balance, and the dose finds room in it.

        Doses miss by up to ``DOSE_ERROR``: a recipe that fills the vial exactly must pass.
        """
        super().check_samples(job)
        room_mg = self.capabilities.vial_capacity_mg * (1.0 + DOSE_ERROR) + BALANCE_MG
        room_mg -= self.weigh()
        if float(job.args["mass_mg"]) * (1.0 + DOSE_ERROR) > room_mg:
            raise self.refusal(job, "mass_mg", job.args["mass_mg"], f"{room_mg:.1f} mg of room")

    def begin(self, job: Job) -> None:
        """Starts the dose."""
        note = {k: v for k, v in job.args.items() if k not in ("lot", "mass_mg")}
        args = job.args
        self.world.start_dispense(self.name, job.label, args["lot"], float(args["mass_mg"]), note)

    def result(self, label: str) -> dict[str, Any]:
        """Balance readings; of a dose in two parts, before the first and after the second."""
        result = super().result(label)
        first_mg = self._ended(label).args.get("balance_before_mg")
        return result if first_mg is None else {**result, "balance_before_mg": first_mg}

    def last_before_mg(self, label: str) -> float:
        """What the balance read before the last dose under a label, which may still run; mg.

        Raises:
            DeviceError: The dispenser never took it.
        """
        act = self.world.find(self.name, label)
        if act is None:
            raise DeviceError(f"{self.name} has no dose {label}", got="not in its log")
        return float(act.result["balance_before_mg"])

    def weigh(self) -> float:
        """The balance now, mg."""
        return self.world.weigh(self.name)


class MixerDriver(VirtualDriver):
    """Mills the vial inside."""

    verb = Verb.MILL
    arguments = frozenset({"mill_min"})
    result_units: Mapping[str, str] = {"energy_kwh": "kWh"}

    def check(self, job: Job) -> None:
        """Milling time."""
        longest_min = self.station.max_mill_min or LONGEST_MILL_MIN
        self.number(job, "mill_min", 0.0, longest_min, above=True)

    def begin(self, job: Job) -> None:
        """Starts the mill."""
        self.world.start_mill(self.name, job.label, float(job.args["mill_min"]))


class FurnaceDriver(VirtualDriver):
    """Holds a program, runs it by itself, logs it."""

    verb = Verb.ANNEAL
    arguments = frozenset({"temperature_c", "dwell_h", "ramp_c_per_min", "gas", "cooling"})
    result_units: Mapping[str, str] = {
        "program": "",
        "energy_kwh": "kWh",
        "thermocouple_c": "degC",
    }

    def check(self, job: Job) -> None:
        """Temperature, dwell, ramp, gas and cooling."""
        station = self.station
        self.number(job, "temperature_c", ROOM_C, station.max_temperature_c)
        self.number(job, "dwell_h", 0.0, station.max_dwell_h or LONGEST_DWELL_H, above=True)
        self.number(job, "ramp_c_per_min", 0.0, station.max_ramp_c_per_min, above=True)
        self.choice(job, "gas", (g.value for g in station.gases or (Gas.AIR,)))
        self.choice(job, "cooling", ("furnace", "hold"))

    def write(self, job: Job) -> None:
        """Uploads the program."""
        self.world.load_program(self.name, Program(**job.args))

    def read_back(self) -> str:
        """Hash of the program the furnace itself holds."""
        program = self.world.program(self.name)
        return "" if program is None else content_hash(asdict(program))

    def told(self, act: Act) -> Mapping[str, Any]:
        """The program that was run."""
        return act.args["program"]

    def begin(self, job: Job) -> None:
        """Starts the program."""
        self.world.start_program(self.name, job.label)

    def temperature_c(self) -> float:
        """The thermocouple now, degC."""
        return self.world.temperature_c(self.name)

    def remaining_s(self) -> float:
        """Time left of the running program, s; 0 when none runs."""
        return self.world.remaining_s(self.name)


class PositionDriver(VirtualDriver):
    """What the drivers share whose stations work on every vial inside by itself."""

    def check(self, job: Job) -> None:
        """One sample."""
        if len(job.samples) != 1:
            raise self.refusal(job, "the number of samples", len(job.samples), 1)

    def check_samples(self, job: Job) -> None:
        """The vial is among those inside; others may be worked on beside it."""
        if job.samples[0] not in self.occupants():
            super().check_samples(job)


class QuenchDriver(PositionDriver):
    """Cools one vial at a time per position."""

    verb = Verb.QUENCH
    arguments = frozenset({"cooling"})
    result_units: Mapping[str, str] = {}

    def check(self, job: Job) -> None:
        """One sample and a cooling the station has."""
        super().check(job)
        self.choice(job, "cooling", (c.value for c in self.station.coolings))

    def begin(self, job: Job) -> None:
        """Starts the cooling."""
        self.world.start_quench(self.name, job.label, job.samples[0], str(job.args["cooling"]))


class WasherDriver(PositionDriver):
    """Stirs a vial's powder in water, filters and dries it; one vial at a time per position."""

    verb = Verb.WASH
    arguments = frozenset({"solvent", "duration_min"})
    result_units: Mapping[str, str] = {"energy_kwh": "kWh"}

    def check(self, job: Job) -> None:
        """One sample, a solvent the washer has, the time in it."""
        super().check(job)
        self.choice(job, "solvent", SOLVENTS)
        self.number(job, "duration_min", 0.0, LONGEST_WASH_MIN, above=True)

    def begin(self, job: Job) -> None:
        """Starts the wash."""
        args, sample = job.args, job.samples[0]
        self.world.start_wash(
            self.name, job.label, sample, str(args["solvent"]), float(args["duration_min"])
        )


class RecordingDriver(VirtualDriver):
    """What the drivers share whose stations hand over files.

    Args:
        station: Name and limits.
        world: The world the device stands in.
        capabilities: The laboratory.
        blobs: Where the files go.
    """

    def __init__(
        self, station: Station, world: World, capabilities: Capabilities, blobs: BlobStore
    ) -> None:
        super().__init__(station, world, capabilities)
        self._blobs = blobs


class DiffractometerDriver(RecordingDriver):
    """Records patterns and hands them over as content-addressed files."""

    verb = Verb.SCAN
    arguments = frozenset({"scan_min"})
    result_units: Mapping[str, str] = {
        "pattern": "",
        "two_theta_start_deg": "deg",
        "two_theta_step_deg": "deg",
        "scan_min": "min",
        "energy_kwh": "kWh",
    }

    def check(self, job: Job) -> None:
        """Length of the scan."""
        self.number(job, "scan_min", 0.0, LONGEST_SCAN_MIN, above=True)

    def begin(self, job: Job) -> None:
        """Starts the scan."""
        self.world.start_scan(self.name, job.label, float(job.args["scan_min"]))

    def result(self, label: str) -> dict[str, Any]:
        """The pattern's hash and grid; the file is stored before its hash is told."""
        act = self._ended(label)
        if act.state is ActState.ABORTED:
            return super().result(label)
        digest = self._blobs.put_array(self.world.pattern(act))
        return {"pattern": digest, "scan_min": act.args["scan_min"], **super().result(label)}


class MagnetometerDriver(RecordingDriver):
    """Measures magnetisation against field or temperature; curves are content-addressed files."""

    verb = Verb.MEASURE
    arguments = frozenset({"property", "temperature_c"})
    result_units: Mapping[str, str] = {
        "curve": "",
        "property": "",
        "temperature_c": "degC",
        "mass_mg": "mg",
        "energy_kwh": "kWh",
    }

    def check(self, job: Job) -> None:
        """A property it can measure, at a temperature its oven reaches."""
        able = (p.value for p, kind in MEASURED_AT.items() if kind is self.station.kind)
        self.choice(job, "property", able)
        self.number(job, "temperature_c", ROOM_C, self.station.max_temperature_c or ROOM_C)

    def begin(self, job: Job) -> None:
        """Starts the measurement."""
        measured = Property(job.args["property"])
        self.world.start_measure(self.name, job.label, measured, float(job.args["temperature_c"]))

    def result(self, label: str) -> dict[str, Any]:
        """The curve's hash, and what of; the file is stored before its hash is told."""
        act = self._ended(label)
        if act.state is ActState.ABORTED:
            return super().result(label)
        digest = self._blobs.put_array(self.world.curve(act))
        return {"curve": digest, **self.told(act), **super().result(label)}


class TransferDriver(VirtualDriver):
    """The arm that moves vials between rack and stations."""

    verb = Verb.TRANSFER
    arguments = frozenset({"sample", "origin", "destination"})
    result_units: Mapping[str, str] = {"place": ""}

    def check(self, job: Job) -> None:
        """One vial, from and to places that exist."""
        places = [RACK]
        places += [s.name for s in self.capabilities.stations if s.kind is not StationKind.TRANSFER]
        self.choice(job, "sample", job.samples)
        self.choice(job, "origin", places)
        self.choice(job, "destination", places)

    def check_samples(self, job: Job) -> None:
        """The vial is where it should be taken from, or already where it should go."""
        place = self.world.place(job.samples[0])
        if place not in (job.args["origin"], job.args["destination"]):
            raise self.refusal(job, "the place of the vial", place, job.args["origin"])

    def begin(self, job: Job) -> None:
        """Starts the move."""
        args = job.args
        self.world.start_transfer(self.name, job.label, args["sample"], args["destination"])

    def place(self, sample: str) -> str:
        """Where a vial is."""
        return self.world.place(sample)


_PLAIN: dict[StationKind, type[VirtualDriver]] = {
    StationKind.DISPENSER: DispenserDriver,
    StationKind.MIXER: MixerDriver,
    StationKind.FURNACE: FurnaceDriver,
    StationKind.QUENCH: QuenchDriver,
    StationKind.WASHER: WasherDriver,
    StationKind.TRANSFER: TransferDriver,
}


_RECORDING: dict[StationKind, type[RecordingDriver]] = {
    StationKind.DIFFRACTOMETER: DiffractometerDriver,
    StationKind.MAGNETOMETER: MagnetometerDriver,
}


def virtual_drivers(
    world: World, capabilities: Capabilities, blobs: BlobStore
) -> dict[str, VirtualDriver]:
    """A driver for every station of a virtual laboratory, by name.

    Raises:
        DeviceError: A station of a kind the virtual world does not have.
    """
    drivers: dict[str, VirtualDriver] = {}
    for station in capabilities.stations:
        recording = _RECORDING.get(station.kind)
        if recording is not None:
            drivers[station.name] = recording(station, world, capabilities, blobs)
            continue
        plain = _PLAIN.get(station.kind)
        if plain is None:
            raise DeviceError(
                f"the virtual world has no {station.kind.value}",
                got=station.name,
                allowed=", ".join(kind.value for kind in [*_PLAIN, *_RECORDING]),
            )
        drivers[station.name] = plain(station, world, capabilities)
    return drivers
