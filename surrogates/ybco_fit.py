"""Most probable parameters of a twin: damped Gauss-Newton on readings and prior together.

Thirty shared figures and a few hundred readings have a posterior that an ensemble of affordable
size explores badly; slopes by finite differences cost one run of the experiments per parameter. The
start is the best of the prior's draws on the fitted experiments. The posterior's width is that of
the linear problem at the optimum (Laplace).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.core.seeds import generator
from surrogates.observed import Noise, Readings, readings
from surrogates.outcomes import Experiment
from surrogates.smoother import BELOW, EXACT, Data
from surrogates.twin import Twin

Array = npt.NDArray[np.float64]

STEP = 0.25
"""Finite difference, prior standard deviations."""
LONGEST = 1.5
"""Most that one iteration moves a parameter, prior standard deviations."""
DAMPING = (0.03, 0.3, 1.0, 4.0, 16.0, 64.0)
"""Factors on the damping that are tried at once in each iteration."""
ENOUGH = 0.05
"""Gain of the log posterior at which the iterations end."""


@dataclass(frozen=True)
class Fit:
    """An optimum in units of the prior's standard deviations.

    Attributes:
        scaled: Most probable parameters over their prior widths, shape ``(P,)``.
        precision: Of the linear problem there, shape ``(P, P)``.
        costs: Minus log posterior, first at the start, then after each iteration.
    """

    scaled: Array
    precision: Array
    costs: tuple[float, ...]

    def draws(self, members: int, *key: str | int) -> Array:
        """Scaled parameters of a posterior ensemble; the first member is the optimum."""
        normal = generator("laplace", *key).standard_normal((members, len(self.scaled)))
        normal[0] = 0.0
        factor = np.linalg.cholesky(np.linalg.inv(self.precision))
        return self.scaled + normal @ factor.T


class Misfit:
    """Standardised residuals of experiments as a function of scaled parameters.

    In weight fractions as they are, so that means are met; a limit pulls only when it is broken.

    Args:
        twin: System, shelf and parameters.
        experiments: What is fitted.
        noise: Errors.
        labels: Phases that a measured label stands for.
        weight: Factor on the residuals of a label, 1 if absent.
    """

    def __init__(
        self,
        twin: Twin,
        experiments: Sequence[Experiment],
        noise: Noise,
        labels: Mapping[str, Sequence[str]],
        weight: Mapping[str, float],
    ) -> None:
        self.twin, self.experiments = twin, tuple(experiments)
        self.found: Readings = readings(experiments, twin.phases, labels)
        kind = noise.kind(self.found)
        limit = np.where(kind == BELOW, noise.detection, 1.0 - noise.detection)
        value = np.where(kind == EXACT, self.found.value, limit)
        self.data = Data(self.found.names, value, noise.sd(self.found), kind)
        self.weight = np.array([weight.get(label, 1.0) for label in self.found.labels])

    def __call__(self, scaled: Array) -> Array:
        """Residuals, shape ``(N, D)``, of parameters ``(N, P)``."""
        values = scaled * self.twin.parameters.sd
        return self.of(self.twin.fractions(values, self.experiments))

    def of(self, fractions: Array) -> Array:
        """Residuals of fractions that are known already, ``(N, experiments, S)``."""
        return self.data.residuals(self.found.predicted(fractions)) / self.data.sd * self.weight


def cost(residuals: Array, scaled: Array) -> Array:
    """Minus log posterior of each row, shape ``(N,)``."""
    return 0.5 * ((residuals**2).sum(axis=1) + (scaled**2).sum(axis=1))


def gauss_newton(
    misfit: Callable[[Array], Array],
    start: Array,
    iterations: int,
    tell: Callable[[int, float], None] | None = None,
) -> Fit:
    """The most probable parameters from a start.

    Args:
        misfit: Scaled parameters ``(N, P)`` to residuals ``(N, D)``.
        start: Shape ``(P,)``.
        iterations: Most iterations.
        tell: Called with the number of the iteration and its cost.
    """
    z, damping, count = start.copy(), 3.0, len(start)
    before = misfit(z[None])
    costs = [float(cost(before, z[None])[0])]
    precision = np.eye(count)
    for iteration in range(iterations):
        around = misfit(z + STEP * np.eye(count))
        slope = (around - before).T / STEP
        precision = slope.T @ slope + np.eye(count)
        downhill = slope.T @ before[0] + z
        trials = np.stack([
            z - np.clip(_solve(precision, downhill, damping * f), -LONGEST, LONGEST)
            for f in DAMPING
        ])  # fmt: skip
        after = misfit(trials)
        reached = cost(after, trials)
        best = int(reached.argmin())
        gain = costs[-1] - float(reached[best])
        if gain > 0.0:
            z, before = trials[best], after[best : best + 1]
            costs.append(float(reached[best]))
            damping = max(damping * DAMPING[best], 1e-4)
        else:
            damping *= 2.0 * DAMPING[-1]
        if tell is not None:
            tell(iteration, costs[-1])
        if 0.0 < gain < ENOUGH or damping > 1e5:
            break
    return Fit(z, precision, tuple(costs))


def _solve(precision: Array, downhill: Array, damping: float) -> Array:
    matrix = precision + damping * np.diag(np.diag(precision))
    return np.asarray(np.linalg.solve(matrix, downhill), dtype=np.float64)
