"""Scores: (A - random) / (oracle - random), paired by laboratory, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.trial import Outcomes
from sdl.core.errors import ModelError
from sdl.core.seeds import generator
from simulators.network import FloatArray

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
    """What scores are measured with, one entry per sample, laboratory by laboratory.

    Attributes:
        random: Returns of the random player, means over its draws.
        oracle: Returns of the oracle.
        random_value: What the random player's samples are worth, prices left out.
        oracle_value: What the oracle's samples are worth. The oracle maximises the return, so a
            cost-free score above 1 is possible.
        samples: Samples of each laboratory. Laboratories are resampled, with all their samples.
    """

    random: FloatArray
    oracle: FloatArray
    random_value: FloatArray
    oracle_value: FloatArray
    samples: int = 1


@dataclass(frozen=True)
class Score:
    """How good a policy is.

    Attributes:
        name: The policy.
        laboratories: Number of them.
        samples: Samples of each laboratory.
        seeds: Number of trained policies or draws behind the figures.
        score: Mean return above random over that of the oracle; a ratio of means.
        interquartile: Interquartile mean over samples and seeds of the same ratio.
        returns: Mean return.
        value: Mean return without prices.
        cost_free: The score of the returns without prices.
        purity: Mean true weight fraction of the target.
        pure: Share of samples that earned the bonus.
        cost: Mean price paid.
        decisions: Mean number of decisions.
        above_oracle: Mean return minus the oracle's where positive: by how much the yardstick is
            too short.
        by_sample: The score of the first samples of all laboratories, of the second ones, ...: who
            learns from earlier samples rises.
    """

    name: str
    laboratories: int
    samples: int
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
    by_sample: tuple[float, ...]


def score(name: str, played: Sequence[Outcomes], yardstick: Yardstick) -> Score:
    """Scores of one policy.

    Args:
        name: The policy; also the seed of the resampling.
        played: One entry per trained policy or draw, each over the samples of the yardstick.
        yardstick: Random and oracle in the same laboratories.

    Raises:
        ModelError: The laboratories differ in number.
    """
    returns = _stack([each.returns for each in played], yardstick)
    value = _stack([each.value for each in played], yardstick)
    drawn = _resamples(name, returns, yardstick)
    random, oracle = drawn.over(yardstick.random), drawn.over(yardstick.oracle)
    low, high = drawn.over(yardstick.random_value), drawn.over(yardstick.oracle_value)
    mean, worth = drawn.mean(returns), drawn.mean(value)
    gap = yardstick.oracle - yardstick.random
    telling = gap > LEAST_GAP
    ratios = (returns - yardstick.random) / np.where(telling, gap, np.nan)
    return Score(
        name=name,
        laboratories=returns.shape[1] // yardstick.samples,
        samples=yardstick.samples,
        seeds=returns.shape[0],
        score=_interval((mean - random) / (oracle - random)),
        interquartile=_interval(drawn.interquartile(ratios)),
        returns=_interval(mean),
        value=_interval(worth),
        cost_free=_interval((worth - low) / (high - low)),
        purity=float(np.mean([each.purity.mean() for each in played])),
        pure=float(np.mean([each.pure.mean() for each in played])),
        cost=float(np.mean([each.cost.mean() for each in played])),
        decisions=float(np.mean([each.decisions.mean() for each in played])),
        above_oracle=float(np.maximum(returns - yardstick.oracle, 0.0).mean()),
        by_sample=_by_sample(returns, yardstick),
    )


def _by_sample(returns: FloatArray, yardstick: Yardstick) -> tuple[float, ...]:
    """Scores of the samples of one number."""

    def means(values: FloatArray) -> FloatArray:
        return values.reshape(-1, yardstick.samples).mean(axis=0)

    low = means(yardstick.random)
    return tuple(((means(returns) - low) / (means(yardstick.oracle) - low)).tolist())


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
    drawn = _resamples(name, first, yardstick)
    other = drawn.with_seeds(f"{name}, other side", len(second))
    gap = drawn.over(yardstick.oracle - yardstick.random)
    return _interval((drawn.mean(first) - other.mean(second)) / gap)


@dataclass(frozen=True)
class Resamples:
    """How often each seed and each laboratory is in each resample; the first is the sample itself.

    Attributes:
        seeds: Shares, ``(resamples, seeds)``; each row sums to 1.
        laboratories: Shares, ``(resamples, laboratories)``.
        samples: Samples of each laboratory, which are always together.
    """

    seeds: FloatArray
    laboratories: FloatArray
    samples: int = 1

    @classmethod
    def of(cls, name: str, seeds: int, laboratories: int, samples: int = 1) -> Resamples:
        """Drawn with replacement, seeds and laboratories apart; ``name`` is the seed."""
        return cls(
            _shares(generator("scores", name, "seeds"), seeds),
            _shares(generator("scores", name, "laboratories"), laboratories),
            samples,
        )

    def with_seeds(self, name: str, seeds: int) -> Resamples:
        """The same laboratories with other seeds."""
        shares = _shares(generator("scores", name, "seeds"), seeds)
        return Resamples(shares, self.laboratories, self.samples)

    def mean(self, values: FloatArray) -> FloatArray:
        """Mean of each resample, ``(resamples,)``; ``values`` is ``(seeds, entries)``."""
        each = self._by_laboratory(values)
        return np.einsum("rs,rl,sl->r", self.seeds, self.laboratories, each, optimize=True)

    def over(self, values: FloatArray) -> FloatArray:
        """Mean over the entries of each resample, ``(resamples,)``."""
        return self.laboratories @ self._by_laboratory(values)

    def _by_laboratory(self, values: FloatArray) -> FloatArray:
        """Means over the samples of each laboratory."""
        return values.reshape(*values.shape[:-1], -1, self.samples).mean(axis=-1)

    def interquartile(self, values: FloatArray) -> FloatArray:
        """Mean of the middle half of each resample, ``(resamples,)``; NaN entries are left out."""
        flat = values.ravel()
        order = np.argsort(flat)[: int(np.isfinite(flat).sum())]
        if not order.size:
            return np.full(len(self.seeds), np.nan)
        found = np.zeros(len(self.seeds))
        for n, (seeds, labs) in enumerate(zip(self.seeds, self.laboratories, strict=True)):
            weight = np.outer(seeds, np.repeat(labs, self.samples)).ravel()[order]
            upper = np.cumsum(weight)
            upper /= upper[-1]
            lower = np.concatenate([[0.0], upper[:-1]])
            middle = np.clip(np.minimum(upper, 0.75) - np.maximum(lower, 0.25), 0.0, None)
            found[n] = 2.0 * float(middle @ flat[order])
        return found


def _shares(rng: np.random.Generator, count: int) -> FloatArray:
    drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=RESAMPLES + 1)
    drawn[0] = 1
    return drawn / count


def _stack(rows: Sequence[FloatArray], yardstick: Yardstick) -> FloatArray:
    lengths = {len(row) for row in rows} | {len(yardstick.random), len(yardstick.oracle)}
    if len(lengths) != 1:
        raise ModelError("a score needs the same laboratories everywhere", got=sorted(lengths))
    (length,) = lengths
    if length % yardstick.samples:
        raise ModelError(
            "a laboratory lacks samples",
            got=f"{length} samples",
            allowed=f"{yardstick.samples} each",
        )
    return np.stack(rows)


def _resamples(name: str, values: FloatArray, yardstick: Yardstick) -> Resamples:
    """Resamples of ``(seeds, entries)``."""
    laboratories = values.shape[1] // yardstick.samples
    return Resamples.of(name, len(values), laboratories, yardstick.samples)


def _interval(values: FloatArray) -> Interval:
    """The first value is of the sample itself, the others are of resamples."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Interval(float(values[0]), float(low), float(high))
