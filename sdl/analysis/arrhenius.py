"""Arrhenius law of an ionic conductivity: sigma T = A exp(-Ea / kT), with sigmas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdl.core.errors import ConfigError

FloatArray = NDArray[np.float64]

BOLTZMANN_EV_PER_K = 8.617333262e-5
"""CODATA 2018."""


@dataclass(frozen=True, eq=False)
class ArrheniusFit:
    """A straight line of ln(sigma T) against 1/T.

    Args:
        ln_sigma_t: ln of conductivity (S/cm) times temperature (K) at ``reference_k``.
        activation_ev: Activation energy, eV.
        reference_k: Where the two are least correlated: the weighted mean of 1/T.
        covariance: Of (ln_sigma_t, activation_ev), shape ``(2, 2)``.
        reduced_chi2: Above 1 where the points bend or their sigmas are too small; ``nan`` for two
            points.
    """

    ln_sigma_t: float
    activation_ev: float
    reference_k: float
    covariance: FloatArray
    reduced_chi2: float

    @property
    def activation_sigma_ev(self) -> float:
        """Standard deviation of the activation energy, eV."""
        return float(np.sqrt(self.covariance[1, 1]))

    def conductivity_s_per_cm(self, temperature_k: float) -> tuple[float, float]:
        """Conductivity at a temperature, with its sigma, S/cm."""
        row = np.array([1.0, -self._lever(temperature_k)])
        ln = float(row @ [self.ln_sigma_t, self.activation_ev])
        value = float(np.exp(ln)) / temperature_k
        return value, value * float(np.sqrt(row @ self.covariance @ row))

    def _lever(self, temperature_k: float) -> float:
        return (1.0 / temperature_k - 1.0 / self.reference_k) / BOLTZMANN_EV_PER_K


def fit_arrhenius(
    temperature_k: FloatArray, conductivity_s_per_cm: FloatArray, sigma_s_per_cm: FloatArray
) -> ArrheniusFit:
    """Weighted least squares in ln(sigma T); exact, no iteration.

    Args:
        temperature_k: K, shape ``(n,)``, at least two different ones.
        conductivity_s_per_cm: S/cm, shape ``(n,)``, above zero.
        sigma_s_per_cm: Standard deviations, shape ``(n,)``, above zero; small against the values,
            since the logarithm is taken as linear.

    Raises:
        ConfigError: Shapes differ, fewer than two temperatures, or a value is not above zero.
    """
    t, y, s = (np.asarray(a, float) for a in (temperature_k, conductivity_s_per_cm, sigma_s_per_cm))
    one_shape = t.shape == y.shape == s.shape and t.ndim == 1
    if not one_shape or len(np.unique(t)) < 2 or not min(t.min(), y.min(), s.min()) > 0.0:
        raise ConfigError(
            "no Arrhenius line goes through these points",
            got=f"shapes {t.shape}, {y.shape}, {s.shape}",
            allowed="equal lengths, two or more temperatures, everything above zero",
        )
    weight = (y / s) ** 2
    inverse = float((weight / t).sum() / weight.sum())
    lever = (1.0 / t - inverse) / BOLTZMANN_EV_PER_K
    design = np.column_stack([np.ones_like(t), -lever])
    information = design.T @ (design * weight[:, None])
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    solution = covariance @ (design.T @ (weight * np.log(y * t)))
    residual = np.log(y * t) - design @ solution
    freedom = len(t) - 2
    chi2 = float((weight * residual**2).sum() / freedom) if freedom else float("nan")
    return ArrheniusFit(float(solution[0]), float(solution[1]), 1.0 / inverse, covariance, chi2)
