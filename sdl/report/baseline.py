"""Random search in the same laboratory, to judge a campaign by."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from sdl.campaign.config import BudgetConfig, CampaignConfig
from sdl.campaign.opening import begin
from sdl.campaign.places import MEMORY
from sdl.figures.best import Attempt, Band
from sdl.report.record import CampaignRecord, read_record
from sdl.tasks.task import Task

SIMULATED = 72
"""Random experiments to simulate for the band: a few seconds."""

MEASURED = 48
"""The same of a property, whose patterns of many phases take longer to fit."""

REPLAYED = 300
"""Random experiments to take from a table at most; all of a smaller one."""

_PER_CAMPAIGN = 24
_QUARTILES = (0.25, 0.5, 0.75)


def random_band(record: CampaignRecord) -> Band:
    """Quartiles of the best of n random experiments with the same task and laboratory.

    Random search does not learn, so its experiments may be taken in any order: the best of n is
    the maximum of n drawn without replacement from all that were run, and its distribution follows
    by counting. The experiments come from campaigns of the policy ``random`` with the seeds 0, 1,
    ... on the laboratory ``fast`` with the campaign's own hidden laboratory, or on the same table,
    of which every cell is drawn once. Nothing is written to disk.

    Raises:
        SdlError: The task cannot be run here.
    """
    config, task = record.config, record.task
    wanted = max(config.budget.experiments or task.budget.experiments, len(record.finished))
    if config.lab == "table":
        shares = _shares(config, task, 0, REPLAYED)
        shown = min(wanted, len(shares))
    else:
        simulated = SIMULATED if task.objective is None else MEASURED
        campaigns = range(ceil(simulated / _PER_CAMPAIGN))
        shares = [s for seed in campaigns for s in _shares(config, task, seed, _PER_CAMPAIGN)]
        # Beyond a third of them the best of n is the best of all and tells nothing new.
        shown = min(wanted, len(shares) // 3)
    low, median, high = (best_of_n(shares, shown, q) for q in _QUARTILES)
    return Band(low, median, high, experiments=len(shares))


def best_of_n(shares: Sequence[float], most: int, quantile: float) -> tuple[float, ...]:
    """A quantile of the maximum of n values drawn without replacement, for n = 1 ... ``most``.

    Args:
        shares: The values, at least ``most``.
        most: Largest n.
        quantile: Between 0 and 1.
    """
    ordered = np.sort(np.asarray(shares, dtype=np.float64))
    count = len(ordered)
    rank = np.arange(1, count + 1)
    found: list[float] = []
    for n in range(1, most + 1):
        # Probability that all n are among the k smallest: C(k, n) / C(count, n).
        possible = rank >= n
        below = np.zeros(count)
        below[possible] = np.exp(_ln_choose(rank[possible], n) - _ln_choose(count, n))
        found.append(float(ordered[np.argmax(below >= quantile - 1e-9)]))
    return tuple(found)


def _ln_choose(n: npt.NDArray[np.int64] | int, k: int) -> npt.NDArray[np.float64]:
    return gammaln(np.add(n, 1.0)) - gammaln(k + 1.0) - gammaln(np.add(n, 1.0 - k))


def _shares(config: CampaignConfig, task: Task, seed: int, experiments: int) -> list[float]:
    """Purities, or values of the property; 0 for what failed or does not count."""
    random = config.model_copy(
        update={
            "policy": "random",
            "lab": "table" if config.lab == "table" else "fast",
            "seed": seed,
            "stop": None,
            "approve": "none",
            "budget": BudgetConfig(experiments=experiments, furnace_hours=100_000.0),
        }
    )
    campaign = begin(random, task, MEMORY)
    try:
        campaign.run()
        record = read_record(campaign.journal)
    finally:
        campaign.lab.close()
        campaign.journal.close()
    if task.objective is not None:
        counting = [e.reading if e.counts else None for e in record.finished]
        return [0.0 if reading is None else reading.value for reading in counting]
    return [(a.purity or 0.0) if a.counts else 0.0 for a in attempts(record)]


def attempts(record: CampaignRecord) -> list[Attempt]:
    """The finished experiments of a campaign as points of the figure."""
    found: list[Attempt] = []
    for experiment in record.finished:
        amount = experiment.measured
        found.append(
            Attempt(
                label=experiment.sample,
                purity=None if amount is None else amount.weight_fraction,
                sigma=0.0 if amount is None else amount.sigma,
                recipe=experiment.recipe.sentence(),
                counts=experiment.counts,
            )
        )
    return found
