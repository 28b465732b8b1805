"""Stations behind a timer on Modbus: a mill, and a blower over hot vials."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from instruments.cores.core import Core
from instruments.cores.timer import LARGEST, TimerCore, TimerSettings
from instruments.drivers.job import Job, JobState
from instruments.drivers.patience import asked_again
from instruments.drivers.wired import Note, Progress, WiredDriver
from instruments.site import Site
from sdl.core.capabilities import Station
from sdl.core.command import Command, Inspection, Presence, Verb
from sdl.core.errors import BusyError, DeviceError
from sdl.core.model import content_hash

LONGEST_MILL_MIN = 600.0
MOST_STARTS = 1000
"""Starts since a note that may still be explained; more are taken for a counter that was reset."""


class TimerStation(WiredDriver):
    """What both stations share: the preset is written, the start counted, the contact watched.

    A job is recognised by the counter of starts. Whether the timer lost power since (and perhaps
    its counter) shows in its preset: it is compared too.

    Args:
        station: Name and limits.
        site: What the laboratory's drivers share.
        settings: Addresses of the timer.
    """

    Settings = TimerSettings

    def __init__(self, station: Station, site: Site, settings: TimerSettings) -> None:
        super().__init__(station, site, settings)
        self.core = TimerCore(station.name, settings)

    @property
    def cores(self) -> Sequence[Core]:
        """The timer."""
        return [self.core]

    @abstractmethod
    def preset_s(self, job: Job) -> int:
        """How long the machine works for a job, whole s."""

    def write(self, job: Job) -> None:
        """Writes the preset and reads it back.

        Raises:
            BusyError: A job runs on a station that takes one at a time.
        """
        for label in self.running() if self.exclusive else ():
            # Of a start that failed, the look notes the end.
            seen = self.record(label)
            if seen is not None and seen.state is JobState.RUNNING:
                raise BusyError(f"{self.name} is busy with {label}", do="wait for its end")
        self.core.put("preset_s", float(self.preset_s(job)))

    def read_back(self) -> str:
        """Hash of the loaded job if the timer holds its preset; another one if not."""
        if self._loaded is None:
            return ""
        held_s = self.core.fetch("preset_s")
        if held_s == self.preset_s(self._loaded):
            return self._loaded.setup_hash
        return content_hash({"preset_s": held_s})

    def evidence(self, job: Job) -> dict[str, Any]:
        """The counter of starts, and the preset.

        Raises:
            DeviceError: It holds another preset.
            BusyError: The machine runs, and cannot take a second job.
        """
        if self.exclusive and self.core.is_running():
            raise BusyError(f"{self.name} runs already", do="wait for its end, or stop it")
        preset_s = self.preset_s(job)
        held_s = self.core.fetch("preset_s")
        if held_s != preset_s:
            raise DeviceError(
                f"{self.name} holds another preset than {job.label}'s",
                got=f"{held_s:g} s",
                allowed=f"{preset_s} s",
                do="load it again; nothing was started",
                where=self.name,
            )
        starts = int(self.core.fetch("starts"))
        return {"label": job.label, "preset_s": preset_s, "starts": starts, "started": None}

    def act(self, job: Job, note: Note) -> None:
        """Starts the machine and looks that it runs.

        Raises:
            DeviceError: The start was counted but the machine's contact is off.
        """
        started = self.core.begin()
        begun_s = note["start_s"]
        running = self.core.is_running()
        self.site.notebook.write(self.name, job.label, {"started": started})
        if not running and self.site.clock.now_s() - begun_s < note["preset_s"]:
            self.core.stop()
            raise DeviceError(
                f"{self.name} was started and does not run",
                got="its contact is off",
                do="look at the machine; the start was taken back",
                where=self.name,
            )

    def progress(self, note: Note) -> Progress:
        """Counter, preset, contact and remaining time.

        Raises:
            LinkError: No answer, or nonsense: asked again later.
        """
        with asked_again(self.name):
            lost = self._lost(note)
            if lost:
                return Progress(JobState.ABORTED, self.site.clock.now_s(), error=lost)
            running, left_s = self.core.is_running(), self.core.fetch("remaining_s")
        return self.judge(note, running=running, left_s=left_s)

    @abstractmethod
    def judge(self, note: Note, *, running: bool, left_s: float) -> Progress:
        """How far a job is.

        Args:
            note: Of the job.
            running: Whether the machine's contact is on.
            left_s: Time left, by the timer; of a machine that was stopped, what was left then, s.
        """

    def found(self, command: Command, note: Note) -> Inspection:
        """The counter tells: as before, nothing happened; one more, it started."""
        with asked_again(self.name):
            started, held_s = int(self.core.fetch("starts")), self.core.fetch("preset_s")
        words = (
            f"{self.name} counts {started} starts, presets {held_s:g} s; noted before were "
            f"{note['starts']}, and {note['preset_s']} s"
        )
        if note["started"] is not None:
            return Inspection(presence=Presence.STARTED, evidence=words)
        presence = Presence.UNKNOWN
        since = (started - note["starts"]) % (LARGEST + 1)
        if held_s == note["preset_s"] and since <= MOST_STARTS:
            own = self._unexplained(note, since)
            if not own:
                presence = Presence.ABSENT
            elif own == [1]:
                presence = Presence.STARTED
        return Inspection(presence=presence, evidence=words)

    def _unexplained(self, note: Note, since: int) -> list[int]:
        """Which starts since the note, by number, belong to no other job."""
        others: set[int] = set()
        for label in self.site.notebook.labels(self.name):
            other = self.site.notebook.read(self.name, label)
            if label != note["label"] and other is not None and other["started"] is not None:
                others.add(other["started"])
        return [
            k for k in range(1, since + 1) if (note["starts"] + k) % (LARGEST + 1) not in others
        ]

    def _lost(self, note: Note) -> str:
        """What shows that the timer does not know of the job's start; empty if nothing."""
        first = note["starts"] if note["started"] is None else note["started"]
        since = (int(self.core.fetch("starts")) - first) % (LARGEST + 1)
        if note["started"] is None and since == 0:
            return "the timer counted no start"
        if since > MOST_STARTS or (self.exclusive and since > (note["started"] is None)):
            return "the timer's counter is another: power was lost, or somebody started it"
        if self.core.fetch("preset_s") != note["preset_s"]:
            return "the timer's preset is another: power was lost, or somebody changed it"
        return ""


class MillStation(TimerStation):
    """A mill: one vial, for the minutes of its preset (resolution 1 s)."""

    verb = Verb.MILL
    arguments = frozenset({"mill_min"})
    result_units: Mapping[str, str] = {"energy_kwh": "kWh"}

    def preset_s(self, job: Job) -> int:
        """Milling time."""
        return round(float(job.args["mill_min"]) * 60.0)

    def check(self, job: Job) -> None:
        """Milling time; at least a second."""
        longest_min = min(self.station.max_mill_min or LONGEST_MILL_MIN, LARGEST / 60.0)
        self.number(job, "mill_min", 0.0, longest_min, above=True)
        if self.preset_s(job) < 1:
            raise self.refusal(job, "mill_min", job.args["mill_min"], "at least a second")

    def judge(self, note: Note, *, running: bool, left_s: float) -> Progress:
        """A mill that stands still with time left was stopped."""
        now_s, preset_s = self.site.clock.now_s(), float(note["preset_s"])
        if running:
            return Progress(JobState.RUNNING, now_s + left_s)
        energy_kwh = self.station.power_kw * (preset_s - min(left_s, preset_s)) / 3600.0
        result = {"energy_kwh": energy_kwh}
        if left_s > 0.0:
            error = f"the mill stopped with {left_s:g} s left of {preset_s:g} s"
            return Progress(JobState.ABORTED, now_s, result, error)
        return Progress(JobState.COMPLETE, min(now_s, note["start_s"] + preset_s), result)


class QuenchTimerSettings(TimerSettings):
    """Settings of a station with the driver ``modbus-quench``."""

    blow_s: Annotated[int, Field(ge=1, le=LARGEST)]
    """How long each vial is blown upon, s."""


class QuenchTimerStation(TimerStation):
    """One blower over several places: each vial has its own time, a start begins the preset anew.

    Args:
        station: Name and limits.
        site: What the laboratory's drivers share.
        settings: Addresses of the timer, and how long it blows.
    """

    verb = Verb.QUENCH
    arguments = frozenset({"cooling"})
    result_units: Mapping[str, str] = {}
    Settings = QuenchTimerSettings
    exclusive = False

    def __init__(self, station: Station, site: Site, settings: QuenchTimerSettings) -> None:
        super().__init__(station, site, settings)
        self._blow_s = settings.blow_s

    def preset_s(self, job: Job) -> int:
        """The same for every vial."""
        return self._blow_s

    def check(self, job: Job) -> None:
        """One sample, and a cooling the station has."""
        if len(job.samples) != 1:
            raise self.refusal(job, "the number of samples", len(job.samples), 1)
        self.choice(job, "cooling", (c.value for c in self.station.coolings))

    def check_samples(self, job: Job) -> None:
        """The vial is among those inside; others may be blown upon beside it."""
        if job.samples[0] not in self.occupants():
            super().check_samples(job)

    def judge(self, note: Note, *, running: bool, left_s: float) -> Progress:
        """A vial is done when it had its time; earlier only if the blower was stopped."""
        now_s, end_s = self.site.clock.now_s(), note["start_s"] + float(note["preset_s"])
        if running:
            done = now_s >= end_s
            return Progress(JobState.COMPLETE if done else JobState.RUNNING, end_s)
        if left_s > 0.0:
            error = f"the blower stopped with {left_s:g} s left"
            return Progress(JobState.ABORTED, now_s, error=error)
        return Progress(JobState.COMPLETE, min(now_s, end_s))
