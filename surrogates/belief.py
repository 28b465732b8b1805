"""A belief over an ensemble of twins: which of the drawn laboratories explain the results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Belief:
    """Weights of the members of an ensemble.

    Attributes:
        weights: One per member, they sum to 1, shape ``(m,)``.
        exponent: Power to which the likelihood was taken; below 1 it was tempered.
        effective: Effective number of members, ``1 / sum w²``.
    """

    weights: Array
    exponent: float
    effective: float

    def mean(self, predicted: Array) -> Array:
        """Expected outcome of each recipe; ``predicted`` has the shape ``(m, n)``."""
        return self.weights @ predicted

    def directions(self, predicted: Array) -> Array:
        """Columns whose inner products are the belief's covariance, shape ``(n, m)``."""
        centred = predicted - self.mean(predicted)
        return (np.sqrt(self.weights)[:, None] * centred).T

    def sd(self, predicted: Array) -> Array:
        """Standard deviation of each recipe's outcome among the members, shape ``(n,)``."""
        return np.sqrt((self.directions(predicted) ** 2).sum(1))


def believe(predicted: Array, measured: Array, sd: Array, *, least: float) -> Belief:
    """Importance weights from the likelihood of the results, tempered where it is too sharp.

    A few dozen members cannot hold the posterior of some twenty hidden figures: the raw weights
    soon sit on one member. The exponent is the largest one in (0, 1] that leaves ``least``
    effective members.

    Args:
        predicted: Outcome of each result's recipe in each member, shape ``(m, n)``.
        measured: Results, shape ``(n,)``.
        sd: Standard deviation of measured minus predicted in the right member, shape ``(n,)``:
            measurement noise and model discrepancy together.
        least: Smallest effective number of members.
    """
    members = len(predicted)
    log_likelihood = -0.5 * (((measured - predicted) / sd) ** 2).sum(1)
    log_likelihood -= log_likelihood.max()
    exponent = 1.0
    weights = _normalised(log_likelihood)
    if _effective(weights) < min(least, members):
        low, high = 0.0, 1.0
        for _ in range(40):
            exponent = 0.5 * (low + high)
            enough = _effective(_normalised(exponent * log_likelihood)) >= min(least, members)
            low, high = (exponent, high) if enough else (low, exponent)
        exponent = low
        weights = _normalised(exponent * log_likelihood)
    return Belief(weights, exponent, _effective(weights))


def _normalised(log_weights: Array) -> Array:
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _effective(weights: Array) -> float:
    return float(1.0 / np.sum(weights**2))
