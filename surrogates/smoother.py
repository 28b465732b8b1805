"""An ensemble smoother with multiple data assimilation, for any forward function.

The prior ensemble is moved to the data in several steps, each with the error variance inflated by
``a_i`` such that ``sum 1/a_i = 1``; for a linear function and a large ensemble the result is the
exact posterior (Emerick and Reynolds, Computers & Geosciences 55 (2013) 3; recalled). Three
things make it honest with 100 to 300 members:

* the gain of parameter p and datum d is shrunk by ``1 - c**2 (1 - r**2)**2 / ((n - 1) r**2)``,
  not below 0, where r is their correlation in the ensemble: the second term is the sampling
  variance of r over r**2, so what chance alone would show is cut and flat directions stay where
  the prior has them;
* dummy parameters that nothing depends on go through the same update, and what they lose of their
  spread is given back to all (after Evensen 2009; recalled), never beyond the prior's spread;
* a datum known only to lie below (above) a limit pulls a member only while that member's
  prediction lies beyond the perturbed limit.

Every draw has a key of its own made of the step and the datum's name, and data are put into the
order of their names: the result does not depend on the order in which data are given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sdl.core.errors import ModelError
from sdl.core.model import Frozen
from sdl.core.seeds import generator

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Forward = Callable[[Array], Array]
"""Parameters ``(N, P)`` to predictions ``(N, D)``, in the order of the data."""

BELOW, EXACT, ABOVE = -1, 0, 1
"""Kinds of a datum: at most its value, its value, at least its value."""

_NOTHING = 1e-12


@dataclass(frozen=True)
class Data:
    """What was measured, in a space where errors are about normal.

    Attributes:
        names: One per datum, each once.
        values: Values, or limits of censored data, shape ``(D,)``.
        sd: Standard deviation of measured minus predicted in the right member, shape ``(D,)``.
        kind: ``BELOW``, ``EXACT`` or ``ABOVE``, shape ``(D,)``.
    """

    names: tuple[str, ...]
    values: Array
    sd: Array
    kind: IntArray

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise ModelError("every datum needs a name of its own", got=len(self.names))
        shapes = {a.shape for a in (self.values, self.sd, self.kind)}
        if shapes != {(len(self.names),)}:
            raise ModelError("data need one value, sd and kind each", got=shapes)
        if not (np.isfinite(self.values).all() and np.isfinite(self.sd).all()):
            raise ModelError("data hold a value or an sd that is not finite")
        if (self.sd <= 0.0).any():
            raise ModelError("every sd of a datum is above 0", got=float(self.sd.min()))

    def residuals(self, predicted: Array, noise: Array | float = 0.0) -> Array:
        """Perturbed data minus predictions; 0 where a limit is kept, shape ``(N, D)``."""
        found = self.values + noise - predicted
        found = np.where(self.kind == BELOW, np.minimum(found, 0.0), found)
        return np.where(self.kind == ABOVE, np.maximum(found, 0.0), found)


class SmootherConfig(Frozen):
    """How data are assimilated."""

    steps: Annotated[int, Field(ge=1, le=64)] = 8
    """Steps of equal weight; with ``adaptive`` the most steps there may be."""
    adaptive: bool = False
    """Let the misfit choose the weights: many small steps while it is large (Iglesias and Yang,
    Inverse Problems 37 (2021) 025008; recalled)."""
    guard: Annotated[float, Field(ge=0, le=6)] = 2.0
    """c of the shrinkage against chance correlations, in standard errors; 0 switches it off."""
    dummies: Annotated[int, Field(ge=0, le=1000)] = 64
    """Dummy parameters that measure the loss of spread; 0 switches the correction off."""


@dataclass(frozen=True)
class Smoothed:
    """A posterior ensemble and how it came about.

    Attributes:
        ensemble: Shape ``(N, P)``.
        first: Predictions of the prior ensemble, shape ``(N, D)``.
        last: Predictions of the posterior ensemble, shape ``(N, D)``.
        weights: ``1/a_i`` of each step; they sum to 1.
        misfit: Mean over members of half the squared standardised residuals, before each step and
            after the last.
        inflation: Mean factor by which the spread was corrected, per step.
    """

    ensemble: Array
    first: Array
    last: Array
    weights: tuple[float, ...]
    misfit: tuple[float, ...]
    inflation: tuple[float, ...]


def smooth(
    prior: Array, forward: Forward, data: Data, config: SmootherConfig, *key: str | int
) -> Smoothed:
    """Moves a prior ensemble to the data.

    Args:
        prior: Prior ensemble, shape ``(N, P)``, at least 3 members.
        forward: Parameters ``(N, P)`` to predictions ``(N, D)``.
        data: The data; may be empty.
        config: Steps and guards.
        key: Words and numbers that name the run; equal keys give equal results.

    Raises:
        ModelError: Too few members, or predictions of a wrong shape or not finite.
    """
    if prior.ndim != 2 or len(prior) < 3:
        raise ModelError("a smoother needs an ensemble", got=prior.shape, allowed="(N >= 3, P)")
    order = np.argsort(np.array(data.names, dtype=np.str_), kind="stable")
    given = np.argsort(order, kind="stable")
    ordered = Data(
        tuple(data.names[i] for i in order), data.values[order], data.sd[order], data.kind[order]
    )

    def predict(ensemble: Array) -> Array:
        return _checked(forward(ensemble), (len(prior), len(order)))[:, order]

    # Dummies are ordinary parameters to every step below; nothing in `forward` sees them.
    dummies = generator("smoother", *key, "dummies").standard_normal((len(prior), config.dummies))
    width = prior.shape[1]
    state = np.hstack([prior, dummies])
    most = state.std(axis=0)
    predicted = first = predict(state[:, :width])
    weights: list[float] = []
    misfit = [_misfit(ordered, predicted).mean()]
    inflation: list[float] = []
    while len(order) and (left := 1.0 - sum(weights)) > _NOTHING:
        weight = _weight(config, len(weights), left, _misfit(ordered, predicted), len(order))
        noise = _noise(ordered, len(prior), 1.0 / weight, (*key, len(weights)))
        moved = state + _update(state, predicted, ordered, noise, 1.0 / weight, config.guard)
        state, factor = _respread(moved, state, most, config.dummies)
        weights.append(weight)
        inflation.append(factor)
        predicted = predict(state[:, :width])
        misfit.append(_misfit(ordered, predicted).mean())
    return Smoothed(
        ensemble=state[:, :width],
        first=first[:, given],
        last=predicted[:, given],
        weights=tuple(weights),
        misfit=tuple(float(m) for m in misfit),
        inflation=tuple(inflation),
    )


def _checked(predicted: Array, shape: tuple[int, int]) -> Array:
    if predicted.shape != shape:
        raise ModelError("predictions have a wrong shape", got=predicted.shape, allowed=shape)
    if not np.isfinite(predicted).all():
        bad = int((~np.isfinite(predicted)).any(axis=1).sum())
        raise ModelError("predictions are not finite", got=f"{bad} members")
    return predicted


def _misfit(data: Data, predicted: Array) -> Array:
    """Half the squared standardised residuals of each member, shape ``(N,)``."""
    return 0.5 * ((data.residuals(predicted) / data.sd) ** 2).sum(axis=1)


def _weight(config: SmootherConfig, step: int, left: float, misfit: Array, count: int) -> float:
    """``1/a`` of a step; the last step takes what is left."""
    if step + 1 >= config.steps:
        return left
    if not config.adaptive:
        return 1.0 / config.steps
    mean, variance = float(misfit.mean()), float(misfit.var())
    wanted = max(0.5 * count / max(mean, _NOTHING), np.sqrt(0.5 * count / max(variance, _NOTHING)))
    return float(min(left, max(wanted, 0.01 * left)))


def _noise(data: Data, members: int, factor: float, key: tuple[str | int, ...]) -> Array:
    """Errors of the data for each member, centred, with the inflated variance."""
    columns = [generator("smoother", *key, name).standard_normal(members) for name in data.names]
    noise = np.stack(columns, axis=1)
    noise -= noise.mean(axis=0)
    return noise * data.sd * np.sqrt(factor * members / (members - 1))


def _update(
    state: Array, predicted: Array, data: Data, noise: Array, factor: float, guard: float
) -> Array:
    """What one step adds to every member, shape ``(N, P)``."""
    freedom = len(state) - 1
    x = state - state.mean(axis=0)
    d = (predicted - predicted.mean(axis=0)) / data.sd
    # Scaled by the errors, the matrix below has no eigenvalue under `factor`.
    cross = x.T @ d / freedom
    inner = d.T @ d / freedom + factor * np.eye(len(data.names))
    gain = np.linalg.solve(inner, cross.T).T
    if guard > 0.0:
        gain *= _trust(x, d, guard)
    return (data.residuals(predicted, noise) / data.sd) @ gain.T


def _trust(x: Array, d: Array, guard: float) -> Array:
    """Factor on the gain of each parameter and datum, shape ``(P, D)``."""
    r = _unit(x).T @ _unit(d)
    squared = np.clip(r**2, _NOTHING, 1.0)
    return np.clip(1.0 - guard**2 * (1.0 - squared) ** 2 / ((len(x) - 1) * squared), 0.0, 1.0)


def _unit(columns: Array) -> Array:
    """Centred columns of length 1; constant ones become 0."""
    length = np.sqrt((columns**2).sum(axis=0))
    return columns / np.where(length > _NOTHING, length, np.inf)


def _respread(moved: Array, before: Array, most: Array, dummies: int) -> tuple[Array, float]:
    """The ensemble with the spread that the dummies lost given back."""
    if not dummies:
        return moved, 1.0
    lost = before[:, -dummies:].std(axis=0) / np.maximum(moved[:, -dummies:].std(axis=0), _NOTHING)
    factor = max(1.0, float(lost.mean()))
    centre = moved.mean(axis=0)
    allowed = most / np.maximum(moved.std(axis=0), _NOTHING)
    each = np.clip(allowed, 1.0, factor)
    return centre + (moved - centre) * each, float(each.mean())
