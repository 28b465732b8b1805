"""Drivers of stations behind real protocols: what happened is told by the device and a note.

A real instrument knows no command ids. So each act begins with a note in the notebook (written
durably, with what the act will be recognised by), then the device is told; afterwards, and after a
crash, the note and the device together say how far the act is.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from instruments.cores.core import Core
from instruments.drivers.base import Driver
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.site import Site
from sdl.core.capabilities import Station
from sdl.core.command import Command, Inspection, Presence, Verb
from sdl.core.crashpoint import crashpoint
from sdl.core.errors import BusyError, DeviceError
from sdl.core.model import Frozen

Note = Mapping[str, Any]
"""A job's note: ``verb``, ``samples``, ``args``, ``start_s``, the driver's evidence, and later
``end_s``, ``state``, ``error``, ``result``, or ``absent`` once it showed that nothing happened."""


@dataclass(frozen=True)
class Progress:
    """How far the device is with a job.

    Args:
        state: Running, complete or aborted.
        end_s: Laboratory time of the end, s; while it runs, the best estimate.
        result: At the end: what the device reports, by names of ``Driver.result_units``.
        error: Why it was aborted; empty otherwise.
    """

    state: JobState
    end_s: float
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


class WiredDriver(Driver):
    """A station over one or more cores.

    Subclasses say what an act is recognised by (``evidence``), how it starts (``act``), how far it
    is (``progress``), and after a crash whether it happened (``found``).

    Args:
        station: Name and limits.
        site: What the laboratory's drivers share.
        settings: Of the class in ``Settings``.
    """

    Settings: ClassVar[type[Frozen]]
    """Model of the station's ``settings`` in the laboratory file."""

    exclusive: ClassVar[bool] = True
    """Whether the station works on one job at a time."""

    def __init__(self, station: Station, site: Site, settings: Any) -> None:
        super().__init__(station)
        self.site = site

    @property
    @abstractmethod
    def cores(self) -> Sequence[Core]:
        """The instruments of the station; their names begin with the station's."""

    @abstractmethod
    def evidence(self, job: Job) -> dict[str, Any]:
        """What the job will be recognised by, read from the device before it starts; JSON values.

        Raises:
            DeviceError: The device does not answer, or is not fit to start (a door open, an alarm).
            BusyError: It works on something.
        """

    @abstractmethod
    def act(self, job: Job, note: Note) -> None:
        """Tells the device to start, once. Whatever happens here, the note stands already."""

    @abstractmethod
    def progress(self, note: Note) -> Progress:
        """Asks the device how far the noted job is.

        Raises:
            LinkError: No answer: nothing is known, the caller asks again later.
            DeviceError: The device lost the job or does something else: say what was seen.
        """

    @abstractmethod
    def found(self, command: Command, note: Note) -> Inspection:
        """Looks after a crash whether the noted job, whose end nobody saw, has happened.

        Never ``ABSENT`` unless the device shows that nothing happened; ``UNKNOWN`` where it cannot
        tell; ``PARTIAL`` with the remainder where it can be completed.
        """

    def halt(self, note: Note) -> None:
        """Stops the running job for good, in the device's safe way.

        Raises:
            DeviceError: The device did not take it.
        """
        for core in self.cores:
            core.stop()

    def emptied(self) -> None:
        """Called when the last sample has left the station; what must not go on is ended here.

        Raises:
            DeviceError: The device did not take it.
        """

    def write(self, job: Job) -> None:
        """Nothing to write before the start; drivers of devices that hold programs override it."""

    def occupants(self) -> tuple[str, ...]:
        """Samples that stand in the station, by the notebook."""
        return self.site.notebook.occupants(self.name)

    def running(self) -> tuple[str, ...]:
        """Labels of jobs that were started and whose end was not seen yet."""
        notes = ((n, self._note(n)) for n in self.site.notebook.labels(self.name))
        return tuple(n for n, note in notes if note is not None and _is_open(note))

    def begin(self, job: Job) -> None:
        """Notes the job with its evidence, then starts the device.

        Raises:
            BusyError: The station works on another job, or this label was started before.
            DeviceError: The device refuses or does not answer. If it may have started all the same,
                the note stays, and ``inspect`` tells.
        """
        earlier = self._note(job.label)
        again = earlier is not None and (_is_absent(earlier) or "balance_before_mg" in job.args)
        if earlier is not None and not again:
            raise BusyError(f"{self.name} has started {job.label} before", do="inspect it")
        busy = [label for label in self.running() if label != job.label]
        if busy and self.exclusive:
            raise BusyError(f"{self.name} is busy with {busy[0]}", do="wait for its end")
        evidence = self.evidence(job)
        note = self.site.notebook.write(
            self.name,
            job.label,
            {
                "verb": job.verb.value,
                "samples": list(job.samples),
                "args": dict(job.args),
                "start_s": self.site.clock.now_s(),
                "absent": False,
                **evidence,
            },
        )
        crashpoint(f"{job.verb.value}-noted")
        self.act(job, note)
        crashpoint(f"{job.verb.value}-told")

    def record(self, label: str) -> JobRecord | None:
        """How far a job is; its end is noted the first time it is seen.

        Raises:
            LinkError: The device does not answer and the end was not seen before.
            DeviceError: The device lost the job.
        """
        note = self._note(label)
        if note is None or _is_absent(note):
            return None
        if "state" not in note:
            progress = self.progress(note)
            if progress.state is JobState.RUNNING:
                return _record(label, note, progress.state, progress.end_s)
            note = self.site.notebook.write(
                self.name,
                label,
                {
                    "state": progress.state.value,
                    "end_s": progress.end_s,
                    "error": progress.error,
                    "result": dict(progress.result),
                },
            )
        return _record(label, note, JobState(note["state"]), float(note["end_s"]), note["error"])

    def result(self, label: str) -> dict[str, Any]:
        """What the device reported of an ended job.

        Raises:
            DeviceError: The job is unknown or runs.
        """
        record = self.record(label)
        if record is None or record.state is JobState.RUNNING:
            state = "not in its log" if record is None else "running"
            raise DeviceError(f"{self.name} has no result of {label}", got=state)
        return dict((self._note(label) or {})["result"])

    def abort(self, label: str) -> bool:
        """Stops a running job in the device's safe way; False when it had ended."""
        record = self.record(label)
        if record is None or record.state is not JobState.RUNNING:
            return False
        self.halt(self._note(label) or {})
        return True

    def give_up(self, label: str, why: str) -> None:
        """Notes a job as aborted whose end cannot be told; a person looks at the station next.

        Whether the device is free for another one it tells itself, before that is started.
        """
        ended = {"state": JobState.ABORTED.value, "end_s": self.site.clock.now_s(), "result": {}}
        self.site.notebook.write(self.name, label, {**ended, "error": why})

    def inspect(self, command: Command) -> Inspection:
        """Whether a command that was intended before a restart has happened."""
        note = self._note(command.id)
        if note is None:
            # The note is written before the device is told, so nothing was.
            return Inspection(
                presence=Presence.ABSENT, evidence=f"{self.name} noted nothing of {command.id}"
            )
        other = _differences(note, command)
        if other:
            return Inspection(
                presence=Presence.UNKNOWN, evidence=f"{self.name} noted {command.id} with {other}"
            )
        if "state" in note:
            seen = f"{self.name} noted {command.id} as {note['state']}"
            return Inspection(presence=Presence.STARTED, evidence=seen)
        found = self.found(command, note)
        if found.presence is Presence.ABSENT:
            # Nothing happened, so the command may be sent again under the same label.
            self.site.notebook.write(self.name, command.id, {"absent": True})
        return found

    def _note(self, label: str) -> dict[str, Any] | None:
        return self.site.notebook.read(self.name, label)


def _is_absent(note: Note) -> bool:
    """Whether a look after a crash has shown that the noted act never happened."""
    return bool(note.get("absent", False))


def _is_open(note: Note) -> bool:
    """Whether the noted act may still run."""
    return "state" not in note and not _is_absent(note)


def _record(label: str, note: Note, state: JobState, end_s: float, error: str = "") -> JobRecord:
    return JobRecord(
        label=label,
        verb=Verb(note["verb"]),
        samples=tuple(note["samples"]),
        state=state,
        start_s=float(note["start_s"]),
        end_s=end_s,
        args=note["args"],
        error=error,
    )


def _differences(note: Note, command: Command) -> str:
    """What was noted under the command's id that the command does not say, in words."""
    if note["verb"] != command.verb.value:
        return f"verb {note['verb']}, not {command.verb.value}"
    if sorted(note["samples"]) != sorted(command.samples):
        return f"samples {', '.join(note['samples'])}, not {', '.join(command.samples)}"
    return ""
