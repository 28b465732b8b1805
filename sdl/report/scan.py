"""Fits a stored pattern again, to draw it."""

from __future__ import annotations

import math

import numpy as np

from sdl.analysis.fit import PatternFit, fit_pattern
from sdl.analysis.profile import Grid
from sdl.analysis.references import WAVELENGTH_ANGSTROM, Reference, ReferenceSet, load_references
from sdl.core.protocols import BlobStore
from sdl.figures.pattern import FittedPattern
from sdl.report.record import CampaignRecord, Experiment

WEAKEST_TICK = 0.02
"""Lines weaker than this share of the strongest get no tick."""

_LEAST_FRACTION = 0.003


def fitted_scan(
    record: CampaignRecord, experiment: Experiment, blobs: BlobStore
) -> FittedPattern | None:
    """The last scan of an experiment with its fit; ``None`` where no pattern is kept.

    Raises:
        JournalError: The pattern is missing beside the journal, or damaged.
        ConfigError: The chemical system has no reference patterns.
    """
    observation = experiment.observation
    if observation is None or observation.pattern is None:
        return None
    scan = record.scans.get(observation.pattern)
    if scan is None:
        return None
    counts = np.asarray(blobs.get_array(observation.pattern), dtype=np.float64)
    start, step = (float(str(scan[f"two_theta_{key}_deg"])) for key in ("start", "step"))
    grid = Grid(start, step, len(counts))
    references = load_references(record.task.system)
    fit = fit_pattern(counts, references, grid=grid, scan_min=float(str(scan["scan_min"])))
    shown = _shown(fit, record.task.target.phase)
    angles = grid.angles_deg
    return FittedPattern(
        two_theta_deg=angles,
        counts=counts,
        fitted=fit.fitted,
        background=fit.background,
        contributions={p: fit.contributions[p] for p in shown},
        amounts={p: fit.phases[p] for p in shown},
        ticks_deg=_ticks(references, shown, float(angles[0]), float(angles[-1])),
    )


def _shown(fit: PatternFit, target: str) -> list[str]:
    """The target and what is there beyond doubt, the largest first."""
    seen = [
        p
        for p, a in fit.phases.items()
        if p == target or a.weight_fraction > max(2.0 * a.sigma, _LEAST_FRACTION)
    ]
    return sorted(seen, key=lambda p: (p != target, -fit.phases[p].weight_fraction))


def _ticks(
    references: ReferenceSet, phases: list[str], low_deg: float, high_deg: float
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
