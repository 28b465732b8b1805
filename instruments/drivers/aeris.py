"""A station with an Aeris diffractometer: one scan at a time, its result a file in a shared folder.

A scan changes nothing in the sample, so one that may have been lost is sent again without harm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from instruments.cores.aeris import AerisCore
from instruments.cores.core import Core
from instruments.cores.folder import Folder, FolderText, Format, Seen, Verdict, file_id
from instruments.drivers.job import Job, JobState
from instruments.drivers.wired import Note, Progress, WiredDriver
from instruments.protocols.aeris import FIRST_SLOT, LAST_SLOT, identifier
from instruments.protocols.result_files import Pattern, read_scan
from instruments.site import Site
from sdl.core.capabilities import Station, StationKind
from sdl.core.command import Command, Inspection, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, DeviceError, LinkError, ProtocolError
from sdl.core.lab import EndpointText
from sdl.core.model import Frozen, SafeId
from sdl.core.units import Minutes
from sdl.safety.limits import LONGEST_SCAN_MIN

MARGIN_S = 600.0
"""Laboratory time beyond twice the scan's own length until its file is given up, s."""
LOADING_S = 60.0
"""Laboratory time that the instrument may show itself ready while it still loads the sample, s
(the public driver waits 10 s); until then a missing file tells nothing."""
EXPORT_WALL_S = 1.0
"""Wall time between the end of a scan and the first bytes of its file at most, s."""
TRANSFER_WALL_S = 5.0
"""Wall time that a file takes to its folder at most, s: never scaled, like every transport."""

_ADVICE: Mapping[Verdict, str] = {
    Verdict.MISSING: "look at the screen and at the export of the instrument",
    Verdict.CHANGING: "look at the share: something keeps writing",
    Verdict.OLD: "look at the clocks; move the old file away",
    Verdict.BROKEN: "look at the export: the file is half written or of another kind",
    Verdict.FOREIGN: "look which sample stands in the slot, and what else writes to the folder",
}


class AerisSettings(Frozen):
    """What a laboratory file says of an Aeris."""

    link: EndpointText
    results: FolderText
    """Folder the instrument exports to."""
    slot: Annotated[int, Field(ge=FIRST_SLOT, le=LAST_SLOT)] = FIRST_SLOT
    """Where the arm puts vials: 2 to 6 for the positions 1 to 5."""
    programs: Annotated[dict[SafeId, Annotated[Minutes, Field(gt=0)]], Field(min_length=1)]
    """Minutes of every measuring program that is stored in the instrument, by its name."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if any(".." in name for name in self.programs):
            raise ValueError("the name of a program holds '..'; allowed: names without")
        if len(set(self.programs.values())) < len(self.programs):
            raise ValueError("two programs take equally long; allowed: one for each length")
        return self


class AerisStation(WiredDriver):
    """Records patterns and hands them over as content-addressed files.

    Args:
        station: Name and limits.
        site: What the laboratory's drivers share.
        settings: Of the laboratory file.
    """

    Settings: ClassVar[type[Frozen]] = AerisSettings
    verb = Verb.SCAN
    arguments = frozenset({"scan_min"})
    result_units: Mapping[str, str] = {
        "pattern": "",
        "two_theta_start_deg": "deg",
        "two_theta_step_deg": "deg",
        "scan_min": "min",
        "energy_kwh": "kWh",
    }

    def __init__(self, station: Station, site: Site, settings: AerisSettings) -> None:
        super().__init__(station, site, settings)
        if station.kind is not StationKind.DIFFRACTOMETER or station.capacity != 1:
            raise ConfigError(
                f"the driver aeris cannot run {station.name}",
                got=f"{station.kind.value} for {station.capacity} samples",
                allowed="a diffractometer for 1 sample",
                do="correct the kind, the capacity or the driver",
            )
        self._programs = settings.programs
        self._results = Folder.of(station.name, site.folder, settings.results)
        self._format = Format[Pattern](read_scan, lambda pattern: pattern.sample_id or "(unnamed)")
        self.core = AerisCore(station.name, settings.link, slot=settings.slot)

    @property
    def cores(self) -> Sequence[Core]:
        """The diffractometer."""
        return (self.core,)

    def check(self, job: Job) -> None:
        """Names that are safe in a message, a length that a program has."""
        identifier(job.samples[0])
        identifier(job.label)
        self.number(job, "scan_min", 0.0, LONGEST_SCAN_MIN, above=True)
        if self._program(job) is None:
            able = sorted((minutes, name) for name, minutes in self._programs.items())
            allowed = ", ".join(f"{minutes:g} ({name})" for minutes, name in able)
            raise self.refusal(job, "scan_min", job.args["scan_min"], allowed)

    def evidence(self, job: Job) -> dict[str, Any]:
        """The name of the file to come, and the time by the folder's clock."""
        system = self.core.fetch("system")
        if system != "remote":
            raise self._unfit("is not under remote control", f"SYSTEM={system}", "remote")
        if self.core.fetch("ready") != "yes":
            raise BusyError(f"{self.name} measures something", do="wait for its end")
        if self.core.fetch("slot_state") != "occupied":
            got = f"slot {self.core.slot} is free"
            raise self._unfit("feels no sample", got, f"{job.samples[0]} in that slot")
        earlier = self._note(job.label)
        if earlier is not None:
            self.core.remove(earlier["file_id"])
        name = file_id(job.samples[0], job.label)
        self._results.set_aside(f"{name}.xrdml")
        return {
            "label": job.label,
            "file_id": name,
            "program": self._program(job),
            "started_wall_s": self._results.mark_s(),
        }

    def act(self, job: Job, note: Note) -> None:
        """Registers the sample and starts its scan."""
        name, program = str(note["file_id"]), str(note["program"])
        try:
            self.core.add(name, program)
            self.core.measure(name, program)
        except LinkError:
            raise
        except ProtocolError as err:
            raise LinkError(
                f"{self.name} did not tell whether it took the scan {name}",
                got=err.got,
                do="look whether it measures",
                where=self.name,
            ) from err
        except DeviceError as err:
            # It said so itself: nothing runs, and station and slot are free again.
            self.core.remove(name)
            ended = {"state": JobState.ABORTED.value, "end_s": self.site.clock.now_s()}
            self.site.notebook.write(
                self.name, job.label, {**ended, "error": str(err), "result": {}}
            )
            raise

    def progress(self, note: Note) -> Progress:
        """The result file, else whether the instrument still has time to write it."""
        seen, now_s = self._look(note), self.site.clock.now_s()
        start_s, length_s = float(note["start_s"]), _minutes(note) * 60.0
        planned_s = start_s + length_s
        ready = self.core.fetch("ready")
        overdue = now_s > start_s + 2.0 * length_s + MARGIN_S + self._transfer_s()
        # While the unit works the sample cannot be taken from its list, and blocks the slot.
        if seen.value is not None and (ready == "yes" or overdue):
            self.core.remove(str(note["file_id"]))
            wall_s = seen.written_s - float(note["started_wall_s"])
            written_s = start_s + wall_s * self.site.clock_scale
            end_s = min(now_s, max(planned_s, written_s))
            return Progress(JobState.COMPLETE, end_s, self._result(note, seen.value))
        if not overdue or seen.verdict in (Verdict.FRESH, Verdict.ACCEPTED):
            return Progress(JobState.RUNNING, max(planned_s, now_s))
        self.core.remove(str(note["file_id"]))
        error = (
            f"{self.name} left no valid result of the scan {note['file_id']}: {seen.words}; "
            f"READY={ready} after {(now_s - start_s) / 60.0:.0f} min; "
            f"what to do: {_ADVICE[seen.verdict]}, then scan again"
        )
        return Progress(JobState.ABORTED, now_s, error=error)

    def found(self, command: Command, note: Note) -> Inspection:
        """By the file, else by whether the instrument works.

        Raises:
            LinkError: It does not answer, or is so soon after the start that it cannot show it yet.
        """
        name, seen = str(note["file_id"]), self._look(note)
        if seen.verdict not in (Verdict.MISSING, Verdict.OLD):
            evidence = f"{name}.xrdml lies in the folder of results"
            return Inspection(presence=Presence.STARTED, evidence=evidence)
        if self.core.fetch("ready") == "no":
            evidence = f"{self.name} measures, and {name} was the last that it was told"
            return Inspection(presence=Presence.STARTED, evidence=evidence)
        since_s = self.site.clock.now_s() - float(note["start_s"])
        if since_s < LOADING_S + EXPORT_WALL_S * self.site.clock_scale:
            raise LinkError(
                f"{self.name} does not show yet whether it took the scan {name}",
                got=f"ready and no file, {since_s:.0f} s after it was told",
                do="ask again in a minute",
                where=self.name,
            )
        return Inspection(
            presence=Presence.ABSENT,
            evidence=f"{self.name} is ready and wrote no {name}.xrdml; a scan changes nothing, so"
            " sending it again does no harm",
        )

    def abort(self, label: str) -> bool:
        """False: a scan cannot be stopped; it ends by itself, and its end is told as ever."""
        return False

    def _program(self, job: Job) -> str | None:
        wanted = float(job.args["scan_min"])
        fits = (n for n, m in self._programs.items() if math.isclose(m, wanted, rel_tol=1e-6))
        return next(fits, None)

    def _look(self, note: Note) -> Seen[Pattern]:
        name = str(note["file_id"])
        after_s = float(note["started_wall_s"])
        return self._results.look(f"{name}.xrdml", self._format, owners=(name,), after_s=after_s)

    def _transfer_s(self) -> float:
        return TRANSFER_WALL_S * self.site.clock_scale

    def _result(self, note: Note, pattern: Pattern) -> dict[str, Any]:
        return {
            "pattern": self.site.blobs.put_array(pattern.counts),
            "two_theta_start_deg": pattern.start_deg,
            "two_theta_step_deg": pattern.step_deg,
            "scan_min": _minutes(note),
            "energy_kwh": self.station.power_kw * _minutes(note) / 60.0,
        }

    def _unfit(self, what: str, got: str, allowed: str) -> DeviceError:
        return DeviceError(
            f"{self.name} {what}",
            got=got,
            allowed=allowed,
            do="look at the instrument; nothing was started",
            where=self.name,
        )


def _minutes(note: Note) -> float:
    """Length of the noted scan, min."""
    return float(note["args"]["scan_min"])
