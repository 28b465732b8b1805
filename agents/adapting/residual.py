"""What the twin gets wrong, learned near the recipes that were made: a small Gaussian process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.plans import Plans
from simulators.network import FloatArray, IntArray


@dataclass(frozen=True)
class ResidualSettings:
    """Covariance of seen minus expected returns.

    Attributes:
        scales: Factors on both deviations; the data choose among them.
        offset: Deviation of an error that all recipes share.
        amplitude: Deviation of errors that differ from recipe to recipe.
        length: Distance over which they are alike, see ``features``.
        noise: Deviation of a seen return about its own recipe's mean.
    """

    scales: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    offset: float = 0.08
    amplitude: float = 0.1
    length: float = 1.0
    noise: float = 0.06


def features(plans: Plans, genes: IntArray) -> FloatArray:
    """Plans as points: distance 1 is a change that a chemist would call a different recipe.

    Args:
        plans: What genes mean.
        genes: ``(n, genes)``.
    """
    scale = {
        "anneals": 1.0, "ratio": 0.5, "mill": 0.3, "temperature": 0.35, "dwell": 0.35,
        "ramp": 0.15, "regrind": 0.2, "wash": 1.0,
    }  # fmt: skip
    columns: list[FloatArray] = []
    last = genes[:, 0]
    for g, gene in enumerate(plans.genes):
        stage = gene.name.rsplit("_", 1)[-1]
        used = np.ones(len(genes))
        if not gene.name.startswith("lot") and stage.isdigit():
            used = (last >= int(stage)).astype(np.float64)
        values = genes[:, g].astype(np.float64)
        kind = gene.name.split("_")[0]
        if gene.ordered or gene.options < 2:
            columns.append(scale.get(kind, 0.5) * values * used)
        else:
            weight = 0.25 if kind == "cooling" else 0.7
            columns += [weight * used * (values == k) for k in range(gene.options)]
    return np.stack(columns, axis=1)


def corrected(
    plans: Plans,
    made: IntArray,
    wrong: FloatArray,
    candidates: IntArray,
    settings: ResidualSettings,
) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of what is to be added to the twin's expectation, ``(n,)`` each.

    Args:
        plans: What genes mean.
        made: Plans of the samples so far, ``(k, genes)``.
        wrong: Their seen less their expected returns, ``(k,)``.
        candidates: ``(n, genes)``.
        settings: The covariance.
    """
    if not len(made):
        prior = np.hypot(settings.offset, settings.amplitude)
        return np.zeros(len(candidates)), np.full(len(candidates), prior)
    scale, _ = chosen(plans, made, wrong, settings)
    a, b = features(plans, made), features(plans, candidates)
    inner = scale**2 * _covariance(a, a, settings) + settings.noise**2 * np.eye(len(a))
    cross = scale**2 * _covariance(a, b, settings)
    solved = np.linalg.solve(inner, cross)
    variance = scale**2 * (settings.offset**2 + settings.amplitude**2)
    return wrong @ solved, np.sqrt(np.maximum(variance - (cross * solved).sum(axis=0), 0.0))


def chosen(
    plans: Plans, made: IntArray, wrong: FloatArray, settings: ResidualSettings
) -> tuple[float, float]:
    """The scale that makes the data most likely, and their log likelihood but for a constant."""
    a = features(plans, made)
    within, noise = _covariance(a, a, settings), settings.noise**2 * np.eye(len(a))
    likely = [_log_likelihood(f**2 * within + noise, wrong) for f in settings.scales]
    best = int(np.argmax(likely))
    return settings.scales[best], likely[best]


def _covariance(p: FloatArray, q: FloatArray, settings: ResidualSettings) -> FloatArray:
    squared = ((p[:, None] - q[None]) ** 2).sum(axis=2)
    near = np.exp(-0.5 * squared / settings.length**2)
    return settings.offset**2 + settings.amplitude**2 * near


def _log_likelihood(covariance: FloatArray, data: FloatArray) -> float:
    """Of normal data with mean 0, but for a constant; the prior of the scale is flat."""
    factor = np.linalg.cholesky(covariance)
    solved = np.linalg.solve(factor, data)
    return float(-0.5 * solved @ solved - np.log(np.diag(factor)).sum())
