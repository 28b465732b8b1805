"""The most probable parameters of the in-situ twin for some scans of the run.

What is minimised: squared residuals of the fractions over ``RESIDUAL_SD`` plus squared scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from sdl.core.seeds import generator
from simulators.network import FloatArray
from surrogates.insitu_twin import InsituTwin, Seen

Mask = NDArray[np.bool_]

RESIDUAL_SD = 0.03 * 8**0.5
"""Fractions are taken as good to 0.03, and eight fitted scans in a row as one independent one."""
MOST_SCORE = 4.0
"""No parameter goes further than this many prior widths."""
DIFFERENCE = 0.03
"""Step of the numerical slopes in scores: well above the solver's own error."""


@dataclass(frozen=True)
class Fitted:
    """The most probable scores and how sharp they are."""

    scores: FloatArray
    """(P,) in prior widths from the prior's centre."""
    covariance: FloatArray
    """(P, P) of the scores, from the slopes at the optimum; 0 where one was held."""
    free: int
    """Parameters that were fitted."""
    evaluations: int


def fit_insitu(
    twin: InsituTwin,
    rows: Mask,
    *,
    free: Mask | None = None,
    seen: Seen | None = None,
    rounds: int = 20,
) -> Fitted:
    """Fits scores to the fractions of some scans.

    A phase outside the refiners' model counts as absent.

    Args:
        twin: The run.
        rows: Scans to fit, (scans,).
        free: Parameters to fit, (P,); the others stay at the prior's centre. All if absent.
        seen: Overrides what the diffractometer sees; its parameters then do nothing.
        rounds: Most evaluations with slopes.
    """
    measured = np.nan_to_num(twin.measured)
    free = np.ones(len(twin.names), dtype=bool) if free is None else free
    places = np.flatnonzero(free)

    def full(part: FloatArray) -> FloatArray:
        scores = np.zeros(len(free))
        scores[places] = part
        return scores

    def residuals(part: FloatArray) -> FloatArray:
        found = twin.curves(full(part), seen)
        return np.concatenate([((found - measured)[rows] / RESIDUAL_SD).ravel(), part])

    def slopes(part: FloatArray) -> FloatArray:
        steps = DIFFERENCE * np.eye(len(places))
        columns = [residuals(part + s) - residuals(part - s) for s in steps]
        return np.stack(columns, axis=1) / (2.0 * DIFFERENCE)

    result = least_squares(
        residuals, np.zeros(len(places)), jac=slopes, bounds=(-MOST_SCORE, MOST_SCORE),  # pyright: ignore[reportArgumentType]
        ftol=2e-3, xtol=1e-4, max_nfev=rounds,
    )  # fmt: skip
    covariance = np.zeros((len(free), len(free)))
    covariance[np.ix_(places, places)] = np.linalg.inv(result.jac.T @ result.jac)
    return Fitted(full(result.x), covariance, len(places), int(result.nfev))


def members(fitted: Fitted, count: int, *key: str | int) -> FloatArray:
    """Scores as likely as the data leave them (Laplace's approximation), (count, P)."""
    values, vectors = np.linalg.eigh(fitted.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = generator("insitu", *key).standard_normal((count, len(values)))
    return np.clip(fitted.scores + draws @ root.T, -MOST_SCORE, MOST_SCORE)
