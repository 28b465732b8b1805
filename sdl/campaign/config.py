"""The campaign file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from sdl.core.model import Frozen, SafeId
from sdl.core.units import Celsius, Hours

LABS = ("virtual", "fast", "table")
"""Laboratories without a file."""


class BudgetConfig(Frozen):
    """Limits of this campaign; the task's where a key is absent."""

    experiments: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    furnace_hours: Hours | None = None


class StopConfig(Frozen):
    """When the campaign ends before its budget."""

    purity: Annotated[float, Field(gt=0, le=1)] | None = None
    """Measured weight fraction of the target; of a task without an objective."""
    value: Annotated[float | None, Field(exclude_if=lambda v: v is None)] = None
    """Of a task with an objective: stands instead of its ``success``, in the same unit."""
    repeats: Annotated[int, Field(ge=0, le=20)] = 1
    """Independent repeats of the winning recipe that must reach it too."""

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        if (self.purity is None) == (self.value is None):
            raise ValueError("a stop names one goal; allowed: `purity`, or `value` of a property")
        return self


class ApproveFirst(Frozen):
    """A person approves the first proposals."""

    first: Annotated[int, Field(ge=1)]


class ApproveAbove(Frozen):
    """A person approves every proposal hotter than a temperature."""

    above_c: Celsius


Approve = Literal["none", "all"] | ApproveFirst | ApproveAbove


class CampaignConfig(Frozen):
    """A campaign: what to solve, where, by which policy, within which limits."""

    name: SafeId
    task: str
    """Name of a task that ships with the project, or the path of a task file."""
    lab: str = "virtual"
    """virtual, fast, table, or the path of a laboratory file (YAML)."""
    shadow: Annotated[bool, Field(exclude_if=lambda v: not v)] = False
    """With a laboratory file: a person is told what to do and does it; nothing is commanded."""
    policy: str = "default"
    model: Annotated[str | None, Field(exclude_if=lambda v: v is None)] = None
    """Policy file of the policy ``rl``: its path, or that of its folder; in a journal its hash."""
    budget: BudgetConfig = BudgetConfig()
    stop: StopConfig | None = None
    approve: Approve = "none"
    """Which proposals wait for a person: none, all, {first: 3}, {above_c: 1000}."""
    in_flight: Annotated[int, Field(ge=1, le=64)] = 4
    """Samples on their way at the same time."""
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """Seeds every decision; the same seed, versions and results give the same campaign."""
    laboratory: Annotated[int, Field(ge=0, lt=100_000)] = 0
    """Which hidden laboratory the virtual world draws."""
    store: str | None = None
    """``sqlite:///path/campaign.db``; ``runs/<name>/campaign.db`` if absent."""

    @field_validator("lab")
    @classmethod
    def _known_lab(cls, value: str) -> str:
        if value not in LABS and not value.endswith((".yaml", ".yml")):
            raise ValueError(
                f"no such laboratory; allowed: {', '.join(LABS)}, or the path of a lab.yaml"
            )
        return value

    @property
    def lab_file(self) -> Path | None:
        """The laboratory file; ``None`` for the laboratories that need none."""
        return None if self.lab in LABS else Path(self.lab)

    @field_validator("approve", mode="wrap")
    @classmethod
    def _one_message(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Approve:
        """One error for all forms instead of one for each."""
        try:
            return handler(value)
        except ValidationError as err:
            wrong = next((e["msg"] for e in err.errors() if e["type"] == "value_error"), "")
            detail = wrong.removeprefix("Value error, ").partition(";")[0] or "no such rule"
            raise ValueError(
                f"{detail}; allowed: none, all, {{first: 3}}, {{above_c: 1000}}"
            ) from err
