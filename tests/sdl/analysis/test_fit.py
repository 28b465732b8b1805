"""Fits: honest sigma, detection limits, unknown phases, edges."""

import subprocess
import sys

import numpy as np
import pytest

from sdl.analysis.fit import UNEXPLAINED_LIMIT, fit_pattern
from sdl.analysis.pattern import (
    DEFAULT_GRID,
    DEFAULT_INSTRUMENT,
    Grid,
    expected_counts,
    simulate_counts,
)
from sdl.analysis.references import load_references
from sdl.core.errors import ConfigError
from sdl.core.seeds import generator

REFERENCES = load_references("ba-ti-c-o")


def _scan(weights, *key, scan_min=2.0, references=REFERENCES, **sizes):
    counts = simulate_counts(
        weights, references, scan_min=scan_min, rng=generator("fit-test", *key), **sizes
    )
    return fit_pattern(counts, REFERENCES, scan_min=scan_min)


def _mixture(index):
    """Every second one is nearly pure BaTiO3 with impurities of up to 5 wt%."""
    rng = generator("fit-mixture", index)
    if index % 2:
        small = 0.05 * rng.random(4) ** 2
        others = [n for n in REFERENCES.names if n != "BaTiO3"]
        return {**dict(zip(others, small, strict=True)), "BaTiO3": 1.0 - small.sum()}
    return dict(zip(REFERENCES.names, rng.dirichlet(np.full(5, 0.4)), strict=True))


@pytest.mark.parametrize("scan_min", [2.0, 8.0])
def test_sigma_is_honest_and_clean_patterns_are_not_flagged(scan_min):
    scores, flags, chi2 = [], 0, []
    for index in range(60):
        truth = _mixture(index)
        fit = _scan(truth, index, scan_min=scan_min)
        flags += fit.unexplained > UNEXPLAINED_LIMIT
        chi2.append(fit.reduced_chi2)
        for name, amount in fit.phases.items():
            scores.append((amount.weight_fraction - truth[name]) / amount.sigma)
        assert sum(a.weight_fraction for a in fit.phases.values()) == pytest.approx(1.0)
    assert 0.8 < np.sqrt(np.mean(np.square(scores))) < 1.25
    assert flags <= 3
    assert np.median(chi2) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("scan_min", "limit"), [(2.0, 0.02), (8.0, 0.012)])
def test_rutile_is_found_at_the_detection_limit_and_not_below_nothing(scan_min, limit):
    def found(share):
        fits = (
            _scan({"BaTiO3": 1 - share, "TiO2": share}, "limit", k, scan_min=scan_min)
            for k in range(20)
        )
        amounts = [fit.phases["TiO2"] for fit in fits]
        return sum(a.weight_fraction > 3 * a.sigma for a in amounts)

    assert found(limit) >= 17
    assert found(0.25 * limit) <= 8
    assert found(0.0) <= 1


@pytest.mark.parametrize(
    ("unknown", "share"),
    [("TiO2-anatase", 0.05), ("Ti2O3", 0.05), ("BaTi2O5", 0.05), ("Al2O3", 0.05), ("Al2O3", 0.1)],
)
def test_an_unknown_phase_is_flagged(unknown, share):
    references = load_references("ba-ti-c-o", [*REFERENCES.names, unknown])
    flags = 0
    for index in range(20):
        weights = {name: (1.0 - share) * w for name, w in _mixture(index).items()}
        fit = _scan({**weights, unknown: share}, unknown, index, references=references)
        flags += fit.unexplained > UNEXPLAINED_LIMIT
    assert flags >= 19


@pytest.mark.parametrize("size_nm", [25.0, 60.0, 300.0])
def test_crystallite_sizes_far_from_typical_are_followed(size_nm):
    truth = {"BaTiO3": 0.9, "BaCO3": 0.06, "TiO2": 0.04}
    sizes = dict.fromkeys(truth, size_nm)
    fit = _scan(truth, "sizes", int(size_nm), crystallite_nm=sizes)
    for name, share in truth.items():
        amount = fit.phases[name]
        assert abs(amount.weight_fraction - share) < 3.5 * amount.sigma
    assert fit.unexplained < UNEXPLAINED_LIMIT
    assert fit.reduced_chi2 < 1.3


@pytest.mark.parametrize("name", REFERENCES.names)
def test_pure_phases_are_pure(name):
    fit = _scan({name: 1.0}, "pure", name)
    assert fit.phases[name].weight_fraction > 0.985
    assert 0.0 < fit.phases[name].sigma < 0.02


def test_parts_add_up_and_follow_the_expectation():
    weights = {"BaTiO3": 0.7, "BaCO3": 0.3}
    expected = expected_counts(weights, REFERENCES, scan_min=8.0)
    fit = fit_pattern(expected, REFERENCES, scan_min=8.0)
    np.testing.assert_allclose(fit.background + sum(fit.contributions.values()), fit.fitted)
    np.testing.assert_allclose(fit.fitted, expected, rtol=0.02)
    assert fit.phases["BaTiO3"].weight_fraction == pytest.approx(0.7, abs=2e-3)
    assert fit.displacement_deg == pytest.approx(DEFAULT_INSTRUMENT.displacement_deg, abs=4e-3)


def test_equal_counts_give_equal_fits():
    fits = [_scan({"BaTiO3": 0.8, "TiO2": 0.2}, "again") for _ in range(2)]
    assert fits[0].phases == fits[1].phases
    assert (fits[0].fitted == fits[1].fitted).all()


@pytest.mark.parametrize("counts", [np.zeros(DEFAULT_GRID.count), None])
def test_nothing_crystalline_claims_nothing(counts):
    if counts is None:
        counts = simulate_counts({}, REFERENCES, scan_min=2.0, rng=generator("empty"))
    fit = fit_pattern(counts, REFERENCES, scan_min=2.0)
    assert all(a.weight_fraction == 0.0 and a.sigma == 1.0 for a in fit.phases.values())
    assert fit.unexplained == 0.0


def test_a_coarser_grid_works_too():
    grid = Grid(start_deg=20.0, step_deg=0.0435, count=1000)
    truth = {"BaTiO3": 0.8, "BaCO3": 0.2}
    counts = simulate_counts(truth, REFERENCES, scan_min=2.0, rng=generator("coarse"), grid=grid)
    fit = fit_pattern(counts, REFERENCES, grid=grid, scan_min=2.0)
    amount = fit.phases["BaCO3"]
    assert abs(amount.weight_fraction - 0.2) < 4 * amount.sigma


@pytest.mark.parametrize("spoil", ["shape", "nan", "negative"])
def test_spoiled_counts_are_refused(spoil):
    counts = np.full(DEFAULT_GRID.count - (spoil == "shape"), 100.0)
    if spoil != "shape":
        counts[7] = np.nan if spoil == "nan" else -1.0
    with pytest.raises(ConfigError):
        fit_pattern(counts, REFERENCES, scan_min=2.0)


def test_analysis_imports_light():
    code = (
        "import sys, sdl.analysis.fit, sdl.analysis.pattern\n"
        "heavy = {'torch', 'pymatgen', 'bluesky', 'ophyd'} & set(sys.modules)\n"
        "sys.exit(str(sorted(heavy)) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
