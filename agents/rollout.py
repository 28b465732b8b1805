"""Rollouts: what a player saw, did and paid, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.trial import Player, Trial
from sdl.core.recipe import describe_step

SHOWN = (
    "sample.thermocouple",
    "sample.mass",
    "sample.fired",
    "scan.fresh",
    "scan.phase_0.fraction",
    "scan.phase_0.sigma",
    "scan.phase_0.is_target",
    "left.furnace",
    "spent.total",
)
"""Numbers of the observation that a rollout shows."""


@dataclass(frozen=True)
class Move:
    """One step of a rollout: what was seen, done and paid."""

    identity: int
    sample: int
    """Number of the sample in its laboratory."""
    decision: int
    action: tuple[int, ...]
    words: str
    reward: float
    total: float
    """Sum of the rewards of the sample so far."""
    seen: dict[str, float]
    """Numbers of the observation before the step that a reader wants, by name."""


def rollout(trial: Trial, player: Player, place: int = 0) -> list[Move]:
    """The samples of one laboratory by a player in the physical environment, step by step.

    Args:
        trial: The laboratories.
        player: Who decides.
        place: Which laboratory, by its place in the trial.
    """
    identities = trial.laboratories[place : place + 1]
    batch = trial.batch(identities)
    names = [entry.name for entry in batch.entries]
    shown = [(name, names.index(name)) for name in SHOWN if name in names]
    player.begin(identities)
    moves: list[Move] = []
    observation, total, sample, decision = batch.observations, 0.0, 0, 0
    while sample < trial.samples:
        before = {name: round(float(observation[0, at]), 6) for name, at in shown}
        action = np.asarray(player.act(observation, batch.action_masks()), dtype=np.int64)
        observation, reward, ended, _, info = batch.step(action)
        total += float(reward[0])
        words = ", ".join(describe_step(s) for s in batch.problem.choices.steps(action))
        moves.append(
            Move(
                identity=int(identities[0]),
                sample=sample,
                decision=decision,
                action=tuple(int(a) for a in action[0]),
                words=f"{words} (forbidden)" if info["vetoed"][0] else words,
                reward=float(reward[0]),
                total=total,
                seen=before,
            )
        )
        decision += 1
        if ended[0]:
            sample, decision, total = sample + 1, 0, 0.0
            if sample < trial.samples:
                player.renew(np.ones(1, dtype=np.bool_))
    return moves
