"""Recipes to choose from: spread over the whole space, and close to the good ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc

from agents.ledger import text_of
from sdl.core.recipe import Recipe
from sdl.tasks.space import TaskSpace

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """Recipes and their points.

    Attributes:
        points: Points as the space encodes the recipes (choices in bin centres), ``(n, d)``.
        recipes: The recipes, all different.
    """

    points: Array
    recipes: tuple[Recipe, ...]

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.recipes)

    def take(self, rows: npt.NDArray[np.intp]) -> Candidates:
        """The candidates of these rows."""
        return Candidates(self.points[rows], tuple(self.recipes[i] for i in rows))


def point_of(space: TaskSpace, recipe: Recipe) -> Array | None:
    """The point of a recipe, or ``None`` when it lies outside the space (a person's idea)."""
    try:
        point = space.encode(recipe)
    except (ValueError, KeyError):
        return None
    return point if space.decode(point) == recipe else None


def points_of(space: TaskSpace, recipes: Sequence[Recipe]) -> tuple[Array, tuple[Recipe, ...]]:
    """Points, shape ``(n, d)``, of those recipes that lie in the space, and these recipes."""
    found = [(point_of(space, recipe), recipe) for recipe in recipes]
    inside = [(point, recipe) for point, recipe in found if point is not None]
    points = np.asarray([point for point, _ in inside]).reshape(-1, space.dimension)
    return points, tuple(recipe for _, recipe in inside)


def of_points(space: TaskSpace, points: Array, *, without: frozenset[str]) -> Candidates:
    """Candidates at points, rounded to what a laboratory can set, duplicates left out.

    Args:
        space: The task's space.
        points: Shape ``(n, d)``.
        without: Recipes to leave out, as ``text_of`` writes them.
    """
    seen, rows, recipes = set(without), [], []
    for point in points:
        recipe = space.decode(point)
        text = text_of(recipe)
        if text not in seen:
            seen.add(text)
            recipes.append(recipe)
            rows.append(space.encode(recipe))
    return Candidates(np.asarray(rows).reshape(-1, space.dimension), tuple(recipes))


def join(*parts: Candidates) -> Candidates:
    """All candidates of several sets, the first of equal ones kept."""
    seen: set[str] = set()
    rows, recipes = [], []
    for part in parts:
        for point, recipe in zip(part.points, part.recipes, strict=True):
            text = text_of(recipe)
            if text not in seen:
                seen.add(text)
                recipes.append(recipe)
                rows.append(point)
    width = parts[0].points.shape[1]
    return Candidates(np.asarray(rows).reshape(-1, width), tuple(recipes))


def spread(space: TaskSpace, count: int, rng: np.random.Generator) -> Array:
    """Scrambled Sobol points over the space, shape ``(count, d)``; ``count`` a power of two."""
    return qmc.Sobol(space.dimension, scramble=True, rng=rng).random(count)


def around(
    space: TaskSpace, centres: Array, count: int, rng: np.random.Generator, *, width: float
) -> Array:
    """Points near each centre, shape ``(len(centres) * count, d)``.

    Each point moves a few continuous coordinates by a normal step (reflected at the borders) and
    sometimes changes one choice, so that single changes are as common as combined ones.

    Args:
        space: The task's space.
        centres: Points to start from, shape ``(k, d)``.
        count: Points per centre.
        rng: Where the draws come from.
        width: Standard deviation of a step, in units of a coordinate's range.
    """
    choices = sorted(space.categories)
    continuous = [i for i in range(space.dimension) if i not in space.categories]
    points = np.repeat(centres, count, axis=0)
    moved = rng.random((len(points), len(continuous))) < min(1.0, 2.0 / max(1, len(continuous)))
    steps = rng.normal(0.0, width, moved.shape) * np.exp(rng.normal(0.0, 0.7, moved.shape))
    changed = points[:, continuous] + steps * moved
    changed = np.abs(changed)
    points[:, continuous] = np.clip(np.where(changed > 1.0, 2.0 - changed, changed), 0.0, 1.0)
    if choices:
        which = rng.integers(0, len(choices), len(points))
        change = rng.random(len(points)) < 0.3
        for row in np.flatnonzero(change):
            column = choices[which[row]]
            options = space.categories[column]
            points[row, column] = (rng.integers(0, options) + 0.5) / options
    return points
