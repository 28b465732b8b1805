"""Values of states and of actions, of the same parts as the actors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from agents.learning.layout import SLOT_HEAD, Layout
from agents.learning.network import Critic, PointerActor, Shelf, dense, make_actor, orthogonal

EMBEDDED = 16
"""Numbers that stand for an option of a head to the value of actions."""


class StateValue(nn.Module):
    """The value of an observation; slots have no order to it."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.shelf = Shelf(layout) if layout.kind == "pointer" else None
        self.critic = Critic(layout, None if self.shelf is None else self.shelf.size)

    def forward(self, observation: Tensor) -> Tensor:
        """(rows,)."""
        features = observation if self.shelf is None else self.shelf(observation)[0]
        return self.critic(features).squeeze(1)


class ActionValue(nn.Module):
    """The value of an action, all its heads together: temperature and dwell belong together.

    An option is a learned vector, a slot is what the shelf's network makes of it. Heads that are
    not live stand at 0 and say nothing that the observation does not.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.shelf = Shelf(layout) if layout.kind == "pointer" else None
        self.plain = [h for h in range(len(layout.nvec)) if self.shelf is None or h != SLOT_HEAD]
        self.options = nn.ModuleList(nn.Embedding(layout.nvec[h], EMBEDDED) for h in self.plain)
        size = len(layout.entries) if self.shelf is None else self.shelf.size + layout.slot_size
        self.trunk = dense(size + EMBEDDED * len(self.plain), layout.hidden, nn.ReLU)
        self.head = nn.Linear(layout.hidden[-1], 1)
        orthogonal(self.trunk, math.sqrt(2.0))
        orthogonal(self.head, 0.1)

    def forward(self, observation: Tensor, actions: Tensor) -> Tensor:
        """(rows,) of observations (rows, numbers) and actions (rows, heads)."""
        parts = [e(actions[:, h]) for h, e in zip(self.plain, self.options, strict=True)]
        if self.shelf is None:
            parts.append(observation)
        else:
            features, slots = self.shelf(observation)
            parts += [features, slots[torch.arange(len(slots)), actions[:, SLOT_HEAD]]]
        return self.head(self.trunk(torch.cat(parts, dim=1))).squeeze(1)


class SharedValues(nn.Module):
    """The value of an action as that of the state and one share per head.

    Maxima and log-sums over all allowed actions are then sums over the heads, exact without a list
    of the actions. The shares are the logits of an actor: the policy is read off them.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.actor = make_actor(layout)
        shelf = self.actor.shelf if isinstance(self.actor, PointerActor) else None
        self.critic = Critic(layout, None if shelf is None else shelf.size)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Values of states, (rows,), and shares of the options, (rows, options)."""
        if isinstance(self.actor, PointerActor):
            features, slots = self.actor.shelf(observation)
            return self.critic(features).squeeze(1), self.actor.point(features, slots)
        return self.critic(observation).squeeze(1), self.actor(observation)
