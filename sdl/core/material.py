"""Targets, lots and samples: what is made, from what."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from sdl.core.model import Frozen, SafeId
from sdl.core.units import Fraction, Micrometre, Milligram


class Target(Frozen):
    """What to make: one phase of a chemical system."""

    phase: str
    """Name of the phase in the system, as ``BaTiO3``."""
    polymorph: str | None = None
    """Polymorph where it matters."""


class Lot(Frozen):
    """A bottle on the shelf, as its label describes it; the truth may differ."""

    name: SafeId
    phase: str
    """What is in the bottle, as ``BaCO3``."""
    molar_mass_g_per_mol: Annotated[float, Field(gt=0)]
    assay: Annotated[Fraction, Field(gt=0)] = 1.0
    """Mass share of the phase by the label; the rest is taken as inert or water."""
    particle_um: Micrometre = 1.0
    """Median particle diameter by the label, micrometres."""
    price_eur_per_g: Annotated[float, Field(ge=0)] = 0.0
    stock_mg: Milligram = 100_000.0
    hazards: tuple[str, ...] = ()
    """GHS hazard statements, as ``H302``."""
    source: str = ""
    """Where the figures come from."""


class SampleState(StrEnum):
    """Life of a sample."""

    ACTIVE = "active"
    FINISHED = "finished"
    FAILED = "failed"


class PhaseAmount(Frozen):
    """Estimated weight fraction of one phase with its standard deviation."""

    weight_fraction: float
    sigma: Annotated[float, Field(ge=0)]


class Observation(Frozen):
    """One measurement of one sample: values, standard deviations, quality, hash of the raw data."""

    sample: SafeId
    name: SafeId
    """Name of the aliquot or scan, as ``S7-a1``."""
    time_s: float
    """Laboratory time at which the measurement ended, s."""
    phases: dict[str, PhaseAmount]
    """Weight fractions of the crystalline part, by phase; they sum to 1."""
    unexplained: Fraction = 0.0
    """Share of the diffracted intensity that no known phase explains."""
    reduced_chi2: float = 1.0
    quality: str = "good"
    """``good``, or why the values should not be trusted."""
    pattern: str | None = None
    """Content hash of the raw pattern, ``None`` when the laboratory keeps none."""

    def purity(self, phase: str) -> PhaseAmount:
        """Measured weight fraction of a phase; zero with no width if it is not in the fit."""
        return self.phases.get(phase, PhaseAmount(weight_fraction=0.0, sigma=0.0))
