"""The residual of a fit under counts and model errors: amounts with honest standard deviations."""

import numpy as np

from sdl.analysis.columns import draw_phase, phase_lines, shape_of
from sdl.analysis.fit import fit_pattern
from sdl.analysis.pattern import DEFAULT_GRID, DEFAULT_INSTRUMENT, simulate_counts
from sdl.analysis.profile import Mount
from sdl.analysis.references import load_references
from sdl.analysis.residual import residual_of
from sdl.analysis.setting import setting_for
from sdl.core.seeds import generator

REFERENCES = load_references("ba-ti-c-o")
STRANGERS = load_references("ba-ti-c-o", ["Ti2O3", "Al2O3", "TiO2-anatase"])
SETTING = setting_for(REFERENCES, DEFAULT_GRID, DEFAULT_INSTRUMENT)


def _columns(displacement_deg):
    mount = Mount(displacement_deg, DEFAULT_INSTRUMENT.spread_deg2)
    rows = []
    for reference in STRANGERS.references:
        lines = phase_lines(reference)
        shape = shape_of(DEFAULT_INSTRUMENT, lines)
        drawn = draw_phase(lines, DEFAULT_GRID, DEFAULT_INSTRUMENT, mount, shape, slopes=False)
        rows.append(drawn.column)
    return np.array(rows)


def _residual(index):
    rng = generator("residual-test", index)
    shares = rng.dirichlet(np.full(len(REFERENCES.names), 0.5))
    weights = dict(zip(REFERENCES.names, (float(s) for s in shares), strict=True))
    counts = simulate_counts(weights, REFERENCES, scan_min=2.0, rng=rng).astype(float)
    fit = fit_pattern(counts, REFERENCES, scan_min=2.0)
    return residual_of(counts, fit.state, SETTING), fit


def test_absent_structures_have_scores_of_about_one():
    scores = []
    for index in range(25):
        residual, fit = _residual(index)
        amount, sd, kept = residual.amounts(_columns(fit.displacement_deg))
        assert (sd > 0.0).all()
        assert ((kept > 0.0) & (kept <= 1.0 + 1e-9)).all()
        scores.append(amount / sd)
    # Errors of shape are allowed for that simulated patterns do not have: below 1 is right.
    assert 0.5 < np.sqrt(np.mean(np.square(scores))) < 1.25


def test_what_is_known_has_nothing_of_its_own():
    residual, fit = _residual(1)
    strongest = fit.state.columns[int(fit.state.scales.argmax())][None, :]
    _, _, kept = residual.amounts(strongest)
    assert kept[0] < 1e-3


def test_amounts_add_up():
    residual, fit = _residual(2)
    columns = _columns(fit.displacement_deg)
    amount, sd, _ = residual.amounts(columns)
    doubled, smaller, _ = residual.amounts(2.0 * columns)
    np.testing.assert_allclose(doubled, 0.5 * amount, rtol=1e-9)
    np.testing.assert_allclose(smaller, 0.5 * sd, rtol=1e-9)
