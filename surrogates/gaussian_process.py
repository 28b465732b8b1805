"""An exact Gaussian process over mixed inputs, fitted the same way every time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from sdl.core.errors import ModelError
from surrogates.backend import gpytorch, one_thread, torch
from surrogates.kernel import Layout, MixedKernel, Priors, above, log_normal
from surrogates.posterior import Posterior

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hyperparameters:
    """What a fit finds.

    Attributes:
        amplitude: Standard deviation of the smooth part, in units of the scaled outcome.
        lengthscales: One per continuous column, in units of the column.
        choice_lengthscales: One per choice; two options correlate with ``exp(-1 / l)``.
        noise: Standard deviation of the noise that the measurements' own sigma does not explain.
    """

    amplitude: float
    lengthscales: tuple[float, ...]
    choice_lengthscales: tuple[float, ...]
    noise: float

    @classmethod
    def of_priors(cls, layout: Layout, priors: Priors) -> Hyperparameters:
        """Where a model without data stands: the modes of the priors."""
        return cls(
            amplitude=priors.amplitude,
            lengthscales=(priors.lengthscale,) * len(layout.continuous),
            choice_lengthscales=(priors.choice_lengthscale,) * len(layout.choices),
            noise=priors.noise,
        )


@dataclass(frozen=True)
class GaussianProcess:
    """A model: layout, priors, hyper-parameters, and the affine scale of the outcome.

    It holds no data; ``condition`` gives the posterior for whatever is known, so that new results
    count at once and hyper-parameters change only with a new model version.
    """

    layout: Layout
    priors: Priors
    hyper: Hyperparameters
    location: float = 0.0
    scale: float = 1.0
    spread: float = 1.0
    """Factor on every sigma, from the leave-one-out residuals of the fit."""
    notes: dict[str, float] = field(default_factory=dict)
    """Figures of the fit: log marginal likelihood per datum, evaluations, number of data."""

    @classmethod
    def of_priors(cls, layout: Layout, priors: Priors) -> GaussianProcess:
        """The model before any data."""
        return cls(layout=layout, priors=priors, hyper=Hyperparameters.of_priors(layout, priors))

    def kernel(self) -> MixedKernel:
        """The kernel at these hyper-parameters."""
        kernel = MixedKernel(self.layout, self.priors)
        _place(kernel, self.layout, self.hyper)
        kernel.requires_grad_(False)
        return kernel

    def condition(self, x: Array, y: Array, noise_sd: Array) -> Posterior:
        """The posterior given data.

        Args:
            x: Inputs, shape ``(n, width)``; ``n`` may be 0.
            y: Outcomes, shape ``(n,)``.
            noise_sd: Known standard deviation of each outcome, shape ``(n,)``.

        Raises:
            ModelError: Shapes do not match the layout, or a value is not finite.
        """
        _check(self.layout, x, y, noise_sd)
        return Posterior(
            self.kernel(),
            x,
            y,
            noise_sd,
            extra_noise=self.hyper.noise * self.scale,
            location=self.location,
            scale=self.scale,
            spread=self.spread,
        )


class _Exact(gpytorch.models.ExactGP):
    def __init__(self, x: torch.Tensor, y: torch.Tensor, likelihood: Any, kernel: MixedKernel):
        super().__init__(x, y, likelihood)
        self.covar_module = kernel

    def forward(self, x: torch.Tensor) -> Any:
        mean = torch.zeros(x.shape[:-1], dtype=x.dtype)
        return gpytorch.distributions.MultivariateNormal(mean, self.covar_module(x))


def fit(
    x: Array,
    y: Array,
    noise_sd: Array,
    layout: Layout,
    priors: Priors | None = None,
    *,
    standardise: bool = True,
    evaluations: int = 60,
) -> GaussianProcess:
    """The most probable hyper-parameters, by L-BFGS from the modes of the priors.

    Deterministic: one thread, double precision, one start, a fixed limit of evaluations.

    Args:
        x: Inputs, shape ``(n, layout.width)``, ``n >= 2``.
        y: Outcomes, shape ``(n,)``.
        noise_sd: Known standard deviation of each outcome, shape ``(n,)``, in units of ``y``.
        layout: What the columns are.
        priors: Priors in units of the scaled outcome; the defaults suit standardised outcomes.
        standardise: Scale the outcome to zero mean and unit variance first.
        evaluations: Most evaluations of the likelihood and its gradient.

    Raises:
        ModelError: Shapes do not match, a value is not finite, or there are fewer than two data.
    """
    priors = priors or Priors()
    _check(layout, x, y, noise_sd)
    if len(y) < 2:
        raise ModelError("a Gaussian process needs two results to be fitted", got=len(y))
    location, scale = (float(np.mean(y)), float(np.std(y))) if standardise else (0.0, 1.0)
    scale = scale if scale > 1e-9 else 1.0
    with one_thread():
        hyper, notes = _maximise(
            x, (y - location) / scale, noise_sd / scale, layout, priors, evaluations
        )
    model = GaussianProcess(layout, priors, hyper, location, scale)
    loo = model.condition(x, y, noise_sd).leave_one_out()
    notes |= {"n": float(len(y))} | loo.metrics()
    return replace(model, spread=_spread(loo.z), notes=notes)


def _spread(z: Array, weight: float = 10.0) -> float:
    """Scale of sigma that makes the leave-one-out residuals standard, shrunk to 1.

    Maximum likelihood trusts its own smoothness; where the function is smoother or rougher than the
    kernel, sigma is off by a factor that the residuals show. ``weight`` counts as so many residuals
    of exactly one sigma, so that few data change little.
    """
    factor = np.sqrt((weight + float(np.sum(z**2))) / (weight + len(z)))
    return float(np.clip(factor, 0.5, 3.0))


def _maximise(
    x: Array, y: Array, noise_sd: Array, layout: Layout, priors: Priors, evaluations: int
) -> tuple[Hyperparameters, dict[str, float]]:
    kernel = MixedKernel(layout, priors)
    start = Hyperparameters.of_priors(layout, priors)
    _place(kernel, layout, start)
    likelihood: Any = gpytorch.likelihoods.FixedNoiseGaussianLikelihood(
        torch.as_tensor(np.maximum(noise_sd, 1e-4) ** 2),
        learn_additional_noise=True,
        noise_prior=log_normal(priors.noise**2, 2.0 * priors.noise_ln_sd),
        noise_constraint=above(1e-8),
    ).double()
    likelihood.second_noise = priors.noise**2
    inputs, targets = torch.as_tensor(x), torch.as_tensor(y)
    model = _Exact(inputs, targets, likelihood, kernel)
    objective: Any = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
    model.train()
    parameters = list(model.parameters())

    def loss(flat: Array) -> tuple[float, Array]:
        torch.nn.utils.vector_to_parameters(torch.as_tensor(flat), parameters)
        for parameter in parameters:
            parameter.grad = None
        value = -objective(model(inputs), targets)
        value.backward()
        gradient = torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None])
        return float(value.item()), gradient.numpy().copy()

    first = torch.nn.utils.parameters_to_vector(parameters).detach().numpy().copy()
    # Cholesky throughout: the iterative solver that GPyTorch takes for large n draws at random.
    with gpytorch.settings.fast_computations(False, False, False):
        found = minimize(
            loss,
            first,
            jac=True,
            method="L-BFGS-B",
            options={"maxfun": evaluations, "ftol": 1e-6, "gtol": 1e-3},
        )
        best = found.x if np.isfinite(found.fun) else first
        loss(best)
    noise: torch.Tensor = torch.as_tensor(likelihood.second_noise).detach()
    return _read(kernel, layout, float(noise) ** 0.5), {
        "objective": -float(found.fun),
        "evaluations": float(found.nfev),
    }


def _matern(kernel: MixedKernel, layout: Layout) -> Any:
    return kernel.factors[0] if layout.continuous else None


def _hamming(kernel: MixedKernel, layout: Layout) -> Any:
    return kernel.factors[-1] if layout.choices else None


def _place(kernel: MixedKernel, layout: Layout, hyper: Hyperparameters) -> None:
    kernel.smooth.outputscale = hyper.amplitude**2
    if layout.continuous:
        _matern(kernel, layout).lengthscale = torch.tensor(hyper.lengthscales).double()
    if layout.choices:
        _hamming(kernel, layout).lengthscale = torch.tensor(hyper.choice_lengthscales).double()


def _read(kernel: MixedKernel, layout: Layout, noise: float) -> Hyperparameters:
    def values(part: Any) -> tuple[float, ...]:
        return () if part is None else tuple(part.lengthscale.detach().reshape(-1).tolist())

    return Hyperparameters(
        amplitude=float(kernel.smooth.outputscale.item()) ** 0.5,
        lengthscales=values(_matern(kernel, layout)),
        choice_lengthscales=values(_hamming(kernel, layout)),
        noise=noise,
    )


def _check(layout: Layout, x: Array, y: Array, noise_sd: Array) -> None:
    if x.ndim != 2 or x.shape[1] != layout.width:
        raise ModelError(
            "the inputs do not have the layout's columns",
            got=f"shape {x.shape}",
            allowed=f"(n, {layout.width})",
        )
    if y.shape != (len(x),) or noise_sd.shape != (len(x),):
        raise ModelError(
            "inputs, outcomes and noise must have one row per result",
            got=f"{len(x)}, {y.shape}, {noise_sd.shape}",
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(noise_sd).all()):
        raise ModelError("inputs, outcomes and noise must be finite numbers")
