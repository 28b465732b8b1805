"""The Gaussian process: right, calibrated, the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sdl.core.errors import ModelError
from surrogates.backend import gpytorch, one_thread
from surrogates.gaussian_process import GaussianProcess, Hyperparameters, fit
from surrogates.kernel import Layout, MixedKernel, Priors

LAYOUT = Layout(continuous=(0, 1, 2), choices=(3, 4))


def truth(x: np.ndarray) -> np.ndarray:
    return np.sin(4.0 * x[:, 0]) + x[:, 1] ** 2 + 0.6 * (x[:, 3] > 0.5) * x[:, 2]


def sample(n: int, seed: int, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.random((n, 5))
    x[:, 3:] = (np.floor(x[:, 3:] * 2) + 0.5) / 2
    return x, truth(x) + noise * rng.normal(size=n), np.full(n, noise)


@pytest.mark.parametrize("n", [20, 60])
def test_sigma_is_honest(n: int) -> None:
    squares = []
    for seed in range(4):
        model = fit(*sample(n, seed), LAYOUT)
        x, y, noise = sample(400, 100 + seed)
        posterior = model.condition(*sample(n, seed))
        mean, sd = posterior.predict(x)
        squares.append(np.mean((y - mean) ** 2 / (sd**2 + noise**2)))
    assert 0.8 <= np.sqrt(np.mean(squares)) <= 1.25


def test_posterior_is_that_of_gpytorch() -> None:
    x, y, noise = sample(12, 1)
    layout, priors = Layout((0, 1, 2), (3,), basis=1), Priors()
    hyper = Hyperparameters(0.8, (0.3, 0.5, 2.0), (1.5,), 0.03)
    model = GaussianProcess(layout, priors, hyper)
    likelihood = gpytorch.likelihoods.FixedNoiseGaussianLikelihood(
        torch.as_tensor(noise**2 + 0.03**2)
    )

    class Exact(gpytorch.models.ExactGP):
        def __init__(self) -> None:
            super().__init__(torch.as_tensor(x), torch.as_tensor(y), likelihood)
            self.covar_module = model.kernel()

        def forward(self, at: torch.Tensor) -> gpytorch.distributions.MultivariateNormal:
            mean = torch.zeros(at.shape[:-1], dtype=at.dtype)
            return gpytorch.distributions.MultivariateNormal(mean, self.covar_module(at))

    exact, points = Exact().eval(), sample(30, 2)[0]
    with torch.no_grad(), gpytorch.settings.fast_computations(False, False, False):
        expected: Any = exact(torch.as_tensor(points))
    mean, sd = model.condition(x, y, noise).predict(points)
    np.testing.assert_allclose(mean, expected.mean.numpy(), atol=1e-7)
    np.testing.assert_allclose(sd**2, expected.variance.numpy(), atol=1e-7)


def test_fit_is_deterministic_and_restores_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.manual_seed(1)
        first = fit(*sample(25, 3), LAYOUT)
        torch.manual_seed(2)
        assert fit(*sample(25, 3), LAYOUT) == first
        assert torch.get_num_threads() == 2
        with pytest.raises(ModelError), one_thread():
            fit(np.zeros((1, 5)), np.zeros(1), np.zeros(1), LAYOUT)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_irrelevant_coordinates_get_long_lengthscales() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((40, 2))
    y = np.sin(6.0 * x[:, 0]) + 0.01 * rng.normal(size=40)
    found = fit(x, y, np.full(40, 0.01), Layout((0, 1))).hyper.lengthscales
    assert found[1] > 3.0 * found[0]


def test_noise_is_inferred_beyond_the_known() -> None:
    rng = np.random.default_rng(5)
    x = rng.random((80, 1))
    y = np.sin(3.0 * x[:, 0]) + 0.2 * rng.normal(size=80)
    model = fit(x, y, np.full(80, 0.01), Layout((0,)))
    assert 0.12 < model.hyper.noise * model.scale < 0.3


def test_leave_one_out_agrees_with_leaving_out() -> None:
    x, y, noise = sample(15, 7)
    model = fit(x, y, noise, LAYOUT)
    loo = model.condition(x, y, noise).leave_one_out()
    for i in (0, 7, 14):
        keep = np.arange(15) != i
        rest = model.condition(x[keep], y[keep], noise[keep])
        mean, sd = rest.predict(x[i : i + 1])
        total = np.hypot(sd[0], rest.future_noise)
        assert loo.mean[i] == pytest.approx(mean[0], abs=1e-6)
        assert loo.sd[i] == pytest.approx(total, abs=1e-3)
    assert set(loo.metrics()) == {"loo_rmse", "loo_z_rms", "loo_log_density"}


def test_pending_equals_conditioning_on_the_mean() -> None:
    x, y, noise = sample(15, 8)
    model = GaussianProcess.of_priors(LAYOUT, Priors())
    posterior, points = model.condition(x, y, noise), sample(40, 9)[0]
    table = posterior.table(points)
    believed, before = table.mean.copy(), table.sd
    table.pend(3)
    known = np.append(noise, 0.05)
    after = model.condition(np.vstack([x, points[3:4]]), np.append(y, believed[3]), known).predict(
        points
    )
    np.testing.assert_allclose(table.mean, after[0], atol=1e-8)
    np.testing.assert_allclose(table.sd, after[1], atol=1e-8)
    assert table.sd[3] < 0.5 * before[3]
    assert np.all(table.sd <= before + 1e-12)


def test_without_data_the_prior_answers() -> None:
    model = GaussianProcess.of_priors(LAYOUT, Priors(amplitude=0.3, offset=0.4))
    empty = model.condition(np.zeros((0, 5)), np.zeros(0), np.zeros(0))
    mean, sd = empty.predict(sample(3, 1)[0])
    assert len(empty) == 0
    np.testing.assert_allclose(mean, 0.0)
    np.testing.assert_allclose(sd, 0.5)
    assert empty.leave_one_out().metrics() == {}


def test_one_outcome_repeated_does_not_break_the_fit() -> None:
    x = np.tile([[0.3, 0.3, 0.3, 0.25, 0.25]], (6, 1))
    model = fit(x, np.full(6, 0.7), np.full(6, 0.01), LAYOUT)
    mean, _ = model.condition(x, np.full(6, 0.7), np.full(6, 0.01)).predict(x)
    np.testing.assert_allclose(mean, 0.7, atol=0.01)


def test_basis_is_an_inner_product() -> None:
    kernel = MixedKernel(Layout((0,), basis=2), Priors(amplitude=1e-3, offset=0.0))
    a = torch.tensor([[0.0, 1.0, 2.0], [0.0, 3.0, -1.0]], dtype=torch.float64)
    with torch.no_grad():
        dense = kernel(a, a).to_dense()
    np.testing.assert_allclose(dense, [[5.0, 1.0], [1.0, 10.0]], atol=1e-5)


@pytest.mark.parametrize(
    ("x", "y", "noise"),
    [
        (np.zeros((3, 2)), np.zeros(3), np.zeros(3)),
        (np.zeros((3, 5)), np.zeros(2), np.zeros(3)),
        (np.zeros((3, 5)), np.array([0.0, np.nan, 0.0]), np.zeros(3)),
        (np.zeros((1, 5)), np.zeros(1), np.zeros(1)),
    ],
)
def test_wrong_data_are_refused(x: np.ndarray, y: np.ndarray, noise: np.ndarray) -> None:
    with pytest.raises(ModelError):
        fit(x, y, noise, LAYOUT)
