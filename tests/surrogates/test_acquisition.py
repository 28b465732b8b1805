"""Closed forms against BoTorch and against sampling."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surrogates.acquisition import (
    log_bounded_improvement,
    log_expected_improvement,
    log_h,
    log_probability_above,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from botorch.acquisition.analytic import (
        LogExpectedImprovement,
        LogProbabilityOfImprovement,
    )
    from botorch.models import SingleTaskGP

MEANS = np.array([0.1, 0.5, 0.9, -2.0, 0.93])


def botorch_model() -> tuple[SingleTaskGP, torch.Tensor, np.ndarray, np.ndarray]:
    torch.manual_seed(0)
    x = torch.rand(6, 2, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SingleTaskGP(x, torch.sin(5 * x[:, :1]) + x[:, 1:], outcome_transform=None)
        model.eval()
        points = torch.rand(50, 1, 2, dtype=torch.float64)
        posterior = model.posterior(points)
    mean = posterior.mean.detach().numpy().ravel()
    sd = posterior.variance.detach().numpy().ravel() ** 0.5
    return model, points, mean, sd


@pytest.mark.parametrize("best", [-1.0, 0.8, 3.0, 12.0])
def test_agrees_with_botorch(best: float) -> None:
    model, points, mean, sd = botorch_model()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        ei = LogExpectedImprovement(model, best)(points).numpy()
        pi = LogProbabilityOfImprovement(model, best)(points).numpy()
    np.testing.assert_allclose(log_expected_improvement(mean, sd, best), ei, rtol=1e-6)
    np.testing.assert_allclose(log_probability_above(mean, sd, best), pi, rtol=1e-6, atol=1e-12)


def test_improvement_is_never_clipped_before_it_is_standardised() -> None:
    # gpCAM #55: clipping first makes every candidate below the incumbent rank by variance alone.
    far, near = log_expected_improvement(np.array([0.0, 0.8]), np.array([0.1, 0.1]), 0.9)
    assert far < near - 10.0


@given(st.floats(-1e5, 30.0), st.floats(1e-3, 1.0))
def test_log_h_grows_and_never_breaks(z: float, step: float) -> None:
    low, high = log_h(np.array([z, z + step * max(1.0, abs(z)) * 1e-3]))
    assert np.isfinite([low, high]).all()
    assert high > low


def test_bounded_improvement_agrees_with_sampling() -> None:
    draws = np.random.default_rng(0).normal(size=400_000)
    for mean, sd in ((0.9, 0.05), (0.97, 0.1), (0.6, 0.3), (1.05, 0.05)):
        values = np.minimum(mean + sd * draws, 1.0)
        expected = np.log(np.mean(np.maximum(values - 0.92, 0.0)))
        ours = log_bounded_improvement(np.array([mean]), np.array([sd]), 0.92, 1.0)[0]
        assert ours == pytest.approx(expected, abs=0.03)


def test_bounded_improvement_does_not_chase_purities_above_one() -> None:
    mean, sd = np.array([0.99, 0.97]), np.array([0.3, 0.02])
    plain = log_expected_improvement(mean, sd, 0.95)
    bounded = log_bounded_improvement(mean, sd, 0.95, 1.0)
    assert plain[0] > plain[1]
    assert bounded[0] < plain[0] - 1.0
    assert np.isfinite(log_bounded_improvement(mean, sd, 1.0, 1.0)).all()
