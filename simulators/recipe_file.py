"""A recipe as a person writes it: a system or task, powders, steps; amounts by mass or moles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sdl.core.model import Frozen, SafeId
from sdl.core.recipe import Anneal, Characterise, Press, Quench, Regrind, Wash
from sdl.core.units import Fraction, Micrometre, Milligram, Minutes, to_unit
from sdl.core.yaml import load

Millimole = Annotated[float, BeforeValidator(lambda v: to_unit(v, "mmol")), Field(gt=0, le=10_000)]
"""Amount of substance in millimoles."""
Assay = Annotated[Fraction, Field(gt=0)]
WHAT = "the recipe file"


class FileLot(Frozen):
    """A powder by its label."""

    name: SafeId
    phase: str
    particle_um: Micrometre | None = None
    """Grain diameter, micrometres; the file's ``particle_um`` if absent."""
    assay: Assay | None = None
    """Mass share of the phase; the file's ``assay`` if absent."""


class FileDose(Frozen):
    """One powder weighed in: which, and how much."""

    lot: SafeId | None = None
    """A lot of the file or of the task's shelf."""
    phase: str | None = None
    """Instead of a lot: its only lot, or a powder of the file's ``particle_um`` and ``assay``."""
    mass_mg: Annotated[Milligram, Field(gt=0)] | None = None
    amount_mmol: Millimole | None = None
    """Instead of a mass: moles of the phase by the label, mmol."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.lot is None) == (self.phase is None):
            raise ValueError("a dose names its powder once; allowed: `lot` or `phase`")
        if (self.mass_mg is None) == (self.amount_mmol is None):
            raise ValueError("a dose has one amount; allowed: `mass_mg` or `amount_mmol`")
        return self


class FileMix(Frozen):
    """Powders into one vial, and milled together."""

    kind: Literal["mix"] = "mix"
    doses: Annotated[tuple[FileDose, ...], Field(min_length=1, max_length=8)]
    mill_min: Minutes = 10.0
    """Milling time, min."""


FileStep = Annotated[
    FileMix | Anneal | Quench | Regrind | Press | Wash | Characterise, Field(discriminator="kind")
]


class RecipeFile(Frozen):
    """What ``sdl simulate`` reads."""

    name: SafeId
    title: str = ""
    system: str | None = None
    """A chemical system by name, or the path of its file beside this one."""
    task: str | None = None
    """Instead of a system: a task, which brings shelf, furnaces and limits."""
    particle_um: Micrometre = 1.0
    """Grain diameter of powders whose lot does not say, micrometres."""
    assay: Assay = 1.0
    """Mass share of the phase in such powders."""
    lots: tuple[FileLot, ...] = ()
    steps: Annotated[tuple[FileStep, ...], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _one_problem(self) -> Self:
        if self.system is not None and self.task is not None:
            raise ValueError("a task has its system; allowed: `system` or `task`")
        return self


def read_recipe(path: Path) -> RecipeFile:
    """The recipe in a file.

    Raises:
        ConfigError: With file and line, what was given, what is allowed, what to do.
    """
    return load(path, RecipeFile, WHAT)
