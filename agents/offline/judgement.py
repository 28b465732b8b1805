"""What a policy would earn, told from the logs of another, with an interval.

The *model*: values of actions under the policy, fitted to the logs (``agents.offline.values``);
they lean towards what the behaviour earned. The *correction*, doubly robust: what the logs say
against the model, decision by decision, weighted by how much likelier the policy is than the
behaviour to have come so far, the weights of each decision made to sum to 1 (Thomas and Brunskill
2016; recalled, not opened). Deep in an episode a few episodes carry the weight, lucky or not: the
correction ends with the decision at which fewer than ``effective`` of them do. Values are fitted
on all folds of the episodes but one and used on that one, so that a correction does not meet its
own noise.

The interval rests on a scale that adds up, in squares, what is known to go wrong: the luck of the
draw of the episodes (a bootstrap), how far the fits differ, and a floor. The model's bias shows in
no log; so the half width is ``SPREAD`` times the scale, fixed on policies whose return was known by
playing: 80 of four other behaviours, each from 2,000 episodes in tuning laboratories. There 19 of
20 errors were below 1.7 of the scale. It is as honest as the task at hand is like that one.

A policy of which the logs say too little to tell its return within ``WIDEST`` is not told: whoever
asks should play it in the twin, or log more. Such were 6 of the 80.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from agents.learning.layout import Layout
from agents.offline.behaviour import Mixture
from agents.offline.episodes import Episodes
from agents.offline.values import Fitting, Looked, fit, look, read_values
from sdl.core.errors import ConfigError
from sdl.core.model import Frozen
from sdl.core.seeds import generator
from simulators.network import FloatArray

FLOOR = 0.04
"""Smallest scale, in units of the return."""
SPREAD = 1.7
"""Half width of the 90 % interval over its scale."""
WIDEST = 0.2
"""Width of the widest interval that tells anything, in units of the return."""


class Judging(Frozen):
    """Sizes of an evaluation."""

    folds: int = Field(default=4, ge=2)
    """Parts of the episodes; values are fitted to all but one of them."""
    first: int = Field(default=700, ge=1)
    """Updates of the features of the values, towards what the behaviour went on to earn."""
    rounds: int = Field(default=3, ge=0)
    """Times that the features are made anew, for targets of the policies themselves."""
    updates: int = Field(default=500, ge=1)
    """Of each round."""
    batch_size: int = Field(default=512, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0.0)
    weight_decay: float = Field(default=0.1, ge=0.0)
    ridge: float = Field(default=1e-4, gt=0.0)
    """Of the last layer, in parts of the number of decisions."""
    draws: int = Field(default=2, ge=1)
    """Actions drawn of the policy where its value of a state is needed."""
    effective: float = Field(default=100.0, ge=1.0)
    """Least effective number of episodes that a decision is corrected by."""
    resamples: int = Field(default=400, ge=10)
    floor: float = Field(default=FLOOR, ge=0.0)
    spread: float = Field(default=SPREAD, gt=0.0)


@dataclass(frozen=True)
class Estimate:
    """An estimated mean return.

    Attributes:
        value: In units of the reward.
        low: Lower end of the interval.
        high: Upper end.
        model: By the fitted values alone.
        reach: Share of the decisions, first to last, whose values were corrected.
        sampling: Standard deviation over resampled episodes.
        fits: Standard deviation of the model over its fits.
        episodes: Logged episodes that would carry the same information about the policy: the
            effective size of the weights at the end.
        level: Of the interval.
    """

    value: float
    low: float
    high: float
    model: float
    reach: float
    sampling: float
    fits: float
    episodes: float
    level: float = 0.9

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.high - self.low

    @property
    def told(self) -> bool:
        """Whether the logs say enough about the policy."""
        return self.width <= WIDEST


class Judge:
    """Evaluates policies from one set of logs.

    Args:
        episodes: With the probabilities of the behaviour.
        layout: Of the networks.
        settings: Sizes.
        seed: Of weights, halves and resamples.

    Raises:
        ConfigError: The probabilities are not in the logs, or there are too few episodes.
    """

    def __init__(
        self, episodes: Episodes, layout: Layout, settings: Judging | None = None, seed: int = 0
    ) -> None:
        if not np.isfinite(episodes.log_prob).all():
            raise ConfigError(
                "the logs do not say how probable their actions were",
                do="log the behaviour's probabilities, as `sdl export POLICY` does",
            )
        if episodes.count < 4:
            raise ConfigError("an evaluation needs more episodes", got=episodes.count, allowed=4)
        self._data, self._settings, self._seed = episodes, settings or Judging(), seed
        self._layout = layout

    def judge(self, policy: Mixture) -> Estimate:
        """The mean return of a policy."""
        return self.judge_all([policy])[0]

    def judge_all(self, policies: Sequence[Mixture]) -> list[Estimate]:
        """The mean returns of several policies; together they cost little more than one."""
        data, settings = self._data, self._settings
        looked = [
            look(p, data, settings.draws, generator("judge", self._seed, "draws")) for p in policies
        ]
        sizes = Fitting(
            settings.first,
            settings.rounds,
            settings.updates,
            settings.batch_size,
            settings.learning_rate,
            settings.weight_decay,
            settings.ridge,
        )
        shape = (len(data), len(policies))
        taken, state = np.zeros(shape), np.zeros(shape)
        models = np.zeros((settings.folds, len(policies)))
        even = np.arange(data.count) % settings.folds
        folds = generator("judge", self._seed, "folds").permutation(even)
        for fold in range(settings.folds):
            others = np.flatnonzero(folds != fold)
            network = fit(data, looked, others, self._layout, sizes, (self._seed, fold))
            rows = np.flatnonzero(folds[data.of] == fold)
            taken[rows], state[rows] = read_values(network, data, looked, self._layout, rows)
            begins = read_values(network, data, looked, self._layout, data.starts[:-1])[1]
            models[fold] = begins.mean(axis=0)
        return [
            self._estimate(taken[:, k], state[:, k], each, models[:, k])
            for k, each in enumerate(looked)
        ]

    def _estimate(
        self, taken: FloatArray, state: FloatArray, looked: Looked, models: FloatArray
    ) -> Estimate:
        """The estimate of one policy from its values, each (T,), and its model by fold."""
        data, settings = self._data, self._settings
        count = data.count
        # Beyond its end an episode keeps its weight, so that the weights stay comparable.
        total = np.cumsum(padded(data, looked.ratio), axis=1)
        weight = np.exp(total - total.max(axis=0))
        effective = weight.sum(axis=0) ** 2 / np.square(weight).sum(axis=0)
        # The first decision that too few carry ends the correction for good.
        reached = np.cumprod(effective >= settings.effective).astype(np.bool_)
        weight = weight[:, reached]
        ahead = np.where(data.ends, 0.0, np.roll(state, -1))
        surprise = padded(data, data.rewards + ahead - taken)[:, reached]
        rng = generator("judge", self._seed, "resamples")
        drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=settings.resamples + 1)
        drawn[0] = 1
        correction = (drawn @ (weight * surprise) / (drawn @ weight)).sum(axis=1)
        model, fits = float(models.mean()), float(models.std(ddof=1))
        value = model + float(correction[0])
        sampling = float((drawn @ state[data.starts[:-1]] / count + correction)[1:].std())
        half_width = settings.spread * float(
            np.sqrt(sampling**2 + 0.5 * fits**2 + settings.floor**2)
        )
        return Estimate(
            value=value,
            low=value - half_width,
            high=value + half_width,
            model=model,
            reach=float(reached.mean()),
            sampling=sampling,
            fits=fits,
            episodes=float(effective[-1]),
        )


def padded(data: Episodes, values: FloatArray) -> FloatArray:
    """(E, longest) values by episode and decision, 0 beyond an episode's end."""
    found = np.zeros((data.count, int(data.place.max()) + 1))
    found[data.of, data.place] = values
    return found
