"""The campaign file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdl.core.model import Frozen, SafeId
from sdl.core.units import Celsius, Hours


class BudgetConfig(Frozen):
    """Limits of this campaign; the task's where a key is absent."""

    experiments: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    furnace_hours: Hours | None = None


class StopConfig(Frozen):
    """When the campaign ends before its budget."""

    purity: Annotated[float, Field(gt=0, le=1)]
    """Measured weight fraction of the target."""
    repeats: Annotated[int, Field(ge=0, le=20)] = 1
    """Independent repeats of the winning recipe that must reach it too."""


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
    lab: Literal["virtual", "fast", "table"] = "virtual"
    policy: str = "default"
    budget: BudgetConfig = BudgetConfig()
    stop: StopConfig | None = None
    approve: Approve = "none"
    in_flight: Annotated[int, Field(ge=1, le=64)] = 4
    """Samples on their way at the same time."""
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """Seeds every decision; the same seed, versions and results give the same campaign."""
    laboratory: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Which hidden laboratory the virtual world draws."""
    store: str | None = None
    """``sqlite:///path/campaign.db``; ``runs/<name>/campaign.db`` if absent."""
