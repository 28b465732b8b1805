"""The training file: what is learned, on which tasks, with which sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from agents.learning.written import Number, Whole
from agents.offline.settings import Offline
from sdl.core.model import Frozen, SafeId, content_hash
from sdl.core.yaml import load

Algorithm = Literal["maskable_ppo", "recurrent_ppo", "crossq", "clone", "iql", "cql"]
LOGGED = ("clone", "iql", "cql")
"""Algorithms that learn from logs alone."""
Environment = Literal["plain", "cursor", "continuous"]


class Net(Frozen):
    """Sizes of actor and critic."""

    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        default=(128, 128), min_length=1
    )
    slot_size: int = Field(default=32, ge=1, le=1024)
    """Width of the network that the slots of the shelf share."""
    standard: bool = False
    """Whether each number of an observation is shifted and scaled to the same spread while
    learning; ``maskable_ppo`` only. The finished policy sees plain observations."""
    lstm_size: int = Field(default=128, ge=1, le=1024)
    """Width of the recurrent layer; ``recurrent_ppo`` only."""


class Ppo(Frozen):
    """Settings of the two PPOs. Rewards are taken as they are and nothing is discounted."""

    n_steps: int = Field(default=16, ge=1)
    """Decisions of each row between two updates."""
    batch_size: int = Field(default=4096, ge=2)
    epochs: int = Field(default=4, ge=1)
    learning_rate: Number = Field(default=1e-3, gt=0.0)
    anneal: bool = True
    """Whether the learning rate falls to 0 on a straight line."""
    ent_coef: Number = Field(default=0.01, ge=0.0)
    """Weight of the entropy in the loss; falls with ``anneal`` as the learning rate does."""
    gae_lambda: Number = Field(default=0.95, gt=0.0, le=1.0)
    clip_range: Number = Field(default=0.2, gt=0.0)
    vf_coef: Number = Field(default=0.5, ge=0.0)
    max_grad_norm: Number = Field(default=0.5, gt=0.0)
    target_kl: Number | None = Field(default=None, gt=0.0)
    """An update stops early when the policy has moved 1.5 times as far."""


class CrossQ(Frozen):
    """Settings of CrossQ, on the continuous environment."""

    learning_rate: Number = Field(default=1e-3, gt=0.0)
    batch_size: int = Field(default=256, ge=2)
    buffer: Whole = Field(default=300_000, ge=1000)
    """Transitions that are kept."""
    first: Whole = Field(default=2_000, ge=0)
    """Random steps before the first update."""
    updates_per_step: Number = Field(default=0.05, gt=0.0)
    """Updates of the networks per decision of a row."""


class TrainConfig(Frozen):
    """A training file (``sdl train``); budgets are steps, never time."""

    name: SafeId
    algorithm: Algorithm = "maskable_ppo"
    environment: Environment = "cursor"
    """plain: one decision per step, heads of one task; cursor: heads and observation that are the
    same for all tasks; continuous: numbers instead of heads (``crossq``)."""
    tasks: tuple[SafeId, ...] = Field(default=("batio3-coarse",), min_length=1)
    """Tasks of one policy; the rows are shared out evenly."""
    split: Literal["train", "tune"] = "train"
    """Laboratories to learn in; those that judge are never offered."""
    steps: Whole = Field(default=1_000_000, ge=1)
    """Decisions of all rows together."""
    rows: int = Field(default=512, ge=1, le=65536)
    """Environments that are stepped together, all tasks together."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(
        default=(0, 1, 2, 3, 4), min_length=1
    )
    workers: int = Field(default=2, ge=1)
    """Seeds at a time; each has one thread."""
    checkpoints: int = Field(default=10, ge=1)
    """Pieces of a run. After each one the state is saved and every row begins a new episode, so
    that a run which was stopped goes on exactly as one which was not."""
    samples_per_lab: int = Field(default=1, ge=1)
    """Episodes in a row that share a hidden laboratory."""
    variants: int = Field(default=0, ge=0, le=64)
    """Of each task so many others are played too, with other limits, bottles and hidden widths
    (``sdl.tasks.vary``); they share half of the task's rows. 0: none. For ``cursor``."""
    belief: tuple[Number, Number] | None = None
    """Narrowest and widest belief about a laboratory, as shares of the prior's widths; as wide as
    the prior if left out. For cursor and continuous."""
    max_decisions: int = Field(default=12, ge=3)
    furnace_hours: Number | None = Field(default=None, gt=0.0)
    """Furnace time of an episode, h; the task's budget per experiment if left out."""
    evaluation_episodes: int = Field(default=512, ge=1)
    """Episodes of each task that judge the result, in tuning laboratories."""
    parent: str | None = None
    """Policy file to start from."""
    data: str | None = None
    """Minari data set to learn from; for ``clone``, ``iql`` and ``cql``, which take no step."""
    device: Literal["cpu", "cuda"] = "cpu"
    net: Net = Net()
    ppo: Ppo = Ppo()
    crossq: CrossQ = CrossQ()
    offline: Offline = Offline()

    @field_validator("seeds", "tasks")
    @classmethod
    def _no_repeats(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) < len(value):
            raise ValueError("one stands twice; allowed: each once")
        return value

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        if self.rows % len(self.tasks):
            raise ValueError(
                f"{self.rows} rows cannot be shared by {len(self.tasks)} tasks; "
                f"allowed: a multiple of {len(self.tasks)}"
            )
        if (self.algorithm == "crossq") != (self.environment == "continuous"):
            raise ValueError(
                f"{self.algorithm} does not fit the environment {self.environment}; allowed: "
                "crossq with continuous, the others with plain or cursor"
            )
        if self.net.standard and self.algorithm != "maskable_ppo":
            raise ValueError(
                f"{self.algorithm} does not fit the key `net.standard`; allowed: maskable_ppo"
            )
        if (self.algorithm in LOGGED) != (self.data is not None) or (
            self.data is not None and self.parent is not None
        ):
            raise ValueError(
                f"{self.algorithm} does not fit the keys `data` and `parent`; allowed: `data` with "
                f"{', '.join(LOGGED)}, `parent` with the others"
            )
        if self.belief is not None and (
            self.environment == "plain" or not 0.0 <= self.belief[0] <= self.belief[1]
        ):
            raise ValueError(
                "belief does not fit; allowed: two rising numbers from 0 on, with the environment "
                "cursor or continuous"
            )
        if self.variants and (
            self.environment == "plain" or self.rows // len(self.tasks) < 2 * self.variants
        ):
            raise ValueError(
                f"{self.variants} variants do not fit; allowed: environments whose spaces are the "
                f"same for all tasks, and at least {2 * self.variants} rows for each task"
            )
        if self.environment == "plain" and len(self.tasks) > 1:
            raise ValueError(
                "the environment plain has other spaces for each task; "
                "allowed: one task, or the environment cursor"
            )
        if self.steps < self.rollout * self.checkpoints:
            raise ValueError(
                f"{self.steps} steps are fewer than {self.checkpoints} pieces of one rollout; "
                f"allowed: {self.rollout * self.checkpoints} or more"
            )
        return self

    @property
    def rollout(self) -> int:
        """Decisions between two updates."""
        return self.rows * (1 if self.algorithm == "crossq" else self.ppo.n_steps)

    @property
    def pieces(self) -> tuple[int, ...]:
        """Decisions of each piece: whole rollouts, together ``steps`` or just above."""
        rollouts = -(-self.steps // self.rollout)
        ends = [rollouts * (k + 1) // self.checkpoints for k in range(self.checkpoints)]
        return tuple(
            (end - begin) * self.rollout for begin, end in zip([0, *ends], ends, strict=False)
        )

    @property
    def hash(self) -> str:
        """Of everything that changes what one seed learns."""
        unused = {"seeds", "workers", "name"}
        if self.data is None:
            unused |= {"data", "offline"}
        return content_hash(self.model_dump(mode="json", exclude=unused))


def read_training(path: Path) -> TrainConfig:
    """The config of a training file.

    Raises:
        ConfigError: With file and line.
    """
    return load(path, TrainConfig, "the training file")
