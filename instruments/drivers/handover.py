"""Stations that are told in files what to do, and answer in files: what both kinds share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import ValidationError

from instruments.cores.folder import Folder, Format, Seen, Verdict
from instruments.drivers.job import Job
from instruments.drivers.wired import Note, WiredDriver
from instruments.protocols.requests import Ask, Difference, Request
from instruments.protocols.result_files import (
    Columns,
    Pattern,
    read_columns,
    read_pattern,
    read_scan,
)
from instruments.site import Site
from sdl.core.capabilities import Station, StationKind
from sdl.core.command import Command, Effect, Verb
from sdl.core.errors import BusyError, ConfigError
from sdl.core.model import content_hash
from sdl.safety.limits import ROOM_C, arguments_of, check_command, verb_of

Data = Pattern | Columns

RESULT_UNITS: Mapping[Verb, Mapping[str, str]] = {
    Verb.DISPENSE: {"balance_before_mg": "mg", "balance_after_mg": "mg"},
    Verb.MILL: {"energy_kwh": "kWh"},
    Verb.ANNEAL: {"program": "", "energy_kwh": "kWh", "thermocouple_c": "degC"},
    Verb.QUENCH: {},
    Verb.WASH: {"energy_kwh": "kWh"},
    Verb.TRANSFER: {"place": ""},
    Verb.SCAN: {
        "pattern": "",
        "two_theta_start_deg": "deg",
        "two_theta_step_deg": "deg",
        "scan_min": "min",
        "energy_kwh": "kWh",
    },
    Verb.MEASURE: {
        "curve": "",
        "property": "",
        "temperature_c": "degC",
        "mass_mg": "mg",
        "energy_kwh": "kWh",
    },
}
"""Names and units of what each verb reports."""

PARSERS: Mapping[Verb, Mapping[str, Callable[[bytes, str], Data]]] = {
    Verb.SCAN: {".xrdml": read_scan, ".xy": read_pattern, ".csv": read_pattern},
    Verb.MEASURE: {".xy": read_columns, ".csv": read_columns},
}
"""Endings of the data files that belong to a result, and how they are read."""

_ONE_BY_ONE = (Verb.QUENCH, Verb.WASH)
"""Verbs that work on one vial while others stand beside it."""
_LARGEST_READING_MG = 1_000_000.0
_MOST_KWH = 10_000.0
_HOTTEST_C = 3000.0
_SLIP = 10.0
"""Factor within which a dose can be off; a slip of the unit is off by a thousand."""


def asks_of(
    station: Station, verb: Verb, args: Mapping[str, Any], vial_mg: float
) -> tuple[Ask, ...]:
    """The numbers that an answer to a job holds."""
    asks: list[Ask] = []
    if verb is Verb.DISPENSE:
        for name, doc in (("balance_before_mg", "before"), ("balance_after_mg", "after")):
            words = f"what the balance shows {doc} the powder is in the vial, same tare for both"
            asks.append(Ask(name=name, unit="mg", low=-10.0, high=_LARGEST_READING_MG, doc=words))
    if verb is Verb.ANNEAL:
        words = "what the furnace shows at the end of the hold"
        asks.append(Ask(name="thermocouple_c", unit="degC", low=0.0, high=_HOTTEST_C, doc=words))
    if verb is Verb.MEASURE:
        words = "mass of the powder that was measured"
        asks.append(Ask(name="mass_mg", unit="mg", low=1e-3, high=vial_mg, doc=words))
        words = f"temperature of the sample; {args['temperature_c']:g} degC if it is not said"
        asks.append(
            Ask(
                name="temperature_c", unit="degC", low=-273.15, high=_HOTTEST_C, required=False,
                doc=words,
            )
        )  # fmt: skip
    if "energy_kwh" in RESULT_UNITS[verb]:
        words = f"energy that was used; {station.power_kw:g} kW times the time if it is not said"
        asks.append(
            Ask(name="energy_kwh", unit="kWh", low=0.0, high=_MOST_KWH, required=False, doc=words)
        )
    return tuple(asks)


def length_h(verb: Verb, args: Mapping[str, Any]) -> float:
    """Time that an act takes by itself, h; 0 where its arguments do not say."""
    match verb:
        case Verb.MILL:
            return float(args["mill_min"]) / 60.0
        case Verb.WASH:
            return float(args["duration_min"]) / 60.0
        case Verb.SCAN:
            return float(args["scan_min"]) / 60.0
        case Verb.ANNEAL:
            rise_c = max(float(args["temperature_c"]) - ROOM_C, 0.0)
            return rise_c / float(args["ramp_c_per_min"]) / 60.0 + float(args["dwell_h"])
        case _:
            return 0.0


class HandoverStation(WiredDriver):
    """A station of any kind behind folders.

    Args:
        station: Name and limits; its kind gives the verb.
        site: What the laboratory's drivers share.
        settings: Of the laboratory file.

    Raises:
        ConfigError: The driver cannot run such a station.
    """

    exclusive: ClassVar[bool] = False
    kinds: ClassVar[tuple[StationKind, ...]]
    """What the driver can run."""
    named: ClassVar[str]
    """Name of the driver in a laboratory file."""

    def __init__(self, station: Station, site: Site, settings: Any) -> None:
        super().__init__(station, site, settings)
        if station.kind not in self.kinds:
            raise ConfigError(
                f"the driver {self.named} cannot run {station.name}",
                got=station.kind.value,
                allowed=", ".join(kind.value for kind in self.kinds),
                do="correct the kind or the driver",
            )
        self.verb = verb_of(station.kind)
        self.arguments = arguments_of(self.verb)
        self.result_units = RESULT_UNITS[self.verb]

    def check(self, job: Job) -> None:
        """Names that are safe, and every limit that a command of this verb has."""
        unsafe = [name for name in (job.label, *job.samples) if ".." in name]
        if unsafe:
            raise self.refusal(job, "a name", unsafe[0], "names without '..'")
        try:
            command = Command(
                id=job.label, station=self.name, verb=job.verb, samples=job.samples,
                effect=Effect.IRREVERSIBLE, args=dict(job.args), time_s=0.0,
            )  # fmt: skip
        except ValidationError as err:
            found = err.errors()[0]
            raise self.refusal(job, "a name", found.get("input"), str(found["msg"])) from err
        broken = check_command(command, self.site.capabilities)
        if broken:
            raise self.refusal(job, broken[0].rule, broken[0].message, "the station's limits")
        if self.verb is not Verb.ANNEAL and len(job.samples) != 1:
            raise self.refusal(job, "the number of samples", len(job.samples), 1)

    def check_samples(self, job: Job) -> None:
        """The vials stand where the work is done, by the notebook."""
        if self.verb is Verb.TRANSFER:
            place = self.site.place(job.samples[0])
            if place not in (job.args["origin"], job.args["destination"]):
                raise self.refusal(job, "the place of the vial", place, job.args["origin"])
        elif self.verb not in _ONE_BY_ONE or job.samples[0] not in self.occupants():
            super().check_samples(job)

    def require_room(self, job: Job) -> None:
        """Looks that the station can take one more job.

        Raises:
            BusyError: It cannot.
        """
        at_work = [label for label in self.running() if label != job.label]
        if len(at_work) >= (self.station.capacity if self.verb in _ONE_BY_ONE else 1):
            raise BusyError(f"{self.name} is busy with {at_work[0]}", do="wait for its end")

    def request(self, name: str, samples: tuple[str, ...], args: Mapping[str, Any]) -> Request:
        """What is asked, and what the answer must hold."""
        difference = None
        if self.verb is Verb.DISPENSE:
            mass_mg = float(args["mass_mg"])
            difference = Difference(
                of="balance_after_mg", less="balance_before_mg", unit="mg",
                low=mass_mg / _SLIP, high=mass_mg * _SLIP,
            )  # fmt: skip
        vial_mg = self.site.capabilities.vial_capacity_mg
        return Request(
            id=name,
            station=self.name,
            verb=self.verb,
            samples=samples,
            args=dict(args),
            asks=asks_of(self.station, self.verb, args, vial_mg),
            difference=difference,
            data=tuple(PARSERS.get(self.verb, {})),
        )

    def look_for_data(
        self, folder: Folder, note: Note, name: str, *, settle_s: float
    ) -> Seen[Data]:
        """The data file of a job: the first that counts, else why none does."""
        owners = (name, *map(str, note["samples"]))
        found: Seen[Data] = Seen(Verdict.MISSING, f"there is no {name} with data")
        for ending, parse in PARSERS[self.verb].items():
            named = ending == ".xrdml"
            form = Format[Data](parse, _owner_of(named), 0.0 if named else settle_s)
            after_s = float(note["started_wall_s"])
            seen = folder.look(f"{name}{ending}", form, owners=owners, after_s=after_s)
            if seen.value is not None:
                return seen
            found = found if seen.verdict is Verdict.MISSING else seen
        return found

    def outcome(self, note: Note, values: Mapping[str, float], data: Data | None) -> dict[str, Any]:
        """The result of a job that was done; a moved vial is noted at its new place."""
        args = note["args"]
        told: dict[str, Any] = dict(values)
        if "energy_kwh" in self.result_units:
            told.setdefault("energy_kwh", self.station.power_kw * length_h(self.verb, args))
        if self.verb is Verb.TRANSFER:
            self.site.notebook.put(str(note["samples"][0]), str(args["destination"]))
            told["place"] = args["destination"]
        if self.verb is Verb.ANNEAL:
            told["program"] = content_hash(args)
        if isinstance(data, Pattern):
            told["pattern"] = self.site.blobs.put_array(data.counts)
            told["two_theta_start_deg"] = data.start_deg
            told["two_theta_step_deg"] = data.step_deg
            told["scan_min"] = float(args["scan_min"])
        if isinstance(data, Columns):
            told["curve"] = self.site.blobs.put_array(np.column_stack([data.x, data.y]))
            told["property"] = args["property"]
            told.setdefault("temperature_c", float(args["temperature_c"]))
        return {name: told[name] for name in self.result_units}

    def written_s(self, note: Note, written_wall_s: float) -> float:
        """Laboratory time at which a file was written, between the start and now, s."""
        wall_s = written_wall_s - float(note["started_wall_s"])
        start_s, now_s = float(note["start_s"]), self.site.clock.now_s()
        return min(max(start_s + wall_s * self.site.clock_scale, start_s), now_s)


def _owner_of(named: bool) -> Callable[[Data], str]:
    """Reader of the sample id; files of instruments that write one must have one."""
    return lambda data: data.sample_id or ("(unnamed)" if named else "")
