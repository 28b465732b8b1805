"""Noise of a scan without its pattern: the variance of an estimated weight fraction.

The variance of phase p at weight fraction w is ``a + b w + c w (1 - w)``, and not below ``a``. The
figures are ours: least squares, relative to the variance, to the sigma that ``sdl.analysis.fit``
reports on 260 simulated patterns of 2 and 8 minutes each (a third of them nearly pure BaTiO3 with
impurities up to 5 wt%, the others Dirichlet mixtures with 0.6 per phase, key ``envs-noise``). The
fit's sigma agreed with its errors there: root mean square of error over sigma 0.90 to 1.07, bias
below 0.0004. One of a kind: 9e-4 for absent BaTiO3, 0.007 for half and half, 8 minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulators.network import FloatArray

SCAN_MINUTES = (2.0, 8.0)
"""Lengths of scan the environment offers, min."""

VARIANCE: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "BaCO3": ((1.57e-6, 5.49e-5, 1.09e-4), (3.67e-7, 5.14e-5, 3.78e-5)),
    "BaO": ((2.87e-7, 1.44e-4, -4.57e-5), (7.23e-8, 6.78e-5, -1.61e-5)),
    "TiO2": ((6.33e-6, -2.69e-5, 3.76e-4), (1.48e-6, -1.20e-5, 2.28e-4)),
    "BaTiO3": ((6.60e-7, 2.40e-5, 1.19e-4), (8.41e-8, 6.93e-6, 7.65e-5)),
    "Ba2TiO4": ((2.96e-6, 6.13e-5, 1.28e-4), (8.18e-7, 5.18e-5, 4.95e-5)),
}
"""By phase: (a, b, c) of a 2-minute and of an 8-minute scan."""

OTHER = ((2.3e-6, 5.0e-5, 1.4e-4), (6.0e-7, 3.3e-5, 7.5e-5))
"""A phase that was not fitted: the mean of the others."""


def noise_table(phases: Sequence[str]) -> FloatArray:
    """Coefficients by length of scan and phase, shape ``(2, phases, 3)``."""
    rows = [VARIANCE.get(name, OTHER) for name in phases]
    return np.ascontiguousarray(np.array(rows, dtype=np.float64).transpose(1, 0, 2))


def sigma(coefficients: FloatArray, fraction: FloatArray | float) -> FloatArray:
    """Standard deviation of an estimated weight fraction.

    Args:
        coefficients: (3,) or (..., 3), a row of ``noise_table``.
        fraction: Weight fraction, 0 to 1, of matching shape.
    """
    a, b, c = coefficients[..., 0], coefficients[..., 1], coefficients[..., 2]
    w = np.asarray(fraction)
    return np.sqrt(a + np.maximum(0.0, b * w + c * w * (1.0 - w)))
