"""Exact Gaussian processes over a finite pool, with cached factors and no fitting.

Every datum is a member of the pool, so a Cholesky factor that grows row by row gives everything:
its rows times the whole pool, ``V = L^-1 K(data, pool)``, are kept, and a datum or a pending pick
adds one row in O(n M). Length scales and noise are not fitted but averaged over a small grid,
weighted by the evidence: no optimiser, no random start, nothing to converge, and the same numbers
after a restart because the same rows are added in the same order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.core.errors import ModelError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PoolPrior:
    """What is believed before any datum.

    Attributes:
        lengthscales: Grid of each group's length scale, in root mean square distances between
            members of the pool; all combinations are equally likely.
        noise: Grid of noise variances over signal variance.
        shape: Shape of the inverse-gamma prior of the signal variance.
        variance: Scale of that prior: a guess of the signal variance, in squared outcome units.
    """

    lengthscales: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    noise: tuple[float, ...] = (0.003, 0.03, 0.3, 3.0)
    shape: float = 1.0
    variance: float = 0.1


class PoolGP:
    """Gaussian processes over one pool, one for each combination of hyper-parameters.

    The covariance is the product over groups of ``(1 + k) / 2`` with Matérn-5/2 ``k``: a main
    effect of each group and their interactions in equal parts (functional analysis of variance), so
    that what heat does to all members is learned from all of them. The mean is an unknown constant
    with a flat prior, the signal variance is integrated out. Sums are ``einsum``, never BLAS: one
    thread, one order, the same bits wherever the CPU is.

    Args:
        groups: Feature groups, each of shape ``(pool, columns)``; a group has one length scale.
        prior: Grid and prior.

    Raises:
        ModelError: The groups do not describe one pool, or are not finite.
    """

    def __init__(self, groups: Sequence[Array], prior: PoolPrior | None = None) -> None:
        self._prior = prior or PoolPrior()
        sizes = {len(g) for g in groups}
        if len(sizes) != 1 or not all(np.isfinite(g).all() for g in groups):
            raise ModelError(
                "feature groups must describe the same pool with finite numbers",
                got=f"groups of {sorted(sizes)} members",
            )
        self.size = sizes.pop()
        spreads = [2.0 * float(g.var(axis=0).sum()) for g in groups]
        # A group that is the same for every member says nothing; its division would be by zero.
        self._groups = [
            np.asarray(g, dtype=np.float64) / np.sqrt(s)
            for g, s in zip(groups, spreads, strict=True)
            if s > 0
        ]
        grid = list(
            itertools.product(*[self._prior.lengthscales] * len(self._groups), self._prior.noise)
        )
        self._inverse_squares = np.array([[1.0 / s**2 for s in row[:-1]] for row in grid])
        self._noise = np.array([row[-1] for row in grid])
        self._members: list[int] = []
        self._rows = np.empty((len(grid), 16, self.size))
        self._z = np.empty((len(grid), 16))
        self._w = np.empty((len(grid), 16))
        self._log_d = np.empty((len(grid), 16))

    def __len__(self) -> int:
        """Number of data, pending ones included."""
        return len(self._members)

    def append(self, member: int, outcome: float) -> None:
        """Adds one datum; ``outcome`` of pool member ``member``, in outcome units."""
        n = len(self._members)
        if n == self._z.shape[1]:
            self._grow()
        known = self._rows[:, :n]
        loads = known[:, :, member].copy()
        row = self._covariance(member)
        spread = 1.0 + self._noise - np.einsum("gn,gn->g", loads, loads)
        d = np.sqrt(np.maximum(spread, 1e-10))
        row -= np.einsum("gn,gnm->gm", loads, known)
        self._rows[:, n] = row / d[:, None]
        self._z[:, n] = (outcome - np.einsum("gn,gn->g", loads, self._z[:, :n])) / d
        self._w[:, n] = (1.0 - np.einsum("gn,gn->g", loads, self._w[:, :n])) / d
        self._log_d[:, n] = np.log(d)
        self._members.append(member)

    def truncate(self, n: int) -> None:
        """Forgets all but the first ``n`` data, exactly as if they had never been added."""
        del self._members[n:]

    def weights(self) -> Array:
        """Posterior weight of each combination, shape ``(grid,)``; they sum to 1."""
        if not self._members:
            return np.full(len(self._noise), 1.0 / len(self._noise))
        n, _, beta_precision, shape, scale = self._fit()
        log_p = -self._log_d[:, :n].sum(axis=1) - 0.5 * np.log(beta_precision)
        log_p -= shape * np.log(scale)
        log_p -= log_p.max()
        p = np.exp(log_p)
        return p / p.sum()

    def predict(self) -> tuple[Array, Array]:
        """Mean and standard deviation of the outcome without noise, each of shape ``(pool,)``.

        Raises:
            ModelError: There is no datum yet; the flat prior has no mean.
        """
        if not self._members:
            raise ModelError("a pool without data has no prediction", do="append a datum first")
        n, beta, beta_precision, shape, scale = self._fit()
        rows = self._rows[:, :n]
        residual = self._z[:, :n] - beta[:, None] * self._w[:, :n]
        means = beta[:, None] + np.einsum("gn,gnm->gm", residual, rows)
        slack = 1.0 - np.einsum("gn,gnm->gm", self._w[:, :n], rows)
        explained = np.einsum("gnm,gnm->gm", rows, rows)
        variances = np.maximum(1.0 - explained, 0.0) + slack**2 / beta_precision[:, None]
        variances *= (scale / shape)[:, None]
        p = self.weights()
        mean = p @ means
        spread = p @ (variances + (means - mean) ** 2)
        return mean, np.sqrt(np.maximum(spread, 1e-18))

    def _fit(self) -> tuple[int, Array, Array, float, Array]:
        """Number of data; mean, its precision; shape and scale of the signal variance."""
        n = len(self._members)
        z, w = self._z[:, :n], self._w[:, :n]
        precision = np.einsum("gn,gn->g", w, w)
        beta = np.einsum("gn,gn->g", w, z) / precision
        rest = np.einsum("gn,gn->g", z, z) - beta**2 * precision
        shape = self._prior.shape + 0.5 * (n - 1)
        scale = self._prior.shape * self._prior.variance + 0.5 * np.maximum(rest, 0.0)
        return n, beta, precision, shape, scale

    def _covariance(self, member: int) -> Array:
        """Correlation of one member with the pool, shape ``(grid, pool)``."""
        product = np.ones((len(self._noise), self.size))
        for column, group in enumerate(self._groups):
            squares = ((group - group[member]) ** 2).sum(axis=1)
            scaled = np.sqrt(5.0 * np.outer(self._inverse_squares[:, column], squares))
            matern = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled)
            product *= 0.5 * (1.0 + matern)
        return product

    def _grow(self) -> None:
        self._rows = np.concatenate([self._rows, np.empty_like(self._rows)], axis=1)
        self._z = np.concatenate([self._z, np.empty_like(self._z)], axis=1)
        self._w = np.concatenate([self._w, np.empty_like(self._w)], axis=1)
        self._log_d = np.concatenate([self._log_d, np.empty_like(self._log_d)], axis=1)
