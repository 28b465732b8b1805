"""Covariance over mixed recipes: continuous coordinates, choices, and the twin's directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from surrogates.backend import gpytorch, torch

Kernel = gpytorch.kernels.Kernel


@dataclass(frozen=True)
class Layout:
    """Which columns of an input are what.

    Attributes:
        continuous: Columns in [0, 1] with a distance.
        choices: Columns whose values are only equal or different.
        basis: Columns appended at the end whose inner product is a covariance of its own (the
            ensemble of twins); 0 where there is none.
    """

    continuous: tuple[int, ...]
    choices: tuple[int, ...] = ()
    basis: int = 0

    @property
    def width(self) -> int:
        """Number of columns of an input."""
        return len(self.continuous) + len(self.choices) + self.basis


@dataclass(frozen=True)
class Priors:
    """Where hyper-parameters start and how far data must push to move them.

    Every prior is log-normal; a value is its mode, so that a model without data stands there, and
    ``*_ln_sd`` is its width. Amplitude, noise and offset are standard deviations in the units of
    the outcome that the model sees (standardised, or purity where the twin gives the mean).
    """

    amplitude: float = 1.0
    amplitude_ln_sd: float = 0.6
    lengthscale: float = 0.7
    lengthscale_ln_sd: float = 1.2
    choice_lengthscale: float = 2.0
    choice_lengthscale_ln_sd: float = 1.2
    noise: float = 0.05
    noise_ln_sd: float = 0.8
    offset: float = 1.0
    """Standard deviation of the unknown constant; not fitted."""


class HammingKernel(Kernel):
    """``exp(-sum_j [x_j != x'_j] / l_j)``: choices that differ are less alike, per coordinate."""

    has_lengthscale = True

    def forward(
        self,
        x1: torch.Tensor,
        x2: torch.Tensor,
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: Any,
    ) -> torch.Tensor:
        """Covariance, shape ``(..., n, m)``, or ``(..., n)`` with ``diag``."""
        if diag:
            differ = (x1 != x2).to(x1.dtype)
            return torch.exp(-(differ / self.lengthscale).sum(-1))
        differ = (x1.unsqueeze(-2) != x2.unsqueeze(-3)).to(x1.dtype)
        return torch.exp(-(differ / self.lengthscale.unsqueeze(-2)).sum(-1))


def log_normal(mode: float, ln_sd: float) -> Any:
    """A log-normal prior by its mode."""
    return gpytorch.priors.LogNormalPrior(math.log(mode) + ln_sd**2, ln_sd)


def above(low: float) -> Any:
    """A constraint that fits in the logarithm, which L-BFGS finds easier than softplus."""
    constraint: Any = gpytorch.constraints.GreaterThan
    return constraint(low, transform=torch.exp, inv_transform=torch.log, initial_value=2.0 * low)


def _factors(layout: Layout, priors: Priors) -> list[Kernel]:
    kernels = gpytorch.kernels
    parts: list[Kernel] = []
    if layout.continuous:
        parts.append(
            kernels.MaternKernel(
                nu=2.5,
                ard_num_dims=len(layout.continuous),
                active_dims=layout.continuous,
                lengthscale_prior=log_normal(priors.lengthscale, priors.lengthscale_ln_sd),
                lengthscale_constraint=above(0.02),
            )
        )
    if layout.choices:
        parts.append(
            HammingKernel(
                ard_num_dims=len(layout.choices),
                active_dims=layout.choices,
                lengthscale_prior=log_normal(
                    priors.choice_lengthscale, priors.choice_lengthscale_ln_sd
                ),
                lengthscale_constraint=above(0.02),
            )
        )
    return parts


class MixedKernel(Kernel):
    """Offset² + amplitude² · Matérn-5/2 (ARD) · Hamming (+ inner product of the basis).

    The unknown mean is a constant covariance rather than a fitted number, so that its uncertainty
    is in every sigma.

    Args:
        layout: What the columns are.
        priors: Priors of the hyper-parameters.
    """

    def __init__(self, layout: Layout, priors: Priors) -> None:
        super().__init__()
        self.layout = layout
        self.offset_variance = priors.offset**2
        factors = _factors(layout, priors)
        self.factors = torch.nn.ModuleList(factors)
        product = factors[0]
        for factor in factors[1:]:
            product = product * factor
        self.smooth = gpytorch.kernels.ScaleKernel(
            product,
            outputscale_prior=log_normal(priors.amplitude**2, 2.0 * priors.amplitude_ln_sd),
            outputscale_constraint=above(1e-8),
        )
        self.double()

    def forward(
        self,
        x1: torch.Tensor,
        x2: torch.Tensor,
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: Any,
    ) -> Any:
        """Covariance, shape ``(..., n, m)``, or ``(..., n)`` with ``diag``."""
        total = self.smooth(x1, x2, diag=diag)
        total = (total if diag else total.to_dense()) + self.offset_variance
        if self.layout.basis:
            a, b = x1[..., -self.layout.basis :], x2[..., -self.layout.basis :]
            total = total + ((a * b).sum(-1) if diag else a @ b.transpose(-1, -2))
        return total


def covariance(kernel: Kernel, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Dense covariance, shape ``(n, m)``, without a graph."""
    with torch.no_grad():
        return kernel(a, b).to_dense()


def variance(kernel: Kernel, a: torch.Tensor) -> torch.Tensor:
    """Prior variances, shape ``(n,)``, without a graph."""
    with torch.no_grad():
        diagonal: Any = kernel(a, diag=True)
        return diagonal
