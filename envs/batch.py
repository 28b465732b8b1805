"""What a batch of environments is to a learner, and several batches as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Box, MultiDiscrete, Space
from numpy.typing import NDArray

from envs.observation import Entry
from sdl.core.errors import ConfigError
from sdl.core.seeds import seed_of

StepResult = tuple[
    NDArray[np.float32], NDArray[Any], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
]

SCORES = ("purity", "yield", "bonus", "cost")
"""What ``info`` says of the last episode that ended in a row; truth, for scores only."""


class Batch(Protocol):
    """Rows of one environment that are stepped together, as ``envs.batched.BatchedSynthesis``.

    Rows whose episode ends start the next one in the same step; the last observation of the old
    one is in ``info["final_observation"]``. Arrays that are handed out belong to the batch and are
    overwritten by the next step. Nothing is ever truncated.
    """

    rows: int

    @property
    def nvec(self) -> tuple[int, ...]:
        """Options of each head of an action; empty where actions are numbers (``size``)."""
        ...

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What each number of an observation is."""
        ...

    @property
    def limit(self) -> float:
        """Bound of every number of an observation."""
        ...

    @property
    def observations(self) -> NDArray[np.float32]:
        """The present observations, shape (rows, numbers)."""
        ...

    def reset(self, seed: int | None = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Starts the next episode of every row; with a seed, the first of that seed."""
        ...

    def step(self, actions: NDArray[Any]) -> StepResult:
        """One decision of every row."""
        ...

    def action_masks(self) -> NDArray[np.bool_]:
        """What is possible now, shape (rows, sum of ``nvec``)."""
        ...

    def close(self) -> None:
        """Ends the threads."""
        ...


def observation_space(batch: Batch) -> Box:
    """The space of one row's observation."""
    return Box(-batch.limit, batch.limit, (len(batch.entries),), np.float32)


def action_space(batch: Batch) -> Space[Any]:
    """The space of one row's action: heads, or ``batch.size`` numbers from -1 to 1."""
    if batch.nvec:
        return MultiDiscrete(np.array(batch.nvec))
    return Box(-1.0, 1.0, (int(getattr(batch, "size", 0)),), np.float32)


class Together:
    """Batches of the same spaces as one batch: one policy learns several tasks at once.

    Args:
        parts: The batches, in the order of their rows.

    Raises:
        ConfigError: There is none, or their observations or actions differ.
    """

    def __init__(self, parts: Sequence[Batch]) -> None:
        if not parts:
            raise ConfigError("batches cannot be joined where there is none", got=0, allowed=">= 1")
        self._parts = tuple(parts)
        first = self._parts[0]
        for part in self._parts[1:]:
            _check_alike(first, part)
        self.rows = sum(part.rows for part in self._parts)
        stops = np.cumsum([part.rows for part in self._parts])
        self._slices = [slice(int(s) - p.rows, int(s)) for s, p in zip(stops, parts, strict=True)]
        self._observations = np.zeros((self.rows, len(first.entries)), dtype=np.float32)
        self._masks = np.ones((self.rows, sum(first.nvec)), dtype=np.bool_)
        self._rewards = np.zeros(self.rows)
        self._terminated = np.zeros(self.rows, dtype=np.bool_)
        self._truncated = np.zeros(self.rows, dtype=np.bool_)
        self._info: dict[str, Any] = {}
        for place, part in zip(self._slices, self._parts, strict=True):
            self._take(place, part, part.observations)

    @property
    def parts(self) -> tuple[Batch, ...]:
        """The batches behind the rows."""
        return self._parts

    @property
    def nvec(self) -> tuple[int, ...]:
        """Options of each head of an action."""
        return self._parts[0].nvec

    @property
    def size(self) -> int:
        """Numbers of a continuous action."""
        return int(getattr(self._parts[0], "size", 0))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What each number of an observation is."""
        return self._parts[0].entries

    @property
    def limit(self) -> float:
        """Bound of every number of an observation."""
        return self._parts[0].limit

    @property
    def observations(self) -> NDArray[np.float32]:
        """The present observations, shape (rows, numbers)."""
        return self._observations

    def action_masks(self) -> NDArray[np.bool_]:
        """What is possible now, shape (rows, sum of ``nvec``)."""
        return self._masks

    def reset(self, seed: int | None = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Starts the next episode of every row; each part has its own seed, drawn from ``seed``."""
        for n, (place, part) in enumerate(zip(self._slices, self._parts, strict=True)):
            own = None if seed is None else seed_of("together", seed, n)
            observation, info = part.reset(own)
            self._take(place, part, observation)
            self._keep(place, info)
        return self._observations, self._info

    def step(self, actions: NDArray[Any]) -> StepResult:
        """One decision of every row."""
        for place, part in zip(self._slices, self._parts, strict=True):
            observation, reward, terminated, truncated, info = part.step(actions[place])
            self._take(place, part, observation)
            self._rewards[place] = reward
            self._terminated[place] = terminated
            self._truncated[place] = truncated
            self._keep(place, info)
        return self._observations, self._rewards, self._terminated, self._truncated, self._info

    def close(self) -> None:
        """Closes every part."""
        for part in self._parts:
            part.close()

    def _take(self, place: slice, part: Batch, observation: NDArray[np.float32]) -> None:
        self._observations[place] = observation
        if self.nvec:
            self._masks[place] = part.action_masks()

    def _keep(self, place: slice, info: dict[str, Any]) -> None:
        """Copies the arrays of a part's info, one entry per row."""
        for name, values in info.items():
            if name == "action_mask":
                self._info[name] = self._masks
                continue
            array = np.asarray(values)
            if name not in self._info:
                self._info[name] = np.zeros((self.rows, *array.shape[1:]), dtype=array.dtype)
            self._info[name][place] = array


def _check_alike(first: Batch, other: Batch) -> None:
    """Refuses batches of other spaces.

    Raises:
        ConfigError: Observations or actions differ.
    """
    if other.nvec != first.nvec or other.entries != first.entries or other.limit != first.limit:
        raise ConfigError(
            "batches of different spaces cannot be joined",
            got=f"heads {other.nvec} and {len(other.entries)} numbers",
            allowed=f"heads {first.nvec} and the same {len(first.entries)} numbers",
            do="use environments whose spaces are the same for all tasks",
        )
