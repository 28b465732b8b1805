"""The smoother: exact where the posterior is known, guarded against chance, the same every time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import log_ndtr

from sdl.core.errors import ModelError
from sdl.core.seeds import generator
from surrogates.smoother import ABOVE, BELOW, Data, Smoothed, SmootherConfig, smooth

Array = npt.NDArray[np.float64]
PLAIN = SmootherConfig(steps=4, guard=0, dummies=0)


def exact_data(values: Array, sd: float) -> Data:
    count = len(values)
    names = tuple(f"d{i:03d}" for i in range(count))
    return Data(names, values, np.full(count, sd), np.zeros(count, dtype=np.int64))


def linear(
    seed: int, parameters: int, data: int, density: float, sd: float
) -> tuple[Array, Array, Array, Array]:
    """A linear problem with prior N(0, 1): design, data, exact posterior mean and sd."""
    rng = generator("linear", seed)
    design = rng.standard_normal((data, parameters)) * (rng.random((data, parameters)) < density)
    y = design @ rng.standard_normal(parameters) + sd * rng.standard_normal(data)
    covariance = np.linalg.inv(np.eye(parameters) + design.T @ design / sd**2)
    return design, y, covariance @ design.T @ y / sd**2, np.sqrt(np.diag(covariance))


def solve(design: Array, y: Array, sd: float, members: int, config: SmootherConfig) -> Smoothed:
    prior = generator("members", members).standard_normal((members, design.shape[1]))
    return smooth(prior, lambda x: x @ design.T, exact_data(y, sd), config, "test")


@pytest.mark.parametrize("adaptive", [False, True])
def test_linear_gaussian_posterior_is_exact_for_a_large_ensemble(adaptive: bool) -> None:
    design, y, mean, sd = linear(1, parameters=6, data=5, density=1.0, sd=0.5)
    config = PLAIN.model_copy(update={"adaptive": adaptive, "steps": 8})
    found = solve(design, y, 0.5, 8000, config)
    np.testing.assert_allclose(found.ensemble.mean(0), mean, atol=0.06)
    np.testing.assert_allclose(found.ensemble.std(0), sd, rtol=0.06)
    assert sum(found.weights) == pytest.approx(1.0)


def test_the_guards_cost_little_where_there_is_nothing_to_guard_against() -> None:
    design, y, mean, sd = linear(1, parameters=6, data=5, density=1.0, sd=0.5)
    found = solve(design, y, 0.5, 4000, SmootherConfig())
    np.testing.assert_allclose(found.ensemble.mean(0), mean, atol=0.12)
    np.testing.assert_allclose(found.ensemble.std(0), sd, rtol=0.1)


def test_chance_correlations_are_held_down_with_few_members() -> None:
    design, y, mean, sd = linear(2, parameters=200, data=100, density=0.02, sd=1.0)

    def errors(config: SmootherConfig) -> tuple[float, float]:
        found = solve(design, y, 1.0, 100, config).ensemble
        off = np.sqrt(np.mean((found.mean(0) - mean) ** 2))
        return float(off), float(np.mean(found.std(0) / sd))

    plain_error, plain_spread = errors(PLAIN)
    error, spread = errors(SmootherConfig(steps=4))
    assert plain_spread < 0.7, "a plain smoother of 100 members is far too sure"
    assert error < 0.5 * plain_error
    assert 0.95 < spread < 1.05


def test_a_parameter_that_nothing_depends_on_stays_at_its_prior() -> None:
    rng = generator("flat")
    prior = rng.standard_normal((150, 80))
    data = exact_data(np.array([2.0, 1.5, 1.8]), 0.1)

    def forward(x: Array) -> Array:
        return np.stack([x[:, 0], np.tanh(x[:, 0]) + 1.0, x[:, 0] ** 3 / 4], axis=1)

    found = smooth(prior, forward, data, SmootherConfig(), "flat").ensemble
    assert found[:, 0].std() < 0.3 * prior[:, 0].std()
    moved = (found[:, 1:].mean(0) - prior[:, 1:].mean(0)) / prior[:, 1:].std(0)
    assert np.sqrt(np.mean(moved**2)) < 0.15
    ratio = found[:, 1:].std(0) / prior[:, 1:].std(0)
    assert ratio.mean() > 0.95
    assert ratio.max() < 1.01


def conversion(x: Array, temperature_c: Array, hours: Array) -> Array:
    """A toy of two kinetic figures: ln k at 850 degC and the activation energy."""
    energy = 300e3 + 50e3 * x[:, 1:2]
    shift = -energy / 8.314 * (1.0 / (temperature_c + 273.15) - 1.0 / 1123.15)
    return 1.0 - np.exp(-np.exp(np.log(3e-5) + 1.5 * x[:, :1] + shift) * hours * 3600.0)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_kinetic_toy_with_censored_data_agrees_with_importance_sampling(seed: int) -> None:
    rng = generator("toy", seed)
    temperature_c, hours = rng.uniform(600, 1000, 8), np.exp(rng.uniform(-0.7, 3.0, 8))
    truth = 1.5 * rng.standard_normal((1, 2))
    sd, limit = 0.05, 0.02
    y = conversion(truth, temperature_c, hours)[0] + sd * rng.standard_normal(8)
    kind = np.where(y <= limit, BELOW, np.where(y >= 1 - limit, ABOVE, 0)).astype(np.int64)
    assert (kind != 0).any()

    wide = rng.standard_normal((40_000, 2))
    p = conversion(wide, temperature_c, hours)
    exact = -0.5 * ((y - p) / sd) ** 2
    log = np.where(kind == BELOW, log_ndtr((limit - p) / sd), exact)
    log = np.where(kind == ABOVE, log_ndtr((p - 1 + limit) / sd), log).sum(1)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = weight @ wide
    width = np.sqrt(weight @ (wide - mean) ** 2)

    def scale(w: Array) -> Array:
        return np.log((w + 0.1) / (1.1 - w))

    w = np.where(kind == BELOW, limit, np.where(kind == ABOVE, 1 - limit, y))
    data = Data(tuple(map(str, range(8))), scale(w), sd * (1 / (w + 0.1) + 1 / (1.1 - w)), kind)
    found = smooth(
        rng.standard_normal((300, 2)),
        lambda x: scale(conversion(x, temperature_c, hours)),
        data,
        SmootherConfig(),
        "toy",
        seed,
    ).ensemble
    assert np.all(np.abs(found.mean(0) - mean) < 0.75 * width)
    assert np.all(np.abs(np.log(found.std(0) / width)) < 0.4)


def test_a_kept_limit_moves_nobody_and_a_broken_one_does() -> None:
    prior = 0.1 * generator("limits").standard_normal((200, 1))

    def mean_after(limit: float, kind: int) -> float:
        data = Data(("a",), np.array([limit]), np.array([0.01]), np.array([kind], dtype=np.int64))
        return float(smooth(prior, lambda x: x, data, SmootherConfig(), "l").ensemble.mean())

    assert mean_after(2.0, BELOW) == pytest.approx(prior.mean(), abs=1e-12)
    assert mean_after(-2.0, ABOVE) == pytest.approx(prior.mean(), abs=1e-12)
    assert mean_after(-0.3, BELOW) < -0.25
    assert mean_after(0.3, ABOVE) > 0.25


def test_the_order_of_the_data_changes_nothing() -> None:
    design, y, _, _ = linear(4, parameters=10, data=12, density=0.5, sd=0.3)
    prior = generator("order").standard_normal((60, 10))
    data = exact_data(y, 0.3)
    order = generator("order", 1).permutation(12)
    shuffled = Data(tuple(data.names[i] for i in order), y[order], data.sd[order], data.kind[order])
    # Products of the shuffled design may differ in the last bit; indexing keeps them equal.
    one = smooth(prior, lambda x: x @ design.T, data, SmootherConfig(), 7)
    two = smooth(prior, lambda x: (x @ design.T)[:, order], shuffled, SmootherConfig(), 7)
    np.testing.assert_array_equal(one.ensemble, two.ensemble)
    np.testing.assert_array_equal(one.last[:, order], two.last)


def test_equal_keys_give_equal_ensembles_and_others_do_not() -> None:
    design, y, _, _ = linear(5, parameters=5, data=5, density=1.0, sd=0.3)
    prior = generator("key").standard_normal((50, 5))

    def run(key: str) -> Array:
        data = exact_data(y, 0.3)
        return smooth(prior, lambda x: x @ design.T, data, SmootherConfig(), key).ensemble

    np.testing.assert_array_equal(run("a"), run("a"))
    assert np.abs(run("a") - run("b")).max() > 1e-3


def test_without_data_the_prior_stays() -> None:
    prior = generator("none").standard_normal((20, 3))
    data = exact_data(np.zeros(0), 1.0)
    found = smooth(prior, lambda x: np.zeros((len(x), 0)), data, SmootherConfig(), 1)
    np.testing.assert_array_equal(found.ensemble, prior)
    assert found.weights == ()


def test_constant_predictions_teach_nothing() -> None:
    prior = generator("constant").standard_normal((40, 3))
    data = exact_data(np.array([3.0]), 0.1)
    found = smooth(prior, lambda x: np.zeros((len(x), 1)), data, SmootherConfig(), 1)
    np.testing.assert_allclose(found.ensemble, prior, atol=1e-12)


def test_wrong_predictions_and_data_are_refused() -> None:
    prior = generator("bad").standard_normal((20, 3))
    data = exact_data(np.zeros(2), 1.0)
    with pytest.raises(ModelError, match="wrong shape"):
        smooth(prior, lambda x: x, data, SmootherConfig(), 1)
    with pytest.raises(ModelError, match="not finite"):
        smooth(prior, lambda x: x[:, :2] * np.nan, data, SmootherConfig(), 1)
    with pytest.raises(ModelError, match="needs an ensemble"):
        smooth(prior[:2], lambda x: x[:, :2], data, SmootherConfig(), 1)
    with pytest.raises(ModelError, match="name of its own"):
        Data(("a", "a"), np.zeros(2), np.ones(2), np.zeros(2, dtype=np.int64))
    with pytest.raises(ModelError, match="above 0"):
        exact_data(np.zeros(2), 0.0)
