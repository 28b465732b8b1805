"""Targets, lots and samples: what is made, from what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from sdl.core.model import Frozen, SafeId
from sdl.core.property import Property
from sdl.core.units import Fraction, Micrometre, Milligram


class Target(Frozen):
    """What to make: one phase of a chemical system, or a solid solution of several."""

    phase: str
    """Name of the phase in the system, as ``BaTiO3``."""
    polymorph: str | None = None
    """Polymorph where it matters."""
    solution: Annotated[tuple[str, ...], Field(exclude_if=lambda v: not v)] = ()
    """Phases that dissolve in ``phase``: together they are the target, in any proportion."""
    unresolved: Annotated[tuple[str, ...], Field(exclude_if=lambda v: not v)] = ()
    """Phases whose lines fall on the solution's: a pattern cannot tell them from it, so they count
    with it in a measured purity."""

    @property
    def members(self) -> tuple[str, ...]:
        """All phases that count as the target."""
        return (self.phase, *self.solution)

    @property
    def label(self) -> str:
        """``BaTiO3``; of a solution what its members share, as ``(Ni,Zn)Fe2O4``."""
        if not self.solution:
            return self.phase
        shared = _common_end(self.members)
        own = [name.removesuffix(shared) for name in self.members]
        return f"({','.join(own)}){shared}" if shared else " + ".join(self.members)


def _common_end(names: Sequence[str]) -> str:
    """What all names end with: ``Fe2O4`` of ``NiFe2O4`` and ``ZnFe2O4``."""
    count = 0
    for letters in zip(*(reversed(name) for name in names), strict=False):
        if len(set(letters)) > 1:
            break
        count += 1
    return names[0][len(names[0]) - count :]


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


class Reading(Frozen):
    """One property as an instrument and its analysis give it."""

    property: Property
    value: float
    sigma: Annotated[float, Field(ge=0)]
    """Repeatability; the calibration error of a laboratory is common to all its readings."""
    unit: str
    temperature_c: float
    """At which it was measured; of a transition, the highest of the sweep, degC."""
    curve: str | None = None
    """Content hash of the raw curve, ``None`` when the laboratory keeps none."""


class Observation(Frozen):
    """One measurement of one sample: values, standard deviations, quality, hash of the raw data."""

    sample: SafeId
    name: SafeId
    """Name of the aliquot or scan, as ``S7-a1``."""
    time_s: float
    """Laboratory time at which the measurement ended, s."""
    phases: dict[str, PhaseAmount]
    """Weight fractions of the crystalline part, by phase; they sum to 1. Empty where a property
    was measured."""
    unexplained: Fraction = 0.0
    """Share of the diffracted intensity that no known phase explains."""
    reduced_chi2: float = 1.0
    quality: str = "good"
    """``good``, or why the values should not be trusted."""
    pattern: str | None = None
    """Content hash of the raw pattern, ``None`` when the laboratory keeps none."""
    reading: Annotated[Reading | None, Field(exclude_if=lambda v: v is None)] = None
    """The property, where one was measured instead of a pattern."""

    def purity(self, phase: str) -> PhaseAmount:
        """Measured weight fraction of a phase; zero with no width if it is not in the fit."""
        return self.phases.get(phase, PhaseAmount(weight_fraction=0.0, sigma=0.0))

    def amount_of(self, target: Target) -> PhaseAmount:
        """Measured weight fraction of a target.

        Of a solid solution it is what the other phases leave: the lines of its members fall
        together, so that their single fractions are anyone's guess and only the sum is known. A
        phase that no pattern tells from them (``unresolved``) is in it.
        """
        if not target.solution or not self.phases:
            return self.purity(target.phase)
        alike = (*target.members, *target.unresolved)
        others = [a for name, a in self.phases.items() if name not in alike]
        rest = sum(a.weight_fraction for a in others)
        sigma = math.hypot(*(a.sigma for a in others))
        return PhaseAmount(weight_fraction=min(max(1.0 - rest, 0.0), 1.0), sigma=sigma)


def last_scan(observations: Sequence[Observation]) -> Observation | None:
    """The last observation of phases."""
    return next((o for o in reversed(observations) if o.reading is None), None)


def last_measurement(observations: Sequence[Observation]) -> Observation | None:
    """The last observation of a property."""
    return next((o for o in reversed(observations) if o.reading is not None), None)
