import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdl.core.errors import ModelError
from surrogates.pool_gp import PoolGP, PoolPrior

ONE = PoolPrior(lengthscales=(1.0,), noise=(0.03,))


def groups(size: int = 30, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(size, 3)), rng.normal(size=(size, 1)), np.ones((size, 2))]


def covariance(parts: list[np.ndarray]) -> np.ndarray:
    """The same covariance written out at length, for one length scale of 1."""
    total = np.ones((len(parts[0]),) * 2)
    for part in parts[:2]:
        squares = ((part[:, None] - part[None]) ** 2).sum(-1)
        r = np.sqrt(5 * squares / squares.mean())
        total *= (1 + (1 + r + r**2 / 3) * np.exp(-r)) / 2
    return total


def test_agrees_with_the_textbook():
    parts, rng = groups(), np.random.default_rng(1)
    members, y = [3, 7, 7, 20, 11], rng.normal(size=5)
    model = PoolGP(parts, ONE)
    for member, outcome in zip(members, y, strict=True):
        model.append(member, float(outcome))
    mean, sd = model.predict()
    full = covariance(parts)
    k = np.linalg.inv(full[np.ix_(members, members)] + 0.03 * np.eye(5))
    ones, cross = np.ones(5), full[members]
    beta = ones @ k @ y / (ones @ k @ ones)
    rest = (y - beta) @ k @ (y - beta)
    scale = (ONE.shape * ONE.variance + rest / 2) / (ONE.shape + 2)
    slack = 1 - ones @ k @ cross
    var = scale * (1 - np.einsum("nm,nk,km->m", cross, k, cross) + slack**2 / (ones @ k @ ones))
    np.testing.assert_allclose(mean, beta + cross.T @ k @ (y - beta), atol=1e-10)
    np.testing.assert_allclose(sd, np.sqrt(var), atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 29), min_size=1, max_size=20), st.integers(0, 10))
def test_taking_back_leaves_no_trace(members, extra):
    model, fresh = PoolGP(groups()), PoolGP(groups())
    for member in members:
        model.append(member, member / 30)
        fresh.append(member, member / 30)
    for member in range(extra):
        model.append(member, 0.5)
    model.truncate(len(members))
    assert len(model) == len(members)
    for ours, theirs in zip(model.predict(), fresh.predict(), strict=True):
        assert np.array_equal(ours, theirs)
    assert model.weights().sum() == pytest.approx(1.0)


def test_evidence_finds_the_group_that_matters():
    parts = groups(60, seed=4)
    signal = np.sin(2 * parts[1][:, 0])
    model = PoolGP(parts, PoolPrior(lengthscales=(0.3, 30.0), noise=(0.01,)))
    for member in range(40):
        model.append(member, float(signal[member]))
    first_long_second_short = 2
    assert model.weights()[first_long_second_short] > 0.9
    mean, _ = model.predict()
    assert np.corrcoef(mean[40:], signal[40:])[0, 1] > 0.95


def test_sd_is_honest():
    rng = np.random.default_rng(2)
    z = []
    for seed in range(40):
        parts = groups(40, seed)
        truth = np.linalg.cholesky(covariance(parts) + 1e-9 * np.eye(40)) @ rng.normal(size=40)
        model = PoolGP(parts)
        for member in range(25):
            model.append(member, float(truth[member]))
        mean, sd = model.predict()
        z.append((truth[25:] - mean[25:]) / sd[25:])
    assert 0.8 < np.std(z) < 1.3


def test_refuses_groups_of_different_pools_and_predictions_from_nothing():
    with pytest.raises(ModelError):
        PoolGP([np.ones((3, 1)), np.ones((4, 1))])
    with pytest.raises(ModelError):
        PoolGP([np.array([[np.nan], [1.0]])])
    with pytest.raises(ModelError):
        PoolGP(groups()).predict()
