"""What a policy remembers of the journal: results, refusals, the last promoted model."""

from __future__ import annotations

from sdl.core.event import (
    Accepted,
    Decided,
    Event,
    EventKind,
    Finished,
    Learned,
    Observed,
    Rejected,
    Vetoed,
)
from sdl.core.event import Proposed as ProposedEvent
from sdl.core.material import Observation, SampleState
from sdl.core.proposal import ModelVersion, Result
from sdl.core.recipe import Continue, Recipe


def text_of(recipe: Recipe) -> str:
    """A recipe as text: equal for equal recipes, to look one up by."""
    return recipe.model_dump_json()


class Ledger:
    """Folds journalled events, in order, into the results so far.

    The state is a function of the events alone: ingesting the same journal again after a restart
    gives the same ledger.
    """

    def __init__(self) -> None:
        self._recipes: dict[str, Recipe] = {}
        self._proposal_of: dict[str, str] = {}
        self._scans: dict[str, Observation] = {}
        self._measured: dict[str, Observation] = {}
        self._results: list[Result] = []
        self._refused: list[Recipe] = []
        self.model: ModelVersion | None = None
        """The last promoted model."""

    @property
    def results(self) -> tuple[Result, ...]:
        """Finished experiments, in the order in which they finished; failed ones included."""
        return tuple(self._results)

    @property
    def refused(self) -> tuple[Recipe, ...]:
        """Recipes that were vetoed or turned down: not to be proposed again."""
        return tuple(self._refused)

    def ingest(self, event: Event) -> None:
        """Takes note of one event; kinds that carry nothing to remember are passed over."""
        match event.kind:
            case EventKind.PROPOSED:
                proposal = event.read(ProposedEvent).proposal
                self._recipes[proposal.id] = proposal.recipe
            case EventKind.ACCEPTED:
                accepted = event.read(Accepted)
                self._proposal_of[accepted.sample] = accepted.proposal
            case EventKind.VETOED:
                self._refuse(event.read(Vetoed).proposal)
            case EventKind.REJECTED:
                self._refuse(event.read(Rejected).proposal)
            case EventKind.OBSERVED:
                observation = event.read(Observed).observation
                kept = self._scans if observation.reading is None else self._measured
                kept[observation.sample] = observation
            case EventKind.DECIDED:
                self._extend(event.read(Decided))
            case EventKind.FINISHED:
                self._finish(event.read(Finished))
            case EventKind.LEARNED:
                version = event.read(Learned).model
                if version.promoted:
                    self.model = version
            case _:
                pass

    def _refuse(self, proposal: str) -> None:
        if proposal in self._recipes:
            self._refused.append(self._recipes[proposal])

    def _extend(self, decided: Decided) -> None:
        proposal = self._proposal_of.get(decided.sample, "")
        recipe = self._recipes.get(proposal)
        if recipe is not None:
            done = tuple(step for step in recipe.steps if not isinstance(step, Continue))
            self._recipes[proposal] = Recipe(steps=(*done, *decided.steps))

    def _finish(self, finished: Finished) -> None:
        recipe = self._recipes.get(finished.proposal)
        if recipe is None:
            return
        good = finished.state is SampleState.FINISHED
        self._results.append(
            Result(
                sample=finished.sample,
                proposal=finished.proposal,
                recipe=recipe,
                observation=self._scans.get(finished.sample) if good else None,
                measurement=self._measured.get(finished.sample) if good else None,
                cost=finished.cost,
            )
        )
