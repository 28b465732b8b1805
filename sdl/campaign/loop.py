"""The closed loop: one action at a time, each journalled before the next is chosen.

``Campaign.step`` looks at the state (a fold of the journal), carries out the one next action and
appends its events. The choice is a pure function of the state, so a controller that was killed
anywhere goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sdl.campaign.config import CampaignConfig
from sdl.campaign.controls import due, failing, left_behind
from sdl.campaign.costs import cost_of
from sdl.campaign.design import (
    beyond_means,
    blocks_others,
    budget_left,
    check_proposals,
    goal_reached,
    needs_approval,
    reason_to_stop,
    repeat_proposal,
)
from sdl.campaign.reading import observe, trusted
from sdl.campaign.scheduler import Scheduler
from sdl.campaign.state import RACK, CampaignState, SampleProgress
from sdl.campaign.telling import ending, without_secrets
from sdl.core.command import Command, Presence
from sdl.core.errors import LabError, SafetyError
from sdl.core.event import (
    Accepted,
    Decided,
    Event,
    Failed,
    Finished,
    Intended,
    Learned,
    Observed,
    Proposed,
    Stopped,
    Vetoed,
    Violation,
)
from sdl.core.material import SampleState, last_measurement, last_scan
from sdl.core.model import Frozen
from sdl.core.proposal import Request, SampleView
from sdl.core.protocols import Lab, Learner, Policy, WatchedLab
from sdl.core.recipe import Step, Stop
from sdl.core.seeds import key_of
from sdl.journal.journal import Journal
from sdl.safety import check_recipe, check_steps, require_safe
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task


class Standing(StrEnum):
    """How ``Campaign.run`` left the campaign."""

    STOPPED = "stopped"
    """It is over."""
    WAITING = "waiting"
    """A person must approve a proposal."""
    PAUSED = "paused"
    """The caller asked for a pause."""
    LEFT = "left"
    """A machine works by itself for longer than the caller wants to wait."""


@dataclass
class Campaign:
    """One campaign in progress; it may be iterated for its finished experiments."""

    config: CampaignConfig
    task: Task
    journal: Journal
    """The record; owned by this controller."""
    lab: Lab
    policy: Policy
    state: CampaignState = field(default_factory=CampaignState)

    def __post_init__(self) -> None:
        self.capabilities = self.lab.capabilities()
        self._scheduler = Scheduler(self.capabilities)
        self._space = TaskSpace(self.task) if self.task.space is not None else None
        self._sent: set[str] = set()
        self._leave_after_s: float | None = None
        self.left_s: float | None = None
        """Wall time until the machine is done that ``run`` did not wait for, s."""
        for event in self.journal.events():
            self._take(event)
        self._learned_after = self.state.learned_after
        self._resumed = bool(self.state.commands) or self.journal.epoch > 1

    def run(
        self,
        *,
        pause: Callable[[], bool] = lambda: False,
        watch: Callable[[Campaign], None] = lambda _: None,
        leave_after_s: float | None = None,
    ) -> Standing:
        """Works until the campaign is over, must wait for a person, or is asked to pause.

        Args:
            pause: Asked before each action.
            watch: Told after each action, for a progress display.
            leave_after_s: Longest wall time to wait for a machine, s; ``None`` waits for ever.
        """
        self._leave_after_s, self.left_s = leave_after_s, None
        while not pause():
            if self.state.stopped is not None:
                return Standing.STOPPED
            if not self.step():
                return Standing.WAITING if self.left_s is None else Standing.LEFT
            watch(self)
        return Standing.PAUSED

    def __iter__(self) -> Iterator[Finished]:
        """Works and yields each experiment as it finishes."""
        seen = len(self.state.finished)
        while self.state.stopped is None and self.step():
            for entry in list(self.state.finished.values())[seen:]:
                yield entry.event
            seen = len(self.state.finished)

    def close(self) -> None:
        """Lets go of the laboratory and of the journal; the campaign can be resumed."""
        self.lab.close()
        self.journal.close()

    def step(self) -> bool:
        """Carries out the one next action; False when only a person can help."""
        return (
            self._note()
            or self._recover()
            or self._read()
            or self._end_sample()
            or self._learn()
            or self._judge()
            or self._stop()
            or self._propose()
            or self._dispatch()
            or self._collect()
        )

    def _note(self) -> bool:
        """Journals what the laboratory has to tell beside the ends of commands."""
        if not isinstance(self.lab, WatchedLab):
            return False
        noted = self.lab.notes() or [*due(self.state, self.lab.controls()), *failing(self.state)]
        if noted:
            self._append(*noted)
        return bool(noted)

    def _take(self, event: Event) -> None:
        self.state.apply(event)
        self.policy.ingest(without_secrets(event))

    def _append(self, *payloads: Frozen) -> None:
        self.record(*(Event.of(self.state.time_s, p) for p in payloads))

    def record(self, *events: Event) -> None:
        """Journals events and takes them into the state."""
        for event in self.journal.append(*events):
            self._take(event)

    def _recover(self) -> bool:
        """Sends or finds commands that were intended before this process began."""
        for command in self.state.open_commands.values():
            if command.id not in self._sent:
                self._send(command)
                return True
        return False

    def _send(self, command: Command) -> None:
        """Sends a command; after a restart, its effect is looked for first."""
        self._sent.add(command.id)
        todo = self._still_to_do(command) if self._resumed else command
        if todo is None:
            return
        require_safe(todo, self.capabilities)
        try:
            self.lab.submit(todo)
        except (LabError, SafetyError) as err:
            self._append(Failed(command=command.id, error=str(err)))

    def _still_to_do(self, command: Command) -> Command | None:
        """What of a command has not happened yet.

        Raises:
            LabError: The devices cannot tell, and the laboratory knows no quarantine.
        """
        found = self.lab.inspect(command)
        match found.presence:
            case Presence.ABSENT:
                return command
            case Presence.STARTED:
                return None
            case Presence.PARTIAL:
                return found.remainder
            case Presence.UNKNOWN:
                unknown = LabError(
                    f"it is not known whether {command.verb.value} {command.id} happened",
                    got=found.evidence or "no evidence",
                    do=f"look at {', '.join(command.samples)} and the station, then resume",
                    where=command.station,
                )
                if not isinstance(self.lab, WatchedLab):
                    raise unknown
                self._append(Failed(command=command.id, error=str(unknown)))
                return None  # the laboratory has quarantined the station; the others go on

    def _read(self) -> bool:
        for sample in self.state.active.values():
            if sample.unread is None:
                continue
            command = self.state.commands[sample.unread]
            observation = observe(
                command,
                self.state.results[command.id],
                time_s=self.state.time_s,
                name=f"{sample.id}-a{len(sample.observations) + 1}",
                system=self.task.system,
                blobs=self.journal.blobs,
            )
            self._append(Observed(observation=observation))
            return True
        return False

    def _end_sample(self) -> bool:
        for sample in self.state.active.values():
            if sample.open_command is not None or (sample.place != RACK and not sample.is_stuck):
                continue
            if sample.failure is not None:
                self._append(*left_behind(self.state, sample))
                self._finish(sample, SampleState.FAILED)
            elif sample.next_act is None and sample.is_open:
                self._ask(sample)
            elif sample.next_act is None:
                self._finish(sample, SampleState.FINISHED)
            else:
                continue
            return True
        return False

    def _ask(self, sample: SampleProgress) -> None:
        """The policy continues an open sample; a step that breaks a limit ends it."""
        done = tuple(sample.steps[:-1])
        view = SampleView(
            sample=sample.id,
            proposal=sample.proposal.id,
            target=sample.proposal.target,
            steps=done,
            observations=tuple(sample.observations),
            capabilities=self.capabilities,
            time_s=self.state.time_s,
            key=key_of(self.config.seed, "next", sample.id, len(done)),
        )
        answer = self.policy.next(view)
        steps: tuple[Step, ...] = tuple(answer) if isinstance(answer, Sequence) else (answer,)
        broken = check_steps(done, steps, self.capabilities)
        if broken:
            reason = "; ".join(f"vetoed, {v.rule}: {v.message}" for v in broken)
            self._append(Decided(sample=sample.id, step=Stop(), reason=reason))
        else:
            self._append(Decided(sample=sample.id, step=steps[0], then=steps[1:]))

    def _finish(self, sample: SampleProgress, how: SampleState) -> None:
        cost = cost_of(sample, self.state, self.task.prices, self.capabilities)
        scan = last_scan(sample.observations)
        amount = None if scan is None else scan.amount_of(sample.proposal.target)
        measurement = last_measurement(sample.observations)
        self._append(
            Finished(
                sample=sample.id,
                proposal=sample.proposal.id,
                state=how,
                purity=None if amount is None else amount.weight_fraction,
                sigma=None if amount is None else amount.sigma,
                reading=trusted(measurement),
                cost=cost.total,
                furnace_hours=cost.furnace_hours,
            )
        )

    def _learn(self) -> bool:
        finished = len(self.state.finished)
        if finished <= self._learned_after or not isinstance(self.policy, Learner):
            return False
        self._learned_after = finished
        model = self.policy.learn(
            f"M{self.state.models + 1}",
            key_of(self.config.seed, "learn", finished),
            self.journal.blobs,
        )
        if model is not None:
            self._append(Learned(model=model))
        return True

    def _judge(self) -> bool:
        """Accepts or vetoes the first proposal that waits for nobody's approval."""
        reached = goal_reached(self.state, self.config, self.task)
        for proposal in self.state.undecided.values():
            if reached is not None:
                done = Violation(rule="goal-reached", message=reached.reason)
                self._append(Vetoed(proposal=proposal.id, violations=(done,)))
                return True
            broken = check_recipe(proposal.recipe, self.capabilities) or beyond_means(
                proposal, self.state, self.config, self.task, self.capabilities
            )
            if broken:
                self._append(Vetoed(proposal=proposal.id, violations=broken))
                return True
            if proposal.id in self.state.approved or not needs_approval(proposal, self.config):
                sample = f"S{self.state.accepted + 1}"
                self._append(Accepted(proposal=proposal.id, sample=sample))
                return True
            if blocks_others(self.config):
                return False
        return False

    def _stop(self) -> bool:
        if self.state.active or self.state.undecided:
            return False
        stopped = reason_to_stop(self.state, self.config, self.task)
        if stopped is None:
            return False
        self._append(stopped)
        return True

    def _propose(self) -> bool:
        state = self.state
        left = budget_left(state, self.config, self.task)
        busy = len(state.active) + len(state.undecided)
        slots = min(self.config.in_flight - busy, left.experiments)
        if slots <= 0 or reason_to_stop(state, self.config, self.task) is not None:
            return False
        repeat = repeat_proposal(state, self.config, self.task)
        if repeat is not None:
            self._append(Proposed(proposal=repeat))
            return True
        next_id = len(state.proposals) + 1
        request = Request(
            targets=(self.task.target,),
            capabilities=self.capabilities,
            space=self._space,
            results=state.policy_results(),
            pending=state.pending(),
            budget=left,
            free_slots=slots,
            time_s=state.time_s,
            next_id=next_id,
            key=key_of(self.config.seed, "propose", next_id),
        )
        proposals = self.policy.propose(request)
        check_proposals(proposals, self.policy.name, next_id, slots)
        if proposals:
            self._append(*(Proposed(proposal=p) for p in proposals))
            return True
        if busy:
            return False
        self._append(Stopped(reason="the policy proposes nothing more", success=False))
        return True

    def _dispatch(self) -> bool:
        decision = self._scheduler.next(self.state)
        if decision is None:
            return False
        self._append(decision)
        if isinstance(decision, Intended):
            self._send(decision.command)
        return True

    def _collect(self) -> bool:
        """Lets laboratory time pass until the next end and journals what ended; False to leave."""
        due_s = self.lab.next_event_s()
        if due_s is None:
            return False
        if self._leave_after_s is not None and isinstance(self.lab, WatchedLab):
            away_s = self.lab.away_s()
            if away_s > self._leave_after_s:
                self.left_s = away_s
                return False
        now_s = self.lab.advance(max(due_s, self.state.time_s))
        self.record(*map(ending, self.lab.events(now_s)))
        return True
