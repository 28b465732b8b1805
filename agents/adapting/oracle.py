"""The best open plan of each true laboratory: what regrets are measured against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.adapting.truth import TrueLaboratories
from agents.cross_entropy import Search, search, uniform_tables
from agents.trial import TOLERANCE
from sdl.core.seeds import generator
from simulators.network import FloatArray, IntArray

SEARCH = Search(population=32, generations=9, elite=6)
FINALISTS = 4


@dataclass(frozen=True)
class BestPlans:
    """The best plan found for each of L laboratories.

    Attributes:
        genes: ``(L, genes)``.
        returns: What it returns in each sample, with that sample's noise, ``(L, samples)``.
    """

    genes: IntArray
    returns: FloatArray


def best_plans(
    truth: TrueLaboratories, given: IntArray, samples: int, sizes: Search = SEARCH
) -> BestPlans:
    """Cross-entropy search on the truth, laboratory by laboratory: one plan for all its samples.

    The search plays one sample; the finalists and the given plans play all of them, and the one
    with the largest mean stays, so that the oracle is nowhere below a given plan.

    Args:
        truth: The laboratories.
        given: Plans to try, ``(some, genes)``.
        samples: Samples of each laboratory.
        sizes: Of the search.
    """
    count, plans = len(truth), truth.plans
    rough = truth.with_tolerance(TOLERANCE)

    def evaluate(genes: IntArray) -> FloatArray:
        problems, population, width = genes.shape
        rows = np.repeat(np.arange(problems), population)
        played = rough.play_genes(genes.reshape(-1, width), rows, 0)
        return played.returns.reshape(problems, population)

    rng = generator("adapt-oracle", truth.task.hash)
    first = np.repeat(given[None], count, axis=0)
    found = search(plans, evaluate, uniform_tables(plans, count), rng, sizes, first)
    finalists = np.concatenate([found.genes[:, :FINALISTS], first[:, :FINALISTS]], axis=1)
    return better_of(truth, finalists, samples)


def better_of(truth: TrueLaboratories, genes: IntArray, samples: int) -> BestPlans:
    """Of some plans of each laboratory, ``(L, plans, genes)``, the best over all samples."""
    count, plans, width = genes.shape
    rows = np.repeat(np.arange(count), plans * samples)
    numbers = np.tile(np.arange(samples), count * plans)
    flat = np.repeat(genes.reshape(-1, width), samples, axis=0)
    actions = truth.plans.actions(flat)
    returns = truth.play(actions, rows, numbers)[0].returns.reshape(count, plans, samples)
    pick = np.argmax(returns.mean(axis=2), axis=1)
    each = np.arange(count)
    return BestPlans(genes[each, pick], returns[each, pick])
