"""How far the twin is to be trusted against what was seen of the recipes alone.

Two accounts of the returns seen so far: the twin's expectation with a process on what it gets
wrong, and no chemistry at all - the bill, which is known beforehand, and a process around the mean
of what the samples were worth. Each foretells every sample from the others of its kind; the
likelihoods of the data are their weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.adapting.residual import ResidualSettings, chosen, corrected
from agents.plans import Plans
from simulators.network import FloatArray, IntArray

PLAIN = ResidualSettings(scales=(1.0, 2.0), offset=0.3, amplitude=0.15)
"""Without chemistry returns differ more from recipe to recipe than the twin's errors do."""
ODDS = 3.0
"""Of the twin before anything was seen."""


@dataclass(frozen=True)
class Account:
    """What candidates are believed to return, ``(n,)`` each.

    Attributes:
        mean: Of the return.
        sd: Of what the twin does not know of; what its members disagree about comes on top.
    """

    mean: FloatArray
    sd: FloatArray


@dataclass(frozen=True)
class Made:
    """Samples of one laboratory, k rows.

    Attributes:
        genes: Their plans, ``(k, genes)``.
        seen: Their seen returns, ``(k,)``.
        expected: What the twin expects of them now, ``(k,)``.
        cost: What they cost, ``(k,)``.
    """

    genes: IntArray
    seen: FloatArray
    expected: FloatArray
    cost: FloatArray


def weighed(
    plans: Plans,
    made: Made,
    candidates: IntArray,
    expected: FloatArray,
    cost: FloatArray,
    settings: ResidualSettings,
) -> tuple[Account, float]:
    """What candidates return by both accounts together, and the twin's weight.

    Args:
        plans: What genes mean.
        made: The samples so far.
        candidates: ``(n, genes)``.
        expected: Their returns by the twin, ``(n,)``.
        cost: Their bills by the twin, ``(n,)``.
        settings: Of the process on the twin's errors.
    """
    wrong = made.seen - made.expected
    more, unsure = corrected(plans, made.genes, wrong, candidates, settings)
    twin = Account(expected + more, unsure)
    if not len(made.genes):
        return twin, 1.0
    worth = made.seen + made.cost
    rest, plain_sd = corrected(plans, made.genes, worth - worth.mean(), candidates, PLAIN)
    plain = Account(worth.mean() + rest - cost, plain_sd)
    likely = chosen(plans, made.genes, wrong, settings)[1]
    other = chosen(plans, made.genes, worth - worth.mean(), PLAIN)[1]
    share = 1.0 / (1.0 + np.exp(np.clip(other - likely, -50.0, 50.0)) / ODDS)
    mean = share * twin.mean + (1.0 - share) * plain.mean
    apart = share * (1.0 - share) * (twin.mean - plain.mean) ** 2
    variance = share * twin.sd**2 + (1.0 - share) * plain.sd**2 + apart
    return Account(mean, np.sqrt(variance)), float(share)
