"""Impedance spectra of ion conductors to resistances with sigma, fitted with impedance.py.

The circuit is two arcs (grain interior, grain boundary) and a blocking electrode in series:

    Z = R1/(1 + (j w tau1)^n1) + R2/(1 + (j w tau2)^n2) + B (j w)^-m

A resistor beside a constant phase element Q is such an arc with tau = (R Q)^(1/n). The fit runs in
ln R, ln tau, n: in R, Q and n, the elements that impedance.py ships, its optimiser stopped beside
the minimum or took half a minute (1.7.1 with SciPy 1.17), so the two elements are registered with
the library as its own are. The library gives no covariances, which the sum of two overlapping arcs
needs: they are computed from the derivatives at the minimum, with weak priors that keep what a
spectrum cannot tell (an arc above the highest frequency) wide instead of singular.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdl.core.errors import ConfigError, ModelError
from sdl.core.extras import require_extra

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

CIRCUIT = "SdlArc1-SdlArc2-SdlBlock3"
VACUUM_F_PER_CM = 8.8541878128e-14
"""Electric constant, F/cm (CODATA 2018)."""

_LOW = np.array([-3.0, -30.0, 0.6, -3.0, -25.0, 0.6, -5.0, 0.4])
_HIGH = np.array([35.0, 0.0, 1.0, 35.0, 8.0, 1.0, 45.0, 1.0])
# Standard deviations of the priors that enter the covariance only: never of the fit itself.
_PRIOR = np.array([5.0, 3.0, 0.1, 5.0, 3.0, 0.1, 5.0, 0.2])
_GOOD_CHI2 = 1.5
_APART = 5.0


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One impedance spectrum.

    Args:
        frequency_hz: Frequencies, Hz, shape ``(n,)``, all positive.
        impedance_ohm: Impedances, ohm, shape ``(n,)``.
        sigma_ohm: Standard deviation of real and of imaginary part, ohm, shape ``(n,)``.
    """

    frequency_hz: FloatArray
    impedance_ohm: ComplexArray
    sigma_ohm: FloatArray

    def __post_init__(self) -> None:
        shapes = {self.frequency_hz.shape, self.impedance_ohm.shape, self.sigma_ohm.shape}
        sound = len(shapes) == 1 and self.frequency_hz.ndim == 1 and len(self.frequency_hz) >= 12
        finite = all(np.all(np.isfinite(a)) for a in vars(self).values())
        if not sound or not finite or min(self.frequency_hz.min(), self.sigma_ohm.min()) <= 0.0:
            raise ConfigError(
                "this is no impedance spectrum",
                got=f"arrays of shapes {sorted(map(str, shapes))}",
                allowed="at least 12 points; frequencies and sigmas above zero, all finite",
                do="check the file",
            )


@dataclass(frozen=True, eq=False)
class ArcFit:
    """What a spectrum says.

    Args:
        parameters: ln R1 (ohm), ln tau1 (s), n1, the same of arc 2, ln B, m; shape ``(8,)``.
        covariance: Of the parameters, shape ``(8, 8)``.
        reduced_chi2: Squared residuals over sigma, per degree of freedom.
    """

    parameters: FloatArray
    covariance: FloatArray
    reduced_chi2: float

    def resistance_ohm(self, arc: int) -> tuple[float, float]:
        """Resistance of arc 1 (the faster: grain interior) or 2, with its sigma, ohm."""
        index = 3 * (arc - 1)
        value = float(np.exp(self.parameters[index]))
        return value, value * float(np.sqrt(self.covariance[index, index]))

    @property
    def total_ohm(self) -> tuple[float, float]:
        """R1 + R2 with its sigma, ohm; their errors are correlated and mostly cancel."""
        parts = np.exp(self.parameters[[0, 3]])
        block = self.covariance[np.ix_([0, 3], [0, 3])]
        return float(parts.sum()), float(np.sqrt(parts @ block @ parts))

    @property
    def resolved(self) -> bool:
        """Whether the two arcs can be told apart: both resistances known to 20 %."""
        variances = self.covariance[[0, 3], [0, 3]]
        apart = self.parameters[4] - self.parameters[1] > np.log(_APART)
        return bool(np.all(variances < 0.04) and apart)

    def impedance_ohm(self, frequency_hz: FloatArray) -> ComplexArray:
        """The fitted circuit at some frequencies, ohm, shape ``(n,)``."""
        return arcs_ohm(frequency_hz, self.parameters)


def arcs_ohm(frequency_hz: FloatArray, parameters: FloatArray) -> ComplexArray:
    """Impedance of the circuit, ohm, shape ``(n,)``; parameters as in ``ArcFit``."""
    jw = 2j * np.pi * np.asarray(frequency_hz)
    p = parameters
    arcs = [np.exp(p[i]) / (1.0 + (jw * np.exp(p[i + 1])) ** p[i + 2]) for i in (0, 3)]
    return arcs[0] + arcs[1] + np.exp(p[6]) * jw ** -p[7]


def _jacobian(frequency_hz: FloatArray, parameters: FloatArray) -> FloatArray:
    """Derivatives of the circuit, real parts over imaginary ones, shape ``(2 n, 8)``."""
    jw = 2j * np.pi * np.asarray(frequency_hz)
    p = parameters
    columns: list[ComplexArray] = []
    for i in (0, 3):
        log = np.log(jw) + p[i + 1]
        power = np.exp(p[i + 2] * log)
        arc = np.exp(p[i]) / (1.0 + power)
        turn = -arc * power / (1.0 + power)
        columns += [arc, turn * p[i + 2], turn * log]
    block = np.exp(p[6]) * jw ** -p[7]
    columns += [block, -block * np.log(jw)]
    stacked = np.column_stack(columns)
    return np.vstack([stacked.real, stacked.imag])


@cache
def _library() -> tuple[Any, Any]:
    """``circuit_fit`` and ``wrapCircuit`` of impedance.py, with our two elements registered."""
    require_extra("properties", "fitting an impedance spectrum", "impedance", "scipy")
    # 1.5 s: it draws plotting libraries behind it.
    from impedance.models.circuits.elements import element
    from impedance.models.circuits.fitting import circuit_fit, wrapCircuit

    def SdlArc(p: Any, f: Any) -> Any:  # noqa: N802 - the name is the symbol in the circuit
        return np.exp(p[0]) / (1.0 + (2j * np.pi * np.asarray(f) * np.exp(p[1])) ** p[2])

    def SdlBlock(p: Any, f: Any) -> Any:  # noqa: N802
        return np.exp(p[0]) * (2j * np.pi * np.asarray(f)) ** -p[1]

    element(num_params=3, units=["ln ohm", "ln s", ""], overwrite=True)(SdlArc)
    element(num_params=2, units=["ln ohm", ""], overwrite=True)(SdlBlock)
    return circuit_fit, wrapCircuit


def fit_arcs(spectrum: Spectrum, *, cell_f: float = 1e-11) -> ArcFit:
    """Fits grain, boundary and electrode.

    Args:
        spectrum: The spectrum.
        cell_f: Guess of the capacitance of the sample as a dielectric, F: VACUUM_F_PER_CM x
            permittivity x area / thickness. An order of magnitude is enough; it starts the fit and
            is not part of the result.

    Returns:
        The best of the starts; arc 1 is the faster.

    Raises:
        MissingExtraError: impedance.py is not installed.
        ModelError: No start led to a fit.
    """
    circuit_fit, circuit = _library()
    z, f = spectrum.impedance_ohm, spectrum.frequency_hz
    sigma = np.hstack([spectrum.sigma_ohm, spectrum.sigma_ohm])
    measured = np.hstack([z.real, z.imag])
    model = circuit(CIRCUIT, {})
    best: tuple[float, FloatArray] | None = None
    for start in _starts(spectrum, cell_f):
        try:
            found, _ = circuit_fit(
                f, z, CIRCUIT, start, bounds=(_LOW, _HIGH), sigma=sigma, absolute_sigma=True,
                ftol=1e-8, xtol=1e-8, maxfev=400, jac=lambda f, *p: _jacobian(f, np.array(p)),
            )  # fmt: skip
        except RuntimeError:  # SciPy: this start did not converge
            continue
        chi2 = float((((model(f, *found) - measured) / sigma) ** 2).sum())
        if best is None or chi2 < best[0]:
            best = chi2, np.asarray(found, dtype=np.float64)
        if chi2 < _GOOD_CHI2 * (len(measured) - len(found)):
            break
    if best is None:
        raise ModelError(
            "no impedance circuit could be fitted to the spectrum",
            got=f"{len(f)} points from {f.min():.3g} to {f.max():.3g} Hz",
            do="look at the spectrum; the circuit is two arcs and a blocking electrode",
        )
    chi2, found = best
    if found[1] > found[4]:
        found = found[[3, 4, 5, 0, 1, 2, 6, 7]]
    covariance = _covariance(f, found, sigma)
    return ArcFit(found, covariance, chi2 / (len(measured) - len(found)))


def _starts(spectrum: Spectrum, cell_f: float) -> list[FloatArray]:
    """Guesses from the spectrum itself: the resistance where the phase is flattest, and shares."""
    z, f = spectrum.impedance_ohm, spectrum.frequency_hz
    by_frequency = np.argsort(f)
    z, f = z[by_frequency], f[by_frequency]
    # Between the electrode (low) and the arcs (high) the imaginary part is smallest.
    flat = int(np.argmin(np.abs(z.imag / z)[: max(3, 3 * len(f) // 4)]))
    total = max(float(z.real[flat]), 1.0)
    tail = max(float(abs(z.imag[0])), 1e-6 * total)
    electrode = np.log(tail) + 0.85 * np.log(2.0 * np.pi * f[0])
    starts: list[FloatArray] = []
    for ratio in (1e3, 30.0):
        for share in (0.5, 0.15, 0.85):
            tau = share * total * cell_f
            slow = max(ratio * (1.0 - share) * total * cell_f, 5.0 * tau)
            guess = [
                np.log(share * total), np.log(tau), 0.95,
                np.log((1.0 - share) * total), np.log(slow), 0.9, electrode, 0.85,
            ]  # fmt: skip
            starts.append(np.clip(np.array(guess), _LOW + 1e-3, _HIGH - 1e-3))
    return starts


def _covariance(f: FloatArray, found: FloatArray, sigma: FloatArray) -> FloatArray:
    weighted = _jacobian(f, found) / sigma[:, None]
    information = weighted.T @ weighted + np.diag(_PRIOR**-2.0)
    return np.asarray(np.linalg.inv(information), dtype=np.float64)
