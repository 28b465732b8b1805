"""Episodes as Minari data sets (HDF5 and JSON): written, and read without running anything.

Minari builds an environment from a data set's ``env_spec``, which names code to import, where the
spaces are missing, and whenever it is asked for the environment. The reader here refuses a file
with such an entry before Minari sees it; HDF5 arrays and JSON are all that is ever read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box, MultiDiscrete
from minari import MinariDataset, __version__
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from pydantic import ValidationError

from agents.offline.episodes import Episodes, Source
from sdl.core.errors import ConfigError, ModelError

OWN = "solid_state_sdl"
"""Key of the metadata with the ``Source``."""
MASK, LOG_PROB = "action_mask", "behaviour_log_prob"
"""Entries of ``infos``. The mask has one row per observation, the last one empty; the logarithm of
the probability one per action."""
CODE = ("env_spec", "eval_env_spec")
"""Entries of the metadata that name code."""


def write_minari(episodes: Episodes, path: Path) -> None:
    """Writes a data set into a new folder; ``minari.MinariDataset(path)`` reads it too.

    Raises:
        ConfigError: Something is there already.
    """
    if path.exists():
        raise ConfigError("the data set is there already", got=path, do="choose another folder")
    source = episodes.source
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = MinariStorage.new(
        path,
        Box(-source.limit, source.limit, (len(source.entries),), np.float32),
        MultiDiscrete(np.array(source.nvec)),
        jpeg_encoding=False,
    )
    storage.update_episodes(_buffers(episodes))
    storage.update_metadata(
        {
            "dataset_id": f"sdl/{source.name}-v0",
            "minari_version": __version__,
            "algorithm_name": source.behaviour,
            "description": "Episodes of solid-state syntheses, spelled out choice by choice",
            OWN: source.model_dump(mode="json"),
        }
    )


def read_minari(path: Path) -> Episodes:
    """The episodes of a data set.

    Raises:
        ConfigError: There is none.
        ModelError: It is not one of ours, names code to run, or does not hold together.
    """
    try:
        metadata = MinariStorage.read_raw_metadata(path)
    except ValueError as err:
        raise ConfigError("there is no Minari data set", got=path, do="check the path") from err
    named = [key for key in CODE if metadata.get(key) is not None]
    if named or metadata.get("data_format") != "hdf5" or "observation_space" not in metadata:
        raise ModelError(
            "the data set is not read",
            got=f"{', '.join(named) or 'another format'} in its metadata",
            allowed="HDF5 with the spaces, and no environment: its entry names code to import",
            do="export it again with `agents.offline.minari_files`",
        )
    try:
        source = Source.model_validate(metadata[OWN])
    except (KeyError, ValidationError) as err:
        raise ModelError(
            "the data set does not say what its numbers are",
            got=path,
            do=f"give it a `{OWN}` entry",
        ) from err
    return _join(source, MinariDataset(path).iterate_episodes())


def _buffers(episodes: Episodes) -> Iterator[EpisodeBuffer]:
    nothing = np.zeros((1, sum(episodes.source.nvec)), dtype=np.bool_)
    for n in range(episodes.count):
        rows = slice(episodes.starts[n], episodes.starts[n + 1])
        ends: Any = episodes.ends[rows]
        rewards: Any = episodes.rewards[rows]
        seen: Any = np.concatenate([episodes.observations[rows], episodes.final[n : n + 1]])
        actions: Any = episodes.actions[rows]
        yield EpisodeBuffer(
            id=n,
            observations=seen,
            actions=actions,
            rewards=rewards,
            terminations=ends,
            truncations=np.zeros_like(ends),
            infos={
                MASK: np.concatenate([episodes.masks[rows], nothing]),
                LOG_PROB: episodes.log_prob[rows],
            },
        )


def _join(source: Source, parts: Any) -> Episodes:
    """The episodes of a file as flat arrays.

    Raises:
        ModelError: One has not ended, or has no mask.
    """
    observations, final, masks, actions, rewards, log_prob = ([] for _ in range(6))
    for part in parts:
        if not len(part) or not part.terminations[-1] or part.terminations[:-1].any():
            raise ModelError("an episode of the data set has not ended", got=part.id)
        infos = part.infos or {}
        if MASK not in infos:
            raise ModelError("an episode of the data set has no masks", got=part.id)
        observations.append(part.observations[:-1])
        final.append(part.observations[-1])
        masks.append(infos[MASK][:-1])
        actions.append(part.actions)
        rewards.append(part.rewards)
        log_prob.append(infos.get(LOG_PROB, np.full(len(part), np.nan)))
    if not rewards:
        raise ModelError("the data set has no episode", got=source.name)
    return Episodes(
        source,
        np.concatenate(observations).astype(np.float32),
        np.stack(final).astype(np.float32),
        np.concatenate(masks).astype(np.bool_),
        np.concatenate(actions).astype(np.int64),
        np.concatenate(rewards).astype(np.float64),
        np.concatenate(log_prob).astype(np.float64),
        np.cumsum([0, *map(len, rewards)]).astype(np.int64),
    )
