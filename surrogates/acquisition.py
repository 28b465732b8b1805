"""Acquisition functions in closed form over mean and sigma; larger is better; in log space."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, log_ndtr, ndtr

Array = npt.NDArray[np.float64]

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_SQRT_HALF_PI = math.sqrt(0.5 * math.pi)


def log_h(z: Array) -> Array:
    """``log(phi(z) + z Phi(z))`` without cancellation (Ament et al. 2023, eq. 9).

    Args:
        z: Standardised improvements, any shape.
    """
    z = np.asarray(z, dtype=np.float64)
    direct = np.log(np.exp(-0.5 * z**2 - _LOG_SQRT_2PI) + z * ndtr(z), where=z > -1.0, out=z * 0.0)
    low = np.minimum(z, -1.0)
    # phi(z) + z Phi(z) = phi(z) (1 - |z| sqrt(pi/2) erfcx(|z|/sqrt 2)); beyond 1e4 the bracket is
    # 1/z^2 to double precision, and the closed form would be a difference of equal numbers.
    bracket = -low * _SQRT_HALF_PI * erfcx(-low / math.sqrt(2.0))
    tail = np.where(low > -1e4, np.log1p(-np.minimum(bracket, 1.0 - 1e-16)), -2.0 * np.log(-low))
    return np.where(z > -1.0, direct, -0.5 * low**2 - _LOG_SQRT_2PI + tail)


def log_expected_improvement(mean: Array, sd: Array, incumbent: float) -> Array:
    """``log E[(f - incumbent)+]`` for a Gaussian ``f``; never clipped before it is standardised.

    Args:
        mean: Posterior means, shape ``(m,)``.
        sd: Posterior standard deviations, shape ``(m,)``, above 0.
        incumbent: Value to beat; for noisy data the best posterior mean of what was measured.
    """
    return np.log(sd) + log_h((mean - incumbent) / sd)


def log_bounded_improvement(mean: Array, sd: Array, incumbent: float, ceiling: float) -> Array:
    """``log E[min(f, ceiling) - incumbent]+``: a purity above 1 is no improvement.

    The Gaussian of a candidate near the ceiling has mass above it, which plain expected
    improvement would chase. Closed form: the difference of two expected improvements.

    Args:
        mean: Posterior means, shape ``(m,)``.
        sd: Posterior standard deviations, shape ``(m,)``, above 0.
        incumbent: Value to beat, below ``ceiling``.
        ceiling: Largest possible outcome.
    """
    low = log_expected_improvement(mean, sd, min(incumbent, ceiling - 1e-6))
    high = log_expected_improvement(mean, sd, ceiling)
    ratio = np.exp(np.minimum(high - low, -1e-12))
    return low + np.log1p(-ratio)


def log_probability_above(mean: Array, sd: Array, threshold: float) -> Array:
    """``log P(f > threshold)`` for a Gaussian ``f``.

    Args:
        mean: Posterior means, shape ``(m,)``.
        sd: Posterior standard deviations, shape ``(m,)``, above 0.
        threshold: Value to beat.
    """
    return log_ndtr((mean - threshold) / sd)
