"""Instruments without a public protocol: a request file goes in, a result file comes out.

``<id>.json`` in the folder of requests holds ``id``, ``sample``, ``verb`` and ``args``; whatever
runs the instrument reads it (and may take it away), and leaves in the folder of results

* of a scan: ``<id>.xrdml``, or ``<id>.xy`` or ``.csv`` of 2theta in degrees and counts;
* of a measured property: ``<id>.xy`` or ``.csv`` of the curve, and ``<id>.json`` with ``id`` and
  ``mass_mg``;
* of everything else: ``<id>.json`` with ``id``, or an empty ``<id>.done``.

``<id>.json`` may hold more numbers that the verb reports, and ``failed`` with a reason where it
went wrong. Files of text cannot show that they are half written: they must stand still for
``settle_s`` too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from instruments.cores.core import Core
from instruments.cores.folder import (
    Folder,
    FolderCore,
    FolderText,
    Format,
    Seen,
    Verdict,
    file_id,
)
from instruments.drivers.handover import PARSERS, Data, HandoverStation, length_h
from instruments.drivers.job import Job, JobState
from instruments.drivers.wired import Note, Progress
from instruments.protocols.requests import Request
from instruments.protocols.result_files import Answer, read_answer
from instruments.site import Site
from sdl.core.capabilities import Station, StationKind
from sdl.core.command import Command, Inspection, Presence, Verb
from sdl.core.errors import ProtocolError
from sdl.core.model import Frozen, canonical_json
from sdl.core.units import PositiveHours

TRANSFER_WALL_S = 5.0
"""Wall time that a file takes to its folder at most, s: never scaled."""
_HARMLESS = (Verb.SCAN, Verb.MEASURE)
"""Doing these twice costs time only."""


class FileDropSettings(Frozen):
    """What a laboratory file says of an instrument behind folders."""

    requests: FolderText
    results: FolderText
    settle_s: Annotated[float, Field(ge=0, le=600)] = 1.0
    """Wall time that a text file must have stood still before it counts, s."""
    patience_h: PositiveHours = 24.0
    """Laboratory time beyond twice the act's own length until its result is given up, h."""


class FileDropStation(HandoverStation):
    """A station whose instrument exchanges files only.

    Args:
        station: Name and limits; its kind gives the verb.
        site: What the laboratory's drivers share.
        settings: Of the laboratory file.
    """

    Settings: ClassVar[type[Frozen]] = FileDropSettings
    named: ClassVar[str] = "file-drop"
    kinds: ClassVar[tuple[StationKind, ...]] = (
        StationKind.MIXER,
        StationKind.QUENCH,
        StationKind.WASHER,
        StationKind.DIFFRACTOMETER,
        StationKind.MAGNETOMETER,
        StationKind.TRANSFER,
    )
    """Not dispensers and furnaces: a dose that is not weighed and a program that is not read back
    must not be believed."""

    def __init__(self, station: Station, site: Site, settings: FileDropSettings) -> None:
        super().__init__(station, site, settings)
        self._requests = Folder.of(station.name, site.folder, settings.requests)
        self._results = Folder.of(station.name, site.folder, settings.results)
        self._settle_s = settings.settle_s
        self._patience_s = settings.patience_h * 3600.0
        self.core = FolderCore(station.name, self._requests, self._results)

    @property
    def cores(self) -> Sequence[Core]:
        """The folders."""
        return (self.core,)

    def evidence(self, job: Job) -> dict[str, Any]:
        """The names of the files to come, and the time by the folder's clock."""
        self.require_room(job)
        name = file_id(job.samples[0], job.label)
        self.core.identify()
        self._requests.set_aside(f"{name}.json")
        for ending in (".json", ".done", *PARSERS.get(self.verb, {})):
            self._results.set_aside(f"{name}{ending}")
        return {"label": job.label, "file_id": name, "started_wall_s": self._results.mark_s()}

    def act(self, job: Job, note: Note) -> None:
        """Writes the request, and notes that it did."""
        told = {
            "id": note["file_id"],
            "sample": job.samples[0],
            "verb": job.verb.value,
            "args": dict(job.args),
        }
        self._requests.write(f"{note['file_id']}.json", canonical_json(told).encode())
        self.site.notebook.write(self.name, job.label, {"asked": True})

    def progress(self, note: Note) -> Progress:
        """The result files, else whether there is still time for them."""
        start_s, now_s = float(note["start_s"]), self.site.clock.now_s()
        if note.get("withdrawn"):
            error = f"{self.name}: withdrawn; the files do not tell whether it was done"
            return Progress(JobState.ABORTED, now_s, error=error)
        request = self.request(str(note["file_id"]), tuple(note["samples"]), note["args"])
        told = self._told(request, note)
        if told.value is not None and told.value[0].failed:
            error = f"{self.name} reports: {told.value[0].failed}"
            return Progress(JobState.ABORTED, self.written_s(note, told.written_s), error=error)
        seen: Seen[Data] | None = None
        if request.data:
            seen = self.look_for_data(self._results, note, request.id, settle_s=self._settle_s)
        missing = self._missing(told, seen)
        if missing is None:
            values = {} if told.value is None else told.value[1]
            data = None if seen is None else seen.value
            last_s = max(told.written_s, 0.0 if seen is None else seen.written_s)
            result = self.outcome(note, values, data)
            return Progress(JobState.COMPLETE, self.written_s(note, last_s), result)
        length_s = length_h(self.verb, note["args"]) * 3600.0
        wall_s = (TRANSFER_WALL_S + self._settle_s) * self.site.clock_scale
        latest_s = start_s + 2.0 * length_s + self._patience_s + wall_s
        if now_s <= latest_s or missing.verdict is Verdict.FRESH:
            return Progress(JobState.RUNNING, max(start_s + length_s, now_s))
        self._requests.set_aside(f"{request.id}.json")
        error = (
            f"{self.name} left no valid result of {request.id}: {missing.words}; "
            "what to do: look at the instrument and at the two folders"
        )
        return Progress(JobState.ABORTED, now_s, error=error)

    def found(self, command: Command, note: Note) -> Inspection:
        """By the note that the request was written, by the request, by a result."""
        name = str(note["file_id"])
        endings = (".json", ".done", *PARSERS.get(self.verb, {}))
        asked = bool(note.get("asked")) or self._requests.has(f"{name}.json")
        if asked or any(self._results.has(f"{name}{ending}") for ending in endings):
            evidence = f"{self.name} was asked for {name}"
            return Inspection(presence=Presence.STARTED, evidence=evidence)
        if self.verb in _HARMLESS:
            evidence = f"there is neither a request nor a result {name}; to ask again does no harm"
            return Inspection(presence=Presence.ABSENT, evidence=evidence)
        evidence = f"there is no request {name}: never written, or taken away by the instrument"
        return Inspection(presence=Presence.UNKNOWN, evidence=evidence)

    def halt(self, note: Note) -> None:
        """Withdraws the request; an instrument that has begun goes on, and is not listened to."""
        self.site.notebook.write(self.name, str(note["label"]), {"withdrawn": True})
        self._requests.set_aside(f"{note['file_id']}.json")

    def _told(self, request: Request, note: Note) -> Seen[tuple[Answer, dict[str, float]]]:
        """What ``<id>.json`` says, or ``<id>.done`` where numbers are not needed."""
        form = Format(_reader(request), _id_of)
        owners, after_s = (request.id,), float(note["started_wall_s"])
        seen = self._results.look(f"{request.id}.json", form, owners=owners, after_s=after_s)
        if seen.verdict is not Verdict.MISSING or request.data:
            return seen
        form = Format(_done, _id_of)
        return self._results.look(f"{request.id}.done", form, owners=owners, after_s=after_s)

    def _missing(self, told: Seen[Any], seen: Seen[Data] | None) -> Seen[Any] | None:
        """The file that is still waited for; ``None`` when all are there."""
        if seen is not None and seen.value is None:
            return seen
        optional = self.verb is Verb.SCAN and told.verdict is Verdict.MISSING
        return None if optional or told.value is not None else told


def _reader(request: Request) -> Callable[[bytes, str], tuple[Answer, dict[str, float]]]:
    def read(data: bytes, name: str) -> tuple[Answer, dict[str, float]]:
        answer = read_answer(data, name)
        if answer.failed:
            return answer, {}
        asked = {ask.name for ask in request.asks}
        # Instruments tell more than they are asked: only that is read.
        return answer, request.check({n: v for n, v in answer.values.items() if n in asked})

    return read


def _done(data: bytes, name: str) -> tuple[Answer, dict[str, float]]:
    """An empty file, or one that repeats the id."""
    text = data[:200].decode("ascii", "replace").strip()
    if text not in ("", name.removesuffix(".done")):
        raise ProtocolError("the file holds something else", got=repr(text[:80]), where=name)
    return Answer(id=name.removesuffix(".done")), {}


def _id_of(told: tuple[Answer, dict[str, float]]) -> str:
    return told[0].id or "(unnamed)"
