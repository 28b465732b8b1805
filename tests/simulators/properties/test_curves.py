import numpy as np
import pytest

from simulators.properties import Specimen, property_model
from simulators.properties.curves import (
    Curve,
    arrhenius_plot,
    ferrite_curie_against_zinc,
    magnetisation_against_zinc,
    nyquist,
    permittivity_against_grain,
    permittivity_against_temperature,
    titanate_curie_against_strontium,
)

PELLET = Specimen(phases={"Li7La3Zr2O12-cubic": 1.0}, grain_um=3.0)


def test_curves_are_finite_and_named() -> None:
    curves: list[Curve] = [
        *magnetisation_against_zinc(),
        *ferrite_curie_against_zinc(),
        titanate_curie_against_strontium(),
        *permittivity_against_temperature(),
        permittivity_against_grain(),
    ]

    for curve in curves:
        assert curve.x.shape == curve.y.shape
        assert np.all(np.isfinite(curve.y))
        assert curve.label
        assert curve.x_name
        assert curve.y_name


def test_curve_of_a_hidden_laboratory_differs() -> None:
    hidden = property_model("titanate-curie-point").draw("laboratory", 1)

    curve = titanate_curie_against_strontium(model=hidden)

    assert not np.allclose(curve.y, titanate_curie_against_strontium().y, atol=0.5)


def test_nyquist_fit_goes_through_its_spectrum() -> None:
    spectrum, fit = nyquist(PELLET, 4)

    miss = np.abs(fit.impedance_ohm(spectrum.frequency_hz) - spectrum.impedance_ohm)
    assert np.median(miss / spectrum.sigma_ohm) < 2.0


def test_arrhenius_plot_gives_the_activation_energy_back() -> None:
    _, sigma, fit = arrhenius_plot(PELLET, [-20.0, 0.0, 20.0, 40.0], 2)

    assert np.all(sigma > 0.0)
    expected = property_model("electrolyte-activation").mean(
        PELLET.model_copy(update={"temperature_c": -20.0})
    )
    assert fit.activation_ev == pytest.approx(expected, abs=5.0 * fit.activation_sigma_ev)
