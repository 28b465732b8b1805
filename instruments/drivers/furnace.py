"""A furnace with a Eurotherm controller: the program is the controller's, the driver watches it.

Real controllers keep no command ids. Before a program is run it is written with a tag in an unused
register (see ``FurnaceProgram.tag``); the note keeps the tag, so that after a crash the controller
itself tells whose program it holds and how far it is. The trick was never tried on hardware.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from instruments.cores.core import Core
from instruments.cores.door import FurnaceDoor
from instruments.cores.eurotherm import EurothermCore, Watchdog
from instruments.drivers.furnace_energy import estimated_kwh
from instruments.drivers.furnace_reach import FurnaceReach, Hatch
from instruments.drivers.furnace_settings import EurothermSettings
from instruments.drivers.furnace_watch import FurnaceWatch, Look
from instruments.drivers.job import Job, JobState
from instruments.drivers.patience import asked_again
from instruments.drivers.wired import Note, Progress, WiredDriver
from instruments.protocols.eurotherm import AT_WORK, MAPS, Mode
from instruments.protocols.eurotherm_program import (
    DWELL_SEGMENT,
    ROOM_C,
    FurnaceProgram,
    tag_in,
    tag_of,
)
from instruments.site import Site
from sdl.core.capabilities import Station
from sdl.core.command import Command, Inspection, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, DeviceError
from sdl.core.model import content_hash
from sdl.core.recipe import Gas

LONGEST_DWELL_H = 500.0
JUST_NOW_S = 300.0
"""Laboratory time after which a look can no longer show that a program never ran, s: within it a
furnace cannot have heated enough to matter and be back where it was."""
UNMOVED_C = 5.0
"""Farthest that the temperature may be from the noted one to say so, degC."""


class EurothermStation(WiredDriver):
    """A furnace whose controller holds the program and runs it by itself.

    Args:
        station: Name and limits.
        site: What the laboratory's drivers share; gets the furnace's door, or a hatch for it.
        settings: Where it is, what model, which gas is which event.

    Raises:
        ConfigError: The station has no highest temperature, or a gas without an event code.
    """

    verb = Verb.ANNEAL
    arguments = frozenset({"temperature_c", "dwell_h", "ramp_c_per_min", "gas", "cooling"})
    result_units: Mapping[str, str] = {
        "program": "",
        "energy_kwh": "kWh",
        "thermocouple_c": "degC",
    }
    Settings = EurothermSettings

    def __init__(self, station: Station, site: Site, settings: EurothermSettings) -> None:
        super().__init__(station, site, settings)
        self.settings = settings
        self.gases = station.gases or (Gas.AIR,)
        missing = [g.value for g in self.gases if g not in settings.gas_events]
        if station.max_temperature_c is None or missing:
            raise ConfigError(
                f"{station.name} cannot be run by the driver eurotherm",
                got="no max_temperature_c" if not missing else f"no event for {missing[0]}",
                allowed="max_temperature_c, and gas_events for every gas of the station",
                do="complete the station in the laboratory file",
            )
        self.highest_c = station.max_temperature_c
        watchdog = None
        if settings.watchdog_s is not None and settings.watchdog_action is not None:
            watchdog = Watchdog(settings.watchdog_s, settings.watchdog_action)
        self.core = EurothermCore(
            station.name,
            settings.link,
            MAPS[settings.model],
            highest_c=self.highest_c,
            lowest_c=settings.lowest_c,
            unit=settings.unit,
            decimals=settings.decimals,
            time_unit=settings.time_unit or "",
            watchdog=watchdog,
        )
        door = settings.door
        hot = settings.opens_hot if door is None else door.opens_hot
        self._reach = FurnaceReach(station.name, site, below_c=settings.open_below_c, hot=hot)
        self.door: FurnaceDoor | None = None
        if door is not None:
            self.door = FurnaceDoor(f"{station.name}_door", door.link, door.name, self.may_open)
        site.doors[station.name] = self.door or Hatch(self.may_open)
        self._written: Job | None = None
        self._watches: dict[str, FurnaceWatch] = {}

    @property
    def cores(self) -> Sequence[Core]:
        """The controller, and the door's where there is one."""
        return [self.core] if self.door is None else [self.core, self.door]

    def temperature_c(self) -> float:
        """The thermocouple now, degC.

        Raises:
            DeviceError: It cannot be read, or not be believed.
        """
        return self.core.number("temperature_c")

    def remaining_s(self) -> float:
        """Time left of the running program, s; 0 when none runs."""
        return self.core.number("remaining_s") if self.core.mode() in AT_WORK else 0.0

    def may_open(self) -> None:
        """Looks whether the arm may reach in now; see ``FurnaceReach.require``."""
        mode = self.core.mode()
        self._reach.require(f"mode {mode.value}" if mode in AT_WORK else "", self.temperature_c)

    def check(self, job: Job) -> None:
        """Temperature, dwell, ramp, gas and cooling; and that the registers can hold them."""
        station = self.station
        self.number(job, "temperature_c", max(ROOM_C, self.settings.lowest_c), self.highest_c)
        self.number(job, "dwell_h", 0.0, station.max_dwell_h or LONGEST_DWELL_H, above=True)
        self.number(job, "ramp_c_per_min", 0.0, station.max_ramp_c_per_min, above=True)
        self.choice(job, "gas", (g.value for g in self.gases))
        self.choice(job, "cooling", ("furnace", "hold"))
        try:
            self.core.check(self._program(job.args, 0))
        except (ValueError, OverflowError) as err:
            raise self.refusal(job, "the program", str(err), "what its registers hold") from err

    def write(self, job: Job) -> None:
        """Writes the program with its tag and compares all of it.

        Raises:
            BusyError: A program is at work.
        """
        for label in self.running():
            # Of a start that failed, the look notes the end.
            seen = self.record(label)
            if seen is not None and seen.state is JobState.RUNNING:
                raise BusyError(f"{self.name} is busy with {label}", do="wait for its end")
        mode = self.core.mode()
        if mode in AT_WORK:
            raise BusyError(f"{self.name} runs a program (mode {mode.value})", do="wait or abort")
        if mode is not Mode.RESET:
            self.core.stop()
        before = tag_in(self.core.regs, self.core.held())
        self._written = None
        tag = tag_of(job.label, job.samples, avoid=before)
        self.core.load_program(self._program(job.args, tag))
        self._written = job

    def read_back(self) -> str:
        """Hash of the program the controller holds: of the job's own figures, if it means them."""
        held = self.core.held()
        if self._written is not None and not self._differs(self._written.args, held):
            return self._written.setup_hash
        program = self.core.program_in(held)
        return "" if program is None else content_hash(self._args(program))

    def evidence(self, job: Job) -> dict[str, Any]:
        """The tag, and how the furnace was before.

        Raises:
            DeviceError: The door is open, the thermocouple broken, or another program is held.
            BusyError: A program is at work.
        """
        mode = self.core.mode()
        if mode is not Mode.RESET:
            raise BusyError(f"{self.name} is not ready to run (mode {mode.value})", do="load again")
        if self.door is not None and self.door.is_open():
            raise DeviceError(
                f"{self.name} must not heat while its door is open",
                do="shut the door",
                where=self.name,
            )
        held = self.core.held()
        wrong = self._differs(job.args, held)
        if wrong:
            raise DeviceError(
                f"{self.name} holds another program than {job.label}'s",
                got=wrong,
                do="load it again; nothing was started",
                where=self.name,
            )
        return {
            "label": job.label,
            "tag": tag_in(self.core.regs, held),
            "program": job.setup_hash,
            "start_c": self.core.believed("temperature_c"),
            "setpoint_c": self.core.believed("setpoint_c"),
            "ran": False,
            "halted": "",
            "soak_c": None,
        }

    def act(self, job: Job, note: Note) -> None:
        """Runs the program, looks that it runs, and notes that it did."""
        self._watches.pop(job.label, None)
        self.core.run()
        self.site.notebook.write(self.name, job.label, {"ran": True})

    def emptied(self) -> None:
        """Ends a program that holds its temperature: an empty furnace is not kept hot."""
        if not self.running():
            self.core.stop()

    def halt(self, note: Note) -> None:
        """Resets the program and the setpoint; the door stays as it is, the furnace cools."""
        self.core.stop()
        self._note_down(note, {"halted": "stopped on order"})

    def progress(self, note: Note) -> Progress:
        """Mode, program and thermocouple of the controller; makes it safe where they are wrong.

        Raises:
            LinkError: No answer, or nonsense: asked again later.
        """
        with asked_again(self.name):
            if self.core.is_sensor_broken():
                reason = "the thermocouple is broken"
                reason = f"{note['halted']}; {reason}" if note["halted"] else reason
                return self._reach.distrusted(note, self._shut_down(reason))
            if note["halted"]:
                return self._cooling(note)
            mode, held = self.core.mode(), self.core.held()
            wrong = self._lost(note, mode, held)
            if wrong:
                reason = f"interrupted, the furnace lost its program: {wrong}; {self._known(note)}"
                self._note_down(note, {"halted": reason})
                return self._cooling({**note, "halted": reason})
            if mode is Mode.COMPLETE:
                return self._complete(note)
            wrong = self._watch(note)
            if wrong:
                ended = self._shut_down(wrong)
                if self.core.number("temperature_c") < self.highest_c and "soak" in wrong:
                    # It reads, and shows when the samples may be reached.
                    self._note_down(note, {"halted": ended.error})
                    return self._cooling({**note, "halted": ended.error})
                return self._reach.distrusted(note, ended)
            left_s = self.core.believed("remaining_s")
            return Progress(JobState.RUNNING, self.site.clock.now_s() + left_s)

    def found(self, command: Command, note: Note) -> Inspection:
        """Mode, tag and program tell; a reset program with our tag may have run, or never."""
        with asked_again(self.name):
            mode, held = self.core.mode(), self.core.held()
            tag = tag_in(self.core.regs, held)
            ours = tag == note["tag"] and not self._differs(note["args"], held)
            words = f"{self.name} is in mode {mode.value} with tag {tag}; noted was {note['tag']}"
            if note["ran"] or note["halted"] or (ours and mode is not Mode.RESET):
                # What became of it, a lost program included, ``progress`` says.
                return Inspection(presence=Presence.STARTED, evidence=words)
            if ours and self._is_untouched(note):
                return Inspection(presence=Presence.ABSENT, evidence=f"{words}; still cold")
            return Inspection(presence=Presence.UNKNOWN, evidence=words)

    def _program(self, args: Mapping[str, Any], tag: int) -> FurnaceProgram:
        return FurnaceProgram(
            temperature_c=float(args["temperature_c"]),
            dwell_h=float(args["dwell_h"]),
            ramp_c_per_min=float(args["ramp_c_per_min"]),
            event=self.settings.gas_events[Gas(args["gas"])],
            cooling=str(args["cooling"]),
            tag=tag,
        )

    def _args(self, program: FurnaceProgram) -> dict[str, Any]:
        gases = {code: gas.value for gas, code in self.settings.gas_events.items()}
        return {
            "temperature_c": round(program.temperature_c, 3),
            "dwell_h": round(program.dwell_h, 6),
            "ramp_c_per_min": round(program.ramp_c_per_min, 4),
            "gas": gases.get(program.event, f"event {program.event}"),
            "cooling": program.cooling,
        }

    def _differs(self, args: Mapping[str, Any], held: Mapping[int, int]) -> str:
        tag = tag_in(self.core.regs, held)
        if not tag:
            return "the program carries no tag"
        return self.core.differs(self._program(args, tag), held)

    def _lost(self, note: Note, mode: Mode, held: Mapping[int, int]) -> str:
        """What shows that the controller no longer works on the noted job; empty if nothing."""
        tag = tag_in(self.core.regs, held)
        if mode is Mode.RESET:
            return f"mode {mode.value}, setpoint {self.core.number('setpoint_c'):g} degC"
        if tag != note["tag"]:
            return f"tag {tag}, not {note['tag']}"
        return self._differs(note["args"], held)

    def _complete(self, note: Note) -> Progress:
        """The result; without a reading of the soak it has no ``thermocouple_c``."""
        args = note["args"]
        watch = self._watches.get(note["label"])
        soak_c = note["soak_c"] if watch is None or watch.soak_c is None else watch.soak_c
        if args["cooling"] == "hold":
            soak_c = self.core.believed("temperature_c")
        energy_kwh = estimated_kwh(
            self._program(args, 0), note["start_c"], self.station.power_kw, self.highest_c
        )
        result = {"program": note["program"], "energy_kwh": energy_kwh}
        if soak_c is not None:
            result["thermocouple_c"] = soak_c
        return Progress(JobState.COMPLETE, self.site.clock.now_s(), result)

    def _cooling(self, note: Note) -> Progress:
        """After a stop: the samples are not at hand before the furnace is cold."""
        temperature_c = self.core.believed("temperature_c")
        left_s = self._reach.cold_in_s(temperature_c)
        if left_s < 0.0:
            return self._aborted(str(note["halted"]))
        return Progress(JobState.RUNNING, self.site.clock.now_s() + left_s)

    def _shut_down(self, reason: str) -> Progress:
        """Heater off, door shut, job aborted; a door that fails is told, not waited for."""
        self.core.stop()
        try:
            if self.door is not None and self.door.is_open():
                self.door.shut()
        except DeviceError as err:
            reason = f"{reason}; its door is not known to be shut: {err.what}"
        return self._aborted(f"{reason}; the heater was switched off, the door stays shut")

    def _known(self, note: Note) -> str:
        """What is known of the heat that the samples of a lost program saw."""
        watch = self._watches.get(note["label"])
        soak_c = note["soak_c"] if watch is None or watch.soak_c is None else watch.soak_c
        soak = (
            "no soak was seen" if soak_c is None else f"the soak was last seen at {soak_c:.0f} degC"
        )
        now = self.core.read("temperature_c")
        words = "is not known" if not now.ok else f"is {float(now.value or 0.0):.0f} degC"
        return f"{soak}, the temperature {words} now; what else the samples saw is not known"

    def _aborted(self, error: str) -> Progress:
        return Progress(JobState.ABORTED, self.site.clock.now_s(), error=error)

    def _watch(self, note: Note) -> str:
        """What is wrong with the thermocouple; notes the first and the last reading of the soak."""
        watch = self._watches.setdefault(note["label"], FurnaceWatch())
        look = Look(
            before_c=self.core.believed("working_setpoint_c"),
            in_soak=self.core.believed("segment") == DWELL_SEGMENT,
            temperature_c=self.core.believed("temperature_c"),
            after_c=self.core.believed("working_setpoint_c"),
        )
        wrong = watch.judge(look)
        ended = not look.in_soak and watch.soak_c != note["soak_c"]
        if watch.soak_c is not None and (note["soak_c"] is None or ended):
            self._note_down(note, {"soak_c": watch.soak_c})
        return wrong

    def _is_untouched(self, note: Note) -> bool:
        """Whether so little time passed, at such a temperature, that nothing can have happened."""
        passed_s = self.site.clock.now_s() - note["start_s"]
        temperature_c = self.core.believed("temperature_c")
        unmoved = abs(temperature_c - note["start_c"]) <= UNMOVED_C
        return unmoved and passed_s <= JUST_NOW_S and temperature_c < self.settings.open_below_c

    def _note_down(self, note: Note, what: Mapping[str, Any]) -> None:
        self.site.notebook.write(self.name, note["label"], what)
