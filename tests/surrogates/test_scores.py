"""Scores: figures as by hand, intervals over groups, differences in pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from sdl.core.errors import ModelError
from sdl.core.seeds import generator
from surrogates.observed import Readings
from surrogates.scores import Predicted, _rank_correlations, compare

COUNT = 40
RNG = generator("scores")
VALUE = RNG.random(COUNT)
FOUND = Readings(
    names=tuple(f"e{i}/A" for i in range(COUNT)),
    labels=("A",) * COUNT,
    row=np.arange(COUNT),
    share=np.zeros((COUNT, 1)),
    value=VALUE,
    sigma=np.full(COUNT, 0.01),
)
GROUPS = [f"g{i // 2}" for i in range(COUNT)]
GOOD = Predicted(RNG.normal(0.5, 0.3, COUNT), VALUE + 0.05 * RNG.standard_normal(COUNT))
POOR = Predicted(RNG.normal(-0.5, 0.3, COUNT), RNG.random(COUNT))


def test_figures_are_those_of_the_rows() -> None:
    found = compare(POOR, GOOD, FOUND, GROUPS, "A", "k")
    assert (found.experiments, found.groups) == (40, 20)
    assert found.posterior.log_density.value == pytest.approx(GOOD.log_density.mean())
    rmse = np.sqrt(np.mean((GOOD.mean - VALUE) ** 2))
    rank = np.corrcoef(rankdata(GOOD.mean), rankdata(VALUE))[0, 1]
    assert found.posterior.rmse.value == pytest.approx(rmse)
    assert found.posterior.rank.value == pytest.approx(rank)
    assert found.gain.rmse.value == pytest.approx(
        found.prior.rmse.value - found.posterior.rmse.value
    )
    for interval in (found.gain.log_density, found.gain.rmse, found.gain.rank):
        assert 0.0 < interval.low < interval.value < interval.high


def test_no_difference_has_an_interval_at_zero_and_runs_repeat() -> None:
    same = compare(GOOD, GOOD, FOUND, GROUPS, None, "k")
    assert same.gain.log_density.low == same.gain.log_density.high == 0.0
    assert compare(POOR, GOOD, FOUND, GROUPS, "A", 1) == compare(POOR, GOOD, FOUND, GROUPS, "A", 1)


def test_repeated_rows_in_one_group_do_not_narrow_the_interval() -> None:
    twice = np.tile(np.arange(COUNT), 2)
    doubled = Readings(
        names=tuple(f"{FOUND.names[i]}-{k}" for k, i in enumerate(twice)),
        labels=("A",) * len(twice),
        row=np.arange(len(twice)),
        share=np.zeros((len(twice), 1)),
        value=VALUE[twice],
        sigma=FOUND.sigma[twice],
    )
    poor = Predicted(POOR.log_density[twice], POOR.mean[twice])
    good = Predicted(GOOD.log_density[twice], GOOD.mean[twice])
    one = compare(POOR, GOOD, FOUND, GROUPS, "A", 3).gain.log_density
    two = compare(poor, good, doubled, [GROUPS[i] for i in twice], "A", 3).gain.log_density
    assert (two.low, two.high) == pytest.approx((one.low, one.high))


def test_ranks_in_a_resample_are_those_of_the_repeated_rows() -> None:
    rng = generator("ranks")
    a, b = rng.integers(0, 5, 12).astype(float), rng.random(12)
    counts = rng.integers(0, 3, (6, 12)).astype(float)
    found = _rank_correlations(a, b, counts)
    for row, value in zip(counts.astype(int), found, strict=True):
        x, y = rankdata(np.repeat(a, row)), rankdata(np.repeat(b, row))
        assert value == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_a_constant_prediction_ranks_nothing() -> None:
    flat = Predicted(POOR.log_density, np.full(COUNT, 0.4))
    assert compare(flat, GOOD, FOUND, GROUPS, "A", 1).prior.rank.value == 0.0


def test_metrics_are_flat_and_finite() -> None:
    metrics = compare(POOR, GOOD, FOUND, GROUPS, "A", 1).metrics("held_out")
    assert metrics["held_out.groups"] == 20.0
    assert {f"held_out.gain.rank{end}" for end in ("", ".low", ".high")} <= set(metrics)
    assert np.isfinite(list(metrics.values())).all()


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ModelError, match="nothing to compare"):
        compare(POOR, GOOD, FOUND, GROUPS, "B", 1)
