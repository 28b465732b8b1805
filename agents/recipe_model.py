"""The surrogate over recipes: a Gaussian process on top of what the twin believes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from agents.candidates import Candidates, point_of, points_of
from sdl.core.material import Target
from sdl.core.model import content_hash
from sdl.core.proposal import Result
from sdl.core.recipe import Recipe
from sdl.tasks.space import TaskSpace
from surrogates.belief import Belief, believe
from surrogates.gaussian_process import GaussianProcess, fit
from surrogates.kernel import Layout, Priors
from surrogates.posterior import CandidateTable, Posterior

Array = npt.NDArray[np.float64]

TWIN_PRIORS = Priors(amplitude=0.06, noise=0.01, offset=0.03)
"""What the twin leaves unexplained, in units of purity."""
BARE_PRIORS = Priors(amplitude=1.0, noise=0.05, offset=1.0)
"""Without a twin, in units of the standardised purity."""
DISCREPANCY = 0.04
"""Standard deviation of measured minus predicted purity in the right member of the ensemble."""
LEAST_MEMBERS = 8.0
LEAST_SIGMA = 2e-3
"""Smallest sigma of a property that a model believes, in units of the spread of the results."""


class Twin(Protocol):
    """Predicted outcomes of recipes in every member of an ensemble of laboratories."""

    @property
    def candidates(self) -> Candidates:
        """Recipes that are good in many members, and some that spread over the space."""
        ...

    def predict(self, recipes: Sequence[Recipe]) -> Array:
        """True purity of each recipe in each member, shape ``(members, recipes)``."""
        ...


@dataclass(frozen=True)
class Measured:
    """Results with a number: failed experiments have none and are not in here.

    Attributes:
        recipes: What was made.
        points: Where it lies in the space, shape ``(n, d)``.
        purity: Measured purity, or property where the task has an objective, shape ``(n,)``.
        sigma: Its standard deviation as the analysis reports it, shape ``(n,)``.
        failed: Recipes whose experiment failed: neither a purity of zero nor nothing at all.
    """

    recipes: tuple[Recipe, ...]
    points: Array
    purity: Array
    sigma: Array
    failed: tuple[Recipe, ...]

    def __len__(self) -> int:
        """Number of results with a number."""
        return len(self.recipes)

    def rows(self, keep: npt.NDArray[np.bool_]) -> Measured:
        """The results that ``keep`` marks."""
        index = np.flatnonzero(keep)
        return Measured(
            tuple(self.recipes[i] for i in index),
            self.points[index],
            self.purity[index],
            self.sigma[index],
            self.failed,
        )

    @property
    def hash(self) -> str:
        """Names the data in model cards."""
        return content_hash(
            {
                "recipes": [r.model_dump(mode="json") for r in self.recipes],
                "purity": self.purity.tolist(),
                "sigma": self.sigma.tolist(),
                "failed": [r.model_dump(mode="json") for r in self.failed],
            }
        )


def measured_of(results: Sequence[Result], target: Target, space: TaskSpace) -> Measured:
    """Splits results into numbers and failures; observations of bad quality count as failures.

    Recipes outside the space, as a person may have added them, are left out of both.
    """

    def value(result: Result) -> tuple[float, float] | None:
        seen = result.observation
        if seen is None or seen.quality != "good":
            return None
        amount = seen.amount_of(target)
        return amount.weight_fraction, max(amount.sigma, 1e-3)

    return _measured(results, space, value)


def properties_of(results: Sequence[Result], space: TaskSpace) -> Measured:
    """As ``measured_of``, with the property instead of the purity."""

    def value(result: Result) -> tuple[float, float] | None:
        seen = result.measurement
        if seen is None or seen.reading is None or seen.quality != "good":
            return None
        return seen.reading.value, seen.reading.sigma

    data = _measured(results, space, value)
    # What is not magnetic at all is measured as nothing with hardly any sigma: too sharp a datum
    # for the algebra, and no process is known that well.
    least = max(LEAST_SIGMA * float(np.std(data.purity)), 1e-6) if len(data) else 0.0
    return replace(data, sigma=np.maximum(data.sigma, least))


def _measured(
    results: Sequence[Result],
    space: TaskSpace,
    value: Callable[[Result], tuple[float, float] | None],
) -> Measured:
    inside = [r for r in results if point_of(space, r.recipe) is not None]
    found = [(r.recipe, value(r)) for r in inside]
    good = [(recipe, pair) for recipe, pair in found if pair is not None]
    return Measured(
        recipes=tuple(recipe for recipe, _ in good),
        points=points_of(space, [recipe for recipe, _ in good])[0],
        purity=np.asarray([pair[0] for _, pair in good], dtype=np.float64),
        sigma=np.asarray([pair[1] for _, pair in good], dtype=np.float64),
        failed=tuple(recipe for recipe, pair in found if pair is None),
    )


@dataclass(frozen=True)
class View:
    """The posterior given some results: belief over the twins and the process on its residual."""

    surrogate: RecipeModel
    posterior: Posterior
    belief: Belief | None

    def table(self, points: Array, recipes: Sequence[Recipe]) -> CandidateTable:
        """Purity at candidates: what the belief expects plus what the process adds."""
        table = self.posterior.table(self.surrogate.inputs(points, recipes, self.belief))
        table.mean = table.mean + self.prior(recipes)
        return table

    def prior(self, recipes: Sequence[Recipe]) -> Array:
        """What the belief expects of recipes, shape ``(n,)``; zero without a twin."""
        return self.surrogate.prior(recipes, self.belief)


@dataclass(frozen=True)
class RecipeModel:
    """Turns recipes into inputs of a Gaussian process, with or without a twin.

    Attributes:
        space: The task's space.
        twin: Ensemble of laboratories, or ``None``.
        standardise: Centre on the data from the second result on: of a property, whose size is not
            known beforehand as that of a purity is.
    """

    space: TaskSpace
    twin: Twin | None
    standardise: bool = False

    def layout(self, belief: Belief | None) -> Layout:
        """Columns: continuous, choices, then one direction per member of the ensemble."""
        more = self.space.inputs_width - self.space.dimension
        choices = tuple(i + more for i in sorted(self.space.categories))
        continuous = tuple(i for i in range(self.space.inputs_width) if i not in choices)
        return Layout(continuous, choices, 0 if belief is None else len(belief.weights))

    @property
    def priors(self) -> Priors:
        """Priors of the process."""
        return BARE_PRIORS if self.twin is None else TWIN_PRIORS

    def belief(self, data: Measured) -> Belief | None:
        """Which members explain the results."""
        if self.twin is None:
            return None
        predicted = self.twin.predict(data.recipes)
        sd = np.hypot(data.sigma, DISCREPANCY)
        return believe(predicted, data.purity, sd, least=LEAST_MEMBERS)

    def prior(self, recipes: Sequence[Recipe], belief: Belief | None) -> Array:
        """What the belief expects of recipes; zero without a twin."""
        if self.twin is None or belief is None:
            return np.zeros(len(recipes))
        return belief.mean(self.twin.predict(recipes))

    def inputs(self, points: Array, recipes: Sequence[Recipe], belief: Belief | None) -> Array:
        """Inputs of the process, shape ``(n, layout.width)``."""
        points = self.space.inputs(points)
        if self.twin is None or belief is None:
            return points
        return np.hstack([points, belief.directions(self.twin.predict(recipes))])

    def start(self, data: Measured) -> GaussianProcess:
        """The model before any fit; without a twin it is centred on what there is."""
        model = GaussianProcess.of_priors(self.layout(self.belief(data)), self.priors)
        if self.twin is not None:
            return model
        location, scale = 0.3, 0.3
        if self.standardise and len(data):
            location = float(np.mean(data.purity))
            # Of one result alone, or of equal ones: a third of it is a guess as good as any.
            spread = float(np.std(data.purity)) or abs(location) / 3.0
            scale = max(spread, 1e-6)
        return GaussianProcess(model.layout, model.priors, model.hyper, location, scale)

    def fit(self, data: Measured) -> GaussianProcess:
        """Hyper-parameters from results; at least two."""
        belief = self.belief(data)
        return fit(
            self.inputs(data.points, data.recipes, belief),
            data.purity - self.prior(data.recipes, belief),
            data.sigma,
            self.layout(belief),
            self.priors,
            standardise=self.twin is None,
        )

    def view(self, model: GaussianProcess, data: Measured) -> View:
        """The posterior of a model given results."""
        belief = self.belief(data)
        posterior = model.condition(
            self.inputs(data.points, data.recipes, belief),
            data.purity - self.prior(data.recipes, belief),
            data.sigma,
        )
        return View(self, posterior, belief)
