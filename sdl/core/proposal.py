"""Requests to a policy and its answers."""

from __future__ import annotations

from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field

from sdl.core.capabilities import Capabilities
from sdl.core.material import Observation, Target
from sdl.core.model import Frozen, SafeId
from sdl.core.recipe import Recipe, Step


@runtime_checkable
class RecipeSpace(Protocol):
    """The recipes a task admits, as points of the unit cube."""

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        ...

    def decode(self, point: npt.NDArray[np.float64]) -> Recipe:
        """The recipe at a point, shape ``(dimension,)``, each coordinate in [0, 1]."""
        ...

    def encode(self, recipe: Recipe) -> npt.NDArray[np.float64]:
        """The point of a recipe: ``decode(encode(r)) == r`` for every recipe of the space."""
        ...


class Prediction(Frozen):
    """Predicted mean and standard deviation of the measurement that decides.

    Of the purity, as a fraction, or of the task's property in its unit.
    """

    mean: float
    sigma: Annotated[float, Field(ge=0)]


class Proposal(Frozen):
    """A new sample: what, how, what is expected of it and why."""

    id: SafeId
    target: Target
    recipe: Recipe
    prediction: Prediction | None = None
    reason: str
    """Why this one, in one sentence a chemist would accept."""
    policy: str
    model: str | None = None
    """Hash of the model version that chose it."""
    details: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Figures behind the reason, as the acquisition value."""


class PendingSample(Frozen):
    """A sample on its way: proposed, outcome not yet known."""

    sample: str
    recipe: Recipe


class Result(Frozen):
    """A finished experiment as a policy sees it: recipe and last observations, no truth."""

    sample: SafeId
    proposal: SafeId
    recipe: Recipe
    observation: Observation | None
    """The last of its phases; ``None`` for an experiment that failed."""
    measurement: Annotated[Observation | None, Field(exclude_if=lambda v: v is None)] = None
    """The last of a property."""
    cost: float = 0.0
    """Prices paid, in units of the reward."""


class Budget(Frozen):
    """What is left."""

    experiments: int
    furnace_hours: float


class Request(Frozen):
    """Everything a policy may know when it is asked for new samples."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    targets: tuple[Target, ...]
    capabilities: Capabilities
    space: RecipeSpace | None
    """Parametric recipes; ``None`` where the laboratory holds a pool of recipes."""
    results: tuple[Result, ...]
    pending: tuple[PendingSample, ...]
    budget: Budget
    free_slots: int
    time_s: float
    next_id: int
    """Number of the first new proposal: ids are ``P{next_id}``, ``P{next_id + 1}``, ..."""
    key: str
    """Seed key of this decision; every draw comes from ``generator(key)``."""


class SampleView(Frozen):
    """A sample whose recipe ended in ``Continue``, as the policy may see it."""

    sample: SafeId
    proposal: SafeId
    target: Target
    steps: tuple[Step, ...]
    """Everything done so far."""
    observations: tuple[Observation, ...]
    capabilities: Capabilities
    time_s: float
    key: str


class ModelVersion(Frozen):
    """A fitted model as data: where it is, what it was fitted on, how good it is."""

    id: SafeId
    """``M12``."""
    kind: str
    file: str
    """Content hash of the safetensors file."""
    data: str
    """Hash of the results it was fitted on."""
    parent: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict[str, float])
    promoted: bool = True
    reason: str = ""
