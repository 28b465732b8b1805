"""Settings of the learners from logs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sdl.core.model import Frozen

Learner = Literal["clone", "iql", "cql"]


class Offline(Frozen):
    """How a policy is learned from logs. Rewards are as they are and nothing is discounted."""

    updates: int = Field(default=1500, ge=1)
    """Of every network; the learning rate falls to 0 on a half cosine."""
    batch_size: int = Field(default=256, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    weight_decay: float = Field(default=1e-3, ge=0.0)
    best: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the episodes, those of the highest returns, that is cloned; ``clone`` only."""
    expectile: float = Field(default=0.7, gt=0.0, lt=1.0)
    """Of the returns that a value stands for, 0.5: their mean; ``iql`` only."""
    sharpness: float = Field(default=30.0, gt=0.0)
    """Weight of an action in the extraction is exp(sharpness * advantage); ``iql`` only."""
    greatest: float = Field(default=100.0, gt=1.0)
    """Largest such weight."""
    caution: float = Field(default=0.1, ge=0.0)
    """Weight of the term that holds values of unlogged actions down; ``cql`` only."""
    follow: float = Field(default=0.05, gt=0.0, le=1.0)
    """Share of the way that a target network goes at each update."""
