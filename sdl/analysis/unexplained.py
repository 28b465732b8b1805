"""Intensity that no reference explains: lines of a phase that is not in the set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdl.analysis.profile import Array, widths
from sdl.analysis.setting import Setting
from sdl.analysis.state import State

SIGNIFICANCE = 3.0
"""A line counts as unexplained when its height exceeds this many standard deviations."""

LINE_TOLERANCE = 2.5
"""Factor on the scatter of line intensities: a known line that is too strong is no new phase."""

NEAR_TOLERANCE = 0.03
"""Share of the fitted intensity within the reach of a line that its shape may be wrong by."""

BACKGROUND_TOLERANCE = 0.012
"""Share of the background that its shape may be wrong by. These three were chosen on the 40 scans
of known mixtures, so that complete reference sets are not flagged."""

ONE_LINE = 0.125
"""Part of the strongest unexplained line that is evidence of a phase: texture that the fit does not
have can make one line of a known phase three times too strong, as (020) of Li2CO3 in two of the
mixtures, while a phase shows several lines."""


@dataclass(frozen=True)
class Excess:
    """Unexplained lines of one pattern."""

    share: float
    """Their share of all diffracted intensity, 0-1."""
    evidence: float
    """The same with the strongest of them at ``ONE_LINE``."""
    use: Array
    """1 where a point may be fitted, 0 within unexplained lines, shape ``(count,)``."""


def find_excess(observed: Array, state: State, setting: Setting) -> Excess:
    """Looks for lines in the residual with a filter as wide as a line.

    Args:
        observed: Counts, shape ``(count,)``.
        state: Of the fit.
        setting: Of the fit.

    Returns:
        The share of unexplained intensity and the points to leave out.
    """
    kernel, reach = _kernel(setting, state)
    contributions = state.contributions
    total = contributions.sum(axis=0)
    model = total + state.background
    residual = observed - model
    signal = np.convolve(residual, kernel, mode="same")
    noise = np.sqrt(np.convolve(np.maximum(model, 1.0), kernel**2, mode="same"))
    tolerance = (
        LINE_TOLERANCE * setting.instrument.line_sd * np.sqrt((contributions**2).sum(axis=0))
    )
    near = np.convolve(total, np.ones(2 * reach + 1) / (2 * reach + 1), mode="same")
    tolerance += NEAR_TOLERANCE * near + BACKGROUND_TOLERANCE * np.maximum(state.background, 0.0)
    systematic = np.convolve(tolerance, kernel, mode="same")
    found = signal > SIGNIFICANCE * np.hypot(noise, systematic)
    if not found.any():
        return Excess(share=0.0, evidence=0.0, use=np.ones(len(observed)))
    spread = np.convolve(found.astype(float), np.ones(2 * reach + 1), mode="same") > 0.5
    ends = np.flatnonzero(np.diff(spread.astype(int), prepend=0, append=0))
    sums = np.concatenate([[0.0], np.cumsum(residual)])
    lines = np.maximum(sums[ends[1::2]] - sums[ends[::2]], 0.0)
    whole = float(lines.sum() + total.sum())
    extra = float(lines.sum())
    evidence = extra - (1.0 - ONE_LINE) * float(lines.max())
    return Excess(extra / whole, evidence / whole, use=1.0 - spread.astype(float))


def _kernel(setting: Setting, state: State) -> tuple[Array, int]:
    """A Gaussian as wide as a line in the middle of the grid, and its reach in points."""
    grid, instrument = setting.grid, setting.instrument
    middle = np.radians([0.5 * (grid.start_deg + 0.5 * grid.step_deg * grid.count)])
    full, _ = widths(middle, instrument, state.mount.spread_deg2, 1.0 / instrument.crystallite_nm)
    sigma = float(full[0]) / 2.355 / grid.step_deg
    reach = int(np.ceil(3.0 * sigma))
    return np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2), reach
