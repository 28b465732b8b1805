"""Cross-entropy search over plans: for many laboratories at once, or for the mean over them.

The distribution is one table of probabilities per gene (Rubinstein's cross-entropy method for
independent categories, with smoothing); a part of each generation steps from the best plans so far
instead, because independent genes cannot say that two of them go together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agents.plans import Plans
from simulators.network import FloatArray, IntArray

Evaluate = Callable[[IntArray], FloatArray]
"""Values of plans: genes ``(problems, plans, genes)`` -> ``(problems, plans)``."""


@dataclass(frozen=True)
class Search:
    """Settings of a search.

    Attributes:
        population: Plans per generation and problem.
        generations: How many.
        elite: Best plans so far that shape the next generation.
        stepping: Share of a generation that steps from one of the elite.
        smoothing: Share of the old table in the new one.
        floor: Least probability of an option, times the number of options.
    """

    population: int = 64
    generations: int = 8
    elite: int = 8
    stepping: float = 0.5
    smoothing: float = 0.3
    floor: float = 0.03

    @property
    def budget(self) -> int:
        """Plans per problem."""
        return self.population * self.generations


@dataclass(frozen=True)
class Found:
    """What a search has found; N problems.

    Attributes:
        genes: The best plans, best first, ``(N, elite, genes)``.
        values: Their values, ``(N, elite)``.
        tables: Probabilities at the end, ``(N, genes, most options)``.
    """

    genes: IntArray
    values: FloatArray
    tables: FloatArray


def uniform_tables(plans: Plans, problems: int) -> FloatArray:
    """Every option of a gene as likely as the others, ``(problems, genes, most options)``."""
    sizes = plans.sizes
    table = (np.arange(sizes.max()) < sizes[:, None]) / sizes[:, None]
    return np.repeat(table[None], problems, axis=0)


def search(
    plans: Plans,
    evaluate: Evaluate,
    tables: FloatArray,
    rng: np.random.Generator,
    settings: Search,
    given: IntArray | None = None,
) -> Found:
    """Searches the best plan of each problem.

    Args:
        plans: What a plan is.
        evaluate: Larger is better.
        tables: First probabilities, ``(problems, genes, most options)``.
        rng: Where the draws come from.
        settings: Sizes.
        given: Plans that are tried first in each problem, ``(problems, some, genes)``.
    """
    problems = len(tables)
    best = np.zeros((problems, 0, len(plans.genes)), dtype=np.int64)
    values = np.zeros((problems, 0))
    for generation in range(settings.generations):
        new = draw(plans, tables, settings.population, rng)
        if generation == 0 and given is not None:
            new[:, : given.shape[1]] = given[:, : settings.population]
        elif generation > 0:
            count = int(settings.stepping * settings.population)
            new[:, :count] = step_from(plans, best, count, rng)
        best = np.concatenate([best, new], axis=1)
        values = np.concatenate([values, evaluate(new)], axis=1)
        best, values = _keep(best, values, settings.elite)
        tables = _updated(plans, tables, best, settings)
    return Found(best, values, tables)


def draw(plans: Plans, tables: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """Plans drawn from tables of probabilities, ``(problems, count, genes)``."""
    drawn = np.zeros((len(tables), count, len(plans.genes)), dtype=np.int64)
    for g, size in enumerate(plans.sizes):
        edges = np.cumsum(tables[:, g, : size - 1], axis=1)
        u = rng.random((len(tables), count))
        drawn[:, :, g] = (u[:, :, None] >= edges[:, None, :]).sum(axis=2)
    return drawn


def step_from(plans: Plans, elite: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Plans that differ from one of the elite in two or three genes, ``(problems, count, genes)``.

    An ordered gene moves by one or two places, another is drawn anew.
    """
    problems, among, width = elite.shape
    # The better half of the elite more often: squares of uniform numbers are small.
    pick = (rng.random((problems, count)) ** 2 * among).astype(np.int64)
    made = np.take_along_axis(elite, pick[:, :, None], axis=1).copy()
    moved = rng.random(made.shape) < 2.5 / width
    sign = np.where(rng.random(made.shape) < 0.5, -1, 1)
    shift = sign * np.where(rng.random(made.shape) < 0.7, 1, 2)
    fresh = (rng.random(made.shape) * plans.sizes).astype(np.int64)
    ordered = np.array([gene.ordered for gene in plans.genes])
    changed = np.where(ordered, np.clip(made + shift, 0, plans.sizes - 1), fresh)
    return np.where(moved, changed, made)


def _keep(genes: IntArray, values: FloatArray, count: int) -> tuple[IntArray, FloatArray]:
    """The best different plans of each problem, best first."""
    numbers = _numbers(genes)
    order = np.lexsort((numbers, -values), axis=1)
    sorted_numbers = np.take_along_axis(numbers, order, axis=1)
    # Equal plans have equal values and numbers, so that they stand side by side.
    again = np.zeros(values.shape, dtype=np.bool_)
    again[:, 1:] = sorted_numbers[:, 1:] == sorted_numbers[:, :-1]
    first = np.argsort(again, axis=1, kind="stable")[:, :count]
    order = np.take_along_axis(order, first, axis=1)
    kept = np.take_along_axis(genes, order[:, :, None], axis=1)
    return kept, np.take_along_axis(values, order, axis=1)


def _numbers(genes: IntArray) -> IntArray:
    """One number per plan, the same for the same genes; others hardly ever share it."""
    factors = np.random.Generator(np.random.Philox(11)).integers(1, 2**62, genes.shape[-1])
    return (genes * factors).sum(axis=-1)


def _updated(plans: Plans, tables: FloatArray, elite: IntArray, settings: Search) -> FloatArray:
    """The tables after one generation."""
    options = np.arange(tables.shape[2])
    share = (elite[:, :, :, None] == options).mean(axis=1)
    mixed = settings.smoothing * tables + (1.0 - settings.smoothing) * share
    even = uniform_tables(plans, 1)
    return (1.0 - settings.floor) * mixed + settings.floor * even
