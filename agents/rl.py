"""A trained policy in campaigns: it decides about a sample step by step, from scan to scan.

Each sample has a mirror in the twin (``envs.mirror``): the actor sees what it saw in training, with
the real scans in place of simulated ones and what earlier samples said about the bottles.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.learning.artifact import restore
from agents.ledger import Ledger, text_of
from envs.mirror import Mirror
from envs.prospect import Prospect
from sdl.core.capabilities import Capabilities
from sdl.core.errors import ConfigError, PolicyError
from sdl.core.event import Accepted, Event, EventKind
from sdl.core.event import Proposed as ProposedEvent
from sdl.core.material import Observation
from sdl.core.proposal import Prediction, Proposal, Request, SampleView
from sdl.core.protocols import BlobStore
from sdl.core.recipe import Characterise, Continue, Mix, Recipe, Step, Stop
from sdl.core.seeds import generator
from sdl.tasks.task import Task
from simulators.network import FloatArray, IntArray

NAME = "rl"
LABORATORIES = 16
"""Draws of the prior behind a prediction."""
DRAWS = 8
"""Draws for a recipe that is neither on its way nor refused."""
BAD_SCANS = 2
"""Useless scans in a row after which a sample is given up: more of them would say no more."""
ALLOTTED, PLANNED = "furnace_hours_allotted", "furnace_hours_planned"
"""Keys of a proposal's details."""
WEAK = 0.005
"""Ln(true / label) of a bottle that is worth a word."""


@dataclass(frozen=True)
class Course:
    """What the actor decided in the mirror, up to a scan or to the end."""

    steps: tuple[Step, ...]
    """All steps of the sample; the last is a scan or a stop."""
    actions: IntArray
    """The same as actions of the batch."""
    ended: bool
    furnace_hours: float
    """Of a sample that goes on: furnace time so far, h."""
    outlook: FloatArray
    """As from ``Mirror.outlook_h``, from the bottles that were taken."""


class TrainedPolicy:
    """Follows a trained actor.

    The first sample of a request takes the most probable choices; samples beside it, and those that
    would repeat one on its way, are drawn from the actor with the request's key. Everything is
    computed anew from the results so far, so that a resumed campaign decides as before.

    Args:
        task: A task with a search space, about purity.
        content: A policy file, trained on choices (environment ``cursor``).

    Raises:
        ModelError: It is no policy file, or one for other spaces.
        PolicyError: It was trained in another environment.
        ConfigError: The task cannot be played choice by choice.
    """

    name = NAME

    def __init__(self, task: Task, content: bytes) -> None:
        found = restore(content)
        card, self._actor = found.card, found.actor
        environment = card.config.get("environment", "cursor")
        if environment != "cursor" or not card.layout.nvec:
            raise PolicyError(
                "this trained policy cannot decide in a campaign",
                got=f"trained in the environment {environment}",
                allowed="a policy trained in the environment cursor",
                do="train one with `environment: cursor`",
            )
        decisions = int(card.config.get("max_decisions", 12))
        hours = card.config.get("furnace_hours")
        self._mirror = Mirror(task, max_decisions=decisions, furnace_hours=hours)
        self._actor.check_spaces(self._mirror)
        self._prospect = Prospect(task, LABORATORIES, decisions=decisions)
        self._task, self._most = task, int(card.config.get("samples_per_lab", 1)) - 1
        self._known_task = task.name in card.tasks
        self.model = hashlib.sha256(content).hexdigest()
        self._ledger = Ledger()
        self._proposals: dict[str, Proposal] = {}
        self._proposal_of: dict[str, str] = {}

    def ingest(self, event: Event) -> None:
        """Takes note of one journalled event."""
        self._ledger.ingest(event)
        if event.kind is EventKind.PROPOSED:
            proposal = event.read(ProposedEvent).proposal
            self._proposals[proposal.id] = proposal
        elif event.kind is EventKind.ACCEPTED:
            accepted = event.read(Accepted)
            self._proposal_of[accepted.sample] = accepted.proposal

    def propose(self, request: Request) -> Sequence[Proposal]:
        """A sample for each free slot that furnace time and bottles suffice for.

        Raises:
            PolicyError: The laboratory holds a pool of recipes.
        """
        if request.capabilities.pool:
            raise PolicyError(
                "a trained policy makes its own recipes and cannot choose from a pool",
                do="choose the policy random, hottest, forest_ucb or default",
            )
        self._recall()
        used = _doses([*(r.recipe for r in request.results), *(p.recipe for p in request.pending)])
        hours = request.budget.furnace_hours - self._reserved(request)
        taken = {text_of(p.recipe) for p in request.pending}
        taken |= {text_of(recipe) for recipe in self._ledger.refused}
        proposals: list[Proposal] = []
        for slot in range(request.free_slots):
            allotted = min(self._mirror.problem.furnace_hours, hours)
            absent = self._absent(used, request.capabilities)
            if absent is None or not self._mirror.may_heat(allotted):
                break
            course, drawn = self._compose(request.key, slot, allotted, absent, taken)
            recipe = _recipe(course)
            proposals.append(
                Proposal(
                    id=f"P{request.next_id + slot}",
                    target=request.targets[0],
                    recipe=recipe,
                    prediction=self._prediction(course),
                    reason=self._reason(course, drawn),
                    policy=self.name,
                    model=self.model,
                    details={
                        ALLOTTED: allotted,
                        "samples_before": self._samples,
                        "drawn": drawn,
                        "task_trained_on": self._known_task,
                        **({} if course.ended else {PLANNED: course.furnace_hours}),
                    },
                )
            )
            hours -= allotted
            taken.add(text_of(recipe))
            used += _doses([recipe])
        return proposals

    def next(self, view: SampleView) -> Sequence[Step]:
        """The steps up to the next scan, or to the end of the sample.

        Raises:
            PolicyError: Scans and observations do not match, or a step is none of the actor's.
        """
        scans = [o for o in view.observations if o.reading is None]
        if len(scans) >= BAD_SCANS and all(o.quality != "good" for o in scans[-BAD_SCANS:]):
            return (Stop(),)
        asked = sum(isinstance(step, Characterise) for step in view.steps)
        if asked != len(scans):
            raise PolicyError(
                f"sample {view.sample} was not scanned as often as its steps say",
                got=f"{len(scans)} scans",
                allowed=str(asked),
            )
        self._recall()
        proposal = self._proposals.get(view.proposal)
        most = self._mirror.problem.furnace_hours
        allotted = most if proposal is None else float(proposal.details.get(ALLOTTED, most))
        self._begin(allotted)
        self._replay(view.steps, scans)
        course = self._go_on(None)
        new = course.steps[len(view.steps) :]
        if course.ended and new == (Characterise(scan_min=8.0), Stop()):
            # A stop scans for 8 minutes; a scan that says this already is not made again.
            new = new[1:] if view.steps[-1] == new[0] and scans[-1].quality == "good" else new
        return new

    def _recall(self) -> None:
        """Brings what is known of the bottles up to the results so far."""
        self._samples = 0
        self._mirror.forget()
        for result in self._ledger.results:
            observation = result.observation
            if observation is None or not observation.phases:
                continue
            self._samples += 1
            mix = next((s for s in result.recipe.steps if isinstance(s, Mix)), None)
            if mix is not None and observation.quality == "good":
                self._mirror.learn(mix, observation)

    def _begin(self, furnace_hours: float, absent: frozenset[str] = frozenset()) -> None:
        """An empty mirror and an empty memory."""
        # More samples than any laboratory of the training had are as many as its last one saw.
        self._mirror.begin(min(self._samples, self._most), furnace_hours, absent)
        self._memory = self._actor.memory(1)

    def _choose(self, rng: np.random.Generator | None) -> NDArray[np.int64]:
        mirror = self._mirror
        chosen = self._actor.act(mirror.observations, mirror.action_masks(), rng, self._memory)
        return chosen.astype(np.int64)

    def _go_on(self, rng: np.random.Generator | None) -> Course:
        """Lets the actor decide until it has asked for a scan or ended the sample."""
        mirror = self._mirror
        while True:
            outlook = mirror.outlook_h()
            mirror.step(self._choose(rng))
            if mirror.asked():
                break
        ended = mirror.ended
        return Course(
            steps=tuple(mirror.executed_steps(0, finished=ended)),
            actions=mirror.executed_actions(0, finished=ended),
            ended=ended,
            furnace_hours=mirror.furnace_hours_used,
            outlook=outlook,
        )

    def _replay(self, steps: Sequence[Step], scans: Sequence[Observation]) -> None:
        """Does in the mirror what was done, and shows it what was seen."""
        left = iter(scans)
        for step in steps:
            for choice in self._mirror.replay(step):
                if self._memory is not None:
                    self._choose(None)  # a recurrent actor remembers what it saw
                self._mirror.step(choice[None])
            if isinstance(step, Characterise):
                scan = next(left)
                self._mirror.see(scan if scan.quality == "good" and scan.phases else None)

    def _compose(
        self, key: str, slot: int, furnace_hours: float, absent: frozenset[str], taken: set[str]
    ) -> tuple[Course, bool]:
        """A course, and whether it was drawn instead of taken as the most probable."""
        rng = None if slot == 0 else generator(key, NAME, slot)
        self._begin(furnace_hours, absent)
        course = self._go_on(rng)
        for attempt in range(DRAWS):
            if text_of(_recipe(course)) not in taken:
                break
            rng = generator(key, NAME, slot, attempt)
            self._begin(furnace_hours, absent)
            course = self._go_on(rng)
        return course, rng is not None

    def _reserved(self, request: Request) -> float:
        """Furnace time that open samples may still ask for beyond their proposed recipes, h."""
        hours = 0.0
        for pending in request.pending:
            name = self._proposal_of.get(pending.sample, pending.sample)
            proposal = self._proposals.get(name)
            if proposal is not None and proposal.recipe.is_open:
                details = proposal.details
                hours += max(0.0, float(details[ALLOTTED]) - float(details[PLANNED]))
        return hours

    def _absent(self, used: Counter[str], capabilities: Capabilities) -> frozenset[str] | None:
        """Lots too empty for another dose; ``None`` if a cation has no other."""
        choices, rules = self._mirror.problem.choices, self._mirror.problem.rules
        absent: set[str] = set()
        for c, group in enumerate(choices.lots):
            for place, name in enumerate(group):
                lot = capabilities.lot(name)
                most = float(rules.desk.choice.dose_mg[:, c, place].max())
                if lot is None or used[name] + most > lot.stock_mg:
                    absent.add(name)
            if absent.issuperset(group):
                return None
        return frozenset(absent)

    def _prediction(self, course: Course) -> Prediction | None:
        """What the last scan would say; not of a solution, whose phases count as one.

        Of a sample that goes on nothing: its last scan comes after steps that nobody knows yet.
        """
        if not course.ended or self._task.target.solution:
            return None
        mean, sigma = self._prospect.purity(course.actions, self._mirror.bottle)
        return Prediction(mean=mean, sigma=sigma)

    def _reason(self, course: Course, drawn: bool) -> str:
        """Why this recipe, in words."""
        recipe, target = _recipe(course), self._task.target.label
        words = "one of the courses that the trained policy thinks good" if drawn else (
            "what the trained policy thinks best"
        )  # fmt: skip
        anneals = recipe.anneals()
        if anneals:
            hottest = max(anneals, key=lambda a: a.temperature_c)
            hours = _interpolated_h(course.outlook, hottest.temperature_c)
            words += (
                f": {hottest.temperature_c:g} °C for {hottest.dwell_h:g} h in {hottest.gas.value}, "
                f"where the twin's slowest step to {target} takes {_span(hours)} without milling"
            )
        doses = {dose.lot for dose in recipe.doses()}
        known = {n: m for n, (m, _) in self._mirror.known().items() if n in doses}
        name = max(known, key=lambda n: abs(known[n]), default="")
        if name and abs(known[name]) > WEAK:
            less = "less" if known[name] < 0.0 else "more"
            share = 100.0 * abs(math.expm1(known[name]))
            words += f"; by earlier scans {name} holds {share:.1f} % {less} than its label says"
        return words + ("" if course.ended else "; after the scan it decides how to go on")


def _recipe(course: Course) -> Recipe:
    """The steps, open unless the sample is at its end."""
    return Recipe(steps=course.steps if course.ended else (*course.steps, Continue()))


def _doses(recipes: Iterable[Recipe]) -> Counter[str]:
    """Mass of each lot in recipes, mg."""
    used: Counter[str] = Counter()
    for recipe in recipes:
        for dose in recipe.doses():
            used[dose.lot] += dose.mass_mg  # pyright: ignore[reportArgumentType]
    return used


def _interpolated_h(outlook: FloatArray, temperature_c: float) -> float:
    """Hours at a temperature, by ln t between those of the outlook."""
    return float(np.exp(np.interp(temperature_c, outlook[0], np.log(outlook[1]))))


def _span(hours: float) -> str:
    """A time in a unit that suits it."""
    if hours < 1.0 / 60.0:
        return "less than a minute"
    if hours < 1.0:
        return f"{60.0 * hours:.0f} min"
    return f"{hours:.2g} h" if hours < 1000.0 else "more than 1000 h"


def make(task: Task | None, blobs: BlobStore | None, model: bytes | None) -> TrainedPolicy:
    """Factory for the registry.

    Raises:
        PolicyError: There is no task.
        ConfigError: There is no policy file.
        ModelError: The file is no policy for the task.
    """
    if task is None:
        raise PolicyError("the policy rl needs a task", do="give the campaign the key `task`")
    if model is None:
        raise ConfigError(
            "the policy rl needs the key `model`",
            got="none",
            allowed="the policy.safetensors that `sdl train` wrote",
            do="add `model: PATH` to the campaign",
        )
    return TrainedPolicy(task, model)
