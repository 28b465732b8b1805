"""Episodes of any way to decide, counted so that short ones are not preferred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.learning.actor import Actor, uniform
from envs.batch import SCORES, Batch
from sdl.core.seeds import generator

Decide = Callable[[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]], NDArray[Any]]
"""Actions of observations, masks, and the rows that began an episode with this observation."""


@dataclass(frozen=True)
class Played:
    """What came of the first episodes of every row, each (rows, episodes)."""

    returns: NDArray[np.float64]
    """Sum of the rewards, nothing discounted."""
    decisions: NDArray[np.int64]
    scores: dict[str, NDArray[np.float64]]
    """Purity, yield, bonus, cost: truth."""


def play(batch: Batch, decide: Decide, episodes: int = 1, seed: int | None = None) -> Played:
    """Plays the first episodes of every row.

    Args:
        batch: The rows; rows of one identity and seed meet the same laboratories and noise, so
            that two ways to decide are compared in pairs.
        decide: The policy.
        episodes: Of each row.
        seed: The batch starts from it; ``None`` goes on with its present one.
    """
    shape = (batch.rows, episodes)
    returns, decisions = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    scores: dict[str, NDArray[np.float64]] = {}
    batch.reset(seed)
    every = np.arange(batch.rows)
    played = np.zeros(batch.rows, dtype=np.int64)
    began = np.ones(batch.rows, dtype=np.bool_)
    while (played < episodes).any():
        actions = decide(batch.observations, batch.action_masks(), began)
        _, reward, terminated, _, info = batch.step(actions)
        counts = played < episodes
        place = np.minimum(played, episodes - 1)
        returns[every[counts], place[counts]] += reward[counts]
        decisions[every[counts], place[counts]] += 1
        began = terminated.copy()
        ended = began & counts
        for name in SCORES:
            if name in info:
                kept = scores.setdefault(name, np.zeros(shape))
                kept[ended, place[ended]] = info[name][ended]
        played += ended
    return Played(returns, decisions, scores)


def deciding(actor: Actor, rows: int, rng: np.random.Generator | None = None) -> Decide:
    """A trained actor as a way to decide.

    Args:
        actor: The actor.
        rows: Of the batch.
        rng: To draw from the policy; ``None`` takes the most probable.
    """
    memory = actor.memory(rows)

    def decide(
        observations: NDArray[np.float32], masks: NDArray[np.bool_], began: NDArray[np.bool_]
    ) -> NDArray[Any]:
        if memory is not None:
            memory.forget(began)
        return actor.act(observations, masks, rng, memory)

    return decide


def random_deciding(batch: Batch, seed: int) -> Decide:
    """The random policy as a way to decide: uniform over what is allowed, or over the box."""
    rng = generator("play-random", seed)
    if not batch.nvec:
        size = int(getattr(batch, "size", 0))
        return lambda observations, masks, began: rng.uniform(
            -1.0, 1.0, (len(observations), size)
        ).astype(np.float32)
    choice = uniform(batch.nvec, rng)
    return lambda observations, masks, began: choice(observations, masks)
