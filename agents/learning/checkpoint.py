"""The state of a run in the middle, from which it goes on exactly; arrays and JSON, no pickle."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import nn

from agents.learning.artifact import fill, header_card, part_of
from sdl.core.errors import ModelError
from sdl.core.model import canonical_json

FORMAT = "solid-state-sdl/training/1"
POLICY, OPTIMIZER, TORCH, NUMPY = "policy.", "optimizer.", "random.torch", "random.numpy"


def write_checkpoint(
    path: Path, policy: nn.Module, optimizer: torch.optim.Optimizer, counters: dict[str, Any]
) -> None:
    """Writes the state, whole or not at all.

    Args:
        path: The file; an earlier one is replaced.
        policy: With the weights.
        optimizer: With its moments.
        counters: Steps, pieces, hash of the config: numbers and text.
    """
    name, keys, place, has_gauss, gauss = np.random.get_state()  # what the buffers draw from
    version, words, second = random.getstate()
    counters = counters | {
        "format": FORMAT,
        "numpy": [str(name), int(place), int(has_gauss), float(gauss)],
        "python": [version, list(words), second],
    }
    arrays: dict[str, NDArray[Any]] = {TORCH: torch.get_rng_state().numpy()}
    arrays[NUMPY] = np.asarray(keys, dtype=np.uint32)
    for key, value in policy.state_dict().items():
        arrays[f"{POLICY}{key}"] = value.detach().cpu().contiguous().numpy()
    for number, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            arrays[f"{OPTIMIZER}{number}.{key}"] = torch.as_tensor(value).cpu().numpy()
    partial = path.with_suffix(".partial")
    partial.write_bytes(save(arrays, metadata={"card": canonical_json(counters)}))
    os.replace(partial, path)


def read_counters(content: bytes) -> dict[str, Any]:
    """What ``write_checkpoint`` was told.

    Raises:
        ModelError: The bytes are not a checkpoint.
    """
    card = header_card(content, "a checkpoint of a training run")
    if card.get("format") != FORMAT:
        raise ModelError("the checkpoint has another format", got=card.get("format"))
    return card


def restore_checkpoint(
    content: bytes, policy: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Puts policy, optimizer and the generators back where they were; returns the counters.

    Raises:
        ModelError: The bytes are not a checkpoint, or of other networks.
    """
    counters = read_counters(content)
    try:
        arrays = load(content)
    except SafetensorError as err:
        raise ModelError("the checkpoint is damaged", got=str(err)) from err
    fill(policy, part_of(arrays, POLICY), "the checkpoint")
    state: dict[int, dict[str, Any]] = {}
    for key, array in part_of(arrays, OPTIMIZER).items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = torch.from_numpy(np.array(array))
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
    torch.set_rng_state(torch.from_numpy(np.array(arrays[TORCH])))
    name, place, has_gauss, gauss = counters["numpy"]
    np.random.set_state((name, np.array(arrays[NUMPY]), place, has_gauss, gauss))
    version, words, second = counters["python"]
    random.setstate((version, tuple(words), second))
    return counters


def lines_until(path: Path, steps: int) -> list[dict[str, Any]]:
    """The lines of a learning curve up to a step; what a killed run wrote after it is left out."""
    if not path.is_file():
        return []
    kept = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:  # the last line of a killed run may be half a line
            break
        if line["steps"] > steps:
            break
        kept.append(line)
    return kept
