"""The policy ``default``: for a pool of recipes one decider, for a recipe space another."""

from __future__ import annotations

from collections.abc import Sequence

from sdl.core.errors import PolicyError
from sdl.core.event import Event
from sdl.core.extras import require_extra
from sdl.core.proposal import ModelVersion, Proposal, Request, SampleView
from sdl.core.protocols import BlobStore, Learner, Policy
from sdl.core.recipe import Step, Stop
from sdl.tasks.task import Task


class DefaultPolicy:
    """Decides which policy fits the laboratory, on the first request, and leaves the rest to it.

    ``agents.pool.PoolDecider`` where the laboratory replays a table of recipes, else
    ``agents.bayes.BayesPolicy`` over the task's space with the task's twin; without a twin where
    the task is about a property. Neither is imported
    before it is needed: a pool needs no torch, a space no pool.

    Args:
        task: The campaign's task; may be ``None`` where only pools are asked for.
        blobs: Where the journal keeps model files.
        twin: Whether the twin's belief is the prior mean. Without it the policy is named
            ``no_twin``: the same statistics knowing no chemistry, to show what the twin is worth.
    """

    def __init__(
        self, task: Task | None, blobs: BlobStore | None = None, *, twin: bool = True
    ) -> None:
        self._task, self._blobs, self._twin = task, blobs, twin
        self.name = "default" if twin else "no_twin"
        self._inner: Policy | None = None
        self._early: list[Event] = []

    def ingest(self, event: Event) -> None:
        """Takes note of one journalled event."""
        if self._inner is None:
            self._early.append(event)
        else:
            self._inner.ingest(event)

    def propose(self, request: Request) -> Sequence[Proposal]:
        """What the policy for this kind of laboratory proposes.

        Raises:
            PolicyError: There is neither a pool nor a task with a space.
        """
        return self._policy(bool(request.capabilities.pool)).propose(request)

    def next(self, view: SampleView) -> Step:
        """Recipes of this policy are never open; a sample that asks is finished."""
        return Stop()

    def learn(self, model_id: str, key: str, blobs: BlobStore) -> ModelVersion | None:
        """Refits the model, where there is one."""
        pool = self._task is None or bool(self._task.laboratory.pool) or self._task.space is None
        policy = self._inner if pool else self._policy(pool=False)
        return policy.learn(model_id, key, blobs) if isinstance(policy, Learner) else None

    def _policy(self, pool: bool) -> Policy:
        if self._inner is None:
            self._inner = self._make(pool)
            for event in self._early:
                self._inner.ingest(event)
            self._early.clear()
        return self._inner

    def _make(self, pool: bool) -> Policy:
        if pool:
            from agents.pool import PoolDecider

            return PoolDecider()
        if self._task is None or self._task.space is None:
            raise PolicyError(
                "the policy default needs a pool, or a task with a recipe space",
                do="give the campaign a task with the key `space`",
            )
        purpose = f"the policy {self.name}"
        require_extra("bayes", purpose, "torch", "gpytorch", "safetensors", "scipy")
        from agents.bayes import BayesPolicy

        if not self._twin or self._task.objective is not None:
            # The twin predicts phases; what a property makes of them is left to the process.
            return BayesPolicy(self._task, self._blobs)
        require_extra("twin", purpose, "numba")
        from agents.twin_prior import twin_of

        return BayesPolicy(self._task, self._blobs, twin=twin_of(self._task))


def make(task: Task | None, blobs: BlobStore | None) -> DefaultPolicy:
    """Factory for the registry."""
    return DefaultPolicy(task, blobs)


def make_without_twin(task: Task | None, blobs: BlobStore | None) -> DefaultPolicy:
    """Factory for the registry: the ablation ``no_twin``."""
    return DefaultPolicy(task, blobs, twin=False)
