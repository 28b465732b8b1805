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
from sdl.analysis.library import library
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

REACTED = "NiO_0p3035-Bi2O3_0p3016-Li2CO3_0p3997"
"""A mixture whose powders have reacted: its scans show the lines of bismutite, (BiO)2CO3 (12.9,
23.9, 30.3, 32.7, 47.0, 56.9 degrees from a cell of 3.865 and 13.675 angstrom, I4/mmm, recalled).
Its flags count as false all the same, but it sets no limit."""

_MARGINS = (1.3, 1.08)
"""Of the shipped limits over the largest stray lines and significance of the complete sets."""
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
    """Real scans: a phase missing from the reference set must be flagged, a complete set not.

    The held-out rows judge each mixture by limits that the complete sets of the others give.
    """
    complete = [[m.fit(which) for which in range(len(MINUTES))] for m in mixtures]
    shipped, held, alone, false, false_held = [], [], [], [], []
    for number, mixture in enumerate(mixtures):
        others = [
            fit
            for m, fits in zip(mixtures, complete, strict=True)
            if m is not mixture and m.name != REACTED
            for fit in fits
        ]
        limits = _limits(others)
        false += [_flags(fit) for fit in complete[number]]
        false_held += [_exceeds(fit, limits) for fit in complete[number]]
        for which in range(len(MINUTES)):
            for phase in mixture.weights:
                fit = mixture.fit(which, mixture.references((phase,)))
                shipped.append(_flags(fit))
                held.append(_exceeds(fit, limits))
                alone.append(fit.stray_lines > limits[0])
    return (
        _at_least("left-out phase flagged", shipped),
        _at_most("complete set flagged", false),
        _at_least("held-out limits: left-out phase flagged", held),
        _at_most("held-out limits: complete set flagged", false_held),
        _reported("held-out limits: left-out phase flagged without library", alone),
    )


def _limits(complete: Sequence[PatternFit]) -> tuple[float, float]:
    """Of stray lines and of significance: what complete sets reach, and a margin."""
    lines = max(fit.stray_lines for fit in complete)
    return _MARGINS[0] * lines, _MARGINS[1] * max(_significance(fit) for fit in complete)


def _exceeds(fit: PatternFit, limits: tuple[float, float]) -> bool:
    return fit.stray_lines > limits[0] or _significance(fit) > limits[1]


def _significance(fit: PatternFit) -> float:
    return fit.match.significance if fit.match else 0.0


def gate_v9_planted(
    patterns: int = 20,
    shares: Sequence[tuple[float, float]] = ((0.05, 0.05), (0.05, 0.2)),
    planted: Sequence[tuple[str, str]] = PLANTED,
) -> tuple[Figure, ...]:
    """Simulated patterns of mixtures with an unknown phase, and of the same without it.

    Unknown is what the reference set lacks. Its structure is in the library of all systems, as that
    of most compounds is in some library: the rows that are judged. A phase in no library shows by
    stray lines or by likeness to another structure alone: the rows that are reported.

    Args:
        patterns: Of each unknown and each length of scan.
        shares: Ranges of the weight fraction of the unknown.
        planted: System and unknown.
    """
    figures, false = [], []
    every: dict[str, list[bool]] = {}
    for system, unknown in planted:
        known = load_references(system, [n for n in load_references(system).names if n != unknown])
        for number in range(patterns):
            for minutes in MINUTES:
                key = (system, unknown, number, str(minutes))
                false.append(_flags(_planted_fit(known, 0.0, unknown, key)))
        for low, high in shares:
            seen, alone = [], []
            for number in range(patterns):
                for minutes in MINUTES:
                    key = (system, unknown, number, str(minutes))
                    part = low + (high - low) * float(generator("v9-share", *key).random())
                    fit = _planted_fit(known, part, unknown, key)
                    seen.append(_flags(fit))
                    if fit.stray_lines <= UNEXPLAINED_LIMIT:
                        fit = _planted_fit(known, part, unknown, key, listed=False)
                    alone.append(_flags(fit))
            much = f"{100 * low:g}" if low == high else f"{100 * low:g}-{100 * high:g}"
            name = f"{much} wt% {unknown} in {system} flagged"
            figures += [_at_least(name, seen), _reported(f"{name}, in no library", alone)]
            every.setdefault(f"{much} wt% flagged, mean", []).extend(seen)
            every.setdefault(f"{much} wt% flagged, mean, in no library", []).extend(alone)
    means = [_reported(name, flags) for name, flags in every.items()]
    return (*figures, *means, _at_most("simulated false flags", false))


def _planted_fit(
    known: ReferenceSet,
    part: float,
    unknown: str,
    key: tuple[str, str, int, str],
    *,
    listed: bool = True,
) -> PatternFit:
    """One pattern of known phases and a part of the unknown, fitted with the known ones.

    Args:
        known: The reference set.
        part: Weight fraction of the unknown.
        unknown: Its name.
        key: System, unknown, number, minutes.
        listed: Whether the library has the unknown.
    """
    minutes = float(key[3])
    weights = _mixed(known, part, unknown, key)
    every = load_references(known.system, [*known.names, unknown])
    counts = simulate_counts(weights, every, scan_min=minutes, rng=generator("v9-planted", *key))
    others = None if listed else tuple(r for r in library() if r.name != unknown)
    return fit_pattern(counts, known, scan_min=minutes, others=others)


def _at_least(name: str, flags: Sequence[bool]) -> Figure:
    seen = float(np.mean(flags))
    return Figure("V9", name, seen, ">= 0.95", seen >= 0.95)


def _at_most(name: str, flags: Sequence[bool]) -> Figure:
    seen = float(np.mean(flags))
    return Figure("V9", name, seen, "<= 0.05", seen <= 0.05)


def _reported(name: str, flags: Sequence[bool]) -> Figure:
    return Figure("V9", name, float(np.mean(flags)), "reported", True)


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
