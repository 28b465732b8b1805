import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.properties.constants import drawn, nominal
from simulators.properties.curves import titanates
from simulators.properties.specimen import Batch, Specimen
from simulators.properties.titanate import (
    curie_point_k,
    effective_k,
    loss_tangent,
    permittivity,
    permittivity_maximum,
)

TITANATE = nominal("titanate")


def _barium_titanate(grain_um: float, temperature_c: float = 25.0) -> float:
    specimen = Specimen(
        phases={"BaTiO3": 1.0}, grain_um=grain_um, temperature_c=temperature_c, relative_density=1.0
    )
    return float(permittivity(TITANATE, Batch.of([specimen]))[0])


def test_effective_temperature_is_the_temperature_when_warm_and_stays_when_cold() -> None:
    assert effective_k(np.array([400.0]), 80.0) == pytest.approx(400.0, rel=0.01)
    assert effective_k(np.array([1.0]), 80.0) == pytest.approx(40.0)


def test_curie_point_agrees_with_the_measured_table() -> None:
    # Ceramics 8 (2025) 126, solid-state route: ranges in degC.
    measured = {0.0: (125, 135), 0.1: (100, 110), 0.2: (85, 95), 0.25: (65, 75)}
    points = curie_point_k(TITANATE, titanates(np.array(list(measured)), grain_um=5.0)) - 273.15

    for point, (low, high) in zip(points, measured.values(), strict=True):
        # The values they cite from others are up to 20 K lower: we stand between.
        assert low - 20.0 < point < high


def test_mean_slope_is_the_textbook_one_and_the_first_slope_is_less() -> None:
    strontium = np.array([0.0, 0.1, 0.98])
    points = curie_point_k(TITANATE, titanates(strontium, grain_um=5.0))

    assert (points[0] - points[2]) / 98.0 == pytest.approx(3.7, abs=0.3)
    assert (points[0] - points[1]) / 10.0 == pytest.approx(2.6, abs=0.3)


def test_curie_point_falls_and_quantum_motion_ends_it_near_strontium_titanate() -> None:
    strontium = np.linspace(0.0, 1.0, 101)
    points = curie_point_k(TITANATE, titanates(strontium, grain_um=5.0))
    ordered = points > 0.0

    assert np.all(np.diff(points) <= 0.0)
    assert not ordered[-1]
    assert strontium[ordered].max() > 0.95


def test_permittivity_is_largest_at_the_curie_point_and_follows_curie_and_weiss_above() -> None:
    temperature_k = np.linspace(150.0, 500.0, 351)
    batch = titanates(np.full(351, 0.3), grain_um=5.0, relative_density=1.0)
    point = float(curie_point_k(TITANATE, batch)[0])

    values = permittivity(TITANATE, batch.at(temperature_k))

    assert temperature_k[np.argmax(values)] == pytest.approx(point, abs=6.0)
    assert values.max() == pytest.approx(float(permittivity_maximum(TITANATE, batch)[0]), rel=0.02)
    above = temperature_k > point + 60.0
    slope, _ = np.polyfit(temperature_k[above], 1.0 / values[above], 1)
    constant = 0.7 * TITANATE["curie_constant_ba"] + 0.3 * TITANATE["curie_constant_sr"]
    assert 1.0 / slope == pytest.approx(constant, rel=0.03)


def test_strontium_titanate_at_room_temperature() -> None:
    batch = titanates(np.ones(1), grain_um=20.0, relative_density=1.0, temperature_c=25.0)

    assert permittivity(TITANATE, batch)[0] == pytest.approx(310.0, rel=0.1)


def test_permittivity_of_barium_titanate_has_its_maximum_near_one_micrometre() -> None:
    grains = np.geomspace(0.05, 50.0, 40)
    values = np.array([_barium_titanate(float(d)) for d in grains])

    assert 0.6 < grains[np.argmax(values)] < 1.5
    assert values.max() > 1.8 * _barium_titanate(20.0)
    assert values[0] < 0.5 * values.max()


def test_fine_grains_and_uneven_composition_smear_the_transition() -> None:
    temperature_k = np.linspace(200.0, 400.0, 101)

    def peak(grain_um: float, homogeneity: float) -> float:
        batch = titanates(np.full(101, 0.3), grain_um=grain_um, homogeneity=homogeneity)
        return float(permittivity(TITANATE, batch.at(temperature_k)).max())

    assert peak(0.1, 1.0) < peak(1.0, 1.0) < peak(10.0, 1.0)
    assert peak(10.0, 0.9) < 0.6 * peak(10.0, 1.0)


def test_pores_and_other_phases_lower_the_permittivity() -> None:
    dense = Specimen(phases={"BaTiO3": 1.0}, relative_density=1.0)
    porous = dense.model_copy(update={"relative_density": 0.8})
    dirty = dense.model_copy(update={"phases": {"BaTiO3": 0.9, "BaCO3": 0.1}})

    first, second, third = permittivity(TITANATE, Batch.of([dense, porous, dirty]))

    assert second == pytest.approx(0.8**1.5 * first)
    assert third < 0.7 * first


def test_domain_walls_lose_and_the_paraelectric_does_not() -> None:
    temperature_k = np.array([298.0, 450.0])
    ferro, para = loss_tangent(TITANATE, titanates(np.zeros(2)).at(temperature_k))

    assert para == pytest.approx(TITANATE["loss"], rel=0.05)
    assert ferro > 2.0 * para


@given(
    strontium=st.floats(0.0, 1.0),
    grain_um=st.floats(0.02, 100.0),
    temperature_c=st.floats(-272.0, 400.0),
    homogeneity=st.floats(0.0, 1.0),
    seed=st.integers(0, 100),
)
def test_any_laboratory_gives_a_possible_permittivity(
    strontium: float, grain_um: float, temperature_c: float, homogeneity: float, seed: int
) -> None:
    values = drawn("titanate", seed)
    fields = {"grain_um": grain_um, "temperature_c": temperature_c, "homogeneity": homogeneity}
    batch = titanates(np.array([strontium]), **fields)

    assert 1.0 < permittivity(values, batch)[0] < 1e5
    assert 0.0 < loss_tangent(values, batch)[0] < 0.3
    assert 0.0 <= curie_point_k(values, batch)[0] < 450.0
