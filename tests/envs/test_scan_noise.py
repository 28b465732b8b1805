"""The fast scan against the pattern and its fit."""

import numpy as np
import pytest

from envs.noise import noise_table, sigma
from sdl.analysis.fit import fit_pattern
from sdl.analysis.pattern import simulate_counts
from sdl.analysis.references import load_references
from sdl.core.seeds import generator

REFERENCES = load_references("ba-ti-c-o")


@pytest.mark.parametrize(("which", "scan_min"), [(0, 2.0), (1, 8.0)])
def test_sigma_of_the_fast_scan_is_that_of_the_fit(which, scan_min):
    table = noise_table(REFERENCES.names)[which]
    ratios, errors = [], []
    for index in range(30):
        rng = generator("scan-noise", index, which)
        shares = rng.dirichlet(np.full(len(REFERENCES.names), 0.6))
        truth = dict(zip(REFERENCES.names, shares, strict=True))
        counts = simulate_counts(truth, REFERENCES, scan_min=scan_min, rng=rng)
        fit = fit_pattern(counts, REFERENCES, scan_min=scan_min)
        seen = np.array([fit.phases[n].weight_fraction for n in REFERENCES.names])
        said = np.array([fit.phases[n].sigma for n in REFERENCES.names])
        ours = sigma(table, shares)
        ratios.append(ours / said)
        errors.append((seen - shares) / ours)
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)
    assert np.quantile(ratios, 0.9) < 1.6
    assert np.quantile(ratios, 0.1) > 0.65
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(1.0, abs=0.25)
