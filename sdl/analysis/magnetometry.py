"""Curves of a magnetometer to saturation magnetisation and Curie point, with honest sigma.

The law of approach to saturation, M = Ms (1 - b/B^2) + chi B (Chikazumi, recalled), is fitted in
its linear form above ``FROM_T``. The Curie point is where the square of the magnetisation, which
falls almost straight to zero just below it (Landau; the model of mean field), meets the axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdl.core.errors import ConfigError

FloatArray = NDArray[np.float64]

FROM_T = 0.8
"""Lowest field of the fit, T: below, higher terms of the law count."""
POINT_NOISE = 0.001
"""Noise of a point relative to its moment (assumption: 0.0005 to 0.005)."""
POINT_NOISE_A_M2 = 2e-8
"""The same, absolute, A m2 (assumption: 1e-9 to 1e-7 for a bench-top instrument)."""
MOUNT_SD = 0.005
"""How well position and mass of an aliquot repeat, relative; common to all points of a curve
(assumption: 0.003 to 0.02)."""
THERMOMETER_SD_C = 2.0
"""How well the temperature of an aliquot in the oven repeats, degC (assumption: 1 to 5)."""

_SUSCEPTIBILITY = (0.05, 0.15)
_APPROACH_T2 = 0.02
_WINDOW = (0.15, 0.5)
_LEAST_POINTS = 6
_MOST_CHI2 = 3.0
_SMEARED_C = 6.0
_WEAK_A_M2_PER_KG = 2.0
"""Below, what is seen may be some other phase than the one that is asked for."""
_BEYOND_C = 10.0
_TAIL_SD_C = 30.0
"""Error of a Curie point per share of the curve that lies above it, degC; set on simulated
curves."""


@dataclass(frozen=True, eq=False)
class CurveFit:
    """What a curve says.

    Args:
        value: In the unit of the property.
        sigma: Repeatability, in the same unit; without the calibration of the instrument.
        fitted: Moments of the fitted law, A m2, one per point; NaN outside the fit, and everywhere
            for a transition.
        reduced_chi2: Of the points that were fitted; of a transition 1.
        quality: ``good``, or why the value should not be trusted.
    """

    value: float
    sigma: float
    fitted: FloatArray
    reduced_chi2: float
    quality: str


def point_sigma(moment_a_m2: FloatArray) -> FloatArray:
    """Noise of each point, A m2, shape ``(n,)``."""
    return np.hypot(POINT_NOISE * moment_a_m2, POINT_NOISE_A_M2)


def saturation(curve: FloatArray, mass_mg: float) -> CurveFit:
    """Saturation magnetisation, A m2/kg.

    Args:
        curve: Field, T, and moment, A m2, shape ``(n, 2)``.
        mass_mg: Mass of the aliquot, mg.

    Raises:
        ConfigError: The curve has no shape of a curve, or hardly any point at high field.
    """
    field, moment = _columns(curve, mass_mg)
    use = field >= FROM_T
    if use.sum() < _LEAST_POINTS:
        raise ConfigError(
            "the curve does not reach saturation",
            got=f"{int(use.sum())} points from {FROM_T:g} T",
            allowed=f"at least {_LEAST_POINTS}",
        )
    mass_kg = 1e-6 * mass_mg
    y, s = moment[use] / mass_kg, point_sigma(moment[use]) / mass_kg
    design = np.column_stack([np.ones(use.sum()), -(field[use] ** -2.0), field[use]])
    top = max(abs(float(y[np.argmax(field[use])])), float(s.max()))
    # Weak priors: one curve hardly tells the approach from the slope of what does not saturate.
    centre = np.array([0.0, 0.0, _SUSCEPTIBILITY[0]])
    prior = np.diag([0.0, (_APPROACH_T2 * top) ** -2.0, _SUSCEPTIBILITY[1] ** -2.0])
    covariance = np.linalg.inv(design.T @ (design / s[:, None] ** 2) + prior)
    found = covariance @ (design.T @ (y / s**2) + prior @ centre)
    chi2 = float((((y - design @ found) / s) ** 2).sum() / max(len(y) - 3, 1))
    fitted = np.full(len(field), np.nan)
    fitted[use] = design @ found * mass_kg
    value = float(found[0])
    sigma = float(np.hypot(np.sqrt(covariance[0, 0]), MOUNT_SD * value))
    quality = "good" if chi2 < _MOST_CHI2 else f"no saturation (reduced chi2 {chi2:.1f})"
    return CurveFit(value, sigma, fitted, chi2, quality)


def curie_point(curve: FloatArray, mass_mg: float) -> CurveFit:
    """Curie point, degC.

    Args:
        curve: Temperature, degC, rising, and moment in a small field, A m2, shape ``(n, 2)``.
        mass_mg: Mass of the aliquot, mg.

    Raises:
        ConfigError: The curve has no shape of a curve.
    """
    temperature, moment = _columns(curve, mass_mg)
    fitted = np.full(len(temperature), np.nan)
    top, last = float(moment.max()), float(temperature[-1])
    if top < 1e-6 * mass_mg * _WEAK_A_M2_PER_KG:
        return CurveFit(float(temperature[0]), last, fitted, 1.0, "no transition found")
    share = moment / top
    if share[-1] > _WINDOW[0]:
        return CurveFit(last, last, fitted, 1.0, f"still magnetic at {last:.0f} degC")
    point, _, _ = _extrapolated(temperature, share)
    # What is still magnetic above is other grains: it lies under the curve that is asked for.
    tail = max(float(np.interp(point + _BEYOND_C, temperature, share)), 0.0)
    point, sigma, scatter = _extrapolated(temperature, share - tail)
    sigma = float(np.hypot(np.hypot(sigma, THERMOMETER_SD_C), _TAIL_SD_C * tail))
    quality = "good" if scatter < _SMEARED_C else "the transition is smeared"
    if not float(temperature[0]) < point < last:
        quality = "no transition found"
    return CurveFit(point, sigma, fitted, 1.0, quality)


def _extrapolated(temperature: FloatArray, share: FloatArray) -> tuple[float, float, float]:
    """Where the square of a falling curve meets zero, its sigma and the scatter, degC."""
    end = int(np.flatnonzero(share > _WINDOW[0])[-1]) + 1
    above = np.flatnonzero(share[:end] > _WINDOW[1])
    begin = int(above[-1]) + 1 if len(above) else 0
    begin = max(0, min(begin, end - _LEAST_POINTS))
    t, y = temperature[begin:end], share[begin:end] ** 2
    # The temperature as a function of the square: its value at zero is what is asked for.
    order = 2 if len(t) > _LEAST_POINTS else 1
    design = np.vander(y, order + 1, increasing=True)
    found, *_ = np.linalg.lstsq(design, t, rcond=None)
    scatter = float(np.sqrt(((t - design @ found) ** 2).sum() / max(len(t) - order - 1, 1)))
    covariance = scatter**2 * np.linalg.pinv(design.T @ design)
    return float(found[0]), float(np.sqrt(covariance[0, 0])), scatter


def _columns(curve: FloatArray, mass_mg: float) -> tuple[FloatArray, FloatArray]:
    curve = np.asarray(curve, dtype=np.float64)
    shaped = curve.ndim == 2 and curve.shape[1:] == (2,) and len(curve) >= _LEAST_POINTS
    if not (shaped and np.isfinite(curve).all() and mass_mg > 0.0):
        raise ConfigError(
            "this is no curve of a magnetometer",
            got=f"shape {curve.shape}, {mass_mg:g} mg",
            allowed=f"finite numbers, shape (n, 2) with n >= {_LEAST_POINTS}, a mass above zero",
            do="check the driver of the station",
        )
    return curve[:, 0], curve[:, 1]
