"""Structures beside the reference set: recognised, weighed, not taken for what is known."""

import numpy as np
import pytest

from sdl.analysis.fit import UNEXPLAINED_LIMIT, fit_pattern
from sdl.analysis.library import LEAST_SHARE, library
from sdl.analysis.pattern import DEFAULT_INSTRUMENT, simulate_counts
from sdl.analysis.quick import random_shares
from sdl.analysis.references import ReferenceSet, load_references
from sdl.core.seeds import generator

REFERENCES = load_references("ba-ti-c-o")


def _scan(weights, references, *key, scan_min=2.0):
    return simulate_counts(
        weights, references, scan_min=scan_min, rng=generator("library-test", *key)
    )


def test_library_has_every_structure_once():
    names = [reference.name for reference in library()]
    assert len(set(names)) == len(names)
    assert {*REFERENCES.names, "YBa2Cu3O7", "LiCoO2", "Bi2O3"} <= set(names)


def test_a_weak_scatterer_is_named_and_weighed():
    every = load_references("ba-ti-c-o", [*REFERENCES.names, "Al2O3"])
    shares = []
    for k in range(10):
        counts = _scan({"BaTiO3": 0.7, "BaCO3": 0.25, "Al2O3": 0.05}, every, "named", k)
        fit = fit_pattern(counts, REFERENCES, scan_min=2.0)
        assert fit.match is not None
        assert fit.match.name == "Al2O3"
        assert fit.match.sure
        assert fit.unexplained >= fit.match.share > LEAST_SHARE
        shares.append(fit.match.share)
    assert np.mean(shares) == pytest.approx(0.05, abs=0.015)


def test_what_is_in_no_library_cannot_be_named():
    every = load_references("ba-ti-c-o", [*REFERENCES.names, "Al2O3"])
    counts = _scan({"BaTiO3": 0.95, "Al2O3": 0.05}, every, "unlisted")
    fit = fit_pattern(counts, REFERENCES, scan_min=2.0, others=())
    assert fit.match is None
    assert (fit.unexplained > 0.0) == (fit.stray_lines > UNEXPLAINED_LIMIT)


@pytest.mark.parametrize("system", ["li-mn-c-o", "mg-zn-ni-mn-co-fe-o", "y-ba-cu-c-o"])
def test_complete_sets_are_not_flagged(system):
    references = load_references(system)
    shares = random_shares(10, len(references.names), "library-test", system)
    flags = 0
    for k, row in enumerate(shares):
        weights = {n: float(w) for n, w in zip(references.names, row, strict=True) if w > 0.0}
        fit = fit_pattern(_scan(weights, references, system, k), references, scan_min=2.0)
        flags += fit.unexplained > UNEXPLAINED_LIMIT
    assert flags == 0


def test_a_structure_under_another_name_is_not_found_beside_itself():
    twin = REFERENCES["BaTiO3"].model_copy(update={"name": "perovskite"})
    counts = _scan({"BaTiO3": 0.6, "BaCO3": 0.4}, REFERENCES, "twin")
    fit = fit_pattern(counts, REFERENCES, scan_min=2.0, others=(twin,))
    assert fit.match is None or not fit.match.sure


def test_one_line_too_strong_is_texture_and_no_phase():
    carbonate = REFERENCES["BaCO3"]
    strong = list(carbonate.intensity)
    # As much as (020) of Li2CO3 in the scans of mixtures: a sixth of the strongest, tripled.
    line = int(np.abs(np.array(strong) - max(strong) / 6.0).argmin())
    strong[line] *= 3.0
    textured = carbonate.model_copy(update={"intensity": tuple(strong)})
    truth = ReferenceSet("ba-ti-c-o", (REFERENCES["BaTiO3"], textured))
    counts = _scan({"BaTiO3": 0.9, "BaCO3": 0.1}, truth, "textured")
    fit = fit_pattern(counts, REFERENCES, scan_min=2.0, others=())
    assert fit.stray_lines > 0.0
    assert fit.unexplained <= UNEXPLAINED_LIMIT


def test_pattern_without_lines_matches_nothing():
    counts = _scan({}, REFERENCES, "empty")
    fit = fit_pattern(counts, REFERENCES, scan_min=2.0, instrument=DEFAULT_INSTRUMENT)
    assert fit.unexplained == 0.0
