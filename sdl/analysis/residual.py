"""What a fit leaves over, weighed by all that may be wrong with it: counts and the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from sdl.analysis.profile import Array, Grid
from sdl.analysis.setting import Setting
from sdl.analysis.state import State, linear_model

_SHAPE_ERROR = 0.04
"""Share of the intensity nearby by which the drawn shape of lines may be wrong. This, the next four
and the limits in ``recognise`` were chosen on the 40 scans of known mixtures."""
_NEAR_DEG = 0.12
"""Half width at half maximum of what counts as nearby."""
_REACH_DEG = 1.0
"""Nothing is nearby beyond this."""
_TOGETHER_DEG = 0.24
"""Errors of shape keep their sign over this range; independent errors of points stand for them with
a variance that is larger by the number of points in it."""
_BACKGROUND_ERROR = 0.01
"""Share of the background by which its shape may be wrong."""
_BUMP_DEG = 2.0
"""Standard deviation and distance of the bumps that stand for that."""
_LEAST_WORTH = 0.1
"""Lines whose error matters less than this part of the other errors, squared, are left out."""
_RIDGE = 1e-10


@dataclass(frozen=True)
class Residual:
    """Counts minus fit as a linear Gaussian model sees them; ``count`` points, ``k`` nuisances."""

    weights: Array
    """One over the variance of each point, shape ``(count,)``."""
    rest: Array
    """Precision matrix times residual, nuisances projected out, shape ``(count,)``."""
    rows: Array
    """Weighted and scaled nuisances, shape ``(k, count)``."""
    factor: Array
    """Cholesky factor of their normal matrix, shape ``(k, k)``, lower."""

    def amounts(self, columns: Array) -> tuple[Array, Array, Array]:
        """Best amount of each column, were it added to the fit alone.

        Args:
            columns: Shape ``(n, count)``.

        Returns:
            Amounts (of any sign), their standard deviations, and the share 0-1 of what the counts
            say of each column that is not as well said by the nuisances; each of shape ``(n,)``.
        """
        bare = (columns * columns) @ self.weights
        shared = solve_triangular(self.factor, self.rows @ columns.T, lower=True)
        precision = np.maximum(bare - (shared * shared).sum(axis=0), 1e-300)
        return columns @ self.rest / precision, precision**-0.5, precision / (bare + 1e-300)


def residual_of(observed: Array, state: State, setting: Setting) -> Residual:
    """The residual of a fit under its errors.

    Nuisances are all that the fit may change (under its prior), the intensity of every known line
    (``Instrument.line_sd``) and bumps of the background. Errors of the shape of lines add to the
    variance of points.

    Args:
        observed: Counts, shape ``(count,)``.
        state: Of the fit.
        setting: Of the fit.
    """
    total = state.scales @ state.columns
    near = np.convolve(total, _kernel(setting.grid), mode="same")
    points = _TOGETHER_DEG / setting.grid.step_deg
    variance = np.maximum(total + state.background, 1.0) + points * (_SHAPE_ERROR * near) ** 2
    model = linear_model(setting, state)
    present = np.ones(len(model.design), dtype=bool)
    present[: setting.phase_count] = state.scales > 0.0
    bumps = _BACKGROUND_ERROR * _bumps(setting.grid) * np.maximum(state.background, 1.0)
    lines = _lines(state, setting, variance)
    rows = np.vstack([model.design[present], *lines, bumps])
    fitted = int(present.sum())
    precision = np.eye(len(rows))
    precision[:fitted, :fitted] = model.precision[np.ix_(present, present)]
    weights = 1.0 / variance
    weighted = rows * weights
    normal = weighted @ rows.T + precision
    size = 1.0 / np.sqrt(np.maximum(np.diag(normal), 1e-300))
    scaled = normal * np.outer(size, size) + _RIDGE * np.eye(len(size))
    factor = np.asarray(np.linalg.cholesky(scaled), dtype=np.float64)
    weighted *= size[:, None]
    rest = observed - total - state.background
    right = weighted @ rest
    # The prior's mean is not where the fit stands.
    pull = model.precision @ model.deviation
    right[:fitted] -= size[:fitted] * pull[present]
    left = weights * rest - weighted.T @ cho_solve((factor, True), right)
    return Residual(weights, left, weighted, factor)


def _lines(state: State, setting: Setting, variance: Array) -> list[Array]:
    """One standard deviation of the intensity of each known line that matters."""
    sd = setting.instrument.line_sd
    found = []
    for scale, drawn in zip(state.scales, state.drawn, strict=True):
        if drawn is not None and scale > 0.0:
            found += drawn.line_profiles(sd * scale, variance, _LEAST_WORTH)
    return found


@lru_cache(maxsize=8)
def _kernel(grid: Grid) -> Array:
    reach = int(_REACH_DEG / grid.step_deg)
    away = np.arange(-reach, reach + 1) * grid.step_deg / _NEAR_DEG
    kernel = 1.0 / (1.0 + away * away)
    return kernel / kernel.sum()


@lru_cache(maxsize=8)
def _bumps(grid: Grid) -> Array:
    """Shape ``(bumps, count)``."""
    angles = grid.angles_deg
    centres = np.arange(angles[0], angles[-1] + _BUMP_DEG, _BUMP_DEG)
    return np.exp(-0.5 * ((angles[None, :] - centres[:, None]) / _BUMP_DEG) ** 2)
