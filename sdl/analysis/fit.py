"""Counts to weight fractions: weighted least squares of reference profiles, with honest sigma."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from sdl.analysis.amounts import amounts
from sdl.analysis.basis import Basis, basis_for
from sdl.analysis.profile import DEFAULT_GRID, DEFAULT_INSTRUMENT, Array, Grid, Instrument
from sdl.analysis.references import ReferenceSet
from sdl.analysis.unexplained import Excess, find_excess
from sdl.core.errors import ConfigError
from sdl.core.material import PhaseAmount

UNEXPLAINED_LIMIT = 0.004
"""Above this share of unexplained intensity a pattern holds a phase that is not in the set."""

_TOLERANCE = 1.4
"""Factor on the scatter of line intensities: a known line that is too strong is no new phase."""
_ROUNDS = 3
_ROUNDS_AGAIN = 2
_REFIT_ABOVE = 0.5 * UNEXPLAINED_LIMIT
_MOST_ROUNDS = 8
_STILL_DEG = 0.003
_STILL_LN_SIZE = 0.05
_STEP_DEG = 0.06
_STEP_LN_SIZE = 0.5
_COMMON_SIZE_SD = 1.0
_OWN_SIZE_SD = 0.35
"""Prior of the logarithm of the crystallite sizes: a common part and one of each phase, so that a
weak phase takes the width of the strong ones."""


@dataclass(frozen=True)
class PatternFit:
    """What a pattern says about the sample."""

    phases: dict[str, PhaseAmount]
    """Weight fractions of the crystalline part with sigma, in the order of the reference set. They
    sum to 1; all are 0 with sigma 1 where nothing crystalline is seen."""
    unexplained: float
    """Share of the diffracted intensity that no reference explains, 0-1."""
    reduced_chi2: float
    """Of the explained part, with the model errors of the instrument in the variance."""
    fitted: Array
    """Fitted counts, shape ``(count,)``."""
    background: Array
    """Fitted background, shape ``(count,)``."""
    contributions: dict[str, Array]
    """Fitted counts of each phase, each of shape ``(count,)``."""
    displacement_deg: float
    """Fitted shift of the lines by sample height, degrees 2theta times cos theta."""


@dataclass(frozen=True)
class _Solution:
    scales: Array
    """Phase scales >= 0, shape ``(n,)``."""
    nuisance: Array
    """Background coefficients and steps of displacement and widths."""
    design: Array
    weights: Array
    precision: Array
    """Prior precision of the unknowns, a matrix; zero for scales and background."""


@dataclass(frozen=True)
class _State:
    """Where the iteration stands, with everything drawn once."""

    displacement_deg: float
    inverse_sizes: Array
    scales: Array
    columns: Array
    slopes: Array
    contributions: Array
    background: Array
    variance: Array
    """Of a point: counting noise of the fit and the scatter of line intensities."""

    @property
    def fitted(self) -> Array:
        """Fitted counts."""
        return self.contributions.sum(axis=0) + self.background


def fit_pattern(
    counts: npt.ArrayLike,
    references: ReferenceSet,
    *,
    grid: Grid = DEFAULT_GRID,
    scan_min: float,
    instrument: Instrument = DEFAULT_INSTRUMENT,
) -> PatternFit:
    """Quantifies the phases of a pattern.

    Non-negative least squares of the reference profiles over a polynomial background, with Poisson
    weights that are updated, one displacement and one crystallite size per phase (Gauss-Newton
    steps under a prior). Regions with lines of no known phase are left out of the last fit and
    reported as ``unexplained``. Sigma holds counting noise and the instrument's model errors.

    Args:
        counts: Counts per point, shape ``(grid.count,)``, finite and not negative.
        references: Candidate phases.
        grid: Angles of the counts.
        scan_min: Duration of the scan, minutes.
        instrument: The diffractometer.

    Raises:
        ConfigError: The counts do not match the grid, or are negative or not finite.
    """
    observed = _checked(counts, grid, scan_min)
    basis = basis_for(references, grid, instrument)
    state = _start(observed, basis)
    use = np.ones(grid.count)
    state, solution = _refine(observed, use, basis, state, _ROUNDS)
    excess = _excess(observed, basis, state)
    if excess.share > _REFIT_ABOVE:
        use = excess.use
        state, solution = _refine(observed, use, basis, state, _ROUNDS_AGAIN)
        excess = _excess(observed, basis, state)
    return _report(observed, use, basis, state, solution, excess)


def _start(observed: Array, basis: Basis) -> _State:
    sizes = np.full(basis.phase_count, 1.0 / basis.instrument.crystallite_nm)
    columns, slopes = basis.typical
    return _State(
        displacement_deg=0.0,
        inverse_sizes=sizes,
        scales=np.zeros(basis.phase_count),
        columns=columns,
        slopes=slopes,
        contributions=np.zeros_like(columns),
        background=np.zeros(basis.grid.count),
        variance=_smoothed(observed) + 1.0,
    )


def _refine(
    observed: Array, use: Array, basis: Basis, state: _State, rounds: int
) -> tuple[_State, _Solution]:
    """Gauss-Newton steps: at least ``rounds``, and on until the lines stand still."""
    done = 0
    while True:
        solution = _solve(observed, use, basis, state)
        before, state = state, _stepped(basis, state, solution)
        done += 1
        if done >= _MOST_ROUNDS or (done >= rounds and _still(before, state)):
            return state, solution


def _still(before: _State, after: _State) -> bool:
    share = after.scales / max(float(after.scales.sum()), 1e-300)
    growth = np.abs(np.log(after.inverse_sizes / before.inverse_sizes)) @ share
    moved = abs(after.displacement_deg - before.displacement_deg)
    return moved < _STILL_DEG and float(growth) < _STILL_LN_SIZE


def _solve(observed: Array, use: Array, basis: Basis, state: _State) -> _Solution:
    """One linear step in scales, background, displacement and sizes."""
    n = basis.phase_count
    total = state.contributions.sum(axis=0)
    moved = -basis.cosine * np.gradient(total, basis.grid.step_deg)
    widened = state.slopes * (state.scales * state.inverse_sizes)[:, None]
    design = np.vstack([state.columns, basis.polynomials, moved[None, :], widened])
    weights = use / state.variance
    weighted = design * weights
    precision, deviation = _prior(basis, state)
    normal = weighted @ design.T + precision
    scales, nuisance = _bounded(normal, weighted @ observed - precision @ deviation, n)
    return _Solution(scales, nuisance, design, weights, precision)


def _prior(basis: Basis, state: _State) -> tuple[Array, Array]:
    """Prior precision of the unknowns and how far the state is from the prior's mean.

    It keeps the steps of absent phases near those of present ones and all within reason.
    """
    n, m = basis.phase_count, basis.polynomials.shape[0]
    instrument = basis.instrument
    precision = np.zeros((n + m + 1 + n, n + m + 1 + n))
    deviation = np.zeros(n + m + 1 + n)
    precision[n + m, n + m] = 1.0 / (2.0 * instrument.displacement_sd_deg + 1e-6) ** 2
    deviation[n + m] = state.displacement_deg
    spread = np.full((n, n), _COMMON_SIZE_SD**2) + _OWN_SIZE_SD**2 * np.eye(n)
    precision[n + m + 1 :, n + m + 1 :] = np.linalg.inv(spread)
    deviation[n + m + 1 :] = np.log(state.inverse_sizes * instrument.crystallite_nm)
    return precision, deviation


def _bounded(normal: Array, right: Array, n: int) -> tuple[Array, Array]:
    """Least squares with the first ``n`` unknowns not negative, the others free."""
    a, b, c = normal[:n, :n], normal[:n, n:], normal[n:, n:]
    solved = np.linalg.solve(c, np.column_stack([b.T, right[n:]]))
    schur = a - b @ solved[:, :-1]
    target = right[:n] - b @ solved[:, -1]
    scale = 1.0 / np.sqrt(np.maximum(np.diag(schur), 1e-300))
    lower = np.linalg.cholesky(schur * np.outer(scale, scale) + 1e-10 * np.eye(n))
    scales = nnls(lower.T, np.linalg.solve(lower, target * scale))[0] * scale
    return scales, solved[:, -1] - solved[:, :-1] @ scales


def _stepped(basis: Basis, state: _State, solution: _Solution) -> _State:
    """The state after a step; steps are cut so that the linearisation holds."""
    n, m = basis.phase_count, basis.polynomials.shape[0]
    shift = float(np.clip(solution.nuisance[m], -_STEP_DEG, _STEP_DEG))
    displacement = float(np.clip(state.displacement_deg + shift, *basis.shift_range_deg))
    growth = np.clip(solution.nuisance[m + 1 : m + 1 + n], -_STEP_LN_SIZE, _STEP_LN_SIZE)
    sizes = np.clip(state.inverse_sizes * np.exp(growth), *basis.inverse_size_range)
    columns, slopes = basis.columns(sizes, displacement)
    contributions = columns * solution.scales[:, None]
    background = solution.nuisance[:m] @ basis.polynomials
    lines = basis.instrument.line_sd**2 * (contributions**2).sum(axis=0)
    noise = np.maximum(contributions.sum(axis=0) + background, 1.0)
    return _State(
        displacement_deg=displacement,
        inverse_sizes=sizes,
        scales=solution.scales,
        columns=columns,
        slopes=slopes,
        contributions=contributions,
        background=background,
        variance=noise + lines,
    )


def _excess(observed: Array, basis: Basis, state: _State) -> Excess:
    # Systematic error at each point: line intensities, and with them profile shapes.
    spread = np.sqrt((state.contributions**2).sum(axis=0))
    tolerance = _TOLERANCE * basis.instrument.line_sd * spread
    total = state.contributions.sum(axis=0)
    return find_excess(observed, total, state.background, tolerance, basis)


def _covariance(basis: Basis, state: _State, solution: _Solution) -> Array:
    """Covariance of the scales: sandwich of counting noise, line and phase errors, priors."""
    n = basis.phase_count
    weighted = solution.design * solution.weights
    normal = weighted @ solution.design.T + solution.precision
    size = 1.0 / np.sqrt(np.maximum(np.diag(normal), 1e-300))
    # Columns of absent phases' sizes are zero but for their prior, so this stays regular.
    inverse = np.linalg.inv(normal * np.outer(size, size) + 1e-12 * np.eye(len(size)))
    gain = (inverse * np.outer(size, size))[:n]
    estimator = gain @ weighted
    noise = np.maximum(state.fitted, 1.0)
    covariance = (estimator * noise) @ estimator.T + gain @ solution.precision @ gain.T
    response = basis.line_response(estimator) * state.scales[basis.line_phase][None, :]
    covariance += basis.instrument.line_sd**2 * response @ response.T
    return covariance + np.diag((basis.instrument.phase_sd * state.scales) ** 2)


def _report(
    observed: Array,
    use: Array,
    basis: Basis,
    state: _State,
    solution: _Solution,
    excess: Excess,
) -> PatternFit:
    fitted = state.fitted
    unknowns = 2 * basis.phase_count + basis.polynomials.shape[0] + 1
    free = max(1.0, float(use.sum()) - unknowns)
    chi2 = float((use * (observed - fitted) ** 2 / state.variance).sum() / free)
    return PatternFit(
        phases=amounts(state.scales, _covariance(basis, state, solution), basis.names),
        unexplained=excess.share,
        reduced_chi2=chi2,
        fitted=fitted,
        background=state.background,
        contributions=dict(zip(basis.names, state.contributions, strict=True)),
        displacement_deg=state.displacement_deg,
    )


def _smoothed(observed: Array) -> Array:
    return np.convolve(np.pad(observed, 2, mode="edge"), np.full(5, 0.2), mode="valid")


def _checked(counts: npt.ArrayLike, grid: Grid, scan_min: float) -> Array:
    observed = np.asarray(counts, dtype=np.float64)
    if observed.shape != (grid.count,):
        raise ConfigError(
            "the pattern does not match its grid",
            got=f"shape {observed.shape}",
            allowed=f"({grid.count},)",
            do="hand in the grid of the scan",
        )
    if not np.isfinite(observed).all() or (observed < 0).any() or not scan_min > 0:
        raise ConfigError(
            "the pattern is not a count pattern",
            got=f"minimum {observed.min()}, {scan_min} min",
            allowed="finite counts >= 0, a duration > 0",
            do="check the file of the scan",
        )
    return observed
