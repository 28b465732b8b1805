"""A fitted scan as the figure takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sdl.analysis.fit import PatternFit
from sdl.analysis.profile import Grid
from sdl.analysis.references import WAVELENGTH_ANGSTROM, Reference, ReferenceSet
from sdl.figures.pattern import FittedPattern

WEAKEST_TICK = 0.02
"""Lines weaker than this share of the strongest get no tick."""

_LEAST_FRACTION = 0.003


def drawn_fit(
    counts: npt.ArrayLike,
    fit: PatternFit,
    references: ReferenceSet,
    grid: Grid,
    first: str | None = None,
) -> FittedPattern:
    """Counts, fit and reference lines of the phases that are there beyond doubt.

    Args:
        counts: Of the scan, shape ``(grid.count,)``.
        fit: What was fitted to them.
        references: The phases of the fit.
        grid: Angles of the counts.
        first: A phase that is shown in any case, before the others.
    """
    shown = _shown(fit, first)
    angles = grid.angles_deg
    low, high = float(angles[0]), float(angles[-1])
    return FittedPattern(
        two_theta_deg=angles,
        counts=np.asarray(counts, dtype=np.float64),
        fitted=fit.fitted,
        background=fit.background,
        contributions={p: fit.contributions[p] for p in shown},
        amounts={p: fit.phases[p] for p in shown},
        ticks_deg=_ticks(references, shown, low, high),
    )


def _shown(fit: PatternFit, first: str | None) -> list[str]:
    """The first and what is there beyond doubt, the largest first."""
    seen = [
        p
        for p, a in fit.phases.items()
        if p == first or a.weight_fraction > max(2.0 * a.sigma, _LEAST_FRACTION)
    ]
    return sorted(seen, key=lambda p: (p != first, -fit.phases[p].weight_fraction))


def _ticks(
    references: ReferenceSet, phases: Sequence[str], low_deg: float, high_deg: float
) -> dict[str, list[float]]:
    ticks: dict[str, list[float]] = {}
    for phase in phases:
        angles = line_angles(references[phase])
        ticks[phase] = [round(a, 3) for a in angles if low_deg <= a <= high_deg]
    return ticks


def line_angles(reference: Reference) -> list[float]:
    """Angles of the K-alpha 1 lines that are strong enough to see, degrees 2theta."""
    least = WEAKEST_TICK * max(reference.intensity)
    angles: list[float] = []
    for d, intensity in zip(reference.d_angstrom, reference.intensity, strict=True):
        sine = WAVELENGTH_ANGSTROM[0] / (2.0 * d)
        if intensity >= least and sine < 1.0:
            angles.append(math.degrees(2.0 * math.asin(sine)))
    return angles
