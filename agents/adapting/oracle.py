"""The best open plan of each true laboratory: what regrets are measured against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agents.adapting.truth import TrueLaboratories
from agents.cross_entropy import Search, search, uniform_tables
from agents.trial import TOLERANCE
from sdl.core.seeds import generator
from simulators.network import FloatArray, IntArray

SEARCH = Search(population=24, generations=8, elite=6)
FINALISTS = 4
DOUBLINGS = 3
CONVERGED = 0.01
"""As of ``agents.planners``: the budget is doubled until the mean return grows by less."""


@dataclass(frozen=True)
class BestPlans:
    """The best plan found for each of L laboratories.

    Attributes:
        genes: ``(L, genes)``.
        returns: What it returns in each sample, with that sample's noise, ``(L, samples)``.
        means: Mean return after each search.
    """

    genes: IntArray
    returns: FloatArray
    means: tuple[float, ...] = ()

    def take_better(self, other: BestPlans) -> BestPlans:
        """Of two plans of each laboratory the better one."""
        pick = other.returns.mean(axis=1) > self.returns.mean(axis=1)
        genes = np.where(pick[:, None], other.genes, self.genes)
        return BestPlans(genes, np.where(pick[:, None], other.returns, self.returns), self.means)


def best_plans(
    truth: TrueLaboratories, given: IntArray, samples: int, sizes: Search = SEARCH
) -> BestPlans:
    """Cross-entropy search on the truth, laboratory by laboratory: one plan for all its samples.

    The search plays one sample; the finalists and the given plans play all of them, and the one
    with the largest mean stays, so that the oracle is nowhere below a given plan. Each further
    search has twice the plans of the last and begins with the best ones so far.

    Args:
        truth: The laboratories.
        given: Plans to try, ``(some, genes)``.
        samples: Samples of each laboratory.
        sizes: Of the first search.
    """
    count, plans = len(truth), truth.plans
    rough = truth.with_tolerance(TOLERANCE)

    def evaluate(genes: IntArray) -> FloatArray:
        problems, population, width = genes.shape
        rows = np.repeat(np.arange(problems), population)
        played = rough.play_genes(genes.reshape(-1, width), rows, 0)
        return played.returns.reshape(problems, population)

    first = np.repeat(given[None], count, axis=0)
    best = better_of(truth, first, samples)
    means: list[float] = []
    for doubling in range(DOUBLINGS + 1):
        size = replace(sizes, population=sizes.population << doubling)
        rng = generator("adapt-oracle", truth.task.hash, doubling)
        start = np.concatenate([best.genes[:, None], first], axis=1)
        found = search(plans, evaluate, uniform_tables(plans, count), rng, size, start)
        best = best.take_better(better_of(truth, found.genes[:, :FINALISTS], samples))
        means.append(float(best.returns.mean()))
        if doubling and means[-1] - means[-2] < CONVERGED * abs(means[-1]):
            break
    return replace(best, means=tuple(means))


def better_of(truth: TrueLaboratories, genes: IntArray, samples: int) -> BestPlans:
    """Of some plans of each laboratory, ``(L, plans, genes)``, the best over all samples."""
    each = [
        replace(actions_over(truth, truth.plans.actions(genes[:, n]), samples), genes=genes[:, n])
        for n in range(genes.shape[1])
    ]
    best = each[0]
    for other in each[1:]:
        best = best.take_better(other)
    return best


def actions_over(truth: TrueLaboratories, actions: IntArray, samples: int) -> BestPlans:
    """One plan of each laboratory as actions over all samples; such a plan has no genes."""
    count = len(truth)
    rows = np.repeat(np.arange(count), samples)
    numbers = np.tile(np.arange(samples), count)
    played = truth.play(np.repeat(actions, samples, axis=0), rows, numbers)[0]
    none = np.zeros((count, len(truth.plans.genes)), dtype=np.int64)
    return BestPlans(none, played.returns.reshape(count, samples))
