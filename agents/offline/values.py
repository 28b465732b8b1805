"""Values of actions under several policies at once, fitted to logs.

One network has an output for each policy: what they share is learned once, and a policy more costs
little. Only the outputs, and the actions that are looked ahead to, differ between policies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.learning.layout import SLOT_HEAD, Layout
from agents.learning.network import Shelf, dense
from agents.offline.behaviour import Mixture
from agents.offline.episodes import Episodes, minibatches
from sdl.core.seeds import generator, seed_of
from simulators.network import FloatArray, IntArray

ROWS = 8192
"""Rows that a network sees at once."""


class ManyValues(nn.Module):
    """Values of an action, all its heads together, under each of several policies.

    State and action meet in the first hidden layer, so that looking at another action of the same
    state costs only the layers above it.

    Args:
        layout: Of the actors, with heads.
        policies: Number of outputs.
        past: Numbers of the past (``past_of``) that are seen beside the observation.
    """

    def __init__(self, layout: Layout, policies: int, past: int = 0) -> None:
        super().__init__()
        self.numbers, self.past = len(layout.entries), None
        self.shelf = Shelf(layout) if layout.kind == "pointer" else None
        self.plain = [h for h in range(len(layout.nvec)) if self.shelf is None or h != SLOT_HEAD]
        size = len(layout.entries) if self.shelf is None else self.shelf.size
        first, *others = layout.hidden
        self.state = nn.Linear(size, first)
        self.options = nn.ModuleList(nn.Embedding(layout.nvec[h], first) for h in self.plain)
        for option in self.options:
            nn.init.normal_(option.weight, std=0.3)  # pyright: ignore[reportArgumentType]
        if past:
            self.past = nn.Linear(past, first, bias=False)
        self.slot = nn.Linear(layout.slot_size, first, bias=False)
        self.trunk = nn.Sequential(nn.ReLU(), dense(first, others, nn.ReLU))
        self.head = nn.Linear(layout.hidden[-1], policies)

    def look(self, seen: Tensor) -> tuple[Tensor, Tensor | None]:
        """First layer of the states, (rows, width), and features of their slots."""
        observation, past = seen[:, : self.numbers], seen[:, self.numbers :]
        before = 0.0 if self.past is None else self.past(past)
        if self.shelf is None:
            return self.state(observation) + before, None
        features, slots = self.shelf(observation)
        return self.state(features) + before, slots

    def latent(self, state: Tensor, slots: Tensor | None, actions: Tensor) -> Tensor:
        """What the outputs are read off, (rows, width), for actions (rows, heads)."""
        total = state
        for option, h in zip(self.options, self.plain, strict=True):
            total = total + option(actions[:, h])
        if slots is not None:
            chosen = slots[torch.arange(len(slots)), actions[:, SLOT_HEAD]]
            total = total + self.slot(chosen)
        return self.trunk(total)

    def forward(self, observation: Tensor, actions: Tensor) -> Tensor:
        """Values, (rows, policies)."""
        return self.head(self.latent(*self.look(observation), actions))

    def of(self, policy: int, latent: Tensor) -> Tensor:
        """One output alone, (rows,)."""
        return latent @ self.head.weight[policy] + self.head.bias[policy]


def past_of(data: Episodes, layout: Layout) -> NDArray[np.float32]:
    """The past of each decision, (T, numbers): how often each option was chosen, what was seen.

    A policy decides by its observation alone, but the worth of a state depends on what the
    observation leaves out of the past; what it left out differs between behaviour and policy.
    Slots have no order, so that of them the features of the chosen ones are added up. What was seen
    is the mean of the earlier observations without their slots.
    """
    parts: list[NDArray[np.float32]] = []
    first = data.first
    every = np.arange(len(data))
    for h, count in enumerate(layout.nvec):
        masks = data.masks[:, first[h] : first[h] + count]
        live = (masks.sum(axis=1) > 1).astype(np.float32)
        if layout.kind == "pointer" and h == SLOT_HEAD:
            columns = np.array(layout.slots)[data.actions[:, h]]
            parts.append(np.take_along_axis(data.observations, columns, axis=1) * live[:, None])
            continue
        chosen = np.zeros((len(data), count), dtype=np.float32)
        chosen[every, data.actions[:, h]] = live
        parts.append(chosen)
    chosen_parts = len(parts)
    parts.append(data.observations[:, list(layout.others)])
    now = np.concatenate(parts, axis=1, dtype=np.float64)
    before = np.cumsum(now, axis=0) - now
    before -= before[data.starts[data.of]]
    seen = before.shape[1] - parts[chosen_parts].shape[1]
    before[:, seen:] /= np.maximum(data.place, 1)[:, None]
    return before.astype(np.float32)


@dataclass(frozen=True)
class Looked:
    """A policy at the logged decisions: all that an evaluation asks of it.

    Attributes:
        ratio: (T,) log of its probability of the logged action over the behaviour's.
        drawn: (draws, T, heads) actions of its own.
    """

    ratio: FloatArray
    drawn: NDArray[np.int16]


def look(policy: Mixture, data: Episodes, draws: int, rng: np.random.Generator) -> Looked:
    """What a policy does at the decisions of logs.

    Args:
        policy: The policy.
        data: With the probabilities of the behaviour.
        draws: Actions drawn at each decision.
        rng: Of the draws.
    """
    logits = policy.logits(data.observations)
    ratio = policy.log_prob(logits, data.masks, data.actions) - data.log_prob
    drawn = np.stack([policy.draw(logits, data.masks, rng) for _ in range(draws)])
    return Looked(ratio, drawn.astype(np.int16))


@dataclass(frozen=True)
class Fitting:
    """Sizes of a fit.

    Attributes:
        first: Updates towards what the behaviour went on to earn: they make the features.
        rounds: Times that the features are made anew, for targets of every policy.
        updates: Of each round.
        batch_size: Decisions of an update.
        learning_rate: Falls to 0 on a half cosine within each round.
        weight_decay: Of AdamW.
        ridge: Of the last layer, which is solved exactly; in parts of the number of decisions.
    """

    first: int
    rounds: int
    updates: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    ridge: float


def fit(
    data: Episodes,
    looked: Sequence[Looked],
    episodes: IntArray,
    layout: Layout,
    sizes: Fitting,
    key: tuple[int, ...],
) -> ManyValues:
    """Values under each policy, of some of the episodes.

    The hidden layers learn what the behaviour went on to earn; on them the values of each policy
    are linear, and looked ahead to their end at once: no rounds of regression that stop half-way.

    Args:
        data: The logs.
        looked: The policies.
        episodes: Numbers of the episodes that are fitted to.
        layout: Of the networks.
        sizes: Sizes.
        key: Seed of weights and minibatches.
    """
    torch.manual_seed(seed_of("judge", *key) % 2**63)
    past = past_of(data, layout)
    network = ManyValues(layout, len(looked), past.shape[1])
    rows = np.flatnonzero(np.isin(data.of, episodes))
    part = data.take(np.sort(episodes))
    seen = torch.from_numpy(np.concatenate([data.observations[rows], past[rows]], axis=1))
    actions = torch.from_numpy(part.actions)
    trace = np.exp(np.minimum(np.stack([each.ratio[rows] for each in looked], axis=1), 0.0))
    goal = np.repeat(to_come(part)[:, None], len(looked), axis=1)
    rng = generator("judge", "minibatches", *key)
    _regress(network, seen, actions, goal, sizes, sizes.first, rng)
    for n in range(sizes.rounds + 1):
        own = [torch.from_numpy(each.drawn[:, rows].astype(np.int64)) for each in looked]
        taken, ahead = _solve(network, part, seen, own, sizes.ridge)
        if n < sizes.rounds:
            goal = traced(part, taken, ahead, trace)
            _regress(network, seen, actions, goal, sizes, sizes.updates, rng)
    return network


def _solve(
    network: ManyValues, part: Episodes, seen: Tensor, own: Sequence[Tensor], ridge: float
) -> tuple[FloatArray, FloatArray]:
    """Sets the last layer to the fixed point of each policy.

    Args:
        network: Its hidden layers stay.
        part: The episodes.
        seen: (T, numbers) what the network sees.
        own: For each policy, (draws, T, heads) actions of its own.
        ridge: In parts of T.

    Returns:
        Values of the logged actions and of the states, each (T, policies).
    """
    logged = _features(network, seen, [torch.from_numpy(part.actions)])
    gram = logged.T @ logged + ridge * len(logged) * np.eye(logged.shape[1])
    start = np.linalg.solve(gram, logged.T @ part.rewards)
    taken, ahead = np.empty((len(logged), len(own))), np.empty((len(logged), len(own)))
    longest = int(np.diff(part.starts).max())
    with torch.no_grad():
        for k, drawn in enumerate(own):
            mean = _features(network, seen, list(drawn))
            following = np.roll(mean, -1, axis=0)
            following[part.ends] = 0.0
            step = np.linalg.solve(gram, logged.T @ following)
            weights = start.copy()
            for _ in range(longest):  # an episode is no longer: this is its end
                weights = start + step @ weights
            taken[:, k], ahead[:, k] = logged @ weights, mean @ weights
            network.head.weight[k] = torch.from_numpy(weights[:-1]).float()
            network.head.bias[k] = float(weights[-1])
    return taken, ahead


def _features(network: ManyValues, seen: Tensor, actions: Sequence[Tensor]) -> FloatArray:
    """(T, width + 1) what the last layer sees, and 1; means over the actions, each (T, heads)."""
    found = np.ones((len(seen), network.head.in_features + 1))
    for at in _pieces(len(seen)):
        with torch.no_grad():
            state, slots = network.look(seen[at])
            total = sum(network.latent(state, slots, each[at]).double().numpy() for each in actions)
        found[at, :-1] = total / len(actions)
    return found


def read_values(
    network: ManyValues, data: Episodes, looked: Sequence[Looked], layout: Layout, rows: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Values of the logged actions and of the states, each (rows, policies)."""
    past = past_of(data, layout)[rows]
    seen = torch.from_numpy(np.concatenate([data.observations[rows], past], axis=1))
    taken = np.empty((len(rows), len(looked)))
    states = np.zeros((len(rows), len(looked)))
    for at in _pieces(len(rows)):
        where = rows[at]
        with torch.no_grad():
            state, slots = network.look(seen[at])
            logged = torch.from_numpy(data.actions[where])
            taken[at] = network.head(network.latent(state, slots, logged)).numpy()
            for k, each in enumerate(looked):
                for drawn in each.drawn:
                    own = torch.from_numpy(drawn[where].astype(np.int64))
                    latent = network.latent(state, slots, own)
                    states[at, k] += network.of(k, latent).numpy()
                states[at, k] /= len(each.drawn)
    return taken, states


def _pieces(count: int) -> list[slice]:
    return [slice(n, min(n + ROWS, count)) for n in range(0, count, ROWS)]


def _regress(
    network: ManyValues,
    seen: Tensor,
    actions: Tensor,
    goal: FloatArray,
    sizes: Fitting,
    updates: int,
    rng: np.random.Generator,
) -> None:
    """Towards (T, policies) targets."""
    wanted = torch.from_numpy(goal).float()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=sizes.learning_rate, weight_decay=sizes.weight_decay, fused=True
    )
    falls = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    for chosen in minibatches(len(seen), sizes.batch_size, updates, rng):
        at = torch.from_numpy(chosen)
        loss = (network(seen[at], actions[at]) - wanted[at]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falls.step()


def to_come(data: Episodes) -> FloatArray:
    """(T,) sum of the rewards from each decision on."""
    sums = np.cumsum(data.rewards)
    return np.repeat(sums[data.starts[1:] - 1], np.diff(data.starts)) - sums + data.rewards


def traced(data: Episodes, taken: FloatArray, ahead: FloatArray, trace: FloatArray) -> FloatArray:
    """(T, policies) targets: as far along each episode as the policy might have gone with it.

    Retrace (Munos et al. 2016; recalled): traces are cut by min(1, ratio), so that logs near the
    policy are summed as they are and others are looked up one decision ahead.
    """
    found = np.zeros_like(taken)
    at, begins = data.starts[1:] - 1, data.starts[data.of]
    found[at] = data.rewards[at, None]
    for _ in range(int(np.diff(data.starts).max()) - 1):
        at = at[at > begins[at]] - 1
        beyond = trace[at + 1] * (found[at + 1] - taken[at + 1])
        found[at] = data.rewards[at, None] + ahead[at + 1] + beyond
    return found
