"""Weight fractions to counts: what a diffractometer records of a flat powder sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sdl.analysis.profile import (
    DEFAULT_GRID,
    DEFAULT_INSTRUMENT,
    Array,
    Grid,
    Instrument,
    Lines,
    column,
)
from sdl.analysis.references import ReferenceSet
from sdl.core.errors import ChemistryError, ConfigError

__all__ = [
    "DEFAULT_GRID",
    "DEFAULT_INSTRUMENT",
    "Grid",
    "Instrument",
    "expected_counts",
    "simulate_counts",
]


def expected_counts(
    weight_fractions: Mapping[str, float],
    references: ReferenceSet,
    *,
    scan_min: float,
    grid: Grid = DEFAULT_GRID,
    instrument: Instrument = DEFAULT_INSTRUMENT,
    crystallite_nm: Mapping[str, float] | None = None,
) -> Array:
    """Pattern of a typical mount without any noise.

    Args:
        weight_fractions: Share of each phase; divided by their sum. Phases must be in the set.
        references: Reference patterns.
        scan_min: Duration of the scan, minutes.
        grid: Angles.
        instrument: The diffractometer.
        crystallite_nm: Crystallite size by phase; the instrument's typical one where absent.

    Returns:
        Expected counts per point, shape ``(grid.count,)``.

    Raises:
        ChemistryError: A phase has no pattern, or a share is negative.
        ConfigError: The duration is not positive.
    """
    shares, absorption = _normalised(weight_fractions, references)
    total = instrument.background(grid, _checked(scan_min))
    sizes = crystallite_nm or {}
    lines = _lines(references, grid)
    for name, share in shares.items():
        inverse = 1.0 / sizes.get(name, instrument.crystallite_nm)
        scale = instrument.scale(scan_min) * share / absorption
        total += scale * column(lines[name], grid, instrument, inverse)
    return total


def simulate_counts(
    weight_fractions: Mapping[str, float],
    references: ReferenceSet,
    *,
    scan_min: float,
    rng: np.random.Generator,
    grid: Grid = DEFAULT_GRID,
    instrument: Instrument = DEFAULT_INSTRUMENT,
    crystallite_nm: Mapping[str, float] | None = None,
) -> npt.NDArray[np.int64]:
    """One scan of one mount: random height, grains and background, then counting noise.

    Args:
        weight_fractions: Share of each crystalline phase; divided by their sum. Empty or all zero
            gives background only.
        references: Reference patterns of at least these phases.
        scan_min: Duration of the scan, minutes; counts are proportional to it.
        rng: Source of every random draw.
        grid: Angles.
        instrument: The diffractometer and how its mounts differ.
        crystallite_nm: Crystallite size by phase, taken as it is; drawn about the instrument's
            typical one where absent.

    Returns:
        Counts per point, shape ``(grid.count,)``.

    Raises:
        ChemistryError: A phase has no pattern, or a share is negative.
        ConfigError: The duration is not positive.
    """
    shares, absorption = _normalised(weight_fractions, references)
    air, flat = instrument.background_parts(grid, _checked(scan_min))
    displacement = instrument.displacement_sd_deg * rng.standard_normal()
    variation = np.exp(instrument.background_sd * rng.standard_normal(2))
    total = variation[0] * air + variation[1] * flat
    sizes = crystallite_nm or {}
    lines = _lines(references, grid)
    for name, share in shares.items():
        spread = math.exp(instrument.crystallite_ln_sd * rng.standard_normal())
        size = sizes.get(name, instrument.crystallite_nm * spread)
        packing = math.exp(instrument.phase_sd * rng.standard_normal())
        number = lines[name].centre_deg.shape[1]
        grains = np.exp(instrument.line_sd * rng.standard_normal(number))
        scale = instrument.scale(scan_min) * share * packing / absorption
        total += scale * column(
            lines[name],
            grid,
            instrument,
            1.0 / size,
            displacement_deg=displacement,
            grains=grains,
        )
    return rng.poisson(total).astype(np.int64)


def _normalised(
    weight_fractions: Mapping[str, float], references: ReferenceSet
) -> tuple[dict[str, float], float]:
    """Shares that sum to 1, zero ones left out, and the mass absorption of the mixture, cm2/g."""
    for name, share in weight_fractions.items():
        if not share >= 0.0:
            raise ChemistryError(
                "a weight fraction is negative or not a number",
                got=f"{name}: {share}",
                allowed="numbers >= 0",
                do="correct the phase fractions handed to the diffractometer",
            )
    total = sum(weight_fractions.values())
    shares = {n: s / total for n, s in sorted(weight_fractions.items()) if s > 0.0}
    absorption = sum(references[n].mass_absorption_cm2_per_g * s for n, s in shares.items())
    return shares, absorption or 1.0


def _checked(scan_min: float) -> float:
    if not scan_min > 0.0:
        raise ConfigError(
            "a scan needs a positive duration",
            got=f"{scan_min} min",
            allowed="> 0 min",
            do="correct scan_min",
        )
    return scan_min


@lru_cache(maxsize=16)
def _lines(references: ReferenceSet, grid: Grid) -> dict[str, Lines]:
    return {reference.name: Lines.of(reference, grid) for reference in references.references}
