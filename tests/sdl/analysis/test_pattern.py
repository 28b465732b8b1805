"""Simulated scans: counts scale with time and weight, and look like an Aeris."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdl.analysis.pattern import (
    DEFAULT_GRID,
    DEFAULT_INSTRUMENT,
    Grid,
    expected_counts,
    simulate_counts,
)
from sdl.analysis.references import load_references
from sdl.core.errors import ChemistryError, ConfigError
from sdl.core.seeds import generator

REFERENCES = load_references("ba-ti-c-o")


@given(scan_min=st.floats(0.1, 60.0), share=st.floats(0.0, 1.0))
@settings(max_examples=15, deadline=None)
def test_expected_counts_are_proportional_to_time(scan_min, share):
    weights = {"BaTiO3": share, "TiO2": 1.0 - share}
    one = expected_counts(weights, REFERENCES, scan_min=1.0)
    many = expected_counts(weights, REFERENCES, scan_min=scan_min)
    np.testing.assert_allclose(many, scan_min * one, rtol=1e-9)


def test_counts_are_reproducible_integers():
    scans = [
        simulate_counts({"BaTiO3": 1.0}, REFERENCES, scan_min=2.0, rng=generator("p", k))
        for k in (1, 1, 2)
    ]
    assert scans[0].dtype == np.int64
    assert scans[0].shape == (DEFAULT_GRID.count,)
    assert (scans[0] == scans[1]).all()
    assert (scans[0] != scans[2]).any()


def test_counting_noise_is_poisson_about_the_expectation():
    random = [n for n in type(DEFAULT_INSTRUMENT).model_fields if n.endswith("_sd")]
    still = DEFAULT_INSTRUMENT.model_copy(
        update=dict.fromkeys([*random, "displacement_sd_deg", "spread_deg2"], 0.0)
    )
    weights = {"BaCO3": 0.5, "TiO2": 0.5}
    expected = expected_counts(weights, REFERENCES, scan_min=2.0, instrument=still)
    counts = simulate_counts(
        weights, REFERENCES, scan_min=2.0, rng=generator("poisson"), instrument=still
    )
    chi2 = ((counts - expected) ** 2 / expected).mean()
    assert chi2 == pytest.approx(1.0, abs=4 * np.sqrt(2 / len(counts)))


def _background(instrument, grid, scan_min):
    return sum(instrument.background_parts(grid.angles_deg, grid.step_deg, scan_min))


def test_full_cup_looks_like_the_aeris_scans():
    # Anatase 101 of TiO2-V2O5 7:3, TiO2-ZnO 4:6 and TiO2-In2O3-V2O5 7:2:1, 2 min: area of the
    # K-alpha 1 part 2401, 1478, 1628 counts x degrees at 0.0435 degrees per point, which per
    # weight fraction over mass absorption (129, 81, 143 cm2/g) is 3.0e5 to 4.4e5.
    anatase = load_references("ba-ti-c-o", ["TiO2-anatase"])
    cup = DEFAULT_INSTRUMENT.model_copy(update={"illuminated": 1.0})
    grid = Grid(15.0, 0.0435, 1380)
    pattern = expected_counts(
        {"TiO2-anatase": 1.0}, anatase, scan_min=2.0, grid=grid, instrument=cup
    )
    line = (pattern - _background(cup, grid, 2.0))[
        (grid.angles_deg > 24.5) & (grid.angles_deg < 26)
    ]
    area = line.sum() * grid.step_deg / 1.5 * anatase["TiO2-anatase"].mass_absorption_cm2_per_g
    assert 3.0e5 < area < 4.4e5
    # Backgrounds of the 20 fast scans near 24, 40 and 60 degrees: 10 % and 90 % quantiles.
    background = np.interp([24.0, 40.0, 60.0], grid.angles_deg, _background(cup, grid, 2.0))
    assert (background > [640, 340, 260]).all()
    assert (background < [2000, 2300, 2600]).all()


def test_small_crystallites_broaden_lines_and_keep_their_area():
    heights, areas = [], []
    for size in (20.0, 200.0):
        sizes = {"BaTiO3": size}
        pattern = expected_counts(
            {"BaTiO3": 1.0}, REFERENCES, scan_min=2.0, crystallite_nm=sizes
        ) - _background(DEFAULT_INSTRUMENT, DEFAULT_GRID, 2.0)
        heights.append(pattern.max())
        areas.append(pattern.sum())
    assert heights[0] < 0.7 * heights[1]
    # Lorentzian tails beyond the window are cut.
    assert areas[0] == pytest.approx(areas[1], rel=0.08)


def test_no_crystalline_matter_leaves_background():
    empty = expected_counts({}, REFERENCES, scan_min=2.0)
    np.testing.assert_array_equal(empty, _background(DEFAULT_INSTRUMENT, DEFAULT_GRID, 2.0))


@pytest.mark.parametrize("weights", [{"BaTiO3": -0.1}, {"BaTiO3": float("nan")}, {"Glass": 1.0}])
def test_bad_weight_fractions_are_refused(weights):
    with pytest.raises(ChemistryError):
        expected_counts(weights, REFERENCES, scan_min=2.0)


def test_bad_duration_and_grid_are_refused():
    with pytest.raises(ConfigError, match="positive duration"):
        expected_counts({"BaO": 1.0}, REFERENCES, scan_min=0.0)
    with pytest.raises(ConfigError, match="grid"):
        Grid(10.0, 0.0, 100)
