"""Weight fractions to counts: what a diffractometer records of a flat powder sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.analysis.absorption import contrast
from sdl.analysis.columns import Shape, draw_phase, phase_lines
from sdl.analysis.instrument import Instrument
from sdl.analysis.profile import (
    DEFAULT_GRID,
    DEFAULT_INSTRUMENT,
    Array,
    Grid,
    Mount,
    typical_mount,
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


@dataclass(frozen=True)
class _Loaded:
    """One phase in one mount."""

    scale: float
    shape: Shape
    grains: Array | None


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
    loads = _loads(weight_fractions, references, instrument, crystallite_nm, None)
    mount, variation = typical_mount(instrument), np.ones(2)
    return _counts(loads, references, grid, instrument, mount, variation, _checked(scan_min))


def simulate_counts(
    weight_fractions: Mapping[str, float],
    references: ReferenceSet,
    *,
    scan_min: float,
    rng: np.random.Generator,
    mount_rng: np.random.Generator | None = None,
    grid: Grid = DEFAULT_GRID,
    instrument: Instrument = DEFAULT_INSTRUMENT,
    crystallite_nm: Mapping[str, float] | None = None,
) -> npt.NDArray[np.int64]:
    """One scan of one mount: random height, grains, cells and background, then counting noise.

    Args:
        weight_fractions: Share of each crystalline phase; divided by their sum. Empty or all zero
            gives background only.
        references: Reference patterns of at least these phases.
        scan_min: Duration of the scan, minutes; counts are proportional to it.
        rng: Source of every random draw.
        mount_rng: Source of all that belongs to the powder and how it lies, if that is to be the
            same in several scans; ``rng`` draws the counts then.
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
    draws = mount_rng or rng
    mount = Mount(
        instrument.displacement_deg + instrument.displacement_sd_deg * draws.standard_normal(),
        instrument.spread_deg2 * draws.standard_exponential(),
    )
    variation = np.exp(instrument.background_ln_sd * draws.standard_normal(2))
    loads = _loads(weight_fractions, references, instrument, crystallite_nm, draws)
    total = _counts(loads, references, grid, instrument, mount, variation, _checked(scan_min))
    return rng.poisson(total).astype(np.int64)


def _loads(
    weight_fractions: Mapping[str, float],
    references: ReferenceSet,
    instrument: Instrument,
    crystallite_nm: Mapping[str, float] | None,
    draws: np.random.Generator | None,
) -> dict[str, _Loaded]:
    """What each phase contributes."""
    shares, absorption = _normalised(weight_fractions, references)
    sizes = crystallite_nm or {}
    present = tuple(references[name] for name in shares)
    dimmed = contrast(np.array(list(shares.values())), present, instrument) if shares else ()
    loads = {}
    for (name, share), reference, ln_tau in zip(shares.items(), present, dimmed, strict=True):
        lines = phase_lines(reference)
        size = sizes.get(name, instrument.crystallite_nm)
        if draws is None:
            shape = Shape(1.0 / size, np.zeros(lines.lengths))
            loads[name] = _Loaded(share / absorption * math.exp(ln_tau), shape, None)
            continue
        if name not in sizes:
            size *= math.exp(instrument.crystallite_ln_sd * draws.standard_normal())
        # Grains cannot be negative in size: lognormal about the typical one.
        coarse = math.exp(instrument.grain_ln_sd * draws.standard_normal())
        packing = instrument.phase_sd * draws.standard_normal() + ln_tau * coarse
        shape = Shape(
            1.0 / size,
            instrument.cell_sd * draws.standard_normal(lines.lengths),
            instrument.texture_ln_sd * draws.standard_normal(),
        )
        grains = np.exp(instrument.line_sd * draws.standard_normal(len(lines.spacing)))
        loads[name] = _Loaded(share / absorption * math.exp(packing), shape, grains)
    return loads


def _counts(
    loads: Mapping[str, _Loaded],
    references: ReferenceSet,
    grid: Grid,
    instrument: Instrument,
    mount: Mount,
    variation: Array,
    scan_min: float,
) -> Array:
    air, flat = instrument.background_parts(grid.angles_deg, grid.step_deg, scan_min)
    total = variation[0] * air + variation[1] * flat
    for name, load in loads.items():
        drawn = draw_phase(
            phase_lines(references[name]),
            grid,
            instrument,
            mount,
            load.shape,
            grains=load.grains,
            slopes=False,
        )
        total += instrument.scale(scan_min) * load.scale * drawn.column
    return total


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
