"""Scores: (A - random) / (oracle - random), paired by laboratory, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import trim_mean

from agents.trial import Outcomes
from sdl.core.errors import ModelError
from sdl.core.seeds import generator
from simulators.network import FloatArray, IntArray

RESAMPLES = 2000
LEAST_GAP = 0.05
"""A laboratory in which the oracle is above random by less says nothing about a policy: its own
ratio is left out of the interquartile mean. The score itself is a ratio of means and keeps it."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def words(self, digits: int = 3) -> str:
        """``0.912 [0.897, 0.925]``."""
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Yardstick:
    """What scores are measured with, one entry per laboratory.

    Attributes:
        random: Returns of the random player, means over its draws.
        oracle: Returns of the oracle.
        random_value: What the random player's samples are worth, prices left out.
        oracle_value: What the oracle's samples are worth. The oracle maximises the return, so a
            cost-free score above 1 is possible.
    """

    random: FloatArray
    oracle: FloatArray
    random_value: FloatArray
    oracle_value: FloatArray


@dataclass(frozen=True)
class Score:
    """How good a policy is.

    Attributes:
        name: The policy.
        laboratories: Number of them.
        seeds: Number of trained policies or draws behind the figures.
        score: Mean return above random over that of the oracle; a ratio of means.
        interquartile: Interquartile mean over laboratories and seeds of the same ratio.
        returns: Mean return.
        value: Mean return without prices.
        cost_free: The score of the returns without prices.
        purity: Mean true weight fraction of the target.
        pure: Share of samples that earned the bonus.
        cost: Mean price paid.
        decisions: Mean number of decisions.
        above_oracle: Mean return minus the oracle's where positive: by how much the yardstick is
            too short.
    """

    name: str
    laboratories: int
    seeds: int
    score: Interval
    interquartile: Interval
    returns: Interval
    value: Interval
    cost_free: Interval
    purity: float
    pure: float
    cost: float
    decisions: float
    above_oracle: float


def score(name: str, played: Sequence[Outcomes], yardstick: Yardstick) -> Score:
    """Scores of one policy.

    Args:
        name: The policy; also the seed of the resampling.
        played: One entry per trained policy or draw, each over the laboratories of the yardstick.
        yardstick: Random and oracle in the same laboratories.

    Raises:
        ModelError: The laboratories differ in number.
    """
    returns = _stack([each.returns for each in played], yardstick)
    value = _stack([each.value for each in played], yardstick)
    random, oracle = yardstick.random, yardstick.oracle
    draws = resamples(name, *returns.shape)
    gap = oracle - random
    telling = gap > LEAST_GAP
    ratios = np.where(telling, (returns - random) / np.where(telling, gap, 1.0), np.nan)
    return Score(
        name=name,
        laboratories=returns.shape[1],
        seeds=returns.shape[0],
        score=_interval(lambda s, n: _ratio(returns, random, oracle, s, n), draws),
        interquartile=_interval(lambda s, n: _interquartile(ratios[np.ix_(s, n)]), draws),
        returns=_interval(lambda s, n: float(returns[np.ix_(s, n)].mean()), draws),
        value=_interval(lambda s, n: float(value[np.ix_(s, n)].mean()), draws),
        cost_free=_interval(
            lambda s, n: _ratio(value, yardstick.random_value, yardstick.oracle_value, s, n), draws
        ),
        purity=float(np.mean([each.purity.mean() for each in played])),
        pure=float(np.mean([each.pure.mean() for each in played])),
        cost=float(np.mean([each.cost.mean() for each in played])),
        decisions=float(np.mean([each.decisions.mean() for each in played])),
        above_oracle=float(np.maximum(returns - oracle, 0.0).mean()),
    )


def difference(
    name: str, ours: Sequence[Outcomes], theirs: Sequence[Outcomes], yardstick: Yardstick
) -> Interval:
    """Score of one policy minus another's, paired by laboratory.

    Seeds are resampled on either side, laboratories together.

    Args:
        name: Seed of the resampling.
        ours: One entry per seed.
        theirs: One entry per seed; as many as there are.
        yardstick: Random and oracle in the same laboratories.
    """
    first = _stack([each.returns for each in ours], yardstick)
    second = _stack([each.returns for each in theirs], yardstick)
    gap = yardstick.oracle - yardstick.random
    rng = generator("scores", name, "other side")
    others = rng.integers(len(second), size=(RESAMPLES + 1, len(second)))
    others[0] = np.arange(len(second))
    draws = resamples(name, *first.shape)
    values = [
        (first[np.ix_(s, n)].mean() - second[np.ix_(o, n)].mean()) / gap[n].mean()
        for (s, n), o in zip(draws, others, strict=True)
    ]
    return _of(values)


def resamples(name: str, seeds: int, laboratories: int) -> list[tuple[IntArray, IntArray]]:
    """Indices of seeds and of laboratories: first all of them, then the bootstrap's."""
    rng = generator("scores", name)
    whole = (np.arange(seeds), np.arange(laboratories))
    drawn = (
        (rng.integers(seeds, size=seeds), rng.integers(laboratories, size=laboratories))
        for _ in range(RESAMPLES)
    )
    return [whole, *drawn]


def _stack(rows: Sequence[FloatArray], yardstick: Yardstick) -> FloatArray:
    lengths = {len(row) for row in rows} | {len(yardstick.random), len(yardstick.oracle)}
    if len(lengths) != 1:
        raise ModelError("a score needs the same laboratories everywhere", got=sorted(lengths))
    return np.stack(rows)


def _ratio(
    values: FloatArray, random: FloatArray, oracle: FloatArray, seeds: IntArray, labs: IntArray
) -> float:
    base = random[labs].mean()
    return float((values[np.ix_(seeds, labs)].mean() - base) / (oracle[labs].mean() - base))


def _interquartile(ratios: FloatArray) -> float:
    known = ratios[np.isfinite(ratios)]
    return float(trim_mean(known, 0.25)) if known.size else float("nan")


def _interval(
    statistic: Callable[[IntArray, IntArray], float], draws: Sequence[tuple[IntArray, IntArray]]
) -> Interval:
    return _of([statistic(seeds, labs) for seeds, labs in draws])


def _of(values: Sequence[float]) -> Interval:
    """The first value is of the sample itself, the others are of resamples."""
    low, high = np.quantile(np.asarray(values[1:]), [0.025, 0.975])
    return Interval(float(values[0]), float(low), float(high))
