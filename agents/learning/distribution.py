"""Masked choices of several heads at once, from one row of logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib.common.maskable.distributions import MaskableDistribution, MaybeMasks
from torch import Tensor, nn

from agents.learning.kernels import LOWEST, draw_heads, pull_heads, score_heads

FORBIDDEN = -1e8
"""Logit of what the mask forbids: its probability is exactly 0 beside any allowed option."""


class Heads:
    """Where the heads lie in a row of logits.

    Args:
        nvec: Options of each head.
    """

    def __init__(self, nvec: tuple[int, ...]) -> None:
        self.nvec = nvec
        starts = np.concatenate([[0], np.cumsum(nvec)[:-1]])
        self.starts = torch.as_tensor(starts, dtype=torch.int64)
        self.bounds = np.array([*starts, sum(nvec)], dtype=np.int64)
        self.member = torch.zeros(sum(nvec), len(nvec))
        """(options, heads) 1 where an option belongs to a head."""
        for head, (start, count) in enumerate(zip(starts, nvec, strict=True)):
            self.member[start : start + count, head] = 1.0

    def to(self, device: torch.device) -> None:
        """Moves the tables."""
        self.starts, self.member = self.starts.to(device), self.member.to(device)

    def highest(self, values: Tensor) -> Tensor:
        """Largest value of each head, (rows, heads)."""
        return torch.stack([part.amax(1) for part in values.split(self.nvec, dim=1)], dim=1)

    def argmax(self, values: Tensor) -> Tensor:
        """Index of the largest value of each head, (rows, heads)."""
        return torch.stack([part.argmax(1) for part in values.split(self.nvec, dim=1)], dim=1)


class MaskedHeads(MaskableDistribution):
    """Independent masked categorical choices, all heads in a few operations on one matrix.

    The same distribution as sb3_contrib's ``MaskableMultiCategoricalDistribution``, whose every
    head is an object of ``torch.distributions`` that is built twice and checks its arguments. What
    is forbidden has probability 0; its logarithm is told as ``LOWEST`` below the highest.

    Args:
        nvec: Options of each head.
    """

    def __init__(self, nvec: tuple[int, ...]) -> None:
        super().__init__()
        self.heads = Heads(nvec)
        self._raw = torch.zeros(0)
        self._allowed: Tensor | None = None
        self._shifted = torch.zeros(0)
        self._weight = torch.zeros(0)
        self._total = torch.zeros(0)

    def proba_distribution_net(self, latent_dim: int) -> nn.Module:
        """The layer from the last hidden one to the logits."""
        return nn.Linear(latent_dim, sum(self.heads.nvec))

    def proba_distribution(self, action_logits: Tensor, masks: MaybeMasks = None) -> MaskedHeads:
        """Takes logits, (rows, options), and a mask as ``apply_masking`` does."""
        if self.heads.member.device != action_logits.device:
            self.heads.to(action_logits.device)
        self._raw = action_logits
        self.apply_masking(masks)
        return self

    def apply_masking(self, masks: MaybeMasks) -> None:
        """Forbids what is False; a head of which nothing is allowed is uniform."""
        self._total = torch.zeros(0)
        if masks is None:
            self._allowed = None
            return
        allowed = torch.as_tensor(masks, device=self._raw.device)
        if allowed.dtype != torch.bool:
            allowed = allowed > 0.5
        self._allowed = allowed.reshape(self._raw.shape)

    def scores(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """``log_prob`` of actions and ``entropy`` in one, compiled where the processor works."""
        if not self._fast:
            return self.log_prob(actions), self.entropy()
        told: Any = _Scores.apply(self._raw, self._free(), actions, self.heads)
        return told

    @property
    def _fast(self) -> bool:
        return self._raw.device.type == "cpu" and self._raw.dtype == torch.float32

    def _free(self) -> Tensor:
        """What is allowed, everything where nothing was said."""
        if self._allowed is None:
            return torch.ones_like(self._raw, dtype=torch.bool)
        return self._allowed

    def _prepare(self) -> None:
        """Weights of the options and their sums, for what is allowed; once for logits and mask."""
        if self._total.numel():
            return
        member, raw, allowed = self.heads.member, self._raw, self._allowed
        with torch.no_grad():
            seen = raw if allowed is None else torch.where(allowed, raw, FORBIDDEN)
            highest = self.heads.highest(seen)
            if allowed is not None and bool((empty := highest <= FORBIDDEN).any()):
                allowed = allowed | (empty.to(raw.dtype) @ member.T > 0.5)
                highest = self.heads.highest(torch.where(allowed, raw, FORBIDDEN))
            highest = highest @ member.T
        self._shifted = (raw - highest).clamp(min=LOWEST)
        if allowed is not None:
            self._shifted = torch.where(allowed, self._shifted, LOWEST)
        self._weight = self._shifted.exp()
        if allowed is not None:
            self._weight = self._weight * allowed
        self._total = self._weight @ member

    def log_prob(self, actions: Tensor) -> Tensor:
        """Logarithm of the probability of actions, (rows,)."""
        self._prepare()
        at = actions.reshape(-1, len(self.heads.nvec)).long() + self.heads.starts
        return (self._shifted.gather(1, at) - self._total.log()).sum(1)

    def entropy(self) -> Tensor:
        """Sum of the entropies of the heads, (rows,)."""
        self._prepare()
        mean = (self._weight * self._shifted) @ self.heads.member / self._total
        return (self._total.log() - mean).sum(1)

    def sample(self) -> Tensor:
        """One draw per row and head, (rows, heads): the race of exponential times."""
        chances = torch.rand_like(self._raw)  # exponential_ takes four times as long
        if self._fast:
            drawn = torch.empty(len(chances), len(self.heads.nvec), dtype=torch.int64)
            given = (_array(each) for each in (self._raw, self._free()))
            draw_heads(*given, self.heads.bounds, chances.numpy(), drawn.numpy())
            return drawn
        self._prepare()
        times = chances.log_().neg_()
        return self.heads.argmax(self._weight / times)

    def mode(self) -> Tensor:
        """The most probable option of each head, (rows, heads)."""
        self._prepare()
        return self.heads.argmax(self._weight)

    def actions_from_params(self, action_logits: Tensor, deterministic: bool = False) -> Tensor:
        """Actions of logits without a mask."""
        self.proba_distribution(action_logits)
        return self.get_actions(deterministic=deterministic)

    def log_prob_from_params(self, action_logits: Tensor) -> tuple[Tensor, Tensor]:
        """A draw of logits without a mask, and the logarithm of its probability."""
        actions = self.actions_from_params(action_logits)
        return actions, self.log_prob(actions)


class _Scores(torch.autograd.Function):
    """``score_heads`` of logits, (rows, options), with its gradient."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, allowed: Tensor, actions: Tensor, heads: Heads
    ) -> tuple[Tensor, Tensor]:
        """Logarithm of the probability and entropy, each (rows,)."""
        taken = actions.reshape(-1, len(heads.nvec)).long()
        given = _array(logits), _array(allowed), heads.bounds, _array(taken)
        log_prob, entropy = logits.new_empty(len(logits)), logits.new_empty(len(logits))
        score_heads(*given, log_prob.numpy(), entropy.numpy())
        ctx.given = given
        return log_prob, entropy

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """For the logits alone."""
        out = torch.empty(ctx.given[0].shape)
        pull_heads(*ctx.given, *(_array(each) for each in gradients), out.numpy())
        return out, None, None, None


def _array(tensor: Tensor) -> NDArray[Any]:
    """The numbers of a tensor for compiled code, in the order of C."""
    return tensor.detach().contiguous().numpy()


def choose(
    logits: NDArray[np.float32],
    masks: NDArray[np.bool_],
    nvec: tuple[int, ...],
    rng: np.random.Generator | None = None,
) -> NDArray[np.int64]:
    """Actions of logits in NumPy: the largest allowed logit of each head, or a draw.

    Args:
        logits: (rows, options).
        masks: (rows, options).
        nvec: Options of each head.
        rng: For a draw; ``None`` for the most probable.

    Returns:
        (rows, heads).
    """
    values = np.where(masks, logits, np.float32(FORBIDDEN))
    if rng is not None:
        values = values + rng.gumbel(size=values.shape)
    stops = np.cumsum(nvec)[:-1]
    return np.stack([part.argmax(1) for part in np.split(values, stops, axis=1)], axis=1)
