"""How wrong whole phases are: size of the absorbing grains and what it leaves, by likelihood."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from sdl.analysis.absorption import contrast
from sdl.analysis.amounts import amounts
from sdl.analysis.fit import PatternFit
from sdl.analysis.instrument import Instrument
from sdl.analysis.profile import Array
from sdl.analysis.references import Reference, ReferenceSet

_START = (2.5, 0.12, 0.5)
_LARGEST_LN = (3.0, 2.0, 2.0)
_GRAIN_LN_SD = (0.5, 0.7)
"""Prior of the spread of grain sizes: a factor of 1.65 between powders is usual."""

_LN_RANGE, _HALVINGS = 1.5, 14


@dataclass(frozen=True)
class Evidence:
    """What the scans of one mixture say beside what was weighed in."""

    references: tuple[Reference, ...]
    weights: Array
    """Weighed in, shape ``(n,)``, all positive."""
    ln_scales: Array
    """Logarithms of the fitted scales, mean of the scans, shape ``(n,)``."""
    covariance: Array
    """Of ``ln_scales`` by noise and lines, shape ``(n, n)``."""


def evidence(
    fits: Sequence[PatternFit], references: Sequence[Reference], weights: Array
) -> Evidence:
    """Evidence of the scans of one mixture; errors of lines are common to them, so they stay."""
    logs, spreads = [], []
    for fit in fits:
        scales = np.maximum(fit.state.scales, 1e-12 * fit.state.scales.max())
        logs.append(np.log(scales))
        spreads.append(fit.scale_covariance / np.outer(scales, scales))
    return Evidence(tuple(references), weights, np.mean(logs, axis=0), np.mean(spreads, axis=0))


def fitted_errors(every: Iterable[Evidence], instrument: Instrument) -> Instrument:
    """The instrument with grain size and errors of phases that suit known mixtures.

    Grain size and its spread are those of greatest likelihood. Errors of phases have longer tails
    than a normal distribution, so ``phase_sd`` is then set by moments: error over sigma of the
    weight fractions of a mixture has a root mean square of 1 when the others set it.
    """
    mixtures = list(every)

    def misfit(ln_factors: Array) -> float:
        trial = _with(instrument, ln_factors)
        total = sum(_minus_ln_likelihood(mixture, trial) for mixture in mixtures)
        centre, width = _GRAIN_LN_SD
        return total + 0.5 * (np.log(trial.grain_ln_sd / centre) / width) ** 2

    best = minimize(misfit, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-3})
    likely = _with(instrument, best.x)
    low, high = (np.log(likely.phase_sd) + away for away in (-_LN_RANGE, _LN_RANGE))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        trial = likely.model_copy(update={"phase_sd": float(np.exp(middle))})
        mean = np.concatenate([_squares(mixture, trial) for mixture in mixtures]).mean()
        low, high = (middle, high) if mean > 1.0 else (low, middle)
    found = likely.model_copy(update={"phase_sd": float(np.exp(0.5 * (low + high)))})
    squares = [_squares(mixture, found) for mixture in mixtures]
    return found.model_copy(update={"phase_sd": found.phase_sd * _inflation(squares)})


def _inflation(squares: Sequence[Array]) -> float:
    """Root mean square of the scores of each mixture, were the variance that of the others."""
    sums = np.array([s.sum() for s in squares])
    counts = np.array([len(s) for s in squares])
    others = (sums.sum() - sums) / (counts.sum() - counts)
    return float(np.sqrt((sums / others).sum() / counts.sum()))


def _squares(mixture: Evidence, instrument: Instrument) -> Array:
    """Squared error over sigma of the weight fractions, shape ``(n,)``."""
    scores = []
    scales = np.exp(mixture.ln_scales - mixture.ln_scales.max())
    covariance = mixture.covariance * np.outer(scales, scales)
    references = ReferenceSet("mixture", mixture.references)
    said = amounts(scales, covariance, references, instrument)
    for weight, name in zip(mixture.weights, references.names, strict=True):
        scores.append((said[name].weight_fraction - weight) / said[name].sigma)
    return np.square(scores)


def _with(instrument: Instrument, ln_factors: Array) -> Instrument:
    bounded = np.clip(ln_factors, -np.array(_LARGEST_LN), _LARGEST_LN)
    grain, phase, spread = (float(v) for v in np.array(_START) * np.exp(bounded))
    return instrument.model_copy(
        update={"grain_um": grain, "phase_sd": phase, "grain_ln_sd": spread}
    )


def _minus_ln_likelihood(mixture: Evidence, instrument: Instrument) -> float:
    """Of the ratios of scales to what was weighed in; one common factor is free."""
    dimmed = contrast(mixture.weights, mixture.references, instrument)
    rest = mixture.ln_scales - np.log(mixture.weights) - dimmed
    whole = instrument.phase_sd**2 + (dimmed * instrument.grain_ln_sd) ** 2
    covariance = mixture.covariance + np.diag(whole)
    basis = np.linalg.svd(np.ones((1, len(rest))))[2][1:]
    inner = basis @ covariance @ basis.T
    seen = basis @ rest
    _, ln_determinant = np.linalg.slogdet(inner)
    return 0.5 * float(seen @ np.linalg.solve(inner, seen) + ln_determinant)
