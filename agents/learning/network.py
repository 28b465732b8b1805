"""The networks of a policy: actors that are built from a layout alone, and the critic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from agents.learning.layout import SLOT_HEAD, Layout
from agents.learning.tanh import Tanh

LOG_STD = (-20.0, 2.0)
"""Bounds of the logarithm of a continuous actor's sd, as in sb3_contrib."""


def dense(size: int, hidden: Sequence[int], activation: type[nn.Module] = Tanh) -> nn.Sequential:
    """Linear layers, each followed by its activation."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(size, width), activation()]
        size = width
    return nn.Sequential(*layers)


def orthogonal(module: nn.Module, gain: float) -> None:
    """Orthogonal weights and no bias in every linear layer, as Stable-Baselines3 begins."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, gain=gain)
            nn.init.zeros_(layer.bias)


class Shelf(nn.Module):
    """Observation without its order of slots: the other numbers, and the mean over the slots.

    A maximum over the slots beside the mean would cost a fifth of an update.

    Args:
        layout: With slots.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        columns = [c for part in layout.slots for c in part]
        self.shape = (len(layout.slots), len(layout.slots[0]))
        self.slot_size = layout.slot_size
        self.register_buffer("columns", torch.tensor(columns), persistent=False)
        self.register_buffer("others", torch.tensor(layout.others), persistent=False)
        self.slot = dense(self.shape[1], (layout.slot_size, layout.slot_size))
        self.size = len(layout.others) + layout.slot_size
        orthogonal(self.slot, math.sqrt(2.0))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the whole, (rows, size), and of each slot, (rows, slots, width)."""
        columns, others = self.get_buffer("columns"), self.get_buffer("others")
        shelf = observation.index_select(1, columns).reshape(-1, self.shape[1])
        slots = self.slot(shelf).reshape(-1, self.shape[0], self.slot_size)
        rest = observation.index_select(1, others)
        return torch.cat([rest, slots.mean(1)], dim=1), slots


class MlpActor(nn.Module):
    """Dense layers from the observation to the logits of all heads."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.trunk = dense(len(layout.entries), layout.hidden)
        self.head = nn.Linear(layout.hidden[-1], sum(layout.nvec))
        orthogonal(self.trunk, math.sqrt(2.0))
        orthogonal(self.head, 0.01)

    def forward(self, observation: Tensor) -> Tensor:
        """Logits, (rows, options)."""
        return self.head(self.trunk(observation))


class PointerActor(nn.Module):
    """Slots of the shelf share a network; the head of slots is a query times their features.

    If the slots of an observation change places, the logits of that head change places with them
    and all others stay: slots have no numbers to the network.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.shelf = Shelf(layout)
        self.trunk = dense(self.shelf.size, layout.hidden)
        self.before = sum(layout.nvec[:SLOT_HEAD])
        self.head = nn.Linear(layout.hidden[-1], sum(layout.nvec) - layout.nvec[SLOT_HEAD])
        self.query = nn.Linear(layout.hidden[-1], layout.slot_size)
        self.scale = 1.0 / math.sqrt(layout.slot_size)
        orthogonal(self.trunk, math.sqrt(2.0))
        orthogonal(self.head, 0.01)
        orthogonal(self.query, 0.1)

    def forward(self, observation: Tensor) -> Tensor:
        """Logits, (rows, options)."""
        return self.point(*self.shelf(observation))

    def point(self, features: Tensor, slots: Tensor) -> Tensor:
        """Logits of what the shelf made of an observation."""
        latent = self.trunk(features)
        plain = self.head(latent)
        query = self.query(latent) * self.scale
        pointed = (slots @ query.unsqueeze(2)).squeeze(2)
        return torch.cat([plain[:, : self.before], pointed, plain[:, self.before :]], dim=1)


class GaussianActor(nn.Module):
    """Mean and logarithm of the sd of a normal distribution that is squashed by tanh."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.trunk = dense(len(layout.entries), layout.hidden, nn.ReLU)
        self.head = nn.Linear(layout.hidden[-1], 2 * layout.size)

    def forward(self, observation: Tensor) -> Tensor:
        """Means and logarithms of the sd, (rows, 2 numbers)."""
        mean, log_std = self.head(self.trunk(observation)).chunk(2, dim=1)
        return torch.cat([mean, log_std.clamp(*LOG_STD)], dim=1)


class LstmActor(nn.Module):
    """A recurrent layer and dense ones; the state goes in and comes out."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.lstm = nn.LSTM(len(layout.entries), layout.lstm_size)
        self.trunk = dense(layout.lstm_size, layout.hidden)
        self.head = nn.Linear(layout.hidden[-1], sum(layout.nvec))

    def forward(self, observation: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, (rows, options), and the new state, each (1, rows, width)."""
        out, (h, c) = self.lstm(observation.unsqueeze(0), (h, c))
        return self.head(self.trunk(out.squeeze(0))), h, c


class Critic(nn.Module):
    """The value of an observation, or of what a pointer's shelf made of it.

    Args:
        layout: Of the actor.
        size: Numbers that it sees; those of the observation if ``None``.
    """

    def __init__(self, layout: Layout, size: int | None = None) -> None:
        super().__init__()
        self.trunk = dense(len(layout.entries) if size is None else size, layout.hidden)
        self.head = nn.Linear(layout.hidden[-1], 1)
        orthogonal(self.trunk, math.sqrt(2.0))
        orthogonal(self.head, 1.0)

    def forward(self, features: Tensor) -> Tensor:
        """Values, (rows, 1)."""
        return self.head(self.trunk(features))


def make_actor(layout: Layout) -> nn.Module:
    """The actor of a layout, with fresh weights."""
    kinds = {"mlp": MlpActor, "pointer": PointerActor, "lstm": LstmActor, "gaussian": GaussianActor}
    return kinds[layout.kind](layout)
