"""Gate V9: the observation model against real scans, and the quick scan against the full one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sdl.analysis.amounts import amounts
from sdl.analysis.calibrate import gathered
from sdl.analysis.fit import UNEXPLAINED_LIMIT, PatternFit, fit_pattern
from sdl.analysis.mixtures import MINUTES, Mixture
from sdl.analysis.pattern import simulate_counts
from sdl.analysis.phase_errors import fitted_errors
from sdl.analysis.profile import DEFAULT_INSTRUMENT, Array
from sdl.analysis.quick import DETECTED, LEAST_SHARE, QuickScan, random_shares
from sdl.analysis.references import ReferenceSet, load_references
from sdl.core.seeds import generator
from simulators.gates import Figure

Flags = npt.NDArray[np.bool_]

PLANTED: tuple[tuple[str, str], ...] = (
    ("ba-ti-c-o", "Ti2O3"),
    ("ba-ti-c-o", "BaTi2O5"),
    ("ba-ti-c-o", "TiO2-anatase"),
    ("ba-ti-c-o", "Al2O3"),
    ("mixtures", "ZnO"),
    ("mixtures", "LaO3H3"),
    ("mixtures", "V2O5"),
    ("mixtures", "TiO2"),
)
"""System and unknown phase of the simulated patterns."""

_WINDOW_DEG = 0.4
_COPIES = 10


@dataclass(frozen=True)
class HeldOut:
    """One scan of a mixture whose weights no constant has seen."""

    mixture: str
    minutes: float
    errors: Array
    """Estimated minus weighed-in weight fractions, shape ``(n,)``."""
    sigma: Array


def hold_out(mixtures: Sequence[Mixture]) -> list[HeldOut]:
    """Estimates with ``phase_sd``, ``grain_um`` and ``grain_ln_sd`` of the other mixtures.

    The profile and ``line_sd`` come from all 40 scans, without any weights.
    """
    every = gathered(mixtures, DEFAULT_INSTRUMENT)
    found = []
    for number, mixture in enumerate(mixtures):
        others = every[:number] + every[number + 1 :]
        instrument = fitted_errors(others, DEFAULT_INSTRUMENT)
        weights = np.array(list(mixture.weights.values()))
        references = mixture.references()
        for which, minutes in enumerate(MINUTES):
            fit = mixture.fit(which)
            said = amounts(fit.state.scales, fit.scale_covariance, references, instrument)
            seen = np.array([said[name].weight_fraction for name in references.names])
            sigma = np.array([said[name].sigma for name in references.names])
            found.append(HeldOut(mixture.name, minutes, seen - weights, sigma))
    return found


def gate_v9_sigma(mixtures: Sequence[Mixture]) -> tuple[Figure, ...]:
    """Honest sigma: every mixture left out in turn with both scans."""
    held = hold_out(mixtures)
    scores = np.concatenate([h.errors / h.sigma for h in held])
    errors = np.concatenate([h.errors for h in held])
    score = float(np.sqrt((scores**2).mean()))
    wt_pct = 100.0 * float(np.sqrt((errors**2).mean()))
    return (
        Figure("V9", "rms of error/sigma", score, "0.8 to 1.25", 0.8 <= score <= 1.25),
        Figure("V9", "rms error, wt%", wt_pct, "reported", True),
    )


def gate_v9_noise(mixtures: Sequence[Mixture]) -> tuple[Figure, ...]:
    """Noise of integrated lines in fast against slow scans, and of both against Poisson's."""
    ratios, poisson = [], []
    for mixture in mixtures:
        fits = [mixture.fit(which) for which in (0, 1)]
        slow = fits[1].fitted - fits[1].background
        centre = float(mixture.scans[1].grid.angles_deg[int(np.argmax(slow))])
        noise = []
        for scan, fit in zip(mixture.scans, fits, strict=True):
            angles = scan.grid.angles_deg
            near = np.abs(angles - centre) < _WINDOW_DEG
            lines = (fit.fitted - fit.background)[near]
            noise.append(float(np.sqrt(fit.fitted[near].sum()) / lines.sum()))
            away = np.abs(angles - 95.0) < 4.0
            counts = np.array(scan.counts)[away]
            # Fourth differences see noise alone; their variance is 70 times that of a point.
            poisson.append(float((np.diff(counts, n=4) ** 2).mean() / 70.0 / counts.mean()))
        ratios.append(noise[0] / noise[1])
    ratio, over = float(np.mean(ratios)), float(np.median(poisson))
    return (
        Figure("V9", "line noise, 2 over 8 min", ratio, "about 2", 1.7 <= ratio <= 2.4),
        Figure("V9", "variance over Poisson", over, "0.8 to 1.25", 0.8 <= over <= 1.25),
    )


def gate_v9_left_out(mixtures: Sequence[Mixture]) -> tuple[Figure, ...]:
    """Real scans: a phase missing from the reference set must be flagged, a complete set not."""
    flagged, false = [], []
    for mixture in mixtures:
        for which in range(len(MINUTES)):
            false.append(_flags(mixture.fit(which)))
            flagged += [
                _flags(mixture.fit(which, mixture.references((phase,))))
                for phase in mixture.weights
            ]
    seen, wrong = float(np.mean(flagged)), float(np.mean(false))
    return (
        Figure("V9", "left-out phase flagged", seen, ">= 0.95", seen >= 0.95),
        Figure("V9", "complete set flagged", wrong, "<= 0.05", wrong <= 0.05),
    )


def gate_v9_planted(
    patterns: int = 20, share: float = 0.05, planted: Sequence[tuple[str, str]] = PLANTED
) -> tuple[Figure, ...]:
    """Simulated patterns of mixtures with an unknown phase, and of the same without it.

    Args:
        patterns: Of each unknown and each length of scan.
        share: Weight fraction of the unknown.
        planted: System and unknown.
    """
    figures, false = [], []
    for system, unknown in planted:
        known = [name for name in load_references(system).names if name != unknown]
        references = load_references(system, known)
        every = load_references(system, [*known, unknown])
        hits = []
        for number in range(patterns):
            for minutes in MINUTES:
                key = (system, unknown, number, str(minutes))
                for part, flags in ((0.0, false), (share, hits)):
                    weights = _mixed(references, part, unknown, key)
                    rng = generator("v9-planted", *key)
                    counts = simulate_counts(weights, every, scan_min=minutes, rng=rng)
                    flags.append(_flags(fit_pattern(counts, references, scan_min=minutes)))
        seen = float(np.mean(hits))
        name = f"{100 * share:g} wt% {unknown} in {system} flagged"
        figures.append(Figure("V9", name, seen, ">= 0.95", seen >= 0.95))
    wrong = float(np.mean(false))
    return (*figures, Figure("V9", "simulated false flags", wrong, "<= 0.05", wrong <= 0.05))


def gate_v9_quick(
    system: str = "ba-ti-c-o", samples: int = 300, quick: QuickScan | None = None
) -> tuple[Figure, ...]:
    """The quick scan against patterns and their fits: bias, covariance, detection.

    Args:
        system: Chemical system.
        samples: Mixtures; every second one is scanned for 8 minutes.
        quick: The model; fitted afresh if ``None``.
    """
    references = load_references(system)
    model = quick or QuickScan.fit(references)
    n = len(references.names)
    shares = random_shares(samples, n, "gate", system)
    which = np.arange(samples) % len(model.minutes)
    full, full_sigma = _full(references, shares, [model.minutes[k] for k in which])
    full_error = full - shares
    fast_error, fast_seen = [], []
    for k in range(len(model.minutes)):
        rows = np.repeat(np.flatnonzero(which == k), _COPIES)
        normals = generator("v9-quick", system, k).standard_normal((len(rows), 2 * n))
        seen, sigma = model.estimate(shares[rows], k, normals)
        fast_error.append((rows, seen - shares[rows]))
        fast_seen.append((rows, seen > DETECTED * sigma))
    rows = np.concatenate([r for r, _ in fast_error])
    errors = np.vstack([e for _, e in fast_error])
    detected = np.vstack([d for _, d in fast_seen])
    own = np.sqrt((full_error**2).mean(axis=0))
    bias = float((np.abs(full_error.mean(axis=0) - errors.mean(axis=0)) / own).max())
    inner = full_error.T @ full_error / samples
    other = errors.T @ errors / len(errors)
    scale = np.sqrt(np.outer(np.diag(inner), np.diag(inner)))
    spread = float(np.abs(np.sqrt(np.diag(other) / np.diag(inner)) - 1.0).max())
    apart = float(np.abs((inner - other) / scale)[~np.eye(n, dtype=bool)].max())
    score = float(
        np.sqrt(
            np.mean(
                [
                    _squared(model, s, int(k), e)
                    for s, k, e in zip(shares, which, full_error, strict=True)
                ]
            )
        )
    )
    seen_gap = _detection_gap(shares, full > DETECTED * full_sigma, shares[rows], detected)
    return (
        Figure("V9", f"{system}: bias apart, sd", bias, "<= 0.15", bias <= 0.15),
        Figure("V9", f"{system}: sd apart, relative", spread, "<= 0.25", spread <= 0.25),
        Figure("V9", f"{system}: covariance apart", apart, "<= 0.2", apart <= 0.2),
        Figure(
            "V9", f"{system}: full errors, whitened", score, "0.8 to 1.25", 0.8 <= score <= 1.25
        ),
        Figure("V9", f"{system}: detection apart", seen_gap, "<= 0.1", seen_gap <= 0.1),
    )


def _flags(fit: PatternFit) -> bool:
    return fit.unexplained > UNEXPLAINED_LIMIT


def _mixed(
    references: ReferenceSet, part: float, unknown: str, key: tuple[str | int, ...]
) -> dict[str, float]:
    """Two to four known phases and a share of the unknown."""
    rng = generator("v9-mixed", *key)
    names = list(rng.choice(references.names, int(rng.integers(2, 5)), replace=False))
    shares = (1.0 - part) * rng.dirichlet(np.ones(len(names)))
    known = dict(zip(names, (float(s) for s in shares), strict=True))
    return {**known, unknown: part} if part else known


def _full(references: ReferenceSet, shares: Array, minutes: Sequence[float]) -> tuple[Array, Array]:
    """Estimates and sigma of full patterns, both ``(rows, n)``."""
    seen, sigma = np.zeros_like(shares), np.zeros_like(shares)
    for row, (share, length) in enumerate(zip(shares, minutes, strict=True)):
        weights = dict(zip(references.names, (float(s) for s in share), strict=True))
        rng = generator("v9-full", references.system, row)
        counts = simulate_counts(weights, references, scan_min=length, rng=rng)
        fit = fit_pattern(counts, references, scan_min=length)
        seen[row] = [fit.phases[name].weight_fraction for name in references.names]
        sigma[row] = [fit.phases[name].sigma for name in references.names]
    return seen, sigma


def _squared(model: QuickScan, share: Array, which: int, error: Array) -> float:
    """Squared error of a full estimate in units of the quick covariance, per degree of freedom.

    Absent phases, whose estimates the bound at 0 cuts, are left out.
    """
    present = share > 0.0
    if present.sum() < 2:
        return 1.0
    covariance = model.covariance(share[None], which)[0]
    kept = np.flatnonzero(present)[:-1]
    inner = covariance[np.ix_(kept, kept)] + 1e-12 * np.eye(len(kept))
    return float(error[kept] @ np.linalg.solve(inner, error[kept])) / len(kept)


def _detection_gap(full_shares: Array, full: Flags, fast_shares: Array, fast: Flags) -> float:
    """Largest difference of the share of phases seen, over ranges of their weight."""
    gap = 0.0
    edges = (0.0, LEAST_SHARE, 0.01, 0.03, 0.1, 1.01)
    for low, high in pairwise(edges):
        one = full[(full_shares >= low) & (full_shares < high)]
        two = fast[(fast_shares >= low) & (fast_shares < high)]
        if len(one) and len(two):
            gap = max(gap, abs(float(one.mean()) - float(two.mean())))
    return gap
