"""A batch of environments as a vector environment of Stable-Baselines3, without subprocesses."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from envs.batch import SCORES, Batch, action_space, observation_space
from sdl.core.errors import ConfigError

_QUIET: dict[str, Any] = {}
"""The info of every row whose episode goes on; Stable-Baselines3 only reads it."""


class StableVecEnv(VecEnv):
    """Rows of a batch behind the interface of Stable-Baselines3.

    Observations, rewards, ends and masks are copied once per step, because its buffers look at the
    last observation after the next step. A row that ended has ``terminal_observation``, the truth
    for scores and an ``episode`` of Monitor's kind (``r`` return, ``l`` decisions, ``t`` seconds)
    in its info. A spent budget is an end, never a truncation, so that no value is asked for.

    Args:
        batch: The rows.
        masks_observed: Appends the masks to the observation, for learners that know no masks.
    """

    def __init__(self, batch: Batch, *, masks_observed: bool = False) -> None:
        self._batch = batch
        self._masks_observed = masks_observed
        self._action: NDArray[Any] | None = None
        self._return = np.zeros(batch.rows)
        self._length = np.zeros(batch.rows, dtype=np.int64)
        self._begun = time.perf_counter()
        self.finished = 0
        """Episodes that have ended."""
        space = observation_space(batch)
        if masks_observed:
            masks = sum(batch.nvec)
            space = Box(
                np.concatenate([space.low, np.zeros(masks, dtype=np.float32)]),
                np.concatenate([space.high, np.ones(masks, dtype=np.float32)]),
                dtype=np.float32,
            )
        super().__init__(batch.rows, space, action_space(batch))

    @property
    def batch(self) -> Batch:
        """The rows."""
        return self._batch

    def reset(self) -> NDArray[np.float32]:
        """Starts the next episode of every row, the first of a seed after ``seed``."""
        self._batch.reset(self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        self._return[:] = 0.0
        self._length[:] = 0
        return self._observation()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keeps the actions."""
        self._action = actions

    def step_wait(self) -> VecEnvStepReturn:
        """One decision of every row.

        Raises:
            ConfigError: No action was given.
        """
        if self._action is None:
            raise ConfigError("a step needs actions", do="call step_async first")
        _, reward, terminated, _, info = self._batch.step(self._action)
        self._action = None
        self._return += reward
        self._length += 1
        done = terminated.copy()
        infos = [_QUIET] * self.num_envs
        ended = np.flatnonzero(done)
        if ended.size:
            self._tell(infos, ended.tolist(), info)
            self._return[ended] = 0.0
            self._length[ended] = 0
        return self._observation(), reward.astype(np.float32), done, infos

    def action_masks(self) -> NDArray[np.bool_]:
        """What is possible now, shape (rows, sum of heads); overwritten by the next step."""
        return self._batch.action_masks()

    def close(self) -> None:
        """Closes the batch."""
        self._batch.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the rows: masks row by row, everything else shared by all."""
        if attr_name == "render_mode":
            return [None for _ in self._numbers(indices)]
        if attr_name == "action_masks":
            if not self._batch.nvec:
                raise AttributeError("continuous actions have no masks")
            return [self.action_masks for _ in self._numbers(indices)]
        value = getattr(self._batch, attr_name)
        return [value for _ in self._numbers(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Rows share one batch, and its attributes are not for learners to change.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError("the rows of a batch have no attributes of their own", got=attr_name)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """``action_masks``: one row of the array of masks for each environment.

        Raises:
            AttributeError: Another method.
        """
        if method_name != "action_masks":
            raise AttributeError(f"the rows of a batch have no method {method_name}")
        masks = self._batch.action_masks()
        return list(masks) if indices is None else [masks[n] for n in self._numbers(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """Rows are never wrapped one by one."""
        return [False for _ in self._numbers(indices)]

    def has_attr(self, attr_name: str) -> bool:
        """Whether the rows have an attribute; asked at every rollout."""
        if attr_name == "action_masks":
            return bool(self._batch.nvec)
        return attr_name == "render_mode" or hasattr(self._batch, attr_name)

    def _observation(self) -> NDArray[np.float32]:
        """A copy that stays."""
        if not self._masks_observed:
            return self._batch.observations.copy()
        masks = self._batch.action_masks()
        return np.concatenate([self._batch.observations, masks], axis=1, dtype=np.float32)

    def _tell(self, infos: list[dict[str, Any]], ended: list[int], info: dict[str, Any]) -> None:
        """Infos of the rows whose episode ended."""
        self.finished += len(ended)
        last = info["final_observation"][ended]
        if self._masks_observed:
            # Nothing is possible any more; learners read this observation of truncated rows only.
            last = np.pad(last, ((0, 0), (0, sum(self._batch.nvec))))
        seconds = time.perf_counter() - self._begun
        for k, n in enumerate(ended):
            infos[n] = {
                "terminal_observation": last[k],
                "TimeLimit.truncated": False,
                "episode": {
                    "r": float(self._return[n]),
                    "l": int(self._length[n]),
                    "t": seconds,
                },
            }
            for name in SCORES:
                if name in info:
                    infos[n][name] = info[name][n].item()

    def _numbers(self, indices: VecEnvIndices) -> Iterable[int]:
        return self._get_indices(indices)
