"""Logged episodes as flat arrays: what was seen, allowed, done and paid, and how it was chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sdl.core.errors import ModelError
from sdl.core.model import Frozen, canonical_json
from simulators.network import FloatArray, IntArray


class Source(Frozen):
    """Where a set of episodes comes from."""

    name: str
    behaviour: str
    """Who decided, in words."""
    tasks: dict[str, str] = Field(default_factory=dict)
    """Hash of each task that was played."""
    entries: tuple[str, ...]
    """Names of the numbers of an observation, in order."""
    limit: float = Field(gt=0.0)
    """Bound of every number of an observation."""
    nvec: tuple[int, ...] = Field(min_length=1)
    """Options of each head of an action."""
    parents: tuple[str, ...] = ()
    """SHA-256 of the policy files that decided."""
    commit: str = "unknown"


@dataclass(frozen=True)
class Episodes:
    """Whole episodes, one after another; T decisions, E episodes.

    Attributes:
        source: Where they come from.
        observations: (T, numbers) before each decision.
        final: (E, numbers) after the last one.
        masks: (T, options) what was allowed.
        actions: (T, heads); heads that were not live are 0.
        rewards: (T,)
        log_prob: (T,) logarithm of the probability with which the behaviour took the action; NaN
            where nobody knows it, as for people.
        starts: (E + 1,) first decision of each episode, and T.
    """

    source: Source
    observations: NDArray[np.float32]
    final: NDArray[np.float32]
    masks: NDArray[np.bool_]
    actions: IntArray
    rewards: FloatArray
    log_prob: FloatArray
    starts: IntArray

    def __post_init__(self) -> None:
        steps, count = len(self.rewards), len(self.starts) - 1
        shapes = {
            "observations": (steps, len(self.source.entries)),
            "final": (count, len(self.source.entries)),
            "masks": (steps, sum(self.source.nvec)),
            "actions": (steps, len(self.source.nvec)),
            "log_prob": (steps,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ModelError(
                    f"the episodes' {name} have the wrong shape",
                    got=getattr(self, name).shape,
                    allowed=shape,
                )
        lengths = np.diff(self.starts)
        if count < 1 or self.starts[0] != 0 or self.starts[-1] != steps or (lengths < 1).any():
            raise ModelError("the episodes do not share out the decisions", got=count)
        self._check_numbers()

    def _check_numbers(self) -> None:
        """Refuses what no environment can have said.

        Raises:
            ModelError: A number is not finite or out of bounds, or an action was not allowed.
        """
        finite = np.isfinite(self.rewards).all() and not (self.log_prob > 1e-6).any()
        seen = max(float(np.abs(self.observations).max()), float(np.abs(self.final).max()))
        if not finite or not seen <= self.source.limit + 1e-6:
            raise ModelError("the episodes hold numbers out of bounds", got=seen)
        low, high = self.actions.min(0), self.actions.max(0)
        if (low < 0).any() or (high >= np.array(self.source.nvec)).any():
            raise ModelError("the episodes hold actions that no head has", got=high.tolist())
        forbidden = ~np.take_along_axis(self.masks, self.actions + self.first, axis=1).all(1)
        if forbidden.any():
            raise ModelError(
                "the episodes hold actions that their mask forbids",
                got=f"{int(forbidden.sum())} of {len(self)}",
                do="log the mask that was in force when the action was taken",
            )

    def __len__(self) -> int:
        """Number of decisions."""
        return len(self.rewards)

    @property
    def count(self) -> int:
        """Number of episodes."""
        return len(self.starts) - 1

    @property
    def first(self) -> IntArray:
        """(heads,) first option of each head."""
        return np.concatenate([[0], np.cumsum(self.source.nvec)[:-1]]).astype(np.int64)

    @property
    def returns(self) -> FloatArray:
        """(E,) sums of the rewards, nothing discounted."""
        return np.add.reduceat(self.rewards, self.starts[:-1])

    @property
    def ends(self) -> NDArray[np.bool_]:
        """(T,) the last decision of each episode."""
        found = np.zeros(len(self), dtype=np.bool_)
        found[self.starts[1:] - 1] = True
        return found

    @property
    def of(self) -> IntArray:
        """(T,) episode of each decision."""
        return np.repeat(np.arange(self.count), np.diff(self.starts))

    @property
    def place(self) -> IntArray:
        """(T,) number of each decision in its episode."""
        return np.arange(len(self)) - np.repeat(self.starts[:-1], np.diff(self.starts))

    @property
    def next_observations(self) -> NDArray[np.float32]:
        """(T, numbers) after each decision."""
        found = np.roll(self.observations, -1, axis=0)
        found[self.starts[1:] - 1] = self.final
        return found

    def take(self, numbers: IntArray) -> Episodes:
        """Some of the episodes, in the order asked for; one may come twice."""
        rows = np.concatenate([np.arange(self.starts[n], self.starts[n + 1]) for n in numbers])
        lengths = np.diff(self.starts)[numbers]
        return Episodes(
            self.source,
            self.observations[rows],
            self.final[numbers],
            self.masks[rows],
            self.actions[rows],
            self.rewards[rows],
            self.log_prob[rows],
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )

    def best(self, share: float) -> Episodes:
        """The episodes of the highest returns."""
        kept = max(1, round(share * self.count))
        return self.take(np.sort(np.argsort(-self.returns, kind="stable")[:kept]))

    @property
    def hash(self) -> str:
        """Of every number and of the source, as hexadecimal digits."""
        digest = hashlib.sha256(canonical_json(self.source).encode())
        for name in ("observations", "final", "masks", "actions", "rewards", "log_prob", "starts"):
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()


def minibatches(
    count: int, size: int, updates: int, rng: np.random.Generator
) -> Iterator[IntArray]:
    """Rows of each update: every row once per pass, in a new order each time."""
    order, at = rng.permutation(count), 0
    size = min(size, count)
    for _ in range(updates):
        if at + size > count:
            order, at = rng.permutation(count), 0
        yield order[at : at + size]
        at += size
