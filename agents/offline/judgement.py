"""What a policy would earn, told from the logs of another, with an interval.

Doubly robust: a fitted value of actions under the policy, corrected where the logs say otherwise.
The corrections of decision t are weighted by how much likelier the policy is than the behaviour to
have come so far, the weights of each t made to sum to 1 (Thomas and Brunskill 2016; recalled, not
opened). Values are fitted on one half of the episodes and used on the other, so that a correction
does not meet its own noise. The interval is of the percentiles of resampled episodes: it knows the
luck of the draw of the episodes, and nothing of how wrong the fitted values are.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from agents.learning.layout import Layout
from agents.offline.behaviour import Mixture
from agents.offline.episodes import Episodes, minibatches
from agents.offline.networks import ActionValue
from sdl.core.errors import ConfigError
from sdl.core.model import Frozen
from sdl.core.seeds import generator, seed_of
from simulators.network import FloatArray

ROWS = 8192
"""Rows that a network sees at once."""


class Judging(Frozen):
    """Sizes of an evaluation."""

    folds: int = Field(default=2, ge=2)
    first: int = Field(default=600, ge=1)
    """Updates of the value of the behaviour, from which every policy's begins."""
    rounds: int = Field(default=12, ge=1)
    """Times that the targets are made anew."""
    updates: int = Field(default=40, ge=1)
    """Of each round."""
    batch_size: int = Field(default=512, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    weight_decay: float = Field(default=1e-2, ge=0.0)
    draws: int = Field(default=4, ge=1)
    """Actions drawn of the policy where its value of a state is needed."""
    resamples: int = Field(default=1000, ge=10)
    level: float = Field(default=0.9, gt=0.0, lt=1.0)


@dataclass(frozen=True)
class Estimate:
    """An estimated mean return.

    Attributes:
        value: In units of the reward.
        low: Lower end of the interval.
        high: Upper end.
        model: Mean of the fitted values alone, without corrections.
        episodes: Logged episodes that would carry the same information about the policy: the
            effective size of the weights at the end.
    """

    value: float
    low: float
    high: float
    model: float
    episodes: float

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
        ConfigError: The probabilities are not in the logs.
    """

    def __init__(
        self, episodes: Episodes, layout: Layout, settings: Judging | None = None, seed: int = 0
    ) -> None:
        if not np.isfinite(episodes.log_prob).all():
            raise ConfigError(
                "the logs do not say how probable their actions were",
                do="log the behaviour's probabilities, as `agents.offline.behaviour.record` does",
            )
        self._data, self._settings, self._seed = episodes, settings or Judging(), seed
        count, folds = episodes.count, self._settings.folds
        if count < 2 * folds:
            raise ConfigError("an evaluation needs more episodes", got=count, allowed=2 * folds)
        self._fold = generator("judge", seed, "folds").permutation(np.arange(count) % folds)
        self._seen = torch.from_numpy(episodes.observations)
        self._actions = torch.from_numpy(episodes.actions)
        to_come = _to_come(episodes)
        self._begun: list[ActionValue] = []
        for n in range(folds):
            torch.manual_seed(seed_of("judge", seed, n) % 2**63)
            value = ActionValue(layout)
            self._fit(value, to_come, n, self._settings.first, 0)
            self._begun.append(value)

    def judge(self, policy: Mixture) -> Estimate:
        """The mean return of a policy."""
        data, settings = self._data, self._settings
        logits = policy.logits(data.observations)
        ratio = policy.log_prob(logits, data.masks, data.actions) - data.log_prob
        taken, state = np.zeros(len(data)), np.zeros(len(data))
        for n, begun in enumerate(self._begun):
            value = copy.deepcopy(begun)
            for k in range(settings.rounds):
                q = self._taken(value)
                v = self._states(value, policy, logits, settings.draws, (n, k))
                target = _traced(data, q, v, np.minimum(1.0, np.exp(np.minimum(ratio, 0.0))))
                self._fit(value, target, n, settings.updates, 1 + k)
            held = self._fold[data.of] == n
            taken[held] = self._taken(value)[held]
            drawn = self._states(value, policy, logits, 4 * settings.draws, (n, settings.rounds))
            state[held] = drawn[held]
        return self._estimate(taken, state, ratio)

    def _estimate(self, taken: FloatArray, state: FloatArray, ratio: FloatArray) -> Estimate:
        """The weighted doubly robust estimate and its resamples."""
        data, settings = self._data, self._settings
        ahead = np.where(data.ends, 0.0, np.roll(state, -1))
        surprise = _padded(data, data.rewards + ahead - taken, 0.0)
        # Beyond its end an episode keeps its weight, so that the weights stay comparable.
        total = np.cumsum(_padded(data, ratio, 0.0), axis=1)
        weight = np.exp(total - total.max(axis=0))
        rng = generator("judge", self._seed, "resamples")
        count = data.count
        drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=settings.resamples + 1)
        drawn[0] = 1
        first = state[data.starts[:-1]]
        values = drawn @ first / count
        values = values + ((drawn @ (weight * surprise)) / (drawn @ weight)).sum(axis=1)
        edge = 0.5 * (1.0 - settings.level)
        low, high = np.quantile(values[1:], [edge, 1.0 - edge])
        last = weight[:, -1]
        return Estimate(
            float(values[0]),
            float(low),
            float(high),
            float(first.mean()),
            float(last.sum() ** 2 / np.square(last).sum()),
        )

    def _fit(
        self, value: ActionValue, target: FloatArray, fold: int, updates: int, key: int
    ) -> None:
        """Regression on all episodes that are not of a fold."""
        rows = np.flatnonzero(self._fold[self._data.of] != fold)
        goal = torch.from_numpy(target).float()
        settings = self._settings
        optimizer = torch.optim.AdamW(
            value.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        falls = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
        rng = generator("judge", self._seed, "minibatches", fold, key)
        for part in minibatches(len(rows), settings.batch_size, updates, rng):
            at = torch.from_numpy(rows[part])
            loss = (value(self._seen[at], self._actions[at]) - goal[at]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            falls.step()

    def _taken(self, value: ActionValue) -> FloatArray:
        """(T,) values of the logged actions."""
        return _values(value, self._seen, self._actions)

    def _states(
        self,
        value: ActionValue,
        policy: Mixture,
        logits: np.ndarray,
        draws: int,
        key: tuple[int, int],
    ) -> FloatArray:
        """(T,) mean values of actions that are drawn of the policy."""
        rng = generator("judge", self._seed, "draws", *key)
        total = np.zeros(len(self._data))
        for _ in range(draws):
            actions = torch.from_numpy(policy.draw(logits, self._data.masks, rng))
            total += _values(value, self._seen, actions)
        return total / draws


def _values(value: ActionValue, seen: Tensor, actions: Tensor) -> FloatArray:
    with torch.no_grad():
        pairs = zip(seen.split(ROWS), actions.split(ROWS), strict=True)
        return torch.cat([value(s, a) for s, a in pairs]).double().numpy()


def _to_come(data: Episodes) -> FloatArray:
    """(T,) sum of the rewards from each decision on."""
    sums = np.cumsum(data.rewards)
    return np.repeat(sums[data.starts[1:] - 1], np.diff(data.starts)) - sums + data.rewards


def _traced(data: Episodes, q: FloatArray, v: FloatArray, trace: FloatArray) -> FloatArray:
    """(T,) targets of the values: as far along each episode as the policy might have gone with it.

    Retrace (Munos et al. 2016; recalled): traces are cut by min(1, ratio), so that logs near the
    policy are summed as they are and others are looked up one decision ahead.
    """
    found = np.zeros(len(data))
    at, begins = data.starts[1:] - 1, data.starts[data.of]
    found[at] = data.rewards[at]
    for _ in range(int(np.diff(data.starts).max()) - 1):
        at = at[at > begins[at]] - 1
        found[at] = data.rewards[at] + v[at + 1] + trace[at + 1] * (found[at + 1] - q[at + 1])
    return found


def _padded(data: Episodes, values: FloatArray, beyond: float) -> FloatArray:
    """(E, longest) values by episode and decision."""
    found = np.full((data.count, int(data.place.max()) + 1), beyond)
    found[data.of, data.place] = values
    return found
