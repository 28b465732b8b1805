"""Policies whose probabilities are known: an actor mixed with chance, and what it did as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.learning.actor import Actor
from agents.learning.distribution import choose
from agents.offline.episodes import Episodes, Source
from envs.batch import Batch
from envs.tables import BoolArray
from sdl.core.errors import ConfigError
from sdl.core.seeds import generator
from simulators.network import FloatArray, IntArray

GREEDY = 1e4
"""Sharpness with which an actor all but always takes its most probable choice."""
LONGEST = 1000
"""Choices after which an episode counts as endless."""


@dataclass(frozen=True)
class Mixture:
    """At each choice a draw from an actor, or with probability ``epsilon`` an even one.

    Attributes:
        actor: The actor, with heads and without memory; ``None`` for chance alone.
        nvec: Options of each head.
        epsilon: Share of even draws, all heads of a choice together.
        sharpness: Factor of the actor's logits; above 1 nearer to its most probable choice.
    """

    actor: Actor | None
    nvec: tuple[int, ...]
    epsilon: float = 0.0
    sharpness: float = 1.0

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, options)."""
        if self.actor is None:
            return np.zeros((len(observations), sum(self.nvec)), dtype=np.float32)
        return self.actor.logits(observations) * np.float32(self.sharpness)

    def draw(
        self, logits: NDArray[np.float32], masks: BoolArray, rng: np.random.Generator
    ) -> IntArray:
        """Actions, (rows, heads); ``logits`` are those of ``logits``."""
        drawn = choose(logits, masks, self.nvec, rng)
        if self.epsilon <= 0.0:
            return drawn
        even = choose(np.zeros_like(logits), masks, self.nvec, rng)
        return np.where(rng.random((len(logits), 1)) < self.epsilon, even, drawn)

    def log_prob(
        self, logits: NDArray[np.float32], masks: BoolArray, actions: IntArray
    ) -> FloatArray:
        """(rows,) logarithm of the probability of each action."""
        own = _log_prob(logits, masks, actions, self.nvec)
        if self.epsilon <= 0.0:
            return own
        even = _log_prob(np.zeros_like(logits), masks, actions, self.nvec)
        with np.errstate(divide="ignore"):
            return np.logaddexp(np.log1p(-self.epsilon) + own, np.log(self.epsilon) + even)


def _log_prob(
    logits: NDArray[np.float32], masks: BoolArray, actions: IntArray, nvec: tuple[int, ...]
) -> FloatArray:
    """Sum over the heads; a head of which one option is allowed adds exactly 0."""
    total, at = np.zeros(len(actions)), 0
    for head, count in enumerate(nvec):
        part = np.where(masks[:, at : at + count], logits[:, at : at + count], -np.inf)
        part = part.astype(np.float64)
        part -= part.max(axis=1, keepdims=True)
        chosen = np.take_along_axis(part, actions[:, head : head + 1], axis=1)[:, 0]
        total += chosen - np.log(np.exp(part).sum(axis=1))
        at += count
    return total


Choice = Callable[[NDArray[np.float32], BoolArray], tuple[IntArray, FloatArray]]
"""Actions of observations and masks, and the logarithms of their probabilities, or NaN."""


def record(
    batch: Batch,
    policy: Mixture,
    *,
    seed: int,
    name: str,
    behaviour: str,
    tasks: dict[str, str],
    parents: tuple[str, ...] = (),
) -> Episodes:
    """Plays one episode in every row of a batch and keeps it.

    Args:
        batch: The rows.
        policy: Who decides.
        seed: Of the batch and of the draws.
        name: Of the data set.
        behaviour: Who decides, in words.
        tasks: Hash of each task of the batch.
        parents: SHA-256 of the policy files behind the policy.
    """
    rng = generator("record", seed)

    def decide(seen: NDArray[np.float32], masks: BoolArray) -> tuple[IntArray, FloatArray]:
        logits = policy.logits(seen)
        actions = policy.draw(logits, masks, rng)
        return actions, policy.log_prob(logits, masks, actions)

    source = source_of(batch, name=name, behaviour=behaviour, tasks=tasks, parents=parents)
    batch.reset(seed)
    return keep(batch, decide, source)


def source_of(batch: Batch, **words: Any) -> Source:
    """The source of what is played in a batch."""
    entries = tuple(entry.name for entry in batch.entries)
    return Source(entries=entries, limit=batch.limit, nvec=batch.nvec, **words)


def keep(batch: Batch, decide: Choice, source: Source) -> Episodes:
    """The present episode of every row to its end.

    One of each row, whole: stopping at a number of decisions would prefer short ones.

    Args:
        batch: The rows, each at the beginning of an episode.
        decide: Who decides in all rows, ended ones too.
        source: Of the data set.

    Raises:
        ConfigError: An episode does not end.
    """
    running = np.ones(batch.rows, dtype=np.bool_)
    final = np.zeros_like(batch.observations)
    kept: list[tuple[Any, ...]] = []
    for _ in range(LONGEST):
        rows = np.flatnonzero(running)
        if not rows.size:
            break
        seen, masks = batch.observations.copy(), batch.action_masks().copy()
        actions, told = decide(seen, masks)
        _, reward, ended, _, info = batch.step(actions)
        parts = (seen, masks, actions, reward, told)
        kept.append((rows, *(part[rows] for part in parts)))
        last = np.flatnonzero(running & ended)
        final[last] = info["final_observation"][last]
        running[last] = False
    if running.any():
        raise ConfigError("an episode does not end", got=f"{int(running.sum())} rows")
    rows, *parts = map(np.concatenate, zip(*kept, strict=True))
    order = np.argsort(rows, kind="stable")
    seen, masks, actions, rewards, told = (part[order] for part in parts)
    lengths = np.bincount(rows, minlength=batch.rows)
    return Episodes(
        source,
        seen.astype(np.float32),
        final,
        masks.astype(np.bool_),
        actions.astype(np.int64),
        rewards.astype(np.float64),
        told.astype(np.float64),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def mean_return(batch: Batch, policy: Mixture, seed: int) -> tuple[float, float]:
    """Mean return of the first episode of every row, and its standard error."""
    returns = record(batch, policy, seed=seed, name="truth", behaviour="", tasks={}).returns
    return float(returns.mean()), float(returns.std(ddof=1) / np.sqrt(len(returns)))
