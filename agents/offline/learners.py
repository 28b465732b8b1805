"""Learners from logs: cloning, IQL and CQL over masked heads.

Own and short, for no maintained library fits: d3rlpy (2.8) has one discrete head, no masks, and
pins gymnasium 1.0. The discrete losses of TorchRL (0.14) read the value of an action off a list of
all of them: three live heads are some 2,000 actions here, and the slots' order would count. Here
probabilities are those of ``MaskedHeads``, exact over the live heads, and the actor is our own.

IQL after Kostrikov, Nair and Levine (2021), CQL after Kumar, Zhou, Tucker and Levine (2020); both
recalled, not opened.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from agents.learning.distribution import FORBIDDEN, MaskedHeads
from agents.learning.layout import Layout
from agents.learning.network import make_actor
from agents.offline.episodes import Episodes, minibatches
from agents.offline.networks import ActionValue, SharedValues, StateValue
from agents.offline.settings import Learner, Offline
from sdl.core.errors import ConfigError
from sdl.core.seeds import generator, seed_of


@dataclass(frozen=True)
class Piece:
    """Decisions as tensors."""

    seen: Tensor
    after: Tensor
    masks: Tensor
    masks_after: Tensor
    actions: Tensor
    rewards: Tensor
    goes_on: Tensor
    """1 where the episode went on, else 0."""

    @classmethod
    def of(cls, episodes: Episodes) -> Piece:
        """All decisions; the mask after the last one is that of the first, and never counts."""
        masks = torch.from_numpy(episodes.masks)
        return cls(
            torch.from_numpy(episodes.observations),
            torch.from_numpy(episodes.next_observations),
            masks,
            torch.roll(masks, -1, 0),
            torch.from_numpy(episodes.actions),
            torch.from_numpy(episodes.rewards).float(),
            torch.from_numpy(~episodes.ends).float(),
        )

    def take(self, rows: Tensor) -> Piece:
        """Some of them."""
        return Piece(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def learn(
    algorithm: Learner, episodes: Episodes, layout: Layout, settings: Offline, seed: int
) -> nn.Module:
    """The actor that an algorithm makes of logs, as ``make_actor`` builds it.

    Args:
        algorithm: ``clone``, ``iql`` or ``cql``.
        episodes: The logs; cloning looks at no reward beyond the choice of the best episodes.
        layout: Of the actor, with heads and without memory.
        settings: Sizes and weights.
        seed: Of weights and minibatches.

    Raises:
        ConfigError: The logs are of other spaces.
    """
    if layout.kind not in ("mlp", "pointer") or (
        (layout.nvec, layout.entries) != (episodes.source.nvec, episodes.source.entries)
    ):
        raise ConfigError(
            "the logs are of other spaces than the policy",
            got=f"{len(episodes.source.entries)} numbers, heads {episodes.source.nvec}",
            allowed=f"{len(layout.entries)} numbers, heads {layout.nvec}, no memory",
            do="use logs of the environment that the policy is for",
        )
    torch.manual_seed(seed_of("offline", algorithm, seed) % 2**63)
    if algorithm == "clone":
        chosen = episodes if settings.best >= 1.0 else episodes.best(settings.best)
        return _clone(Piece.of(chosen), layout, settings, seed)
    if algorithm == "iql":
        return _iql(Piece.of(episodes), layout, settings, seed)
    return _cql(Piece.of(episodes), layout, settings, seed)


def _clone(
    data: Piece, layout: Layout, settings: Offline, seed: int, weights: Tensor | None = None
) -> nn.Module:
    """The actor under which what was done is most probable, decisions weighted by (T,) weights."""
    actor, heads = make_actor(layout), MaskedHeads(layout.nvec)
    optimizer, falls = _optimizer(actor, settings)
    for rows in _rows(data, settings, seed):
        part = data.take(rows)
        told = heads.proba_distribution(actor(part.seen), part.masks).log_prob(part.actions)
        loss = -told.mean() if weights is None else -(weights[rows] * told).mean()
        _step(loss, optimizer, falls)
    return actor


def _iql(data: Piece, layout: Layout, settings: Offline, seed: int) -> nn.Module:
    """Values of the better ones of the logged actions alone, and the actor weighted by them.

    The actor follows when the values stand: only they look ahead, and early ones mislead.
    """
    value = StateValue(layout)
    twins = nn.ModuleList([ActionValue(layout), ActionValue(layout)])
    targets = copy.deepcopy(twins)
    optimizer, falls = _optimizer(nn.ModuleList([value, twins]), settings)
    for rows in _rows(data, settings, seed):
        part = data.take(rows)
        with torch.no_grad():
            worth = torch.minimum(*(q(part.seen, part.actions) for q in targets))
            goal = part.rewards + part.goes_on * value(part.after)
        beyond = worth - value(part.seen)
        side = torch.where(beyond > 0, settings.expectile, 1.0 - settings.expectile)
        loss = (side * beyond.square()).mean()
        for q in twins:
            loss = loss + (q(part.seen, part.actions) - goal).square().mean()
        _step(loss, optimizer, falls)
        _follow(targets, twins, settings.follow)
    with torch.no_grad():
        worth = torch.minimum(*(q(data.seen, data.actions) for q in targets))
        weights = (settings.sharpness * (worth - value(data.seen))).exp()
    weights = weights.clamp(max=settings.greatest)
    return _clone(data, layout, settings, seed, weights / weights.mean())


def _cql(data: Piece, layout: Layout, settings: Offline, seed: int) -> nn.Module:
    """Greedy values, those of actions that were not logged held down; its shares are the logits."""
    network = SharedValues(layout)
    target = copy.deepcopy(network)
    optimizer, falls = _optimizer(network, settings)
    for rows in _rows(data, settings, seed):
        part = data.take(rows)
        with torch.no_grad():
            ahead, shares = network(part.after)
            best = _greedy(shares, part.masks_after, layout.nvec)
            ahead, shares = target(part.after)
            goal = part.rewards + part.goes_on * (ahead + _chosen(shares, best, layout.nvec))
        state, shares = network(part.seen)
        taken = state + _chosen(shares, part.actions, layout.nvec)
        every = state + _log_sum(shares, part.masks, layout.nvec)
        loss = (taken - goal).square().mean() + settings.caution * (every - taken).mean()
        _step(loss, optimizer, falls)
        _follow(target, network, settings.follow)
    return network.actor


def _chosen(shares: Tensor, actions: Tensor, nvec: tuple[int, ...]) -> Tensor:
    """(rows,) sum of the shares of the chosen options."""
    parts = shares.split(nvec, dim=1)
    return sum(
        (p.gather(1, actions[:, h : h + 1])[:, 0] for h, p in enumerate(parts)), _zero(shares)
    )


def _greedy(shares: Tensor, masks: Tensor, nvec: tuple[int, ...]) -> Tensor:
    """(rows, heads) the allowed option of the largest share of each head."""
    parts = torch.where(masks, shares, FORBIDDEN).split(nvec, dim=1)
    return torch.stack([part.argmax(1) for part in parts], dim=1)


def _log_sum(shares: Tensor, masks: Tensor, nvec: tuple[int, ...]) -> Tensor:
    """(rows,) logarithm of the sum of exp over all allowed actions."""
    parts = torch.where(masks, shares, FORBIDDEN).split(nvec, dim=1)
    return sum((part.logsumexp(1) for part in parts), _zero(shares))


def _zero(like: Tensor) -> Tensor:
    return torch.zeros(len(like), dtype=like.dtype)


def _optimizer(
    module: nn.Module, settings: Offline
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimizer = torch.optim.AdamW(
        module.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.updates)


def _step(
    loss: Tensor,
    optimizer: torch.optim.Optimizer,
    falls: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    falls.step()


def _follow(target: nn.Module, network: nn.Module, share: float) -> None:
    with torch.no_grad():
        old, new = list(target.parameters()), list(network.parameters())
        torch._foreach_lerp_(old, new, share)


def _rows(data: Piece, settings: Offline, seed: int) -> Iterator[Tensor]:
    """Rows of each update."""
    rng = generator("offline", "minibatches", seed)
    count = len(data.rewards)
    for rows in minibatches(count, settings.batch_size, settings.updates, rng):
        yield torch.from_numpy(rows)
