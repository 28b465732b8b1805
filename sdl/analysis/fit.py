"""Counts to weight fractions: weighted least squares of reference profiles, with honest sigma."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.special import log_ndtr

from sdl.analysis.basis import Basis, basis_for
from sdl.analysis.profile import DEFAULT_GRID, DEFAULT_INSTRUMENT, Array, Grid, Instrument
from sdl.analysis.references import ReferenceSet
from sdl.analysis.unexplained import Excess, find_excess
from sdl.core.errors import ConfigError
from sdl.core.material import PhaseAmount

UNEXPLAINED_LIMIT = 0.012
"""Above this share of unexplained intensity a pattern holds a phase that is not in the set."""

_ROUNDS = 4
_WIDTH_PRIOR = 0.4
"""Standard deviation of the logarithm of the inverse crystallite size, for the first guess."""


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
    """Prior precision of each column; zero for scales and background."""


@dataclass
class _State:
    displacement_deg: float
    inverse_sizes: Array
    scales: Array
    background: Array
    variance: Array


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
    state = _State(
        displacement_deg=0.0,
        inverse_sizes=np.full(basis.phase_count, 1.0 / instrument.crystallite_nm),
        scales=np.zeros(basis.phase_count),
        background=np.zeros(basis.polynomials.shape[0]),
        variance=_smoothed(observed) + 1.0,
    )
    use = np.ones(grid.count)
    solution = _refine(observed, use, basis, state, _ROUNDS)
    excess = _excess(observed, basis, state)
    if excess.share > 0.0:
        use = excess.use
        solution = _refine(observed, use, basis, state, 2)
        excess = _excess(observed, basis, state)
    return _report(observed, use, basis, state, solution, excess)


def _refine(observed: Array, use: Array, basis: Basis, state: _State, rounds: int) -> _Solution:
    solution = _solve(observed, use, basis, state)
    for _ in range(rounds - 1):
        _update(basis, state, solution)
        solution = _solve(observed, use, basis, state)
    _update(basis, state, solution)
    return solution


def _solve(observed: Array, use: Array, basis: Basis, state: _State) -> _Solution:
    """One linear step in scales, background, displacement and sizes."""
    n = basis.phase_count
    columns, slopes = basis.columns(state.inverse_sizes, state.displacement_deg)
    total = state.scales @ columns
    moved = -basis.cosine * np.gradient(total, basis.grid.step_deg)
    widened = slopes * (state.scales * state.inverse_sizes)[:, None]
    design = np.vstack([columns, basis.polynomials, moved[None, :], widened])
    precision = np.zeros(design.shape[0])
    instrument = basis.instrument
    # Priors keep the steps of absent phases at zero and those of present ones within reason.
    offset = np.zeros(design.shape[0])
    first = n + basis.polynomials.shape[0]
    precision[first] = 1.0 / (2.0 * instrument.displacement_sd_deg + 1e-6) ** 2
    offset[first] = -state.displacement_deg
    precision[first + 1 :] = 1.0 / _WIDTH_PRIOR**2
    offset[first + 1 :] = -np.log(state.inverse_sizes * instrument.crystallite_nm)
    weights = use / state.variance
    weighted = design * weights
    normal = weighted @ design.T + np.diag(precision)
    right = weighted @ observed + precision * offset
    scales, nuisance = _bounded(normal, right, n)
    return _Solution(scales, nuisance, design, weights, precision)


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


def _update(basis: Basis, state: _State, solution: _Solution) -> None:
    n, m = basis.phase_count, basis.polynomials.shape[0]
    state.scales = solution.scales
    state.background = solution.nuisance[:m]
    shift = float(np.clip(solution.nuisance[m], -0.06, 0.06))
    limit = 0.3
    state.displacement_deg = float(np.clip(state.displacement_deg + shift, *basis.shift_range_deg))
    grown = state.inverse_sizes * np.exp(
        np.clip(solution.nuisance[m + 1 : m + 1 + n], -limit, limit)
    )
    state.inverse_sizes = np.clip(grown, *basis.inverse_size_range)
    state.variance = _variance(basis, state)


def _parts(basis: Basis, state: _State) -> tuple[Array, Array]:
    columns, _ = basis.columns(state.inverse_sizes, state.displacement_deg)
    return columns * state.scales[:, None], state.background @ basis.polynomials


def _excess(observed: Array, basis: Basis, state: _State) -> Excess:
    contributions, background = _parts(basis, state)
    # Systematic error at each point: line intensities, and with them profile shapes.
    tolerance = basis.instrument.line_sd * np.sqrt((contributions**2).sum(axis=0))
    return find_excess(observed, contributions.sum(axis=0), background, tolerance, basis)


def _variance(basis: Basis, state: _State) -> Array:
    """Variance of a point: counting noise of the fit and the scatter of line intensities."""
    contributions, background = _parts(basis, state)
    lines = basis.instrument.line_sd**2 * (contributions**2).sum(axis=0)
    return np.maximum(contributions.sum(axis=0) + background, 1.0) + lines


def _covariance(basis: Basis, state: _State, solution: _Solution) -> Array:
    """Covariance of the scales: sandwich of counting noise, line and phase errors, priors."""
    n = basis.phase_count
    weighted = solution.design * solution.weights
    normal = weighted @ solution.design.T + np.diag(solution.precision)
    size = 1.0 / np.sqrt(np.maximum(np.diag(normal), 1e-300))
    # Columns of absent phases' sizes are zero but for their prior, so this stays regular.
    inverse = np.linalg.inv(normal * np.outer(size, size) + 1e-12 * np.eye(len(size)))
    gain = (inverse * np.outer(size, size))[:n]
    estimator = gain @ weighted
    contributions, background = _parts(basis, state)
    noise = np.maximum(contributions.sum(axis=0) + background, 1.0)
    covariance = (estimator * noise) @ estimator.T + (gain * solution.precision) @ gain.T
    response = basis.line_response(estimator) * state.scales[basis.line_phase][None, :]
    covariance += basis.instrument.line_sd**2 * response @ response.T
    return covariance + np.diag((basis.instrument.phase_sd * state.scales) ** 2)


def _amounts(scales: Array, covariance: Array, names: tuple[str, ...]) -> dict[str, PhaseAmount]:
    """Weight fractions with the standard deviation of a normal distribution cut at 0 and 1."""
    total = float(scales.sum())
    spread = float(np.sqrt(np.maximum(covariance.sum(), 0.0)))
    if total <= 3.0 * spread:
        return {name: PhaseAmount(weight_fraction=0.0, sigma=1.0) for name in names}
    share = scales / total
    jacobian = (np.eye(len(scales)) - share[:, None]) / total
    sigma = np.sqrt(np.maximum(np.diag(jacobian @ covariance @ jacobian.T), 0.0))
    sigma = np.maximum(sigma, 1e-6)
    sigma = sigma * _cut(share / sigma) * _cut((1.0 - share) / sigma)
    return {
        name: PhaseAmount(weight_fraction=float(w), sigma=float(s))
        for name, w, s in zip(names, share, sigma, strict=True)
    }


def _cut(distance: Array) -> Array:
    """Standard deviation of a unit normal cut off ``distance`` below its mean; 0.60 at 0."""
    near = np.minimum(distance, 8.0)
    ratio = np.exp(-0.5 * near**2 - log_ndtr(near)) / np.sqrt(2.0 * np.pi)
    return np.sqrt(1.0 - near * ratio - ratio**2)


def _report(
    observed: Array,
    use: Array,
    basis: Basis,
    state: _State,
    solution: _Solution,
    excess: Excess,
) -> PatternFit:
    contributions, background = _parts(basis, state)
    fitted = contributions.sum(axis=0) + background
    variance = _variance(basis, state)
    free = max(1.0, float(use.sum()) - basis.phase_count - len(state.background) - 1)
    chi2 = float((use * (observed - fitted) ** 2 / variance).sum() / free)
    return PatternFit(
        phases=_amounts(state.scales, _covariance(basis, state, solution), basis.names),
        unexplained=excess.share,
        reduced_chi2=chi2,
        fitted=fitted,
        background=background,
        contributions=dict(zip(basis.names, contributions, strict=True)),
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
