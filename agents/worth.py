"""What a candidate is worth: a purity below its ceiling, or a property of a sample that is pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from agents.recipe_model import Measured, RecipeModel, measured_of, properties_of
from sdl.core.material import Target
from sdl.core.proposal import Result
from sdl.core.recipe import Recipe
from sdl.tasks.objective import Near, Objective
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task
from surrogates.acquisition import (
    log_bounded_improvement,
    log_expected_improvement,
    log_probability_above,
)

Array = npt.NDArray[np.float64]

CEILING = 1.0
"""Largest purity there is."""


class PurityWorth:
    """The purer, the better.

    Args:
        target: What is wanted.
        space: The task's space.
    """

    near = 4
    """Steps around each good recipe; with a twin each costs one run per member."""

    def __init__(self, target: Target, space: TaskSpace) -> None:
        self._target, self._space = target, space

    def data(self, results: Sequence[Result]) -> Measured:
        """Results as numbers."""
        return measured_of(results, self._target, self._space)

    def merit(self, values: Array) -> Array:
        """Larger is better."""
        return values

    def log_allowed(self, results: Sequence[Result], points: Array) -> Array:
        """Log of the chance that a sample counts at all, shape ``(n,)``."""
        return np.zeros(len(points))

    def incumbent(self, means: Array, log_allowed: Array) -> float:
        """Merit to beat, from the posterior means of what was made or is on its way.

        Noise makes the best measured value an optimist; its posterior mean is the one to beat.
        """
        return float(np.max(means, initial=0.0))

    def log_gain(self, mean: Array, sd: Array, incumbent: float) -> Array:
        """Log of the expected improvement."""
        return log_bounded_improvement(mean, sd, incumbent, CEILING)

    def chance(self, mean: float, sd: float, incumbent: float) -> float:
        """Probability to beat the incumbent."""
        return float(np.exp(log_probability_above(np.array(mean), np.array(sd), incumbent)))

    def shown(self, mean: float) -> float:
        """A prediction within what is possible."""
        return min(max(mean, 0.0), CEILING)

    def words(self, mean: float, sigma: float) -> str:
        """The prediction in words."""
        return f"{mean:.2f} ± {sigma:.2f}"

    def subject(self, recipe: Recipe) -> str:
        """What a recipe aims at, where that is not always the same."""
        return ""


class PropertyWorth:
    """A property to maximise, to minimise or to hit; samples that are not pure do not count.

    The chance of being pure comes from a second Gaussian process over the same recipes, with the
    hyper-parameters of its prior: constrained expected improvement.

    Args:
        task: A task with an objective.
        space: Its space.
    """

    near = 64

    def __init__(self, task: Task, space: TaskSpace, objective: Objective) -> None:
        self._target, self._space, self._objective = task.target, space, objective
        self._least_purity = task.success.purity
        self._purity = RecipeModel(space, None)

    def data(self, results: Sequence[Result]) -> Measured:
        """As ``PurityWorth.data``."""
        return properties_of(results, self._space)

    def merit(self, values: Array) -> Array:
        """As ``PurityWorth.merit``."""
        aim = self._objective.aim
        if isinstance(aim, Near):
            return -np.abs(values - aim.near)
        return values if aim == "maximise" else -values

    def log_allowed(self, results: Sequence[Result], points: Array) -> Array:
        """As ``PurityWorth.log_allowed``."""
        data = measured_of(results, self._target, self._space)
        if not len(data):
            return np.zeros(len(points))
        posterior = self._purity.view(self._purity.start(data), data).posterior
        table = posterior.table(self._purity.inputs(points, (), None))
        return log_probability_above(table.mean, table.sd, self._least_purity)

    def incumbent(self, means: Array, log_allowed: Array) -> float:
        """As ``PurityWorth.incumbent``: of samples that are rather pure than not, if there are."""
        merits = self.merit(means)
        if not len(merits):
            return -np.inf
        counting = merits[log_allowed > np.log(0.5)]
        return float(counting.max()) if len(counting) else float(merits.min())

    def log_gain(self, mean: Array, sd: Array, incumbent: float) -> Array:
        """As ``PurityWorth.log_gain``."""
        if not np.isfinite(incumbent):
            return np.log(sd)
        aim = self._objective.aim
        if not isinstance(aim, Near):
            return log_expected_improvement(self.merit(mean), sd, incumbent)
        # (a - |v - t|)+ is a triangle: three hinges, each an expected improvement.
        a = max(-incumbent, 1e-6)
        below, top, above = (
            np.exp(log_expected_improvement(mean, sd, aim.near + shift)) for shift in (-a, 0.0, a)
        )
        hinges = np.maximum(below - 2.0 * top + above, 0.0)
        # Far off, where that is lost in rounding, what matters is how far.
        far = np.log(sd) - 0.5 * (np.maximum(np.abs(mean - aim.near) - a, 0.0) / sd) ** 2
        return np.where(hinges > 1e-12 * sd, np.log(np.maximum(hinges, 1e-300)), far - 40.0)

    def chance(self, mean: float, sd: float, incumbent: float) -> float:
        """As ``PurityWorth.chance``."""
        if not np.isfinite(incumbent):
            return 1.0
        aim = self._objective.aim
        if isinstance(aim, Near):
            high, low = aim.near - incumbent - mean, aim.near + incumbent - mean
            return float(ndtr(high / sd) - ndtr(low / sd))
        merit = float(self.merit(np.array(mean)))
        return float(np.exp(log_probability_above(np.array(merit), np.array(sd), incumbent)))

    def shown(self, mean: float) -> float:
        """As ``PurityWorth.shown``."""
        return mean

    def words(self, mean: float, sigma: float) -> str:
        """As ``PurityWorth.words``."""
        return self._objective.quantity().words(mean, sigma)

    def subject(self, recipe: Recipe) -> str:
        """As ``PurityWorth.subject``."""
        return self._space.formula(recipe) if self._target.solution else ""


Worth = PurityWorth | PropertyWorth


def worth_of(task: Task, space: TaskSpace) -> Worth:
    """What candidates of a task are worth."""
    if task.objective is None:
        return PurityWorth(task.target, space)
    return PropertyWorth(task, space, task.objective)
