"""Observations of unit spread while learning; folded into the weights when it is over.

What tells one laboratory from another is small beside what tells stages of a sample apart: the
times of the outlook differ by a tenth between laboratories, flags by one. A network sees the latter
first. Here each number is shifted and scaled to mean 0 and spread 1 over what chance meets; slots
of the shelf share theirs, so that their order still means nothing. A finished policy sees plain
observations: shift and scale go into its first layers, which is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.learning.actor import uniform
from agents.learning.layout import Layout
from agents.learning.network import Critic, MlpActor, PointerActor, Shelf
from envs.batch import Batch, StepResult
from sdl.core.errors import ModelError
from sdl.core.seeds import generator

STEPS = 200
"""Steps of chance behind the spreads."""
LEAST_SPREAD = 0.02
"""Numbers that spread less, or not at all, are scaled as if by so much: they may be constant here
and differ in another laboratory."""
LARGEST = 10.0
"""No number is spread by more."""


@dataclass(frozen=True)
class Standard:
    """What is taken off each number of an observation, and by what the rest is multiplied.

    Attributes:
        shift: (numbers,).
        scale: (numbers,), above 0.
    """

    shift: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __call__(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Observations with mean 0 and spread 1, (rows, numbers)."""
        return (observations - self.shift) * self.scale


def measure(batch: Batch, layout: Layout) -> Standard:
    """Plays by chance and looks how the numbers spread.

    Args:
        batch: Rows at the beginning of an episode; they go on from there.
        layout: Says which numbers are the same feature of different slots.
    """
    decide = uniform(layout.nvec, generator("standard"))
    total = np.zeros((2, len(layout.entries)))
    for _ in range(STEPS):
        seen = batch.observations.astype(np.float64)
        total += seen.mean(axis=0), np.square(seen).mean(axis=0)
        batch.step(decide(batch.observations, batch.action_masks()))
    mean, square = total / STEPS
    if layout.slots:
        slots = np.array(layout.slots)
        for columns in slots.T:
            mean[columns], square[columns] = mean[columns].mean(), square[columns].mean()
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    still = spread < 1e-6
    spread = np.maximum(spread, LEAST_SPREAD)
    scale = np.where(still, 1.0, np.minimum(1.0 / spread, LARGEST))
    return Standard(mean.astype(np.float32), scale.astype(np.float32))


class StandardRows:
    """Rows whose observations are standardised; everything else is the batch's.

    Args:
        batch: The rows.
        standard: Shift and scale.
    """

    def __init__(self, batch: Batch, standard: Standard) -> None:
        self._batch, self._standard = batch, standard
        self.rows = batch.rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    @property
    def nvec(self) -> tuple[int, ...]:
        """Options of each head of an action."""
        return self._batch.nvec

    @property
    def entries(self) -> Any:
        """What each number of an observation is."""
        return self._batch.entries

    @property
    def limit(self) -> float:
        """Bound of every number of an observation."""
        return self._batch.limit * 2.0 * LARGEST

    @property
    def observations(self) -> NDArray[np.float32]:
        """The present observations, standardised, (rows, numbers)."""
        return self._standard(self._batch.observations)

    def action_masks(self) -> NDArray[np.bool_]:
        """What is possible now."""
        return self._batch.action_masks()

    def reset(self, seed: int | None = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Starts the next episode of every row."""
        _, info = self._batch.reset(seed)
        return self.observations, info

    def step(self, actions: NDArray[Any]) -> StepResult:
        """One decision of every row; what is in the info stays as it is."""
        _, reward, terminated, truncated, info = self._batch.step(actions)
        return self.observations, reward, terminated, truncated, info

    def close(self) -> None:
        """Ends the threads."""
        self._batch.close()


def fold(network: nn.Module, layout: Layout, standard: Standard, *, back: bool = False) -> None:
    """Makes a network of standardised observations one of plain ones that says the same.

    Args:
        network: An actor (``mlp``, ``pointer``) or a critic; changed.
        layout: Of the actor.
        standard: Shift and scale.
        back: The other way round.

    Raises:
        ModelError: A network of another kind.
    """
    shift, scale = (np.asarray(each, dtype=np.float64) for each in (standard.shift, standard.scale))
    if back:  # plain = standardised / scale + shift
        shift, scale = -shift * scale, 1.0 / scale
    if isinstance(network, PointerActor):
        _fold_shelf(network.shelf, layout, shift, scale)
    elif not isinstance(network, MlpActor | Critic):
        raise ModelError("this network cannot be standardised", got=type(network).__name__)
    trunk: Any = network.trunk[0]
    columns = list(layout.others) if layout.kind == "pointer" else list(range(len(shift)))
    _fold_layer(trunk, shift[columns], scale[columns])


def _fold_shelf(shelf: Shelf, layout: Layout, shift: NDArray[Any], scale: NDArray[Any]) -> None:
    first: Any = shelf.slot[0]
    columns = list(layout.slots[0])
    _fold_layer(first, shift[columns], scale[columns])


def _fold_layer(layer: nn.Linear, shift: NDArray[Any], scale: NDArray[Any]) -> None:
    """The first columns of a layer take shift and scale in: W (x - s) c = (W c) x - (W c) s."""
    with torch.no_grad():
        count = len(shift)
        weight = layer.weight[:, :count].double() * torch.from_numpy(scale)
        layer.weight[:, :count] = weight.to(layer.weight.dtype)
        layer.bias.sub_((weight @ torch.from_numpy(shift)).to(layer.bias.dtype))
