"""Readings and their noise: censored at the limits, on a scale that straightens conversions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from sdl.core.errors import ModelError
from sdl.core.material import PhaseAmount
from sdl.core.recipe import Anneal, Dose, Mix, Recipe
from surrogates.observed import Noise, Readings, readings
from surrogates.outcomes import Experiment
from surrogates.smoother import ABOVE, BELOW, EXACT

PHASES = ("BaCO3", "TiO2", "O6", "O7")
RECIPE = Recipe(
    steps=(Mix(doses=(Dose(lot="a", mass_mg=100),)), Anneal(temperature_c=800, dwell_h=4))
)
NOISE = Noise(detection=0.02, discrepancy=0.04)


def experiment(name: str, **measured: float) -> Experiment:
    amounts = {k: PhaseAmount(weight_fraction=v, sigma=0.03) for k, v in measured.items()}
    return Experiment(name=name, group=name, recipe=RECIPE, measured=amounts)


def one(value: float) -> Readings:
    return readings([experiment("a", TiO2=value)], PHASES)


def test_labels_sum_phases_and_rows_are_kept_apart() -> None:
    both = [experiment("a", TiO2=0.4, YBCO=0.5), experiment("b", BaCO3=0.0)]
    found = readings(both, PHASES, {"YBCO": ("O6", "O7")})
    assert found.names == ("a/TiO2", "a/YBCO", "b/BaCO3")
    fractions = np.arange(16, dtype=np.float64).reshape(2, 2, 4)
    np.testing.assert_allclose(found.predicted(fractions), [[1, 5, 4], [9, 21, 12]])


def test_zeros_and_ones_are_limits() -> None:
    found = readings([experiment("a", BaCO3=0.0, TiO2=0.5, O6=0.985)], PHASES)
    kind = dict(zip(found.labels, NOISE.kind(found), strict=True))
    assert kind == {"BaCO3": BELOW, "TiO2": EXACT, "O6": ABOVE}
    data = NOISE.data(found)
    assert data.values[found.labels.index("BaCO3")] == pytest.approx(NOISE.scaled(np.array(0.02)))
    # The errors on the scale are those of the fractions times the slope.
    slope = (NOISE.scaled(np.array(0.5001)) - NOISE.scaled(np.array(0.4999))) / 2e-4
    assert data.sd[found.labels.index("TiO2")] == pytest.approx(0.05 * slope, rel=1e-5)


@pytest.mark.parametrize("predicted", [0.0, 0.01, 0.4, 0.97, 1.0])
def test_the_likelihood_is_a_distribution(predicted: float) -> None:
    def density(value: float) -> float:
        return float(np.exp(NOISE.log_density(np.array([[predicted]]), one(value))[0, 0]))

    inside, _ = quad(density, 0.02 + 1e-9, 0.98 - 1e-9, limit=200)
    assert inside + density(0.0) + density(1.0) == pytest.approx(1.0, abs=1e-6)


def test_the_predictive_density_is_a_mixture_over_members_of_whole_experiments() -> None:
    found = readings([experiment("a", TiO2=0.4, O6=0.3), experiment("b", O7=0.0)], PHASES)
    predicted = np.array([[0.3, 0.45, 0.1], [0.35, 0.2, 0.0]])
    order = [found.names.index(n) for n in ("a/O6", "a/TiO2", "b/O7")]
    assert order == [0, 1, 2]
    a = norm.pdf(0.3, predicted[:, 0], 0.05) * norm.pdf(0.4, predicted[:, 1], 0.05)
    b = norm.cdf(0.02, predicted[:, 2], 0.05)
    wanted = np.log([a.mean(), b.mean()])
    np.testing.assert_allclose(NOISE.log_predictive(predicted, found, 2), wanted)
    robust = NOISE.model_copy(update={"outlier_share": 0.1})
    mixed = np.log([0.9 * a.mean() + 0.1 / 9, 0.9 * b.mean() + 0.1 / 3])
    np.testing.assert_allclose(robust.log_predictive(predicted, found, 2), mixed)


def test_unknown_phases_names_and_exact_readings_are_refused() -> None:
    with pytest.raises(ModelError, match="the twin lacks"):
        readings([experiment("a", Y2O3=0.1)], PHASES)
    with pytest.raises(ModelError, match="one name"):
        readings([experiment("a", TiO2=0.1), experiment("a", O6=0.1)], PHASES)
    sure = experiment("a").model_copy(
        update={"measured": {"TiO2": PhaseAmount(weight_fraction=0.5, sigma=0.0)}}
    )
    with pytest.raises(ModelError, match="without error"):
        Noise(discrepancy=0.0).sd(readings([sure], PHASES))
