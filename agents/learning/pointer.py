"""Actor and critic of a pointer in one pass, with a gradient written out by hand.

The same numbers as ``PointerActor`` and ``Critic`` to rounding. Half of the time of the networks'
own pass goes into moving features of slots through memory; here each is touched once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agents.learning.kernels import point, pull_query, pull_slots
from agents.learning.network import Critic, PointerActor

LAYERS = 2
"""Hidden layers of slots, actor and critic that the pass is written for."""


def fits(actor: PointerActor, critic: Critic) -> bool:
    """Whether the pass is written for these networks and works where they are."""
    parts = (actor.shelf.slot, actor.trunk, critic.trunk)
    here = next(actor.parameters())
    return (
        all(len(part) == 2 * LAYERS for part in parts)
        and here.device.type == "cpu"
        and here.dtype == torch.float32
    )


def logits_and_values(
    actor: PointerActor, critic: Critic, observation: Tensor
) -> tuple[Tensor, Tensor]:
    """Logits, (rows, options), and values, (rows, 1), of observations, (rows, numbers)."""
    modules: Any = (
        actor.shelf.slot[0], actor.shelf.slot[2], actor.trunk[0], actor.trunk[2], actor.head,
        actor.query, critic.trunk[0], critic.trunk[2], critic.head,
    )  # fmt: skip
    weights = [each for module in modules for each in (module.weight, module.bias)]
    if torch.is_grad_enabled():
        both: Any = _Pass.apply(actor, observation, *weights)
        return both
    return _forward(actor, observation, weights)[:2]


class _Pass(torch.autograd.Function):
    """Weights and biases of nine layers, in the order above, to logits and values."""

    @staticmethod
    def forward(
        ctx: Any, actor: PointerActor, observation: Tensor, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Keeps what every layer made."""
        logits, values, kept = _forward(actor, observation, weights)
        ctx.actor, ctx.weights, ctx.kept = actor, weights, kept
        return logits, values

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """For the weights; an observation has no gradient."""
        by_logits, by_values = gradients
        return None, None, *_backward(ctx.actor, ctx.weights, ctx.kept, by_logits, by_values)


def _forward(
    actor: PointerActor, observation: Tensor, weights: Any
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Logits, values and what the layers made: seven activations, the slots' inputs, the query."""
    shelf, before, (many, features) = actor.shelf, actor.before, actor.shelf.shape
    rows = len(observation)
    (w0, b0, w1, b1, w2, b2, w3, b3, w4, b4, w5, b5, w6, b6, w7, b7, w8, b8) = weights
    seen = observation.index_select(1, shelf.get_buffer("columns")).view(-1, features)
    first = _layer(seen, w0, b0)
    slots = _layer(first, w1, b1)
    mean = slots.view(rows, many, -1).mean(1)
    whole = torch.cat([observation.index_select(1, shelf.get_buffer("others")), mean], 1)
    low = _layer(whole, w2, b2)
    latent = _layer(low, w3, b3)
    query = torch.addmm(b5, latent, w5.t()).mul_(actor.scale)
    plain = torch.addmm(b4, latent, w4.t())
    pointed = torch.empty(rows, many)
    point(slots.detach().view(rows, many, -1).numpy(), query.detach().numpy(), pointed.numpy())
    logits = torch.cat([plain[:, :before], pointed, plain[:, before:]], 1)
    below = _layer(whole, w6, b6)
    valued = _layer(below, w7, b7)
    values = torch.addmm(b8, valued, w8.t())
    return logits, values, (seen, first, slots, whole, low, latent, query, below, valued)


def _backward(
    actor: PointerActor, weights: Any, kept: Any, by_logits: Tensor, by_values: Tensor
) -> list[Tensor]:
    """Gradients of the eighteen weights and biases."""
    seen, first, slots, whole, low, latent, query, below, valued = kept
    _, _, w1, _, w2, _, w3, _, w4, _, w5, _, w6, _, w7, _, w8, _ = weights
    before, many = actor.before, actor.shelf.shape[0]
    rows, width, others = len(query), query.shape[1], whole.shape[1] - query.shape[1]
    by_pointed = by_logits[:, before : before + many].contiguous()
    by_plain = torch.cat([by_logits[:, :before], by_logits[:, before + many :]], 1)
    by_query = torch.empty(rows, width)
    three = slots.view(rows, many, width).numpy()
    pull_query(three, by_pointed.numpy(), by_query.numpy())
    by_query.mul_(actor.scale)
    by_latent = _through(torch.addmm(by_plain @ w4, by_query, w5), latent)
    by_low = _through(by_latent @ w3, low)
    by_valued = _through(by_values @ w8, valued)
    by_below = _through(by_valued @ w7, below)
    # Of what the trunks saw, only the mean over the slots goes on.
    by_mean = torch.addmm(by_low @ w2[:, others:], by_below, w6[:, others:]).div_(many)
    by_slots = torch.empty(rows * many, width)
    pull_slots(
        three,
        query.numpy(),
        by_pointed.numpy(),
        by_mean.numpy(),
        by_slots.view(rows, many, width).numpy(),
    )
    by_first = _through(by_slots @ w1, first)
    pairs = (
        (by_first, seen), (by_slots, first), (by_low, whole), (by_latent, low), (by_plain, latent),
        (by_query, latent), (by_below, whole), (by_valued, below), (by_values, valued),
    )  # fmt: skip
    return [each for out, into in pairs for each in (out.t() @ into, out.sum(0))]


def _layer(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Tanh of a linear layer: 2 / (1 + exp(-2 z)) - 1, as in ``agents.learning.tanh``."""
    z = torch.addmm(bias, x, weight.t(), beta=2.0, alpha=2.0)
    return z.sigmoid_().mul_(2.0).sub_(1.0)


def _through(gradient: Tensor, y: Tensor) -> Tensor:
    """Through a tanh that made y."""
    return torch.ops.aten.tanh_backward(gradient, y)
