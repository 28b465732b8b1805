"""``MaskablePPO`` whose update goes through a minibatch in pieces that stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from stable_baselines3.common.utils import explained_variance
from torch import Tensor

PIECE = 1024
"""Rows of a piece: what its slots make is handed from layer to layer within the cache, and a whole
minibatch of thousands of rows took a fifth longer; smaller pieces pay more for each call."""
_FIGURES = ("policy_gradient_loss", "value_loss", "entropy_loss", "clip_fraction", "approx_kl")
POLICY, VALUE, ENTROPY, CLIPPED, KL = range(5)


@dataclass(frozen=True)
class Rollout:
    """What a rollout buffer holds, as tensors; one row per step of an environment."""

    observations: Tensor
    """(rows, numbers)"""
    actions: Tensor
    """(rows, heads)"""
    masks: Tensor
    """(rows, options), boolean."""
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    order: NDArray[np.int64]
    """Where the library's buffer would have each row: environment after environment."""

    @classmethod
    def of(cls, buffer: Any, device: torch.device) -> Rollout:
        """The tensors of a full buffer; shares its memory on a processor, but for the masks.

        Args:
            buffer: ``MaskableRolloutBuffer`` that nothing has been drawn from yet.
            device: Where the tensors are to be.
        """
        steps, rows = buffer.buffer_size, buffer.n_envs

        def flat(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(array.reshape(steps * rows, -1)).to(device)

        return cls(
            observations=flat(buffer.observations),
            actions=flat(buffer.actions),
            masks=flat(buffer.action_masks > 0.5),
            log_probs=flat(buffer.log_probs)[:, 0],
            advantages=flat(buffer.advantages)[:, 0],
            returns=flat(buffer.returns)[:, 0],
            order=np.arange(steps * rows).reshape(steps, rows).T.ravel(),
        )

    def __len__(self) -> int:
        return len(self.order)

    def minibatches(self, size: int) -> Iterator[Tensor]:
        """Numbers of the rows of each minibatch of one pass; the draws are those of the library."""
        shuffled = self.order[np.random.permutation(len(self))]
        numbers = torch.from_numpy(shuffled).to(self.observations.device)
        return iter(numbers.split(size))


class PiecewisePPO(MaskablePPO):
    """The library's algorithm; what it learns differs from the library's by rounding only.

    Rollouts, losses, draws and logs are those of ``MaskablePPO``. A minibatch is not evaluated at
    once: gradients of pieces of ``PIECE`` rows are added up before the step. Values are not
    clipped (``clip_range_vf``), which the training file does not offer.
    """

    def train(self) -> None:
        """One update: some passes over the rollout."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        clip: Any = self.clip_range
        clip_range = float(clip(self._current_progress_remaining))
        rollout = Rollout.of(self.rollout_buffer, self.device)
        figures: list[list[float]] = []
        first_of_pass, going = 0, True
        for _ in range(self.n_epochs):
            first_of_pass = len(figures)
            for rows in rollout.minibatches(self.batch_size or len(rollout)):
                figures.append(self._gradient(rollout, rows, clip_range))
                limit = self.target_kl
                if limit is not None and figures[-1][KL] > 1.5 * limit:
                    going = False
                    break
                torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
                self.policy.optimizer.step()
            self._n_updates += 1
            if not going:
                break
        self._log(figures, first_of_pass, clip_range)

    def _gradient(self, rollout: Rollout, rows: Tensor, clip_range: float) -> list[float]:
        """Sets the gradient of a minibatch; its figures, in the order of the constants."""
        self.policy.optimizer.zero_grad()
        policy: Any = self.policy
        count = len(rows)
        advantages = rollout.advantages[rows]
        if self.normalize_advantage:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        total = torch.zeros(len(_FIGURES), device=rows.device)
        for part, advantage in zip(rows.split(PIECE), advantages.split(PIECE), strict=True):
            values, log_prob, entropy = policy.evaluate_actions(
                rollout.observations[part], rollout.actions[part], rollout.masks[part]
            )
            log_ratio = log_prob - rollout.log_probs[part]
            ratio = log_ratio.exp()
            clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
            gained = torch.min(advantage * ratio, advantage * clipped)
            missed = (rollout.returns[part] - values.flatten()).square()
            sums = [-gained.sum(), missed.sum(), -entropy.sum()]
            loss = sums[POLICY] + self.ent_coef * sums[ENTROPY] + self.vf_coef * sums[VALUE]
            (loss / count).backward()
            with torch.no_grad():
                beyond = ((ratio - 1.0).abs() > clip_range).sum()
                total += torch.stack([*sums, beyond, (ratio - 1.0 - log_ratio).sum()]) / count
        return total.tolist()

    def _log(self, figures: list[list[float]], first_of_pass: int, clip_range: float) -> None:
        """What the library logs; as there, the divergence is of the last pass alone."""
        buffer = self.rollout_buffer
        for number, name in enumerate(_FIGURES):
            since = first_of_pass if number == KL else 0
            self.logger.record(f"train/{name}", np.mean([f[number] for f in figures[since:]]))
        last = figures[-1]
        loss = last[POLICY] + self.ent_coef * last[ENTROPY] + self.vf_coef * last[VALUE]
        explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        self.logger.record("train/loss", loss)
        self.logger.record("train/explained_variance", explained)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip_range)
