"""Intensity that no reference explains: lines of a phase that is not in the set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdl.analysis.basis import Basis
from sdl.analysis.profile import Array, widths

SIGNIFICANCE = 3.05
"""A line counts as unexplained when its height exceeds this many standard deviations."""


@dataclass(frozen=True)
class Excess:
    """Unexplained lines of one pattern."""

    share: float
    """Their share of all diffracted intensity, 0-1."""
    use: Array
    """1 where a point may be fitted, 0 within unexplained lines, shape ``(count,)``."""


def find_excess(
    observed: Array, contributions: Array, background: Array, tolerance: Array, basis: Basis
) -> Excess:
    """Looks for lines in the residual with a filter as wide as a line.

    Args:
        observed: Counts, shape ``(count,)``.
        contributions: Fitted counts of all phases together.
        background: Fitted background.
        tolerance: Systematic error of the fit at each point, in counts.
        basis: Of the fit.

    Returns:
        The share of unexplained intensity and the points to leave out.
    """
    kernel, reach = _kernel(basis)
    model = contributions + background
    residual = observed - model
    signal = np.convolve(residual, kernel, mode="same")
    noise = np.sqrt(np.convolve(np.maximum(model, 1.0), kernel**2, mode="same"))
    systematic = np.convolve(tolerance, kernel, mode="same")
    found = signal > SIGNIFICANCE * np.hypot(noise, systematic)
    if not found.any():
        return Excess(share=0.0, use=np.ones(len(observed)))
    spread = np.convolve(found.astype(float), np.ones(2 * reach + 1), mode="same") > 0.5
    extra = max(0.0, float(residual[spread].sum()))
    share = extra / (extra + float(contributions.sum()))
    return Excess(share=share, use=1.0 - spread.astype(float))


def _kernel(basis: Basis) -> tuple[Array, int]:
    """A Gaussian as wide as a line in the middle of the grid, and its reach in points."""
    grid, instrument = basis.grid, basis.instrument
    middle = np.array([grid.start_deg + 0.5 * grid.step_deg * grid.count])
    full, _ = widths(middle, instrument, 1.0 / instrument.crystallite_nm)
    sigma = float(full[0]) / 2.355 / grid.step_deg
    reach = int(np.ceil(3.0 * sigma))
    return np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2), reach
