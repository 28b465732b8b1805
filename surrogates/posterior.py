"""What a Gaussian process knows: prediction, leave-one-out, and picks while others are pending."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surrogates.backend import one_thread, torch
from surrogates.kernel import MixedKernel, covariance, variance

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LeaveOneOut:
    """Predictions of each datum from all others, at fixed hyper-parameters.

    Attributes:
        mean: Predicted outcomes, shape ``(n,)``.
        sd: Predictive standard deviations with noise, shape ``(n,)``.
        z: Standardised residuals, shape ``(n,)``.
    """

    mean: Array
    sd: Array
    z: Array

    def metrics(self) -> dict[str, float]:
        """Root mean square error, root mean square of z, mean log density."""
        if not len(self.z):
            return {}
        return {
            "loo_rmse": _rms(self.z * self.sd),
            "loo_z_rms": _rms(self.z),
            "loo_log_density": float(np.mean(log_density(self.z, self.sd))),
        }


def log_density(z: Array, sd: Array) -> Array:
    """Log density of a Gaussian at standardised residual ``z``."""
    return -0.5 * z**2 - np.log(sd) - 0.5 * math.log(2.0 * math.pi)


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


class Posterior:
    """Exact posterior by one Cholesky factor, in double precision on one thread.

    Args:
        kernel: Covariance at fixed hyper-parameters, of the scaled outcome.
        x: Inputs, shape ``(n, width)``.
        y: Outcomes, shape ``(n,)``.
        noise_sd: Known noise of each outcome, shape ``(n,)``.
        extra_noise: Noise beyond the known, a standard deviation in units of ``y``.
        location: Subtracted from the outcome before anything else.
        scale: Divides the outcome.
        spread: Factor on every standard deviation (calibration).
    """

    def __init__(
        self,
        kernel: MixedKernel,
        x: Array,
        y: Array,
        noise_sd: Array,
        *,
        extra_noise: float,
        location: float = 0.0,
        scale: float = 1.0,
        spread: float = 1.0,
    ) -> None:
        self._kernel = kernel
        self._location, self._scale, self._spread = location, scale, spread
        self._x = torch.as_tensor(np.ascontiguousarray(x))
        self._y = torch.as_tensor((y - location) / scale)
        total = np.sqrt(noise_sd**2 + extra_noise**2) / scale
        self._noise = torch.as_tensor(np.maximum(total, 1e-4) ** 2)
        typical = float(np.median(noise_sd)) if len(noise_sd) else 0.0
        self.future_noise = max(math.hypot(typical, extra_noise), 1e-4 * scale) * spread
        """Standard deviation expected of the next measurement, in units of ``y``."""
        with one_thread():
            matrix = covariance(kernel, self._x, self._x) + torch.diag(self._noise)
            self._factor = torch.linalg.cholesky(matrix)
            self._alpha = torch.cholesky_solve(self._y[:, None], self._factor)

    def __len__(self) -> int:
        """Number of data."""
        return len(self._y)

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the function itself (without noise), shapes ``(m,)``."""
        table = self.table(x)
        return table.mean, table.sd

    def table(self, x: Array) -> CandidateTable:
        """The posterior at many candidates, ready for one pick after another."""
        with one_thread():
            points = torch.as_tensor(np.ascontiguousarray(x))
            cross = covariance(self._kernel, self._x, points)
            solved = torch.linalg.solve_triangular(self._factor, cross, upper=False)
            mean = (cross.T @ self._alpha)[:, 0]
            var = variance(self._kernel, points) - (solved**2).sum(0)
        return CandidateTable(
            kernel=self._kernel,
            points=points,
            solved=solved,
            mean=mean.numpy() * self._scale + self._location,
            var=var,
            unit=self._scale * self._spread,
            future_noise=self.future_noise,
        )

    def leave_one_out(self) -> LeaveOneOut:
        """Closed form (Rasmussen and Williams 2006, eq. 5.12): no refit, no loop."""
        with one_thread():
            inverse = torch.cholesky_inverse(self._factor) if len(self) else self._factor
            spread = 1.0 / torch.diagonal(inverse)
            mean = self._y - self._alpha[:, 0] * spread
        sd = torch.sqrt(spread).numpy() * self._spread
        z = (self._y - mean).numpy() / sd
        return LeaveOneOut(mean.numpy() * self._scale + self._location, sd * self._scale, z)


@dataclass
class CandidateTable:
    """Means and variances at candidates; a pending pick costs one rank-one update.

    A pending experiment is believed to give its posterior mean (kriging believer). That changes no
    mean, only variances, so ``pend`` needs one column of covariance and no new factor.

    Attributes:
        kernel: The kernel of the posterior.
        points: Candidates, shape ``(m, width)``.
        solved: Factor solved against the cross covariance, shape ``(n, m)``.
        mean: Posterior means, shape ``(m,)``, in units of the outcome.
        var: Posterior variances, shape ``(m,)``, in units of the kernel.
        unit: Standard deviation of the outcome per unit of the kernel.
        future_noise: Standard deviation of the next measurement's noise, in units of the outcome.
    """

    kernel: MixedKernel
    points: torch.Tensor
    solved: torch.Tensor
    mean: Array
    var: torch.Tensor
    unit: float
    future_noise: float

    @property
    def sd(self) -> Array:
        """Posterior standard deviations without noise, shape ``(m,)``."""
        return np.sqrt(np.maximum(self.var.numpy(), 1e-12)) * self.unit

    def pend(self, index: int) -> None:
        """Takes candidate ``index`` as being made: what it would teach need not be asked twice."""
        with one_thread():
            row = covariance(self.kernel, self.points[index : index + 1], self.points)[0]
            row = row - self.solved[:, index] @ self.solved
            own = self.var[index].clamp_min(0.0) + (self.future_noise / self.unit) ** 2
            update = row / torch.sqrt(own)
            self.solved = torch.cat([self.solved, update[None]])
            self.var = self.var - update**2
