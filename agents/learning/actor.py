"""A trained actor that decides from its file alone: no trainer, no environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.learning.distribution import choose
from agents.learning.layout import Layout
from envs.batch import Batch
from sdl.core.errors import ModelError


@dataclass
class Memory:
    """What a recurrent actor remembers of each row, (1, rows, width) twice."""

    h: Tensor
    c: Tensor

    def forget(self, ended: NDArray[np.bool_]) -> None:
        """Empties the rows whose episode has ended."""
        rows = torch.as_tensor(ended.copy())
        self.h[:, rows] = 0.0
        self.c[:, rows] = 0.0


class Actor:
    """Decides for rows of observations.

    Args:
        layout: What its numbers mean.
        network: As ``agents.learning.network.make_actor`` builds it.
    """

    def __init__(self, layout: Layout, network: nn.Module) -> None:
        self.layout = layout
        self.network = network.cpu().eval()

    def memory(self, rows: int) -> Memory | None:
        """An empty memory; ``None`` for an actor that has none."""
        if self.layout.kind != "lstm":
            return None
        size = (1, rows, self.layout.lstm_size)
        return Memory(torch.zeros(size), torch.zeros(size))

    def logits(
        self, observations: NDArray[np.float32], memory: Memory | None = None
    ) -> NDArray[np.float32]:
        """What the network says, (rows, options), or means and log sd of a continuous action.

        Args:
            observations: (rows, numbers).
            memory: Of a recurrent actor; brought up to date.
        """
        with torch.no_grad():
            seen = torch.from_numpy(np.ascontiguousarray(observations, dtype=np.float32))
            if self.layout.kind != "lstm":
                return self.network(seen).numpy()
            if memory is None:
                raise ModelError("a recurrent actor needs its memory", do="pass memory(rows)")
            logits, memory.h, memory.c = self.network(seen, memory.h, memory.c)
            return logits.numpy()

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[np.bool_] | None = None,
        rng: np.random.Generator | None = None,
        memory: Memory | None = None,
    ) -> NDArray[np.int64] | NDArray[np.float32]:
        """Actions, (rows, heads), or (rows, numbers) from -1 to 1.

        Args:
            observations: (rows, numbers).
            masks: (rows, options); needed by actors with heads.
            rng: Draws from the policy; ``None`` takes the most probable option of each head, or
                the middle of the distribution.
            memory: Of a recurrent actor.

        Raises:
            ModelError: Masks or memory are missing.
        """
        logits = self.logits(observations, memory)
        if self.layout.kind == "gaussian":
            mean, log_std = np.split(logits, 2, axis=1)
            if rng is not None:
                mean = mean + np.exp(log_std) * rng.normal(size=mean.shape)
            return np.tanh(mean).astype(np.float32)
        if masks is None:
            raise ModelError("an actor with heads needs the masks", do="pass action_masks()")
        return choose(logits, masks, self.layout.nvec, rng)

    def check_spaces(self, batch: Batch) -> None:
        """Refuses an environment that it was not made for.

        Raises:
            ModelError: Observation or actions differ.
        """
        names = tuple(entry.name for entry in batch.entries)
        if names != self.layout.entries or batch.limit != self.layout.limit:
            odd = sorted(set(names) ^ set(self.layout.entries))[:4]
            raise ModelError(
                "the policy was trained on another observation",
                got=f"{len(names)} numbers, differing in {', '.join(odd) or 'their order'}",
                allowed=f"the {len(self.layout.entries)} numbers of its card",
                do="choose the environment it was trained in, or train anew",
            )
        size = 0 if batch.nvec else int(getattr(batch, "size", 0))
        if batch.nvec != self.layout.nvec or size != self.layout.size:
            raise ModelError(
                "the policy was trained on other actions",
                got=f"heads {batch.nvec}",
                allowed=f"heads {self.layout.nvec}",
                do="choose the environment it was trained in, or train anew",
            )


Choice = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.int64]]


def uniform(nvec: tuple[int, ...], rng: np.random.Generator) -> Choice:
    """The random policy: each head uniform over what its mask allows."""

    def decide(observations: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[np.int64]:
        return choose(np.zeros(masks.shape, dtype=np.float32), masks, nvec, rng)

    return decide
