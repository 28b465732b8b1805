"""Microabsorption: grains that absorb more than their surroundings show less than their share."""

from __future__ import annotations

import numpy as np

from sdl.analysis.instrument import Instrument
from sdl.analysis.profile import Array
from sdl.analysis.references import Reference

_SLOPE = 1.5
"""ln tau of a sphere is -1.5 (mu - mean mu) R for small grains (Brindley, 1945; recalled)."""

_LARGEST = 1.0
"""Beyond this (mu - mean mu) R the powder is no longer fine and the law ends."""

_UM_PER_CM = 1e4


def linear_absorption(references: tuple[Reference, ...]) -> Array:
    """Linear absorption coefficients at Cu K-alpha, 1/cm, shape ``(n,)``."""
    return np.array([r.mass_absorption_cm2_per_g * r.density_g_per_cm3 for r in references])


def contrast(shares: Array, references: tuple[Reference, ...], instrument: Instrument) -> Array:
    """Logarithm of tau of each phase for grains of the typical size.

    Args:
        shares: Weight fractions, shape ``(n,)``; not all zero.
        references: The phases.
        instrument: For the size of the grains.

    Returns:
        Shape ``(n,)``; proportional to the size of the phase's grains.
    """
    linear = linear_absorption(references)
    volumes = shares / np.array([r.density_g_per_cm3 for r in references])
    mean = float(volumes @ linear) / max(float(volumes.sum()), 1e-300)
    radius_cm = 0.5 * instrument.grain_um / _UM_PER_CM
    return -_SLOPE * np.clip((linear - mean) * radius_cm, -_LARGEST, _LARGEST)
