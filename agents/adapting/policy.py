"""The policy ``adaptive`` in campaigns: the belief is moved by every finished sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from agents.adapting.adaptive import AdaptivePolicy, AdaptiveSettings, Library, library_of
from agents.adapting.truth import Seen
from agents.adapting.twin import Twin
from agents.ledger import Ledger, text_of
from envs.tables import STOP, VERB
from sdl.core.errors import PolicyError
from sdl.core.event import Event
from sdl.core.proposal import Prediction, Proposal, Request, Result, SampleView
from sdl.core.recipe import Recipe, Step, Stop
from sdl.tasks.task import Task
from simulators.network import IntArray

NAME = "adaptive"
ROWS = 512
"""Rows of the twin's batch: one campaign asks for fewer plans than a bench."""

_READY: dict[str, tuple[Twin, Library]] = {}


class AdaptingPolicy:
    """Follows ``agents.adapting.adaptive`` in the one laboratory of a campaign.

    Everything is computed anew from the results so far, in the order in which they finished, so
    that a resumed campaign decides as the uninterrupted one. Recipes lie on the grid of the
    environments; those of others, as a person's, count as the plan that is nearest to them.

    Args:
        task: A task with a search space, about purity.
        ready: Twin and library at hand; worked out at the first proposal if ``None``.
        settings: Sizes; the horizon is the task's experiments if ``None``.
    """

    name = NAME

    def __init__(
        self,
        task: Task,
        ready: tuple[Twin, Library] | None = None,
        settings: AdaptiveSettings | None = None,
    ) -> None:
        self._task, self._ready = task, ready
        self._settings = settings or AdaptiveSettings(horizon=task.budget.experiments)
        self._ledger = Ledger()

    def ingest(self, event: Event) -> None:
        """Takes note of one journalled event."""
        self._ledger.ingest(event)

    def next(self, view: SampleView) -> Step:
        """Recipes of this policy are never open; a sample that asks is finished."""
        return Stop()

    def propose(self, request: Request) -> Sequence[Proposal]:
        """The best plan under the belief, and for further free slots those next to it.

        Raises:
            PolicyError: The laboratory holds a pool of recipes.
        """
        if request.capabilities.pool:
            raise PolicyError(
                "the policy adaptive makes its own recipes and cannot choose from a pool",
                do="choose the policy random, hottest, forest_ucb or default",
            )
        twin, library = self._prepared()
        policy = AdaptivePolicy(twin, library, 1, self._settings, "campaign")
        learned = 0
        for result in request.results:
            read = self._read(twin, result)
            if read is not None:
                policy.take_in(*read)
                learned += 1
        if learned:
            policy.decide()
        refused = {text_of(recipe) for recipe in self._ledger.refused}
        waiting = {text_of(pending.recipe) for pending in request.pending}
        ranked = [policy.genes[0], *policy.elite[0], *library.genes]
        texts = [text_of(self._recipe(twin, genes)) for genes in ranked]
        proposals: list[Proposal] = []
        taken = set(waiting)
        for slot in range(request.free_slots):
            free = [n for n, t in enumerate(texts) if t not in refused and t not in taken]
            # Beside samples on their way another plan teaches more; the best one alone may repeat.
            free = free or [n for n, t in enumerate(texts) if t not in refused]
            if not free:
                break
            taken.add(texts[free[0]])
            proposals.append(self._proposal(request, policy, ranked[free[0]], slot, learned))
        return proposals

    def _prepared(self) -> tuple[Twin, Library]:
        if self._ready is None:
            if self._task.hash not in _READY:
                twin = Twin(self._task, rows=ROWS, threads=1, unnamed=True)
                _READY[self._task.hash] = (twin, library_of(twin, self._settings))
            self._ready = _READY[self._task.hash]
        return self._ready

    def _read(self, twin: Twin, result: Result) -> tuple[IntArray, Seen] | None:
        """A finished sample's plan and looks; ``None`` where its scan is of no use."""
        scan = result.observation
        if scan is None or scan.quality != "good" or not scan.phases:
            return None
        try:
            genes = twin.plans.snap(result.recipe)
        except PolicyError:
            return None
        seen = Seen.empty(1, len(twin.solid_names))
        for name, amount in scan.phases.items():
            if name in twin.solid_names:
                place = twin.solid_names.index(name)
                seen.fractions[0, place] = max(amount.weight_fraction, 0.0)
                seen.sigma[0, place] = amount.sigma
            else:
                seen.other[0] += max(amount.weight_fraction, 0.0)
        unexplained = min(scan.unexplained, 1.0)
        seen.fractions[:] *= 1.0 - unexplained
        seen.other[:] = seen.other * (1.0 - unexplained) + unexplained
        # A campaign's results hold no mass; what is not known teaches nothing.
        seen = replace(seen, mass=np.full(1, np.nan), cost=np.full(1, result.cost))
        return genes[None], seen

    def _recipe(self, twin: Twin, genes: IntArray) -> Recipe:
        actions = twin.plans.actions(genes[None])[0]
        last = int(np.argmax(actions[:, VERB] == STOP))
        return Recipe(steps=tuple(twin.plans.choices.steps(actions[: last + 1])))

    def _proposal(
        self, request: Request, policy: AdaptivePolicy, genes: IntArray, slot: int, learned: int
    ) -> Proposal:
        twin, _ = self._prepared()
        mean, sigma, value = policy.foresee(genes)
        words = "the best plan under the prior" if not learned else (
            f"the best plan that the belief after {learned} samples knows"
            if slot == 0
            else "next to the best plan that the belief knows"
        )  # fmt: skip
        return Proposal(
            id=f"P{request.next_id + slot}",
            target=request.targets[0],
            recipe=self._recipe(twin, genes),
            prediction=Prediction(mean=mean, sigma=max(sigma, 1e-3)),
            reason=f"{words}: the twin expects a return of {value:.2f}",
            policy=self.name,
            details={"samples_learned": learned, "expected_return": value},
        )
