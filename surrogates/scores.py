"""How well an ensemble predicts experiments, beside the prior's on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.core.errors import ModelError
from sdl.core.seeds import generator
from surrogates.observed import Noise, Readings

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

RESAMPLES = 1000
"""Bootstrap resamples of the groups."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval over groups."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """Figures of one ensemble, or of the difference of two, on one set of rows.

    Attributes:
        log_density: Mean over experiments of the log predictive density of all their readings.
        rmse: Root mean square error of the mean prediction over readings, weight fraction.
        rank: Spearman correlation of the target's mean prediction with its reading; 0 where one
            of the two does not vary.
    """

    log_density: Interval
    rmse: Interval
    rank: Interval


@dataclass(frozen=True)
class Comparison:
    """Prior and posterior on the same rows.

    Attributes:
        experiments: Number of them.
        groups: Number of groups, the unit of the bootstrap.
        prior: Figures of the prior ensemble.
        posterior: Figures of the posterior ensemble.
        gain: Posterior better than prior by, positive is better (RMSE with its sign turned),
            resampled in pairs.
    """

    experiments: int
    groups: int
    prior: Figures
    posterior: Figures
    gain: Figures

    def metrics(self, prefix: str) -> dict[str, float]:
        """All figures by name, as ``PREFIX.gain.log_density.low``."""
        found = {
            f"{prefix}.experiments": float(self.experiments),
            f"{prefix}.groups": float(self.groups),
        }
        for side in ("prior", "posterior", "gain"):
            figures: Figures = getattr(self, side)
            for name in ("log_density", "rmse", "rank"):
                interval: Interval = getattr(figures, name)
                found[f"{prefix}.{side}.{name}"] = interval.value
                found[f"{prefix}.{side}.{name}.low"] = interval.low
                found[f"{prefix}.{side}.{name}.high"] = interval.high
        return found


@dataclass(frozen=True)
class Predicted:
    """What one ensemble says about a set of readings.

    Attributes:
        log_density: Of each experiment, shape ``(E,)``.
        mean: Mean prediction of each reading, shape ``(D,)``.
    """

    log_density: Array
    mean: Array


def predicted(fractions: Array, found: Readings, noise: Noise) -> Predicted:
    """What an ensemble with fractions ``(N, E, S)`` says about readings."""
    each = found.predicted(fractions)
    return Predicted(noise.log_predictive(each, found, fractions.shape[1]), each.mean(axis=0))


def compare(
    prior: Predicted,
    posterior: Predicted,
    found: Readings,
    groups: Sequence[str],
    target: str | None,
    *key: str | int,
) -> Comparison:
    """Figures of two ensembles and of their difference, with intervals over groups.

    Args:
        prior: What the prior says.
        posterior: What the posterior says.
        found: The readings of both.
        groups: Group of each experiment, shape ``(E,)``.
        target: Label whose ranking counts; all readings together if absent.
        key: Words and numbers that name the resampling.

    Raises:
        ModelError: There is nothing to compare, or no reading of the target.
    """
    names = sorted(set(groups))
    ranked = np.array([target is None or label == target for label in found.labels], dtype=bool)
    if not names or not ranked.any():
        raise ModelError(
            "there is nothing to compare", got=f"{len(groups)} experiments, target {target}"
        )
    number = np.array([names.index(group) for group in groups], dtype=np.int64)
    weights = _resampled_weights(len(names), *key)
    rows, data = weights[:, number], weights[:, number[found.row]]

    def figures(f: Callable[[Predicted], Array]) -> tuple[Array, Array]:
        return f(prior), f(posterior)

    def density(side: Predicted) -> Array:
        return rows @ side.log_density / rows.sum(axis=1)

    def error(side: Predicted) -> Array:
        return np.sqrt(data @ (side.mean - found.value) ** 2 / data.sum(axis=1))

    def rank(side: Predicted) -> Array:
        return _rank_correlations(side.mean[ranked], found.value[ranked], data[:, ranked])

    pairs = {"log_density": figures(density), "rmse": figures(error), "rank": figures(rank)}
    sign = {"log_density": 1.0, "rmse": -1.0, "rank": 1.0}
    return Comparison(
        experiments=len(groups),
        groups=len(names),
        prior=Figures(**{name: _interval(a) for name, (a, _) in pairs.items()}),
        posterior=Figures(**{name: _interval(b) for name, (_, b) in pairs.items()}),
        gain=Figures(**{n: _interval(sign[n] * (b - a)) for n, (a, b) in pairs.items()}),
    )


def _resampled_weights(groups: int, *key: str | int) -> Array:
    """How often each group is drawn; the first row is the sample itself, ``(1 + B, groups)``."""
    drawn = generator("group-bootstrap", *key).integers(groups, size=(RESAMPLES, groups))
    counts = np.zeros((RESAMPLES + 1, groups))
    counts[0] = 1.0
    np.add.at(counts, (np.arange(1, RESAMPLES + 1)[:, None], drawn), 1.0)
    return counts


def _rank_correlations(a: Array, b: Array, counts: Array) -> Array:
    """Spearman correlation of each resample; repeated rows are ties like any other."""
    x, y = _ranks(a, counts), _ranks(b, counts)
    total = counts.sum(axis=1, keepdims=True)
    x -= (counts * x).sum(axis=1, keepdims=True) / total
    y -= (counts * y).sum(axis=1, keepdims=True) / total
    length = np.sqrt((counts * x**2).sum(axis=1) * (counts * y**2).sum(axis=1))
    product = (counts * x * y).sum(axis=1)
    return np.where(length > 1e-9, product / np.where(length > 1e-9, length, 1.0), 0.0)


def _ranks(values: Array, counts: Array) -> Array:
    """Mean rank of each value when value ``i`` stands ``counts[b, i]`` times, shape ``(B, n)``."""
    distinct, place = np.unique(values, return_inverse=True)
    of_class = np.zeros((len(counts), len(distinct)))
    for i, k in enumerate(place):
        of_class[:, k] += counts[:, i]
    return (np.cumsum(of_class, axis=1) - 0.5 * (of_class - 1.0))[:, place]


def _interval(values: Array) -> Interval:
    """The figure stands first, its resamples behind it."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Interval(float(values[0]), float(low), float(high))
