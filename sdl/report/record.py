"""What a journal says of a campaign, arranged by experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from sdl.campaign.config import CampaignConfig
from sdl.campaign.goal import Goal, merit
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
    Noted,
    Rejected,
    Stopped,
    Vetoed,
)
from sdl.core.material import (
    Observation,
    PhaseAmount,
    Reading,
    SampleState,
    last_measurement,
    last_scan,
)
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
    """The last one of its phases."""
    finished: Finished | None
    """``None`` while the sample is on its way."""
    failure: str | None
    place: str
    sound: bool = True
    """Whether its observations may carry a claim: see ``Goal.counts``."""
    measurement: Observation | None = None
    """The last one of a property."""

    @property
    def failed(self) -> bool:
        """Whether the sample ended without a result."""
        return self.finished is not None and self.finished.state is SampleState.FAILED

    @property
    def measured(self) -> PhaseAmount | None:
        """Measured fraction of the target at the regular end; ``None`` where there is none."""
        if self.finished is None or self.failed or self.observation is None:
            return None
        return self.observation.amount_of(self.proposal.target)

    @property
    def reading(self) -> Reading | None:
        """Measured property at the regular end; ``None`` where there is none to go by."""
        if self.finished is None or self.failed or self.measurement is None:
            return None
        return self.measurement.reading if self.measurement.quality == "good" else None

    @property
    def counts(self) -> bool:
        """Whether the measurement may carry a claim.

        A good fit with nothing unexplained; of a property also a good measurement of a sample
        that is pure enough.
        """
        return self.measured is not None and self.sound


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
    curves: dict[str, dict[str, object]] = field(default_factory=dict)
    """Result of each measured property by the hash of its curve."""
    notes: tuple[tuple[float, Noted], ...] = ()
    """What the laboratory told beside the commands: laboratory time in h, and the note."""
    simulated: bool = False
    """Of a laboratory file: whether simulators stood behind its instruments."""

    @property
    def rule(self) -> Goal:
        """What is to be reached: the campaign's, else the task's."""
        return Goal.of(self.task, self.config.stop)

    @property
    def goal(self) -> float:
        """Purity to reach, as a fraction; of a property, the purity that goes with it."""
        return self.rule.least_purity

    @property
    def best(self) -> Experiment | None:
        """Highest measurement that may carry a claim, else the highest of all."""
        measured = [e for e in self.finished if e.measured is not None]
        sound = [e for e in measured if e.counts]
        return max(sound or measured, key=self._merit, default=None)

    def _merit(self, experiment: Experiment) -> tuple[bool, float]:
        amount, reading = experiment.measured, experiment.reading
        purity = None if amount is None else amount.weight_fraction
        found = merit(purity, reading, self.task.objective, self.task.success.purity)
        return found or (False, -math.inf)

    def repeats(self, experiment: Experiment) -> list[Experiment]:
        """Other finished experiments with the same recipe, failures included."""
        return [
            e
            for e in self.finished
            if e.recipe == experiment.recipe and e.sample != experiment.sample
        ]

    def reached(self, experiment: Experiment) -> bool:
        """Whether the measurement reaches the goal and may carry a claim."""
        return experiment.measured is not None and self.rule.reached(
            experiment.observation, experiment.measurement
        )


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
        self.notes: list[tuple[float, Noted]] = []
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
                kinds = ", ".join(step.kind for step in decided.steps)
                words = f"{kinds}: {decided.reason}" if decided.reason else ""
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
            case EventKind.NOTED:
                self.notes.append((event.time_s / 3600.0, event.read(Noted)))
            case _:
                pass

    def _refuse(self, proposal: str, by: str, reasons: tuple[tuple[str, str], ...]) -> None:
        self.refusals.append(Refusal(self.state.proposals[proposal], by, reasons))

    def record(self, config: CampaignConfig, task: Task) -> CampaignRecord:
        """What was read."""
        state = self.state
        rule = Goal.of(task, config.stop)
        experiments = {name: self._experiment(s, rule) for name, s in self.samples.items()}
        scans = {
            str(result["pattern"]): result
            for result in state.results.values()
            if "pattern" in result
        }
        curves = {str(r["curve"]): r for r in state.results.values() if "curve" in r}
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
            curves=curves,
            records=self.records,
            notes=tuple(self.notes),
            simulated=bool(state.begun and state.begun.capabilities.get("simulated")),
        )

    def _experiment(self, sample: SampleProgress, rule: Goal) -> Experiment:
        end = self.state.finished.get(sample.id)
        scan, measurement = (find(sample.observations) for find in (last_scan, last_measurement))
        return Experiment(
            sample=sample.id,
            proposal=sample.proposal,
            recipe=Recipe(steps=tuple(sample.steps)),
            decisions=tuple(words for words in self.decisions.get(sample.id, []) if words),
            observation=scan,
            finished=None if end is None else end.event,
            failure=sample.failure,
            place=sample.place,
            sound=rule.counts(scan, measurement),
            measurement=measurement,
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
