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
    """

    def __init__(self, layout: Layout, policies: int) -> None:
        super().__init__()
        self.shelf = Shelf(layout) if layout.kind == "pointer" else None
        self.plain = [h for h in range(len(layout.nvec)) if self.shelf is None or h != SLOT_HEAD]
        size = len(layout.entries) if self.shelf is None else self.shelf.size
        first, *others = layout.hidden
        self.state = nn.Linear(size, first)
        self.options = nn.ModuleList(nn.Embedding(layout.nvec[h], first) for h in self.plain)
        for option in self.options:
            nn.init.normal_(option.weight, std=0.3)  # pyright: ignore[reportArgumentType]
        self.slot = nn.Linear(layout.slot_size, first, bias=False)
        self.trunk = nn.Sequential(nn.ReLU(), dense(first, others, nn.ReLU))
        self.head = nn.Linear(layout.hidden[-1], policies)

    def look(self, observation: Tensor) -> tuple[Tensor, Tensor | None]:
        """First layer of the states, (rows, width), and features of their slots."""
        if self.shelf is None:
            return self.state(observation), None
        features, slots = self.shelf(observation)
        return self.state(features), slots

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
        first: Updates towards what the behaviour went on to earn, where every policy begins.
        rounds: Times that the targets are made anew.
        updates: Of each round.
        batch_size: Decisions of an update.
        learning_rate: Falls to 0 on a half cosine within each round.
        weight_decay: Of AdamW.
    """

    first: int
    rounds: int
    updates: int
    batch_size: int
    learning_rate: float
    weight_decay: float


def fit(
    data: Episodes,
    looked: Sequence[Looked],
    episodes: IntArray,
    layout: Layout,
    sizes: Fitting,
    key: tuple[int, ...],
) -> ManyValues:
    """Values under each policy, of some of the episodes.

    Args:
        data: The logs.
        looked: The policies.
        episodes: Numbers of the episodes that are fitted to.
        layout: Of the networks.
        sizes: Sizes.
        key: Seed of weights and minibatches.
    """
    torch.manual_seed(seed_of("judge", *key) % 2**63)
    network = ManyValues(layout, len(looked))
    rows = np.flatnonzero(np.isin(data.of, episodes))
    part = data.take(np.sort(episodes))
    seen, actions = torch.from_numpy(part.observations), torch.from_numpy(part.actions)
    ratio = np.stack([each.ratio[rows] for each in looked], axis=1)
    trace = np.exp(np.minimum(ratio, 0.0))
    goal = np.repeat(to_come(part)[:, None], len(looked), axis=1)
    rng = generator("judge", "minibatches", *key)
    _regress(network, seen, actions, goal, sizes, sizes.first, rng)
    for n in range(sizes.rounds):
        taken = np.empty(goal.shape)
        ahead = np.empty(goal.shape)
        for at in _pieces(len(rows)):
            with torch.no_grad():
                state, slots = network.look(seen[at])
                taken[at] = network.head(network.latent(state, slots, actions[at])).numpy()
                for k, each in enumerate(looked):
                    drawn = each.drawn[n % len(each.drawn)][rows[at]].astype(np.int64)
                    latent = network.latent(state, slots, torch.from_numpy(drawn))
                    ahead[at, k] = network.of(k, latent).numpy()
        goal = traced(part, taken, ahead, trace)
        _regress(network, seen, actions, goal, sizes, sizes.updates, rng)
    return network


def read_values(
    network: ManyValues, data: Episodes, looked: Sequence[Looked], rows: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Values of the logged actions and of the states, each (rows, policies)."""
    taken = np.empty((len(rows), len(looked)))
    state_values = np.zeros((len(rows), len(looked)))
    for at in _pieces(len(rows)):
        where = rows[at]
        with torch.no_grad():
            state, slots = network.look(torch.from_numpy(data.observations[where]))
            logged = torch.from_numpy(data.actions[where])
            taken[at] = network.head(network.latent(state, slots, logged)).numpy()
            for k, each in enumerate(looked):
                for drawn in each.drawn:
                    own = torch.from_numpy(drawn[where].astype(np.int64))
                    latent = network.latent(state, slots, own)
                    state_values[at, k] += network.of(k, latent).numpy()
                state_values[at, k] /= len(each.drawn)
    return taken, state_values


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
