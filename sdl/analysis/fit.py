"""Counts to weight fractions: weighted least squares of reference profiles, with honest sigma."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sdl.analysis.amounts import amounts
from sdl.analysis.instrument import Instrument
from sdl.analysis.library import Match, best_match
from sdl.analysis.profile import DEFAULT_GRID, DEFAULT_INSTRUMENT, Array, Grid
from sdl.analysis.references import Reference, ReferenceSet
from sdl.analysis.setting import Setting, setting_for
from sdl.analysis.state import Solution, State, first_state, moved_by, solve, stepped
from sdl.analysis.unexplained import Excess, find_excess
from sdl.core.errors import ConfigError
from sdl.core.material import PhaseAmount

UNEXPLAINED_LIMIT = 0.00125
"""Above this unexplained share a pattern holds a phase that is not in the set. Of the 40 scans of
known mixtures those without foreign phases have ``stray_lines`` of up to 0.00096."""

_ROUNDS = 4
_ROUNDS_AGAIN = 2
_REFIT_ABOVE = 0.00275
_MOST_ROUNDS = 9
_STILL_DEG = 0.003
_STILL_LN_SIZE = 0.05
_WIDEST_STEP_DEG = 0.045


@dataclass(frozen=True)
class PatternFit:
    """What a pattern says about the sample."""

    phases: dict[str, PhaseAmount]
    """Weight fractions of the crystalline part with sigma, in the order of the reference set. They
    sum to 1; all are 0 with sigma 1 where nothing crystalline is seen."""
    unexplained: float
    """Share of the sample that no reference explains, 0-1: of the diffracted intensity, or the
    weight fraction of a structure beside the references that is surely there, if that is more. 0
    where the evidence is not above ``UNEXPLAINED_LIMIT``."""
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
    state: State = field(repr=False, compare=False)
    """Where the fit ended, on the grid it was made on."""
    scale_covariance: Array = field(repr=False, compare=False)
    """Covariance of the scales by noise and lines, shape ``(n, n)``."""
    stray_lines: float = 0.0
    """``Excess.evidence``: share of the diffracted intensity in lines that no reference explains,
    the strongest of them discounted, 0-1."""
    match: Match | None = None
    """The structure of the library that best explains what the references do not; it counts as
    unexplained if it is ``sure``."""


def fit_pattern(
    counts: npt.ArrayLike,
    references: ReferenceSet,
    *,
    grid: Grid = DEFAULT_GRID,
    scan_min: float,
    instrument: Instrument = DEFAULT_INSTRUMENT,
    others: tuple[Reference, ...] | None = None,
) -> PatternFit:
    """Quantifies the phases of a pattern.

    Non-negative least squares of the reference profiles over a polynomial background, with Poisson
    weights that are updated, one displacement and one crystallite size per phase (Gauss-Newton
    steps under a prior). Regions with lines of no known phase are left out of the last fit and
    reported as ``unexplained``, as is a structure of the library whose lines together stand out.
    Sigma holds counting noise and the instrument's model errors.

    Args:
        counts: Counts per point, shape ``(grid.count,)``, finite and not negative.
        references: Candidate phases.
        grid: Angles of the counts.
        scan_min: Duration of the scan, minutes.
        instrument: The diffractometer.
        others: Structures that an unknown phase may have; ``library.library()`` if ``None``.

    Raises:
        ConfigError: The counts do not match the grid, or are negative or not finite.
    """
    fine = _checked(counts, grid, scan_min)
    coarse, observed = _coarse(fine, grid)
    setting = setting_for(references, coarse, instrument)
    use = np.ones(coarse.count)
    state, solution = _refine(observed, use, setting, first_state(observed, setting), _ROUNDS)
    excess = find_excess(observed, state, setting)
    match = best_match(observed, state, setting, others)
    if excess.share > _REFIT_ABOVE:
        use = excess.use
        state, solution = _refine(observed, use, setting, state, _ROUNDS_AGAIN)
        excess = find_excess(observed, state, setting)
    return _report(observed, use, grid, setting, state, solution, excess, match)


def _coarse(fine: Array, grid: Grid) -> tuple[Grid, Array]:
    """Points summed where they are much closer than a line is wide."""
    number = max(1, int(_WIDEST_STEP_DEG / grid.step_deg))
    kept = grid.count // number * number
    counts = fine[:kept].reshape(-1, number).sum(axis=1)
    start = grid.start_deg + 0.5 * (number - 1) * grid.step_deg
    return Grid(start, number * grid.step_deg, len(counts)), counts


def _refine(
    observed: Array, use: Array, setting: Setting, state: State, rounds: int
) -> tuple[State, Solution]:
    """Gauss-Newton steps: at least ``rounds``, and on until the lines stand still."""
    done = 0
    while True:
        solution = solve(observed, use, setting, state)
        before, state = state, stepped(setting, state, solution)
        done += 1
        shift, growth = moved_by(before, state)
        still = shift < _STILL_DEG and growth < _STILL_LN_SIZE
        if done >= _MOST_ROUNDS or (done >= rounds and still):
            return state, solution


def _covariance(setting: Setting, state: State, solution: Solution) -> Array:
    """Covariance of the scales: sandwich of counting noise, errors of lines, priors."""
    n = setting.phase_count
    weighted = solution.design * solution.weights
    normal = weighted @ solution.design.T + solution.precision
    size = 1.0 / np.sqrt(np.maximum(np.diag(normal), 1e-300))
    inverse = np.linalg.inv(normal * np.outer(size, size) + 1e-12 * np.eye(len(size)))
    gain = (inverse * np.outer(size, size))[:n]
    estimator = gain @ weighted
    noise = np.maximum(state.fitted, 1.0)
    covariance = (estimator * noise) @ estimator.T + gain @ solution.precision @ gain.T
    for scale, drawn in zip(state.scales, state.drawn, strict=True):
        if drawn is not None and scale > 0.0:
            response = scale * drawn.line_response(estimator)
            covariance += setting.instrument.line_sd**2 * response @ response.T
    return covariance


def _report(
    observed: Array,
    use: Array,
    grid: Grid,
    setting: Setting,
    state: State,
    solution: Solution,
    excess: Excess,
    match: Match | None,
) -> PatternFit:
    fitted = state.fitted
    unknowns = setting.phase_count + len(solution.nuisance)
    free = max(1.0, float(use.sum()) - unknowns)
    chi2 = float((use * (observed - fitted) ** 2 / state.variance).sum() / free)
    covariance = _covariance(setting, state, solution)
    stray = excess.share if excess.evidence > UNEXPLAINED_LIMIT else 0.0
    names = setting.references.names
    every = _spread_out(np.vstack([state.background, state.contributions]), setting.grid, grid)
    return PatternFit(
        phases=amounts(state.scales, covariance, setting.references, setting.instrument),
        unexplained=max(stray, match.share if match and match.sure else 0.0),
        reduced_chi2=chi2,
        fitted=every.sum(axis=0),
        background=every[0],
        contributions=dict(zip(names, every[1:], strict=True)),
        displacement_deg=state.mount.displacement_deg,
        state=state,
        scale_covariance=covariance,
        stray_lines=excess.evidence,
        match=match,
    )


def _spread_out(rows: Array, coarse: Grid, fine: Grid) -> Array:
    """Rows of counts on the points of the scan."""
    if coarse.count == fine.count:
        return rows
    share = fine.step_deg / coarse.step_deg
    angles, at = fine.angles_deg, coarse.angles_deg
    return np.array([np.interp(angles, at, row) * share for row in rows])


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
