"""Frozen problems: system, shelf, laboratory, hidden distribution, prices, budget, success."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sdl.core.capabilities import Capabilities
from sdl.core.errors import ConfigError
from sdl.core.material import Target
from sdl.core.model import Frozen, SafeId, content_hash
from sdl.core.recipe import Cooling, Gas
from sdl.core.units import (
    Celsius,
    CelsiusPerMinute,
    Hours,
    Milligram,
    Minutes,
    PositiveHours,
)
from sdl.core.yaml import load
from sdl.tasks.objective import Objective


class Interval(Frozen):
    """A closed interval of a continuous choice."""

    low: float
    high: float


class CelsiusInterval(Interval):
    """Temperatures in degC; takes quantities such as ``873 K``."""

    low: Celsius
    high: Celsius


class HoursInterval(Interval):
    """Durations in hours, above zero; takes quantities such as ``30 min``."""

    low: PositiveHours
    high: PositiveHours


class MinutesInterval(Interval):
    """Durations in minutes; takes quantities such as ``0.5 h``."""

    low: Minutes
    high: Minutes


class RampInterval(Interval):
    """Heating rates in degC/min, above zero; takes quantities such as ``300 K/hour``."""

    low: CelsiusPerMinute
    high: CelsiusPerMinute


class RatioInterval(Interval):
    """Ratios of amounts, above zero."""

    low: Annotated[float, Field(gt=0)]
    high: Annotated[float, Field(gt=0)]


Price = Annotated[float, Field(ge=0)]


class Prices(Frozen):
    """What things cost in units of the reward (DESIGN section 3)."""

    furnace_hour: Price = 0.004
    kwh: Price = 0.003
    scan_2_min: Price = 0.02
    scan_8_min: Price = 0.04
    sample: Price = 0.05
    euro: Price = 0.02
    """Lots cost their price divided by 50 EUR."""
    measurement: Annotated[Price, Field(exclude_if=lambda v: v == 0.0)] = 0.0
    """One measurement of a property."""


class Hidden(Frozen):
    """Widths of what a laboratory hides; every draw is per laboratory, not per sample."""

    phase_energy_sd_kj_per_mol: Annotated[float, Field(ge=0)] = 3.0
    """Standard deviation of each phase's free energy, kJ/mol of formula units."""
    ln_k_sd: Annotated[float, Field(ge=0)] = 0.7
    """Standard deviation of each reaction's ln k at its reference temperature."""
    activation_energy_sd_kj_per_mol: Annotated[float, Field(ge=0)] = 10.0
    assay_sd: Annotated[float, Field(ge=0)] = 0.02
    """Standard deviation of each lot's true assay around its label, cut at 1."""
    particle_ln_sd: Annotated[float, Field(ge=0)] = 0.2
    """Standard deviation of the logarithm of each lot's true particle size."""
    thermocouple_sd_c: Annotated[float, Field(ge=0)] = 8.0
    """Standard deviation of each furnace's temperature offset, degC."""
    mixing_sd: Annotated[float, Field(ge=0)] = 0.1
    """Standard deviation of the logarithm of the mixing quality."""
    share_of_system: Annotated[float, Field(gt=0, le=2)] | None = None
    """Draws energies and kinetics with this share of the widths that the chemical system states,
    instead of the three figures above."""


class Reagent(Frozen):
    """A powder that goes in with the cations and leaves none of itself in the target.

    As the sodium carbonate of a metathesis, which takes the chlorine of a chloride away.
    """

    element: str
    """What it brings and the target does not hold, as ``Na``."""
    per_target: Annotated[float, Field(gt=0, le=50)]
    """Moles of the element per mole of target, by the labels; they do not follow the ratio."""
    lots: Annotated[tuple[SafeId, ...], Field(min_length=1)]
    """Bottles to choose one from."""


class Space(Frozen):
    """Ranges of the recipes a task admits; ``sdl.tasks.space`` turns them into a unit cube."""

    cation_lots: Annotated[
        tuple[Annotated[tuple[SafeId, ...], Field(min_length=1)], ...],
        Field(min_length=1, max_length=8),
    ]
    """For each cation of the target, the lots to choose one from; the first cation is scaled. Of a
    solid solution: first what its members share, then what each member brings, in their order."""
    reagents: Annotated[tuple[Reagent, ...], Field(max_length=2, exclude_if=lambda v: not v)] = ()
    """What goes in beside the cations; of a target of one phase."""
    ratio: RatioInterval
    """Charged amount of the first cation over the stoichiometric amount, by the labels."""
    temperature_c: CelsiusInterval
    dwell_h: HoursInterval
    """Logarithmic."""
    ramp_c_per_min: RampInterval
    """Logarithmic."""
    mill_min: MinutesInterval
    gases: Annotated[tuple[Gas, ...], Field(min_length=1)]
    coolings: Annotated[tuple[Cooling, ...], Field(min_length=1)]
    regrinds: Annotated[int, Field(ge=0, le=3)] = 0
    """Largest number of regrind-and-anneal-again cycles."""
    washes: Annotated[int, Field(ge=0, le=1, exclude_if=lambda v: v == 0)] = 0
    """Largest number of washes in water, of the cold sample after the last anneal."""
    batch_mg: Annotated[Milligram, Field(gt=0)] = 1500.0
    """Mass of target that a sample would give, mg."""
    scan_min: Annotated[Minutes, Field(gt=0, le=600)] = 8.0
    composition_step: Annotated[
        Annotated[float, Field(ge=0.01, le=0.5)] | None, Field(exclude_if=lambda v: v is None)
    ] = None
    """Solid solutions: step of the mole fractions, as 0.05."""


class BudgetLimits(Frozen):
    """What a campaign may spend."""

    experiments: Annotated[int, Field(ge=1)]
    furnace_hours: Hours


class Success(Frozen):
    """When the target counts as made."""

    purity: Annotated[float, Field(gt=0, le=1)]
    """Measured weight fraction of the target; with an ``objective``, what a sample must have beside
    it to count."""


class Published(Frozen):
    """The literature's median recipe for the target, before the laboratory's limits."""

    temperature_c: Celsius
    dwell_h: Hours
    gas: Gas = Gas.AIR
    washes: Annotated[int, Field(ge=0, le=1, exclude_if=lambda v: v == 0)] = 0
    source: str


class Task(Frozen):
    """One frozen problem; its hash names it in every figure."""

    name: SafeId
    title: str
    system: SafeId
    """Chemical system, a file of ``sdl.chemistry``."""
    target: Target
    laboratory: Capabilities
    space: Space | None = None
    hidden: Hidden = Hidden()
    prices: Prices = Prices()
    budget: BudgetLimits
    success: Success
    objective: Annotated[Objective | None, Field(exclude_if=lambda v: v is None)] = None
    """A property that decides instead of the purity."""
    published: Published | None = None

    @property
    def hash(self) -> str:
        """SHA-256 of the whole task."""
        return content_hash(self)


def task_names() -> tuple[str, ...]:
    """Names of the tasks that ship with the project."""
    files = (Path(entry.name) for entry in resources.files("sdl.tasks").iterdir())
    return tuple(sorted(file.stem for file in files if file.suffix == ".yaml"))


def load_task(name: str, folder: Path | None = None) -> Task:
    """A task by name, or by path when the name ends in ``.yaml``.

    Args:
        name: ``batio3-coarse`` or ``my/task.yaml``.
        folder: Where a relative path starts; the working directory if ``None``.

    Raises:
        ConfigError: There is no such task, or its file is wrong.
    """
    if name.endswith((".yaml", ".yml")):
        return _checked((folder or Path()) / name)
    if name not in task_names():
        raise ConfigError(
            "there is no such task",
            got=repr(name),
            allowed=", ".join(task_names()) + ", or the path of a .yaml file",
            do="correct the key `task`",
        )
    with resources.as_file(resources.files("sdl.tasks") / f"{name}.yaml") as path:
        return _checked(path)


def _checked(path: Path) -> Task:
    # Imported here: the check knows tasks, and a task need not know its check.
    from sdl.tasks.check import check_task

    task = load(path, Task, "the task file")
    check_task(task, path)
    return task
