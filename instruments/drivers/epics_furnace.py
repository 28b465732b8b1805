"""A furnace behind an EPICS IOC: the program is the IOC's, the driver watches it.

The program carries a tag made of the command id; the IOC empties the tag when anything of the
program changes and starts a program by its tag, once. So after a crash, and after a connection that
broke in the middle of a start, tag, state and boot id tell what happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, field_validator

from instruments.cores.core import Core
from instruments.cores.epics_furnace import AT_WORK, EpicsFurnaceCore, PvProgram, State, same
from instruments.drivers.furnace_reach import FurnaceReach, Hatch
from instruments.drivers.furnace_watch import FurnaceWatch, Look
from instruments.drivers.job import Job, JobState
from instruments.drivers.patience import asked_again
from instruments.drivers.wired import Note, Progress, WiredDriver
from instruments.site import Site
from sdl.core.capabilities import Station
from sdl.core.command import Command, Inspection, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, DeviceError
from sdl.core.lab import EndpointText
from sdl.core.model import Frozen, content_hash
from sdl.core.recipe import Gas

ROOM_C = 25.0
LONGEST_DWELL_H = 500.0
SOAK = 2.0
"""``PROG:SEG`` during the dwell."""


class EpicsFurnaceSettings(Frozen):
    """Settings of a station with the driver ``epics-furnace``."""

    address: EndpointText
    """TCP address of the IOC's Channel Access server: ``10.0.0.7:5064``; no search is made."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:.\-]{1,40}$")]
    """Of its PVs, as ``SDL:F1:``."""
    open_below_c: float = 60.0
    """Temperature below which the furnace counts as cold, degC."""
    opens_hot: bool = False
    """Whether the arm may reach in while it is hot and no program is at work."""

    @field_validator("address", mode="before")
    @classmethod
    def _with_scheme(cls, value: object) -> object:
        plain = isinstance(value, str) and "://" not in value
        return f"tcp://{value}" if plain else value


class EpicsFurnaceStation(WiredDriver):
    """A furnace whose IOC holds the program and runs it by itself.

    Args:
        station: Name and limits.
        site: What the laboratory's drivers share.
        settings: Where the IOC is, and the prefix of its PVs.

    Raises:
        ConfigError: The station has no highest temperature.
    """

    verb = Verb.ANNEAL
    arguments = frozenset({"temperature_c", "dwell_h", "ramp_c_per_min", "gas", "cooling"})
    result_units: Mapping[str, str] = {
        "program": "",
        "energy_kwh": "kWh",
        "thermocouple_c": "degC",
    }
    Settings = EpicsFurnaceSettings

    def __init__(self, station: Station, site: Site, settings: EpicsFurnaceSettings) -> None:
        super().__init__(station, site, settings)
        if station.max_temperature_c is None:
            raise ConfigError(
                f"{station.name} cannot be run by the driver epics-furnace",
                got="no max_temperature_c",
                do="complete the station in the laboratory file",
            )
        self.gases = station.gases or (Gas.AIR,)
        self.highest_c = station.max_temperature_c
        self.core = EpicsFurnaceCore(
            station.name, settings.address, settings.prefix, highest_c=self.highest_c
        )
        self._reach = FurnaceReach(
            station.name, site, below_c=settings.open_below_c, hot=settings.opens_hot
        )
        site.doors[station.name] = Hatch(self.may_open)
        self._written: Job | None = None
        self._watches: dict[str, FurnaceWatch] = {}

    @property
    def cores(self) -> Sequence[Core]:
        """The furnace."""
        return (self.core,)

    def temperature_c(self) -> float:
        """The thermocouple now, degC.

        Raises:
            DeviceError: It cannot be read, or not be believed.
        """
        return self.core.number("temperature_c")

    def remaining_s(self) -> float:
        """Time left of the running program, s; 0 when none runs."""
        return self.core.number("remaining_s")

    def may_open(self) -> None:
        """Looks whether the arm may reach in now; see ``FurnaceReach.require``."""
        state = self.core.state()
        self._reach.require(f"state {state}" if state in AT_WORK else "", self.temperature_c)

    def check(self, job: Job) -> None:
        """Temperature, dwell, ramp, gas and cooling."""
        station = self.station
        self.number(job, "temperature_c", ROOM_C, self.highest_c)
        self.number(job, "dwell_h", 0.0, station.max_dwell_h or LONGEST_DWELL_H, above=True)
        self.number(job, "ramp_c_per_min", 0.0, station.max_ramp_c_per_min, above=True)
        self.choice(job, "gas", (g.value for g in self.gases))
        self.choice(job, "cooling", ("furnace", "hold"))

    def write(self, job: Job) -> None:
        """Writes the program with its tag; every PV is read back.

        Raises:
            BusyError: A program is at work, or the end of a job was not seen yet.
        """
        busy = self.running()
        if busy:
            raise BusyError(f"{self.name} is busy with {busy[0]}", do="wait for its end")
        state = self.core.state()
        if state in AT_WORK:
            raise BusyError(f"{self.name} runs a program ({state})", do="wait or abort")
        self._written = None
        self.core.load_program(program_of(job.args), tag_of(job.label, job.samples))
        self._written = job

    def read_back(self) -> str:
        """Hash of the program the IOC holds: of the job's own figures, if it means them."""
        held, job = self.core.program(), self._written
        if job is not None and not differs(job.args, held):
            return job.setup_hash
        return content_hash({**held.pvs()})

    def evidence(self, job: Job) -> dict[str, Any]:
        """Tag and boot id.

        Raises:
            DeviceError: The thermocouple cannot be believed, or another program is held.
            BusyError: A program is at work.
        """
        state, tag = self.core.state(), self.core.text("tag")
        if state in AT_WORK:
            raise BusyError(f"{self.name} is not ready to run ({state})", do="wait or abort")
        ours = tag_of(job.label, job.samples)
        wrong = differs(job.args, self.core.program())
        if state is not State.IDLE or tag != ours or wrong:
            raise DeviceError(
                f"{self.name} does not hold {job.label}'s program, ready to run",
                got=wrong or f"state {state}, tag {tag!r}",
                allowed=f"state IDLE, tag {ours!r}",
                do="load it again; nothing was started",
                where=self.name,
            )
        return {
            "label": job.label,
            "tag": ours,
            "boot": self.core.text("boot"),
            "program": job.setup_hash,
            "start_c": self.core.number("temperature_c"),
            "ran": False,
            "halted": "",
            "believed": True,
        }

    def act(self, job: Job, note: Note) -> None:
        """Starts the program by its tag, looks that it started, and notes that it did."""
        self._watches.pop(job.label, None)
        self.core.run(str(note["tag"]))
        if self.core.state() is State.IDLE:
            raise DeviceError(f"{self.name} did not start {job.label}", do="look at the IOC")
        self.site.notebook.write(self.name, job.label, {"ran": True})

    def halt(self, note: Note) -> None:
        """Ends the program; the furnace cools by itself."""
        self.core.stop()
        self._note_down(note, {"halted": "stopped on order"})

    def progress(self, note: Note) -> Progress:
        """State, tag and boot id of the IOC, and its thermocouple; makes it safe where it is wrong.

        Raises:
            LinkError: No answer, or nonsense: asked again later.
        """
        with asked_again(self.name):
            boot, tag, state = self.core.text("boot"), self.core.text("tag"), self.core.state()
            if boot != note["boot"]:
                return self._ended("its IOC was restarted and lost the program", note)
            if tag != note["tag"] or state is State.IDLE:
                return self._ended(f"its IOC is {state} with tag {tag!r}, not this job's", note)
            if state is State.COMPLETE:
                return self._complete(note)
            if state is State.ABORTED:
                return self._ended(note["halted"] or "the program was stopped", note)
            if state is State.RUNNING:
                wrong = self._watch(note)
                # A program that ended during the look shows the setpoint of a furnace at rest.
                if wrong and self.core.state() is State.RUNNING:
                    self.core.stop()
                    self._note_down(note, {"halted": wrong, "believed": False})
            left_s = self.core.number("remaining_s")
            return Progress(JobState.RUNNING, self.site.clock.now_s() + left_s)

    def found(self, command: Command, note: Note) -> Inspection:
        """Tag, state and boot id tell; after a restart of the IOC only a note that it ran does."""
        with asked_again(self.name):
            boot, tag, state = self.core.text("boot"), self.core.text("tag"), self.core.state()
        seen = f"{self.name} is {state} with tag {tag!r}; noted was {note['tag']!r}"
        if boot != note["boot"]:
            seen = f"{seen}; its IOC was restarted since"
        if note["ran"]:
            # What became of it, a lost program included, ``progress`` says.
            return Inspection(presence=Presence.STARTED, evidence=seen)
        if boot != note["boot"] or tag != note["tag"]:
            return Inspection(presence=Presence.UNKNOWN, evidence=seen)
        presence = Presence.ABSENT if state is State.IDLE else Presence.STARTED
        return Inspection(presence=presence, evidence=seen)

    def _complete(self, note: Note) -> Progress:
        """The result, and when it ended by the IOC's own clock."""
        result = {"program": note["program"], "energy_kwh": self.core.number("energy_kwh")}
        soak = self.core.read("soak_c")
        if soak.ok:
            result["thermocouple_c"] = soak.value
        end_s = float(note["start_s"]) + self.core.number("ran_s")
        return Progress(JobState.COMPLETE, min(end_s, self.site.clock.now_s()), result)

    def _watch(self, note: Note) -> str:
        """What is wrong with the thermocouple, in words."""
        if self.core.is_sensor_broken():
            return "the thermocouple is broken; the heater was switched off"
        watch = self._watches.setdefault(note["label"], FurnaceWatch())
        before_c = self.core.number("setpoint_c")
        look = Look(
            before_c=before_c,
            in_soak=self.core.number("segment") == SOAK,
            temperature_c=self.core.number("temperature_c"),
            after_c=self.core.number("setpoint_c"),
        )
        wrong = watch.judge(look)
        return f"{wrong}; the heater was switched off" if wrong else ""

    def _ended(self, why: str, note: Note) -> Progress:
        """Of a job that did not go as ordered: its samples are not at hand before it is cold."""
        error = f"{self.name}: {why}; what {', '.join(note['samples'])} saw is not what was ordered"
        aborted = Progress(JobState.ABORTED, self.site.clock.now_s(), error=error)
        if not note.get("believed", True) or self.core.is_sensor_broken():
            return self._reach.distrusted(note, aborted)
        left_s = self._reach.cold_in_s(self.temperature_c())
        if left_s < 0.0:
            return aborted
        return Progress(JobState.RUNNING, self.site.clock.now_s() + left_s)

    def _note_down(self, note: Note, what: Mapping[str, Any]) -> None:
        self.site.notebook.write(self.name, note["label"], what)


def program_of(args: Mapping[str, Any]) -> PvProgram:
    """The program of a job's arguments."""
    return PvProgram(
        temperature_c=float(args["temperature_c"]),
        dwell_h=float(args["dwell_h"]),
        ramp_c_per_min=float(args["ramp_c_per_min"]),
        gas=str(args["gas"]),
        cooling=str(args["cooling"]),
    )


def differs(args: Mapping[str, Any], held: PvProgram) -> str:
    """What a held program has that a job's arguments have not; empty if nothing."""
    found = held.pvs()
    for pv, value in program_of(args).pvs().items():
        if not same(value, found[pv]):
            return f"{pv} {found[pv]}, not {value}"
    return ""


def tag_of(label: str, samples: Sequence[str]) -> str:
    """A text of an EPICS string by which a job's program is recognised."""
    return content_hash([label, sorted(samples)])[:24]
