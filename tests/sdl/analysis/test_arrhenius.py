import math

import numpy as np
import pytest

from sdl.analysis.arrhenius import BOLTZMANN_EV_PER_K, fit_arrhenius
from sdl.core.errors import ConfigError

TEMPERATURE = np.linspace(250.0, 370.0, 7)


def _line(activation_ev: float = 0.34, at_300_k: float = 1e-4) -> np.ndarray:
    lever = (1.0 / TEMPERATURE - 1.0 / 300.0) / BOLTZMANN_EV_PER_K
    return at_300_k * 300.0 / TEMPERATURE * np.exp(-activation_ev * lever)


def test_exact_line_comes_back_exactly() -> None:
    value = _line()

    fit = fit_arrhenius(TEMPERATURE, value, 0.01 * value)

    assert fit.activation_ev == pytest.approx(0.34, rel=1e-10)
    assert fit.conductivity_s_per_cm(300.0)[0] == pytest.approx(1e-4, rel=1e-10)
    assert fit.reduced_chi2 < 1e-12


def test_sigmas_are_honest() -> None:
    rng = np.random.default_rng(7)
    exact = _line()
    sigma = np.linspace(0.01, 0.04, len(exact))

    pulls = []
    for _ in range(300):
        value = exact * (1.0 + sigma * rng.standard_normal(len(exact)))
        fit = fit_arrhenius(TEMPERATURE, value, sigma * value)
        predicted, width = fit.conductivity_s_per_cm(420.0)
        wanted = (
            300.0e-4 / 420.0 * math.exp(-0.34 * (1.0 / 420.0 - 1.0 / 300.0) / BOLTZMANN_EV_PER_K)
        )
        pulls.append(
            ((fit.activation_ev - 0.34) / fit.activation_sigma_ev, (predicted - wanted) / width)
        )

    spread = np.std(pulls, axis=0)
    assert spread == pytest.approx([1.0, 1.0], abs=0.12)


def test_reference_temperature_is_where_the_two_are_independent() -> None:
    value = _line()

    fit = fit_arrhenius(TEMPERATURE, value, np.linspace(0.01, 0.05, 7) * value)

    assert fit.covariance[0, 1] == pytest.approx(0.0, abs=1e-15)
    assert TEMPERATURE.min() < fit.reference_k < TEMPERATURE.max()


@pytest.mark.parametrize(
    ("temperature", "value"),
    [([300.0, 300.0], [1.0, 1.0]), ([300.0, 310.0], [1.0, -1.0]), ([300.0], [1.0])],
)
def test_what_gives_no_line_is_refused(temperature: list[float], value: list[float]) -> None:
    points = np.array(value)

    with pytest.raises(ConfigError, match="no Arrhenius line"):
        fit_arrhenius(np.array(temperature), points, np.abs(points))
