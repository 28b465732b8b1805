"""Scales of phases to weight fractions with sigma."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from sdl.analysis.profile import Array
from sdl.core.material import PhaseAmount


def amounts(scales: Array, covariance: Array, names: tuple[str, ...]) -> dict[str, PhaseAmount]:
    """Weight fractions with the standard deviation of a normal distribution cut at 0 and 1.

    Args:
        scales: Phase scales >= 0, shape ``(n,)``, proportional to weight.
        covariance: Their covariance were they free of that bound, shape ``(n, n)``.
        names: Phases, in the same order.

    Returns:
        By phase. Where the scales together do not exceed three standard deviations nothing
        crystalline is seen: all 0 with sigma 1.
    """
    total = float(scales.sum())
    spread = float(np.sqrt(np.maximum(covariance.sum(), 0.0)))
    if total <= 3.0 * spread:
        return {name: PhaseAmount(weight_fraction=0.0, sigma=1.0) for name in names}
    share = scales / total
    jacobian = (np.eye(len(scales)) - share[:, None]) / total
    sigma = np.sqrt(np.maximum(np.diag(jacobian @ covariance @ jacobian.T), 0.0))
    sigma = np.maximum(sigma, 1e-6)
    sigma = sigma * _cut(share / sigma) * _cut((1.0 - share) / sigma)
    return {
        name: PhaseAmount(weight_fraction=float(w), sigma=float(s))
        for name, w, s in zip(names, share, sigma, strict=True)
    }


def _cut(distance: Array) -> Array:
    """Standard deviation of a unit normal cut off ``distance`` below its mean; 0.60 at 0."""
    near = np.minimum(distance, 8.0)
    ratio = np.exp(-0.5 * near**2 - log_ndtr(near)) / np.sqrt(2.0 * np.pi)
    return np.sqrt(1.0 - near * ratio - ratio**2)
