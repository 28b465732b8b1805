"""What a journal says of a campaign, arranged by experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdl.campaign.claim import is_hit
from sdl.campaign.config import CampaignConfig
from sdl.campaign.opening import described
from sdl.campaign.state import CampaignState, SampleProgress
from sdl.core.command import Command
from sdl.core.event import (
    Accepted,
    Boot,
    Decided,
    Done,
    Event,
    EventKind,
    Failed,
    Finished,
    Learned,
    Rejected,
    Stopped,
    Vetoed,
)
from sdl.core.material import Observation, PhaseAmount, SampleState
from sdl.core.proposal import ModelVersion, Proposal
from sdl.core.recipe import Recipe
from sdl.journal.journal import Journal
from sdl.tasks.task import Task


@dataclass(frozen=True)
class Experiment:
    """One sample from proposal to end, or as far as it has come."""

    sample: str
    proposal: Proposal
    recipe: Recipe
    """Steps so far, with those decided on the way."""
    decisions: tuple[str, ...]
    """Reasons given on the way, each with its step."""
    observation: Observation | None
    """The last one."""
    finished: Finished | None
    """``None`` while the sample is on its way."""
    failure: str | None
    place: str

    @property
    def failed(self) -> bool:
        """Whether the sample ended without a result."""
        return self.finished is not None and self.finished.state is SampleState.FAILED

    @property
    def measured(self) -> PhaseAmount | None:
        """Measured fraction of the target at the regular end; ``None`` where there is none."""
        if self.finished is None or self.failed or self.observation is None:
            return None
        return self.observation.purity(self.proposal.target.phase)

    @property
    def counts(self) -> bool:
        """Whether the measurement may carry a claim: a good fit with nothing unexplained."""
        target = self.proposal.target.phase
        return self.measured is not None and is_hit(self.observation, target, 0.0)


@dataclass(frozen=True)
class Refusal:
    """A proposal that never became a sample."""

    proposal: Proposal
    by: str
    """``limits`` or the person."""
    reasons: tuple[tuple[str, str], ...]
    """Rule and message."""


@dataclass(frozen=True)
class Occupation:
    """A command with its times, h of laboratory time."""

    command: Command
    start_h: float
    end_h: float | None
    error: str | None = None


@dataclass(frozen=True)
class CampaignRecord:
    """Everything a report shows, from the journal alone."""

    config: CampaignConfig
    task: Task
    task_hash: str
    experiments: tuple[Experiment, ...]
    """In the order of their numbers."""
    finished: tuple[Experiment, ...]
    """In the order of their ends."""
    waiting: tuple[Proposal, ...]
    """Proposals nobody decided on yet."""
    refusals: tuple[Refusal, ...]
    occupations: tuple[Occupation, ...]
    boots: tuple[Boot, ...]
    models: tuple[ModelVersion, ...]
    stopped: Stopped | None
    time_h: float
    scans: dict[str, dict[str, object]]
    """Result of each scan by the hash of its pattern."""
    records: int

    @property
    def goal(self) -> float:
        """Purity to reach, as a fraction: the campaign's, else the task's."""
        stop = self.config.stop
        return self.task.success.purity if stop is None else stop.purity

    @property
    def best(self) -> Experiment | None:
        """Highest measurement that may carry a claim, else the highest of all."""
        measured = [e for e in self.finished if e.measured is not None]
        sound = [e for e in measured if e.counts]
        return max(sound or measured, key=_purity, default=None)

    def repeats(self, experiment: Experiment) -> list[Experiment]:
        """Other finished experiments with the same recipe, failures included."""
        return [
            e
            for e in self.finished
            if e.recipe == experiment.recipe and e.sample != experiment.sample
        ]

    def reached(self, experiment: Experiment) -> bool:
        """Whether the measurement reaches the goal and may carry a claim."""
        return experiment.measured is not None and is_hit(
            experiment.observation, self.task.target.phase, self.goal
        )


def _purity(experiment: Experiment) -> float:
    return 0.0 if experiment.measured is None else experiment.measured.weight_fraction


def read_record(journal: Journal) -> CampaignRecord:
    """Arranges the events of a journal.

    Raises:
        JournalError: The journal does not begin with a campaign, or is damaged.
    """
    config, task = described(journal)
    reading = _Reading()
    for event in journal.events():
        reading.take(event)
    return reading.record(config, task)


class _Reading:
    """Folds events, keeping what ``CampaignState`` lets go of when a sample ends."""

    def __init__(self) -> None:
        self.state = CampaignState()
        self.samples: dict[str, SampleProgress] = {}
        self.decisions: dict[str, list[str]] = {}
        self.refusals: list[Refusal] = []
        self.ends: dict[str, tuple[float, str | None]] = {}
        self.boots: list[Boot] = []
        self.models: list[ModelVersion] = []
        self.records = 0

    def take(self, event: Event) -> None:
        """Takes one event in, in order."""
        self.records += 1
        self.state.apply(event)
        match event.kind:
            case EventKind.BOOT:
                self.boots.append(event.read(Boot))
            case EventKind.ACCEPTED:
                name = event.read(Accepted).sample
                self.samples[name] = self.state.active[name]
            case EventKind.DECIDED:
                decided = event.read(Decided)
                words = f"{decided.step.kind}: {decided.reason}" if decided.reason else ""
                self.decisions.setdefault(decided.sample, []).append(words)
            case EventKind.DONE:
                self.ends[event.read(Done).command] = (event.time_s / 3600.0, None)
            case EventKind.FAILED:
                failed = event.read(Failed)
                self.ends[failed.command] = (event.time_s / 3600.0, failed.error)
            case EventKind.VETOED:
                vetoed = event.read(Vetoed)
                reasons = tuple((v.rule, v.message) for v in vetoed.violations)
                self._refuse(vetoed.proposal, "limits", reasons)
            case EventKind.REJECTED:
                rejected = event.read(Rejected)
                reasons = (("rejected", rejected.reason or "no reason given"),)
                self._refuse(rejected.proposal, rejected.by, reasons)
            case EventKind.LEARNED:
                self.models.append(event.read(Learned).model)
            case _:
                pass

    def _refuse(self, proposal: str, by: str, reasons: tuple[tuple[str, str], ...]) -> None:
        self.refusals.append(Refusal(self.state.proposals[proposal], by, reasons))

    def record(self, config: CampaignConfig, task: Task) -> CampaignRecord:
        """What was read."""
        state = self.state
        experiments = {name: self._experiment(s) for name, s in self.samples.items()}
        scans = {
            str(result["pattern"]): result
            for result in state.results.values()
            if "pattern" in result
        }
        return CampaignRecord(
            config=config,
            task=task,
            task_hash=task.hash if state.begun is None else state.begun.task_hash,
            experiments=tuple(experiments.values()),
            finished=tuple(experiments[name] for name in state.finished),
            waiting=tuple(state.undecided.values()),
            refusals=tuple(self.refusals),
            occupations=tuple(self._occupation(c) for c in state.commands.values()),
            boots=tuple(self.boots),
            models=tuple(self.models),
            stopped=state.stopped,
            time_h=state.time_s / 3600.0,
            scans=scans,
            records=self.records,
        )

    def _experiment(self, sample: SampleProgress) -> Experiment:
        end = self.state.finished.get(sample.id)
        return Experiment(
            sample=sample.id,
            proposal=sample.proposal,
            recipe=Recipe(steps=tuple(sample.steps)),
            decisions=tuple(words for words in self.decisions.get(sample.id, []) if words),
            observation=sample.observations[-1] if sample.observations else None,
            finished=None if end is None else end.event,
            failure=sample.failure,
            place=sample.place,
        )

    def _occupation(self, command: Command) -> Occupation:
        end_h, error = self.ends.get(command.id, (None, None))
        return Occupation(command, command.time_s / 3600.0, end_h, error)


def total_cost(experiments: Sequence[Experiment]) -> float:
    """Price of the finished experiments, in units of the reward."""
    return sum(e.finished.cost for e in experiments if e.finished is not None)


def total_furnace_hours(experiments: Sequence[Experiment]) -> float:
    """Furnace time of the finished experiments, h; shared runs count once."""
    return sum(e.finished.furnace_hours for e in experiments if e.finished is not None)
