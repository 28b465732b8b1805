"""The fast scan against the quick model it compiles, and against patterns and their fits."""

from typing import cast

import numpy as np
import pytest
from scipy.special import ndtri

from envs.batched import BatchedSynthesis, Scans
from envs.chance import key_of, normal, quantile
from envs.detector import LINES, SCAN_DRAWS, measure, scanner
from sdl.analysis import quick
from sdl.analysis.fit import fit_pattern
from sdl.analysis.pattern import simulate_counts
from sdl.analysis.quick import QuickScan, random_shares
from sdl.core.errors import ConfigError
from sdl.core.seeds import generator

pytestmark = pytest.mark.timeout(600)  # the first run compiles

SYSTEMS = ("ba-ti-c-o", "y-ba-cu-c-o")


def scans(model, shares, which, *, mount=None):
    """Estimates and sigma of rows by the compiled scan, and the normal numbers behind them."""
    names = model.references.names
    # Two solids that have no pattern, one before and one after those that do.
    arrays, solids = scanner(model, ("before", *names, "after")), len(names) + 2
    found = np.zeros((len(shares), 2, solids))
    normals = np.zeros((len(shares), 2 * len(names)))
    truth, work = np.full(solids, 0.1), np.zeros((LINES, len(names)))
    for row, share in enumerate(shares):
        key = np.uint64(key_of(3, 1, row, 0, 0))
        own = np.uint64(key_of(4, 1, row if mount is None else mount, 0, 0))
        truth[1:-1] = 0.8 * share
        measure(arrays, which, truth, key, own, found[row], work)
        for k in range(len(names)):
            normals[row, k] = normal(key, SCAN_DRAWS + k)
            normals[row, len(names) + k] = normal(own, k)
    return found, normals


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("which", [0, 1])
def test_the_compiled_scan_is_the_quick_model(system, which):
    model = QuickScan.load(system)
    shares = random_shares(40, len(model.references.names), "compiled")
    found, normals = scans(model, shares, which)
    seen, sigma = model.estimate(shares, which, normals)
    np.testing.assert_allclose(found[:, 0, 1:-1], seen, rtol=1e-9, atol=1e-12)
    # The variance is a difference: where a phase is pure, digits cancel.
    np.testing.assert_allclose(found[:, 1, 1:-1], sigma, rtol=1e-6)
    assert not found[:, :, [0, -1]].any()


@pytest.mark.parametrize(("which", "scan_min"), [(0, 2.0), (1, 8.0)])
def test_the_fast_scan_errs_as_the_fit_of_a_pattern_does(which, scan_min):
    model = QuickScan.load("ba-ti-c-o")
    references, count = model.references, 30
    shares = random_shares(count, len(references.names), "against the fit")
    ratios, theirs = [], []
    for index, share in enumerate(shares):
        truth = dict(zip(references.names, share, strict=True))
        rng = generator("scan-noise", index, which)
        counts = simulate_counts(truth, references, scan_min=scan_min, rng=rng)
        fit = fit_pattern(counts, references, scan_min=scan_min)
        seen = np.array([fit.phases[n].weight_fraction for n in references.names])
        said = np.array([fit.phases[n].sigma for n in references.names])
        present = share > 0.01
        ours = np.sqrt(np.diagonal(model.covariance(share[None], which)[0]))
        ratios.append((ours / said)[present])
        theirs.append(((seen - share) / ours)[present])
    ratio, score = np.concatenate(ratios), np.concatenate(theirs)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.2)
    assert np.sqrt(np.mean(score**2)) == pytest.approx(1.0, abs=0.3)
    copies = np.repeat(shares, 30, axis=0)
    found, _ = scans(model, copies, which)
    own = (found[:, 0, 1:-1] - copies) / np.maximum(found[:, 1, 1:-1], 1e-6)
    assert np.sqrt(np.mean(own[copies > 0.01] ** 2)) == pytest.approx(1.0, abs=0.3)


def test_errors_of_whole_phases_stay_for_a_sample():
    model = QuickScan.load("ba-ti-c-o")
    shares = np.tile(np.full(len(model.references.names), 0.2), (400, 1))
    same, fresh = scans(model, shares, 1, mount=7)[0], scans(model, shares, 1)[0]
    assert (same[:, 0, 1:-1].std(axis=0) < 0.9 * fresh[:, 0, 1:-1].std(axis=0)).all()


def test_normal_numbers_are_quantiles_of_uniform_ones():
    shares = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 2001), np.geomspace(2e-11, 0.4, 200)])
    np.testing.assert_allclose([quantile(p) for p in shares], ndtri(shares), rtol=0, atol=1e-14)
    assert quantile(2.0**-54) == -quantile(1.0)
    assert 6.6 < quantile(1.0) < 6.7


def test_a_system_without_a_quick_model_is_refused_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(quick, "_path", lambda system: tmp_path / f"{system}.quick.json")
    with pytest.raises(ConfigError, match=r"no quick model.*python -m sdl\.analysis\.quick ba-ti"):
        BatchedSynthesis("batio3-coarse")


def test_patterns_and_their_fits_take_the_place_of_estimates():
    """Same truth and prices; other estimates, close to the truth; the same for the same seed."""
    runs, part = {}, 0
    kinds: list[Scans] = ["estimate", "pattern", "pattern"]
    for turn, obs in enumerate(kinds):
        batch = BatchedSynthesis("batio3-coarse", 2, seed=5, threads=1, obs=obs)
        names = [entry.name for entry in batch.entries]
        verb = batch.problem.choices.verbs.index
        actions = np.zeros((2, len(batch.nvec)), dtype=np.int64)
        batch.step(actions)
        actions[:, 0], actions[:, 1], actions[:, 2] = verb("anneal"), 12, 6
        batch.step(actions)
        actions[:] = 0
        actions[:, 0] = verb("scan_8")
        seen = batch.step(actions)[0].copy()
        actions[:, 0] = verb("stop")
        _, reward, ended, _, info = batch.step(actions)
        assert ended.all()
        part = names.index("scan.phase_0.fraction")
        runs[turn] = (seen, info["final_observation"].copy(), reward.copy(), info["cost"].copy())
        phases = seen[:, part : part + 36].reshape(2, 6, 6)
        assert abs(phases[:, :, 0].sum() - 2.0) < 0.02
        assert (phases[:, 0, 1] > 0).all()
    quick, full, again = runs.values()
    np.testing.assert_array_equal(quick[3], full[3])
    assert np.abs(quick[0] - full[0]).max() > 1e-4
    assert np.abs(quick[1][:, part] - full[1][:, part]).max() < 0.15
    for one, two in zip(full, again, strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ConfigError, match="kind of scan"):
        BatchedSynthesis("batio3-coarse", 1, obs=cast("Scans", "photograph"))
