"""Scales of phases to weight fractions with sigma."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from sdl.analysis.absorption import contrast
from sdl.analysis.instrument import Instrument
from sdl.analysis.profile import Array
from sdl.analysis.references import ReferenceSet
from sdl.core.material import PhaseAmount

_ROUNDS = 5


def amounts(
    scales: Array, covariance: Array, references: ReferenceSet, instrument: Instrument
) -> dict[str, PhaseAmount]:
    """Weight fractions with the standard deviation of a normal distribution cut at 0 and 1.

    Scales are corrected for microabsorption by grains of the typical size. To the covariance comes
    what no scan can tell: the error of each phase as a whole and the size of its grains.

    Args:
        scales: Phase scales >= 0, shape ``(n,)``, proportional to weight.
        covariance: Their covariance were they free of that bound, shape ``(n, n)``.
        references: Phases, in the same order.
        instrument: For grains and errors of phases.

    Returns:
        By phase. Where the scales together do not exceed three standard deviations nothing
        crystalline is seen: all 0 with sigma 1.
    """
    names = references.names
    spread = float(np.sqrt(np.maximum(covariance.sum(), 0.0)))
    if float(scales.sum()) <= 3.0 * spread:
        return {name: PhaseAmount(weight_fraction=0.0, sigma=1.0) for name in names}
    share, seen = true_shares(scales, references, instrument)
    full = weight_covariance(share, scales, seen, covariance, instrument)
    sigma = np.maximum(np.sqrt(np.maximum(np.diag(full), 0.0)), 1e-6)
    sigma = sigma * _cut(share / sigma) * _cut((1.0 - share) / sigma)
    return {
        name: PhaseAmount(weight_fraction=float(w), sigma=float(s))
        for name, w, s in zip(names, share, sigma, strict=True)
    }


def true_shares(
    scales: Array, references: ReferenceSet, instrument: Instrument
) -> tuple[Array, Array]:
    """Weight fractions behind scales, and ln tau of each phase, both of shape ``(n,)``."""
    share = scales / scales.sum()
    seen = np.zeros_like(share)
    for _ in range(_ROUNDS):
        seen = contrast(share, references.references, instrument)
        share = scales * np.exp(-seen)
        share = share / share.sum()
    return share, seen


def weight_covariance(
    share: Array, scales: Array, seen: Array, covariance: Array, instrument: Instrument
) -> Array:
    """Covariance of weight fractions, shape ``(n, n)``; its rows sum to 0.

    Args:
        share: Weight fractions.
        scales: Scales they come from.
        seen: ln tau of the phases.
        covariance: Of the scales, by noise and lines.
        instrument: For the errors of whole phases.
    """
    lift = share.sum() / max(float((scales * np.exp(-seen)).sum()), 1e-300) * np.exp(-seen)
    inner = covariance * np.outer(lift, lift)
    whole = instrument.phase_sd**2 + (seen * instrument.grain_ln_sd) ** 2
    inner = inner + np.diag(whole * share**2)
    jacobian = np.eye(len(share)) - share[:, None]
    return jacobian @ inner @ jacobian.T


def _cut(distance: Array) -> Array:
    """Standard deviation of a unit normal cut off ``distance`` below its mean; 0.60 at 0."""
    near = np.minimum(distance, 8.0)
    ratio = np.exp(-0.5 * near**2 - log_ndtr(near)) / np.sqrt(2.0 * np.pi)
    return np.sqrt(1.0 - near * ratio - ratio**2)
