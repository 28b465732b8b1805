"""A person as an instrument: asked in plain words in a folder, answering in a file, days later too.

All that is known stands in the notebook and in the folder, so a new process goes on where the old
one was. Nobody is asked twice: a request stays until it is answered or withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from instruments.cores.core import Core
from instruments.cores.folder import Folder, FolderText, Format, Seen, Verdict
from instruments.drivers.handover import PARSERS, Data, HandoverStation
from instruments.drivers.instructions import sentence, sheet
from instruments.drivers.job import Job, JobState
from instruments.drivers.wired import Note, Progress
from instruments.protocols.requests import Request
from instruments.protocols.result_files import Answer, read_answer
from instruments.site import Site
from sdl.core.capabilities import Station, StationKind
from sdl.core.command import Command, Inspection, Presence
from sdl.core.errors import LinkError, ProtocolError
from sdl.core.model import Frozen

ANSWERS = "answers"
"""Folder of the answers, in the inbox."""
SETTLE_S = 1.0
"""Wall time that a text file of data must have stood still before it counts, s."""
PATIENCE_S = 3600.0
"""How far away an end is said to be, s of laboratory time: nobody knows."""


class HumanSettings(Frozen):
    """What a laboratory file says of a station where a person does the work."""

    inbox: FolderText
    """Folder of the requests; several stations may share it."""


class HumanStation(HandoverStation):
    """A station where a person does the work.

    Args:
        station: Name and limits; its kind gives the verb.
        site: What the laboratory's drivers share.
        settings: Of the laboratory file.
    """

    Settings: ClassVar[type[Frozen]] = HumanSettings
    named: ClassVar[str] = "human"
    kinds: ClassVar[tuple[StationKind, ...]] = tuple(
        kind for kind in StationKind if kind is not StationKind.TABLE
    )

    def __init__(self, station: Station, site: Site, settings: HumanSettings) -> None:
        super().__init__(station, site, settings)
        self._inbox = Folder.of(station.name, site.folder, settings.inbox)
        self._answers = Folder(station.name, self._inbox.root / ANSWERS, make=True)

    @property
    def cores(self) -> Sequence[Core]:
        """None: there is no instrument to read or to stop."""
        return ()

    def evidence(self, job: Job) -> dict[str, Any]:
        """The time by the folder's clock; what an earlier campaign left is moved aside."""
        self.require_room(job)
        self._inbox.open()
        for ending in (".json", ".txt"):
            self._inbox.set_aside(f"{job.label}{ending}")
        for ending in (".json", *PARSERS.get(self.verb, {})):
            self._answers.set_aside(f"{job.label}{ending}")
        return {"label": job.label, "started_wall_s": self._answers.mark_s()}

    def act(self, job: Job, note: Note) -> None:
        """Puts the request into the inbox."""
        self._ask(self._asked(note))

    def progress(self, note: Note) -> Progress:
        """Running until it is answered."""
        request, now_s = self._asked(note), self.site.clock.now_s()
        if note.get("withdrawn"):
            error = f"{self.name}: withdrawn; ask who worked on it whether it was done"
            return Progress(JobState.ABORTED, now_s, error=error)
        told, data = self._looks(request, note)
        if told.value is not None:
            answer, values = told.value
            end_s = self.written_s(note, told.written_s)
            if answer.failed:
                self._close(request)
                error = f"{answer.by} reports: {answer.failed}"
                return Progress(JobState.ABORTED, end_s, error=error)
            if not request.data or (data is not None and data.value is not None):
                result = self.outcome(note, values, None if data is None else data.value)
                self._close(request)
                return Progress(JobState.COMPLETE, end_s, result)
        elif told.verdict is Verdict.MISSING and not self._inbox.has(f"{request.id}.json"):
            self._ask(request)  # somebody tidied it away
        return Progress(JobState.RUNNING, now_s + PATIENCE_S)

    def found(self, command: Command, note: Note) -> Inspection:
        """By the request in the inbox, or its answer."""
        name = str(note["label"])
        asked = any(self._inbox.has(f"{name}{ending}") for ending in (".json", ".txt"))
        if asked or self._answers.has(f"{name}.json"):
            evidence = f"{name} was asked of a person at {self.name}"
            return Inspection(presence=Presence.STARTED, evidence=evidence)
        self._inbox.open()
        evidence = f"there is no request {name} in the inbox of {self.name}"
        return Inspection(presence=Presence.ABSENT, evidence=evidence)

    def halt(self, note: Note) -> None:
        """Withdraws the request; whoever works on it must be told by a person."""
        self.site.notebook.write(self.name, str(note["label"]), {"withdrawn": True})
        self._close(self._asked(note))

    def is_answered(self, label: str) -> bool:
        """Whether an answer to a request lies there, taken or not."""
        return self._answers.has(f"{label}.json")

    def waiting_for(self) -> list[str]:
        """One sentence for every open request, and why an answer that is there is not taken."""
        said: list[str] = []
        for label in self.running():
            note = self._note(label)
            if note is None or note.get("withdrawn"):
                continue
            request = self._asked(note)
            said.append(sentence(request, str(self._inbox.root), self._hint(request, note)))
        return said

    def _hint(self, request: Request, note: Note) -> str:
        try:
            told, data = self._looks(request, note)
        except LinkError as err:
            return str(err)
        seen = told if told.value is None else data
        wrong = (Verdict.OLD, Verdict.BROKEN, Verdict.FOREIGN)
        if seen is None or seen.value is not None:
            return ""
        if seen.verdict in wrong:
            return f"what is there is not taken: {seen.words}"
        return f"answered, but {seen.words}" if told.value is not None else ""

    def _asked(self, note: Note) -> Request:
        return self.request(str(note["label"]), tuple(note["samples"]), note["args"])

    def _ask(self, request: Request) -> None:
        text = sheet(request, str(self._inbox.root))
        self._inbox.write(f"{request.id}.txt", text.encode())
        self._inbox.write(f"{request.id}.json", request.model_dump_json(indent=2).encode())

    def _close(self, request: Request) -> None:
        """Leaves only open requests in the inbox."""
        for ending in (".json", ".txt"):
            self._inbox.set_aside(f"{request.id}{ending}")

    def _looks(
        self, request: Request, note: Note
    ) -> tuple[Seen[tuple[Answer, dict[str, float]]], Seen[Data] | None]:
        form = Format(_reader(request), lambda told: told[0].id or "(unnamed)")
        told = self._answers.look(
            f"{request.id}.json",
            form,
            owners=(request.id,),
            after_s=float(note["started_wall_s"]),
        )
        if not request.data or told.value is None or told.value[0].failed:
            return told, None
        return told, self.look_for_data(self._answers, note, request.id, settle_s=SETTLE_S)


def _reader(request: Request) -> Callable[[bytes, str], tuple[Answer, dict[str, float]]]:
    def read(data: bytes, name: str) -> tuple[Answer, dict[str, float]]:
        answer = read_answer(data, name)
        if not answer.by.strip():
            raise ProtocolError("nobody signed the answer", allowed="by: a name", where=name)
        return answer, {} if answer.failed else request.check(answer.values)

    return read
