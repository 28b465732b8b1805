"""Where a campaign stands: a fold over its journal, nothing else.

``CampaignState.apply`` is called for each event, as it is journalled and again after a restart, so
a resumed controller stands exactly where the killed one stood.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sdl.campaign.acts import Act, acts_of, replay_act
from sdl.campaign.goal import merit
from sdl.core.command import Command, Verb
from sdl.core.event import (
    Accepted,
    Approved,
    CampaignBegun,
    Decided,
    Done,
    Event,
    EventKind,
    Failed,
    Finished,
    Intended,
    Learned,
    Noted,
    Observed,
    Proposed,
    Rejected,
    RunBooked,
    Stopped,
    Topic,
    Vetoed,
)
from sdl.core.material import Observation, SampleState, last_measurement, last_scan
from sdl.core.proposal import PendingSample, Proposal, Result
from sdl.core.recipe import Continue, Recipe, Step
from sdl.tasks.objective import Objective

RACK = "rack"
"""Where samples wait; it has room for all."""
MOVES = 2
"""Moves of a sample that fail in a row before it is given up where it stands."""


@dataclass
class SampleProgress:
    """One sample on its way."""

    id: str
    proposal: Proposal
    steps: list[Step]
    replays: bool = False
    """Whether the laboratory replays a table instead of doing the steps."""
    place: str = RACK
    acts_done: int = 0
    open_command: str | None = None
    run: str | None = None
    """Furnace run the sample is booked for or sits in."""
    observations: list[Observation] = field(default_factory=list)
    unread: str | None = None
    """Command whose measurement is not analysed yet."""
    failure: str | None = None
    moves_failed: int = 0
    """Moves that failed since the last one that did not."""
    commands: list[str] = field(default_factory=list)

    def acts(self) -> tuple[Act, ...]:
        """All acts of the steps so far."""
        if self.replays:
            return (replay_act(Recipe(steps=tuple(self.steps))),)
        return acts_of(self.steps)

    @property
    def next_act(self) -> Act | None:
        """The act to do next; ``None`` when all are done."""
        acts = self.acts()
        return acts[self.acts_done] if self.acts_done < len(acts) else None

    @property
    def is_stuck(self) -> bool:
        """Whether it cannot be moved: nobody tries again."""
        return self.moves_failed >= MOVES

    @property
    def is_hot(self) -> bool:
        """Whether the next act must begin before it has cooled."""
        return self.next_act is not None and self.next_act.starts_hot

    @property
    def is_open(self) -> bool:
        """Whether the policy is asked how to go on."""
        return not self.replays and isinstance(self.steps[-1], Continue)


@dataclass
class FurnaceRun:
    """Samples booked into one furnace together."""

    id: str
    station: str
    samples: tuple[str, ...]
    command: str | None = None
    hours: float = 0.0


@dataclass
class FinishedSample:
    """The end of a sample with what the policy may know of it."""

    event: Finished
    result: Result
    time_s: float


@dataclass
class CampaignState:
    """The fold. Dictionaries keep the order of the journal."""

    begun: CampaignBegun | None = None
    time_s: float = 0.0
    proposals: dict[str, Proposal] = field(default_factory=dict)
    undecided: dict[str, Proposal] = field(default_factory=dict)
    approved: set[str] = field(default_factory=set)
    vetoes_in_row: int = 0
    last_refusal: str = ""
    active: dict[str, SampleProgress] = field(default_factory=dict)
    finished: dict[str, FinishedSample] = field(default_factory=dict)
    runs: dict[str, FurnaceRun] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    results: dict[str, dict[str, object]] = field(default_factory=dict)
    ended_s: dict[str, float] = field(default_factory=dict)
    """Laboratory time at which each command ended."""
    open_commands: dict[str, Command] = field(default_factory=dict)
    accepted: int = 0
    run_count: int = 0
    models: int = 0
    learned_after: int = 0
    """Number of finished samples at the last LEARNED."""
    stopped: Stopped | None = None
    quarantined: dict[str, str] = field(default_factory=dict)
    """Stations that take no more work, with the reason."""
    uses: dict[str, int] = field(default_factory=dict)
    """Ended commands of each station."""
    failures: dict[str, int] = field(default_factory=dict)
    """Commands of each station that failed since the last one that did not."""
    last_error: dict[str, str] = field(default_factory=dict)
    """Why a command of each station failed last."""
    checked_at: dict[str, int] = field(default_factory=dict)
    """Uses of its station when each control was made last."""

    def apply(self, event: Event) -> None:
        """Takes one event in; events must come in the order of the journal."""
        self.time_s = max(self.time_s, event.time_s)
        match event.kind:
            case EventKind.CAMPAIGN:
                self.begun = event.read(CampaignBegun)
            case EventKind.PROPOSED:
                proposal = event.read(Proposed).proposal
                self.proposals[proposal.id] = proposal
                self.undecided[proposal.id] = proposal
            case EventKind.ACCEPTED:
                self._accept(event.read(Accepted))
            case EventKind.VETOED:
                vetoed = event.read(Vetoed)
                broken = "; ".join(f"{v.rule}, {v.message}" for v in vetoed.violations)
                self._refuse(vetoed.proposal, broken)
            case EventKind.REJECTED:
                rejected = event.read(Rejected)
                self._refuse(rejected.proposal, f"rejected by {rejected.by}")
            case EventKind.APPROVED:
                self.approved.add(event.read(Approved).proposal)
            case EventKind.RUN:
                self._book(event.read(RunBooked))
            case EventKind.INTENDED:
                self._intend(event.read(Intended).command)
            case EventKind.DONE:
                self._done(event.read(Done), event.time_s)
            case EventKind.FAILED:
                self._failed(event.read(Failed))
            case EventKind.OBSERVED:
                observation = event.read(Observed).observation
                sample = self.active[observation.sample]
                sample.observations.append(observation)
                sample.unread = None
            case EventKind.DECIDED:
                decided = event.read(Decided)
                sample = self.active[decided.sample]
                sample.steps[-1:] = _continued(decided.steps)
            case EventKind.FINISHED:
                self._finish(event)
            case EventKind.LEARNED:
                event.read(Learned)
                self.models += 1
                self.learned_after = len(self.finished)
            case EventKind.STOPPED:
                self.stopped = event.read(Stopped)
            case EventKind.NOTED:
                self._note(event.read(Noted))
            case EventKind.BOOT:
                pass

    def _note(self, noted: Noted) -> None:
        if noted.topic is Topic.QUARANTINE:
            self.quarantined[noted.station] = noted.message
            self._unbook(noted.station)
            command = self.commands.get(str(noted.values.get("command", "")))
            if command is not None and command.station != noted.station:
                self.failures.pop(command.station, None)  # another station's instrument failed
        elif noted.topic is Topic.RELEASE:
            self.quarantined.pop(noted.station, None)
            self.failures.pop(noted.station, None)
        elif noted.topic is Topic.CONTROL:
            control = str(noted.values.get("control", ""))
            self.checked_at[control] = self.uses.get(noted.station, 0)

    def _unbook(self, station: str) -> None:
        """Samples that wait on the rack for a furnace may go to another one."""
        for sample in self.active.values():
            idle = sample.place == RACK and sample.open_command is None
            if idle and sample.run is not None and self.runs[sample.run].station == station:
                self._leave(sample, sample.run)

    def _accept(self, accepted: Accepted) -> None:
        proposal = self.undecided.pop(accepted.proposal)
        begun = self.begun
        replays = bool(begun is not None and begun.capabilities.get("replays"))
        self.active[accepted.sample] = SampleProgress(
            accepted.sample, proposal, list(proposal.recipe.steps), replays=replays
        )
        self.accepted += 1
        self.vetoes_in_row = 0

    def _refuse(self, proposal: str, why: str) -> None:
        del self.undecided[proposal]
        self.vetoes_in_row += 1
        self.last_refusal = why

    def _book(self, booked: RunBooked) -> None:
        self.runs[booked.run] = FurnaceRun(booked.run, booked.station, booked.samples)
        self.run_count += 1
        for name in booked.samples:
            self.active[name].run = booked.run

    def _intend(self, command: Command) -> None:
        self.commands[command.id] = command
        self.open_commands[command.id] = command
        for name in command.samples:
            sample = self.active[name]
            sample.open_command = command.id
            sample.commands.append(command.id)
            if command.verb is Verb.ANNEAL and sample.run is not None:
                self.runs[sample.run].command = command.id

    def _done(self, done: Done, time_s: float) -> None:
        command = self.open_commands.pop(done.command)
        self.ended_s[command.id] = time_s
        self.uses[command.station] = self.uses.get(command.station, 0) + 1
        self.failures.pop(command.station, None)
        self.results[command.id] = done.result
        for name in command.samples:
            sample = self.active[name]
            sample.open_command = None
            if command.verb is Verb.TRANSFER:
                if sample.run is not None and command.args["origin"] == self._station_of(sample):
                    self._leave(sample, sample.run)
                sample.place = str(command.args["destination"])
                sample.moves_failed = 0
                continue
            sample.acts_done += 1
            if command.verb in (Verb.SCAN, Verb.MEASURE, Verb.REPLAY):
                sample.unread = command.id

    def _station_of(self, sample: SampleProgress) -> str | None:
        return None if sample.run is None else self.runs[sample.run].station

    def _leave(self, sample: SampleProgress, run: str) -> None:
        """A sample is out of its furnace run; the last one ends the run."""
        sample.run = None
        if all(s.run != run for s in self.active.values()):
            del self.runs[run]

    def _failed(self, failed: Failed) -> None:
        command = self.open_commands.pop(failed.command)
        self.last_error[command.station] = failed.error
        self.failures[command.station] = self.failures.get(command.station, 0) + 1
        for name in command.samples:
            sample = self.active[name]
            sample.open_command = None
            if command.verb is Verb.TRANSFER:
                sample.moves_failed += 1
                if not sample.is_stuck and not sample.is_hot:
                    continue  # it stands where it stood, none the worse: tried once more
            sample.failure = failed.error

    def _finish(self, event: Event) -> None:
        finished = event.read(Finished)
        sample = self.active.pop(finished.sample)
        if sample.run is not None:
            self._leave(sample, sample.run)
        good = finished.state is SampleState.FINISHED and bool(sample.observations)
        result = Result(
            sample=sample.id,
            proposal=sample.proposal.id,
            recipe=Recipe(steps=tuple(sample.steps)),
            observation=last_scan(sample.observations) if good else None,
            measurement=last_measurement(sample.observations) if good else None,
            cost=finished.cost,
        )
        self.finished[sample.id] = FinishedSample(finished, result, event.time_s)

    def best(self) -> FinishedSample | None:
        """The finished sample of the highest measured purity, or of the best property."""
        objective, least = self._wanted()
        measured = [
            (merit(f.event.purity, f.event.reading, objective, least), f)
            for f in self.finished.values()
        ]
        known = [(key, f) for key, f in measured if key is not None]
        return max(known, key=lambda entry: entry[0], default=(None, None))[1]

    def _wanted(self) -> tuple[Objective | None, float]:
        """The task's objective and the purity that goes with it."""
        task = {} if self.begun is None else self.begun.task
        if task.get("objective") is None:
            return None, 0.0
        return Objective.model_validate(task["objective"]), float(task["success"]["purity"])

    def accepted_recipes(self) -> list[Recipe]:
        """Recipes of all samples that were begun, finished or not."""
        finished = [f.result.recipe for f in self.finished.values()]
        return finished + [s.proposal.recipe for s in self.active.values()]

    def policy_results(self) -> tuple[Result, ...]:
        """Finished experiments in the order of their ends."""
        return tuple(f.result for f in self.finished.values())

    def pending(self) -> tuple[PendingSample, ...]:
        """Samples and undecided proposals without an outcome, in order."""
        samples = [
            PendingSample(sample=s.id, recipe=s.proposal.recipe) for s in self.active.values()
        ]
        waiting = [PendingSample(sample=p.id, recipe=p.recipe) for p in self.undecided.values()]
        return (*samples, *waiting)

    def occupants(self, station: str) -> list[SampleProgress]:
        """Samples in a station, on their way to it, or booked into it."""
        found: list[SampleProgress] = []
        for sample in self.active.values():
            command = None if sample.open_command is None else self.commands[sample.open_command]
            heading = (
                command is not None
                and command.verb is Verb.TRANSFER
                and command.args["destination"] == station
            )
            booked = self._station_of(sample) == station
            if sample.place == station or heading or booked:
                found.append(sample)
        return found


def _continued(steps: tuple[Step, ...]) -> list[Step]:
    """Decided steps go in front of the open end; ``Stop`` closes it."""
    return [*steps] if steps[-1].kind == "stop" else [*steps, Continue()]
