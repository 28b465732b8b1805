"""Fits a stored pattern again, to draw it."""

from __future__ import annotations

import numpy as np

from sdl.analysis.fit import fit_pattern
from sdl.analysis.profile import Grid
from sdl.analysis.references import load_references
from sdl.core.protocols import BlobStore
from sdl.figures.pattern import FittedPattern
from sdl.report.record import CampaignRecord, Experiment
from sdl.report.scan_fit import drawn_fit


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
    return drawn_fit(counts, fit, references, grid, record.task.target.phase)
