import numpy as np
import pytest

from sdl.analysis.magnetometry import curie_point, saturation
from sdl.core.errors import ConfigError
from sdl.core.seeds import generator
from simulators.properties import Specimen, property_model
from simulators.properties.cations import FERRITES
from simulators.properties.magnetometer import measure_curve


def _specimens(count: int, temperature_c: float) -> list[Specimen]:
    rng = generator("test-magnetometry", int(temperature_c))
    found = []
    for _ in range(count):
        shares = dict(zip(FERRITES, rng.dirichlet(np.ones(5)).tolist(), strict=True))
        found.append(
            Specimen(
                phases={**shares, "Fe2O3": float(0.1 * rng.random())},
                grain_um=float(np.exp(rng.normal())),
                temperature_c=temperature_c,
                cations_frozen_c=float(rng.uniform(450.0, 800.0)),
            )
        )
    return found


def test_saturation_scatters_by_its_sigma_around_the_truth() -> None:
    model = property_model("ferrite-magnetisation")
    pulls = []
    for number, one in enumerate(_specimens(80, 25.0)):
        curve = measure_curve(model, one, "test", number)
        fit = saturation(curve.points, curve.mass_mg)
        assert fit.quality == "good"
        pulls.append((fit.value - model.mean(one)) / fit.sigma)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.25)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.2)


def test_curie_point_scatters_by_its_sigma_around_the_truth() -> None:
    model = property_model("ferrite-curie-point")
    pulls = []
    for number, one in enumerate(_specimens(30, 650.0)):
        curve = measure_curve(model, one, "test", number)
        fit = curie_point(curve.points, curve.mass_mg)
        if fit.quality == "good":
            pulls.append((fit.value + 273.15 - model.mean(one)) / fit.sigma)
    assert len(pulls) > 26
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.4)
    assert np.std(pulls) < 1.4


def test_remnants_of_the_end_members_do_not_move_the_curie_point_much() -> None:
    model = property_model("ferrite-curie-point")
    shares = {"NiFe2O4": 0.4, "ZnFe2O4": 0.4, "MnFe2O4": 0.2}
    one = Specimen(phases=shares, temperature_c=650.0, homogeneity=0.85)
    curve = measure_curve(model, one, "test")
    fit = curie_point(curve.points, curve.mass_mg)
    assert fit.sigma > 2.1
    assert fit.value + 273.15 == pytest.approx(model.mean(one), abs=3.0 * fit.sigma)


def test_a_laboratory_has_one_calibration_error_that_no_curve_shows() -> None:
    nominal = property_model("ferrite-magnetisation")
    one = Specimen(phases={"CoFe2O4": 1.0})
    drawn = nominal.draw("laboratory", 7)
    values = []
    for number in range(60):
        curve = measure_curve(drawn, one, "test", number)
        values.append(saturation(curve.points, curve.mass_mg).value)
    scale = np.mean(values) / drawn.mean(one)
    assert scale == pytest.approx(drawn.instrument.scale, abs=0.003)  # pyright: ignore
    assert abs(scale - 1.0) > 0.003


@pytest.mark.parametrize(
    ("phases", "temperature_c", "words"),
    [
        ({"CoFe2O4": 1.0}, 300.0, "still magnetic at 298 degC"),
        ({"ZnFe2O4": 1.0}, 650.0, "no transition found"),
        ({"Fe2O3": 1.0}, 650.0, "no transition found"),
    ],
)
def test_a_curve_without_a_transition_says_so(
    phases: dict[str, float], temperature_c: float, words: str
) -> None:
    one = Specimen(phases=phases, temperature_c=temperature_c)
    curve = measure_curve(property_model("ferrite-curie-point"), one, "test")
    assert curie_point(curve.points, curve.mass_mg).quality == words


def test_a_curve_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no curve of a magnetometer"):
        saturation(np.zeros((3, 2)), 50.0)
    with pytest.raises(ConfigError, match="does not reach saturation"):
        saturation(np.column_stack([np.linspace(0.0, 0.5, 20), np.ones(20)]), 50.0)
