"""The plainest policy: recipes at random."""

from __future__ import annotations

from collections.abc import Sequence

from agents.ledger import Ledger, text_of
from sdl.core.errors import PolicyError
from sdl.core.event import Event
from sdl.core.proposal import Proposal, Request, SampleView
from sdl.core.protocols import BlobStore
from sdl.core.recipe import Recipe, Step, Stop
from sdl.core.seeds import generator
from sdl.tasks.task import Task


class RandomPolicy:
    """Uniform over the task's space, or over the laboratory's pool without replacement."""

    name = "random"

    def __init__(self) -> None:
        self._ledger = Ledger()

    def ingest(self, event: Event) -> None:
        """Takes note of one event; needed to leave refused recipes of a pool alone."""
        self._ledger.ingest(event)

    def next(self, view: SampleView) -> Step:
        """Recipes of this policy are never open; a sample that asks is finished."""
        return Stop()

    def propose(self, request: Request) -> Sequence[Proposal]:
        """As many recipes as there are free slots, or as the pool still holds."""
        if request.capabilities.pool:
            recipes = self._from_pool(request)
            reason = "drawn at random from the recipes of the pool that are left"
        else:
            recipes = self._from_space(request)
            reason = "drawn at random from the whole recipe space"
        return [
            Proposal(
                id=f"P{request.next_id + i}",
                target=request.targets[0],
                recipe=recipe,
                reason=reason,
                policy=self.name,
            )
            for i, recipe in enumerate(recipes)
        ]

    def _from_space(self, request: Request) -> list[Recipe]:
        space = request.space
        if space is None:
            raise PolicyError(
                "the policy random needs a recipe space or a pool",
                do="give the task a `space`, or choose a laboratory that holds a pool",
            )
        draws = generator(request.key, "random").random((request.free_slots, space.dimension))
        return [space.decode(point) for point in draws]

    def _from_pool(self, request: Request) -> list[Recipe]:
        left = untried(request, self._ledger)
        order = generator(request.key, "random").permutation(len(left))
        return [left[i] for i in order[: request.free_slots]]


def untried(request: Request, ledger: Ledger) -> list[Recipe]:
    """Recipes of the pool that are neither done, nor on their way, nor refused, in pool order."""
    gone = [result.recipe for result in request.results]
    gone += [pending.recipe for pending in request.pending]
    taken = {text_of(recipe) for recipe in [*gone, *ledger.refused]}
    return [recipe for recipe in request.capabilities.pool if text_of(recipe) not in taken]


def make(task: Task | None, blobs: BlobStore | None) -> RandomPolicy:
    """Factory for the registry; needs neither task nor blobs."""
    return RandomPolicy()
