"""A scan without its pattern: the quick model of ``sdl.analysis.quick`` for one row; compiled.

What ``QuickScan.estimate`` gives, figure by figure, from numbered draws instead of an array of
them. Noise by counting and by lines is new in every scan; errors of whole phases (packing, coarse
grains) belong to the mount and stay for a sample, as they do in the virtual world.
"""

from __future__ import annotations

import math

import numpy as np

from envs.chance import normal
from envs.compiled import compiled
from envs.tables import Scanner
from sdl.analysis.quick import QuickScan
from simulators.network import FloatArray

SCAN_DRAWS = 32
"""First of the draws of a step that belong to its scan; those before it are doses and balance."""
LEAST_VARIANCE = 1e-12
"""Floor of the reported variance, that of ``QuickScan.estimate``."""
STEEPEST = 1.5
"""Cut of the logarithm of microabsorption, that of ``QuickScan.spread``."""
TRACE = 1e-6
"""Weight fraction below which a phase adds nothing to the errors; estimates know 1e-6 at best."""
SHARE, NOISE, WHOLE, TILT, LINES = 0, 1, 2, 3, 4
"""Rows of the scratch memory."""


def scanner(model: QuickScan, solids: tuple[str, ...]) -> Scanner:
    """The arrays of a fitted model as the compiled scan reads them.

    Args:
        model: Of the chemical system's phases with a pattern.
        solids: All solids of the network, in order.
    """
    arrays, names = model.arrays, model.references.names
    variance = np.concatenate(
        [arrays.linear.transpose(0, 2, 1), arrays.floor[:, None], arrays.square[:, None]], axis=1
    )
    return Scanner(
        solid=np.array([solids.index(name) for name in names], dtype=np.int64),
        variance=np.ascontiguousarray(variance),
        factor=np.ascontiguousarray(arrays.factor.transpose(0, 2, 1)),
        correlation=np.ascontiguousarray(arrays.factor @ arrays.factor.transpose(0, 2, 1)),
        powder=np.ascontiguousarray(np.stack([arrays.volume, arrays.absorption])),
        phase_sd=float(arrays.errors[0]),
        grain_ln_sd=float(arrays.errors[1]),
    )


@compiled
def add(total: FloatArray, factor: float, row: FloatArray) -> None:
    """``total += factor * row`` without a temporary array."""
    for i in range(total.size):
        total[i] += factor * row[i]


@compiled
def spread(model: Scanner, long: int, work: FloatArray) -> None:
    """Fills ``NOISE`` and ``WHOLE`` from ``SHARE``: ``QuickScan.spread``, the second squared."""
    phases = model.solid.size
    volume = light = 0.0
    for i in range(phases):
        w = work[SHARE, i]
        work[NOISE, i] = model.variance[long, phases, i]
        work[NOISE, i] += model.variance[long, phases + 1, i] * w * w
        volume += w * model.powder[0, i]
        light += w * model.powder[0, i] * model.powder[1, i]
    for k in range(phases):
        if work[SHARE, k] > TRACE:
            add(work[NOISE], work[SHARE, k], model.variance[long, k])
    mean = light / max(volume, 1e-300)
    for i in range(phases):
        work[NOISE, i] = math.sqrt(work[NOISE, i])
        dimmed = max(-STEEPEST, min(STEEPEST, model.powder[1, i] - mean)) * model.grain_ln_sd
        work[WHOLE, i] = model.phase_sd * model.phase_sd + dimmed * dimmed


@compiled
def measure(
    model: Scanner, long: int, truth: FloatArray, key: np.uint64, mount: np.uint64,
    found: FloatArray, work: FloatArray,
) -> None:  # fmt: skip
    """Estimates the weight fractions of a powder and their sigma.

    Args:
        model: The quick model.
        long: Which length of scan.
        truth: (S,) true weight fractions; solids without a pattern are not seen.
        key: Of the draws of this scan.
        mount: Of the draws that stay for the sample.
        found: (2, S) result: estimates, which sum to 1, and sigma.
        work: (``LINES``, n) scratch memory.
    """
    phases, total = model.solid.size, 0.0
    for i in range(phases):
        total += truth[model.solid[i]]
    part = 1.0 / max(total, 1e-300)
    for i in range(phases):
        work[SHARE, i] = part * truth[model.solid[i]]
        work[TILT, i] = 0.0
    spread(model, long, work)
    for k in range(phases):
        add(work[TILT], normal(key, SCAN_DRAWS + k), model.factor[long, k])
    total = 0.0
    for i in range(phases):
        w = work[SHARE, i]
        scale = work[NOISE, i] * work[TILT, i]
        if w > TRACE:
            w *= math.exp(math.sqrt(work[WHOLE, i]) * normal(mount, i))
        work[SHARE, i] = max(0.0, scale + w)
        total += work[SHARE, i]
    part = 1.0 / max(total, 1e-12)
    for i in range(phases):
        work[SHARE, i] *= part
        found[0, model.solid[i]] = work[SHARE, i]
    report(model, long, found, work)


@compiled
def report(model: Scanner, long: int, found: FloatArray, work: FloatArray) -> None:
    """Writes sigma: the diagonal of ``QuickScan.covariance`` at the estimate in ``SHARE``."""
    phases = model.solid.size
    spread(model, long, work)
    for i in range(phases):
        work[TILT, i] = 0.0
    for k in range(phases):
        add(work[TILT], work[NOISE, k], model.correlation[long, k])
    every = 0.0
    for i in range(phases):
        work[WHOLE, i] *= work[SHARE, i] * work[SHARE, i]
        # TILT becomes the sum of a row of the covariance of the scales.
        work[TILT, i] = work[NOISE, i] * work[TILT, i] + work[WHOLE, i]
        every += work[TILT, i]
    for i in range(phases):
        w, noise = work[SHARE, i], work[NOISE, i]
        own = noise * noise * model.correlation[long, i, i] + work[WHOLE, i]
        variance = own - 2.0 * w * work[TILT, i] + w * w * every
        found[1, model.solid[i]] = math.sqrt(max(LEAST_VARIANCE, variance))
