"""What a policy would earn, told from the logs of another, with an interval.

Two figures, and the middle between them. The *model*: values of actions under the policy, fitted to
the logs (``agents.offline.values``); they lean towards what the behaviour earned. The *corrected*
one, doubly robust: the model plus what the logs say against it, decision by decision, weighted by
how much likelier the policy is than the behaviour to have come so far, the weights of each decision
made to sum to 1 (Thomas and Brunskill 2016; recalled, not opened); deep in an episode a few of them
carry the weight, lucky or not. Values are fitted on one half of the episodes and used on the other,
so that a correction does not meet its own noise.

The interval rests on a scale that adds up, in squares, what is known to go wrong: the luck of the
draw of the episodes (a bootstrap), how far the fits on the two halves differ, half the way between
the two figures, and a floor. The model's bias shows in no log; so the half width is ``SPREAD``
times the scale, fixed on policies whose return was known by playing: 20 of another behaviour, from
2,000 other episodes in tuning laboratories. There 19 of 20 errors were below 0.74 of the scale. The
20 share the luck of one set of logs, which is why ``SPREAD`` is larger than that. It is as honest
as the task at hand is like that one.
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

FLOOR = 0.03
"""Smallest scale, in units of the return."""
SPREAD = 0.9
"""Half width of the 90 % interval over its scale."""


class Judging(Frozen):
    """Sizes of an evaluation."""

    members: int = Field(default=1, ge=1)
    """Times that the episodes are halved and fitted."""
    first: int = Field(default=700, ge=1)
    """Updates of the features of the values, towards what the behaviour went on to earn."""
    rounds: int = Field(default=0, ge=0)
    """Times that the features are made anew, for targets of the policies themselves."""
    updates: int = Field(default=200, ge=1)
    """Of each round."""
    batch_size: int = Field(default=512, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0.0)
    weight_decay: float = Field(default=1e-2, ge=0.0)
    ridge: float = Field(default=1e-4, gt=0.0)
    """Of the last layer, in parts of the number of decisions."""
    draws: int = Field(default=2, ge=1)
    """Actions drawn of the policy where its value of a state is needed."""
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
        corrected: By the values and what the logs say against them.
        sampling: Standard deviation over resampled episodes.
        fits: Standard error of the model by its fits on halves of the episodes.
        episodes: Logged episodes that would carry the same information about the policy: the
            effective size of the weights at the end.
        level: Of the interval.
    """

    value: float
    low: float
    high: float
    model: float
    corrected: float
    sampling: float
    fits: float
    episodes: float
    level: float = 0.9

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.high - self.low


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
        shape = (settings.members, len(data), len(policies))
        taken, state = np.zeros(shape), np.zeros(shape)
        folds = np.zeros((settings.members, data.count), dtype=np.int64)
        for m in range(settings.members):
            halves = np.arange(data.count) % 2
            folds[m] = generator("judge", self._seed, "halves", m).permutation(halves)
            for half in (0, 1):
                others = np.flatnonzero(folds[m] != half)
                network = fit(data, looked, others, self._layout, sizes, (self._seed, m, half))
                rows = np.flatnonzero(folds[m][data.of] == half)
                taken[m, rows], state[m, rows] = read_values(
                    network, data, looked, self._layout, rows
                )
        return [
            self._estimate(taken[:, :, k], state[:, :, k], each, folds)
            for k, each in enumerate(looked)
        ]

    def _estimate(
        self, taken: FloatArray, state: FloatArray, looked: Looked, folds: np.ndarray
    ) -> Estimate:
        """The estimate of one policy from its values, each (members, T)."""
        data, settings = self._data, self._settings
        count = data.count
        # Beyond its end an episode keeps its weight, so that the weights stay comparable.
        total = np.cumsum(padded(data, looked.ratio), axis=1)
        weight = np.exp(total - total.max(axis=0))
        effective = weight.sum(axis=0) ** 2 / np.square(weight).sum(axis=0)
        rng = generator("judge", self._seed, "resamples")
        drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=settings.resamples + 1)
        drawn[0] = 1
        values, corrected, models = np.zeros(len(drawn)), 0.0, list[float]()
        reached = drawn @ weight
        for m in range(len(taken)):
            ahead = np.where(data.ends, 0.0, np.roll(state[m], -1))
            surprise = padded(data, data.rewards + ahead - taken[m])
            first = state[m, data.starts[:-1]]
            against = drawn @ (weight * surprise)
            # A resample that holds none of the few episodes with any weight corrects nothing.
            against = np.divide(against, reached, out=np.zeros_like(against), where=reached > 0.0)
            model, correction = drawn @ first / count, against.sum(axis=1)
            values += (model + 0.5 * correction) / len(taken)
            corrected += float(model[0] + correction[0]) / len(taken)
            models += [float(first[folds[m] == half].mean()) for half in (0, 1)]
        value, plain = float(values[0]), float(np.mean(models))
        sampling = float(values[1:].std())
        fits = float(np.std(models, ddof=1) / np.sqrt(len(models)))
        gap = 0.5 * (corrected - plain)
        half_width = settings.spread * float(
            np.sqrt(sampling**2 + fits**2 + gap**2 + settings.floor**2)
        )
        return Estimate(
            value=value,
            low=value - half_width,
            high=value + half_width,
            model=plain,
            corrected=corrected,
            sampling=sampling,
            fits=fits,
            episodes=float(effective[-1]),
        )


def padded(data: Episodes, values: FloatArray) -> FloatArray:
    """(E, longest) values by episode and decision, 0 beyond an episode's end."""
    found = np.zeros((data.count, int(data.place.max()) + 1))
    found[data.of, data.place] = values
    return found
