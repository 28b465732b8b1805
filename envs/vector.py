"""A batch of environments as a vector environment of Gymnasium, without subprocesses."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from envs.batch import SCORES, Batch, action_space, observation_space

VectorStep = tuple[
    NDArray[np.float32],
    NDArray[np.float64],
    NDArray[np.bool_],
    NDArray[np.bool_],
    dict[str, Any],
]


class SynthesisVectorEnv(VectorEnv[NDArray[np.float32], NDArray[Any], NDArray[Any]]):
    """Rows of a batch behind the interface of ``gymnasium.vector``.

    A row whose episode ends starts the next one in the same step (``AutoresetMode.SAME_STEP``): its
    observation is the first of the new episode, the last of the old one is in ``final_obs`` and the
    truth for scores in ``final_info``, as Gymnasium's own vector environments have them. Everything
    handed out is a copy.

    Args:
        batch: The rows.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - Gymnasium's own declaration
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.num_envs = batch.rows
        self.single_observation_space = observation_space(batch)
        self.single_action_space = action_space(batch)
        self.observation_space = batch_space(self.single_observation_space, batch.rows)
        self.action_space = batch_space(self.single_action_space, batch.rows)
        self.render_mode = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Starts the next episode of every row; with a seed, the first of that seed.

        Args:
            seed: New seed, or ``None``.
            options: Unused.

        Returns:
            Observations, shape (rows, numbers), and the info with ``action_mask``.
        """
        super().reset(seed=seed)
        self.batch.reset(seed)
        return self.batch.observations.copy(), self._info()

    def step(self, actions: NDArray[Any]) -> VectorStep:
        """One decision of every row; see the class.

        Args:
            actions: Shape (rows, heads), or (rows, numbers) where actions are continuous.
        """
        observation, reward, terminated, truncated, told = self.batch.step(actions)
        info = self._info()
        if "vetoed" in told:
            info["vetoed"] = told["vetoed"].copy()
            info["_vetoed"] = np.ones(self.num_envs, dtype=np.bool_)
        ended = terminated.copy()
        if ended.any():
            info["final_obs"] = self._objects(told["final_observation"], ended)
            last: dict[str, Any] = {}
            for name in (name for name in SCORES if name in told):
                values = np.asarray(told[name])
                last[name] = np.where(ended, values, np.zeros(1, dtype=values.dtype))
                last[f"_{name}"] = ended.copy()
            info["final_info"] = last
            info["_final_obs"], info["_final_info"] = ended.copy(), ended.copy()
        return (
            observation.copy(),
            np.array(reward, dtype=np.float64),
            ended,
            truncated.copy(),
            info,
        )

    def action_masks(self) -> NDArray[np.bool_]:
        """What is possible now, shape (rows, sum of heads)."""
        return self.batch.action_masks().copy()

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the batch."""
        self.batch.close()

    def _info(self) -> dict[str, Any]:
        """The info of every step: what is possible, and for which rows that is told."""
        if not self.batch.nvec:
            return {}
        every = np.ones(self.num_envs, dtype=np.bool_)
        return {"action_mask": self.action_masks(), "_action_mask": every}

    def _objects(self, values: NDArray[np.float32], ended: NDArray[np.bool_]) -> NDArray[Any]:
        """One array per row that ended, ``None`` for the others."""
        array = np.full(self.num_envs, None, dtype=object)
        for n in np.flatnonzero(ended):
            array[n] = values[n].copy()
        return array
