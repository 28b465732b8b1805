"""A policy as one safetensors file: weights and a JSON card, the same bytes for equal policies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import nn

from agents.learning.actor import Actor
from agents.learning.layout import Layout
from agents.learning.network import make_actor
from sdl.core.errors import ModelError
from sdl.core.model import Frozen, canonical_json

FORMAT = "solid-state-sdl/policy/1"
ACTOR, CRITIC = "actor.", "critic."

Arrays = dict[str, NDArray[Any]]


class Lineage(Frozen):
    """Where a policy comes from."""

    parents: tuple[str, ...] = ()
    """SHA-256 of the files it started from."""
    seed: int = 0
    steps: int = 0
    """Decisions it learned from, without those of its parents."""
    config: str = ""
    """Hash of the training config."""


class Card(Frozen):
    """What a policy file says of itself."""

    format: str = FORMAT
    name: str
    algorithm: str
    layout: Layout
    tasks: dict[str, str]
    """Hash of each task it learned on."""
    data: str
    """Hash of what it learned from: tasks, split of the laboratories, for off-line data the set."""
    config: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    lineage: Lineage = Lineage()
    commit: str = "unknown"


@dataclass(frozen=True)
class Artifact:
    """A policy file that was read."""

    card: Card
    actor: Actor
    critic: Arrays
    """Weights of the critic, to go on training; empty where there is none."""


def dump(card: Card, actor: nn.Module, critic: nn.Module | None = None) -> bytes:
    """The file of a policy; equal policies with equal cards give equal bytes.

    Args:
        card: Its layout must be that of the actor.
        actor: As ``make_actor`` builds it.
        critic: Kept to go on training.
    """
    arrays = _arrays(actor, ACTOR)
    if critic is not None:
        arrays |= _arrays(critic, CRITIC)
    # One metadata entry only: the library writes several in hash order, which differs by process.
    return save(arrays, metadata={"card": canonical_json(card)})


def read_card(content: bytes) -> Card:
    """The card in the header of a policy file.

    Raises:
        ModelError: The bytes are not a policy file of this format; pickles and zips are named.
    """
    raw = header_card(content, "a policy file")
    found = raw.get("format")
    if found != FORMAT:
        raise ModelError("the policy file has another format", got=found, allowed=FORMAT)
    try:
        return Card.model_validate(raw)
    except ValidationError as err:
        raise ModelError("the card of the policy file is damaged", got=err.errors()[0]) from err


def header_card(content: bytes, what: str) -> dict[str, Any]:
    """The JSON object ``card`` in the header of a safetensors file.

    Args:
        content: The whole file.
        what: What it should be, for messages.

    Raises:
        ModelError: It is no such file; pickles and zips are named.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        card = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["card"])
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise _no_policy(content, what) from err
    if not isinstance(card, dict):
        raise _no_policy(content, what)
    return card


def restore(content: bytes) -> Artifact:
    """The policy of a file; arrays and JSON only, nothing is ever unpickled.

    Raises:
        ModelError: The bytes are not a policy file, or its parts do not fit together.
    """
    card = read_card(content)
    try:
        arrays = load(content)
    except SafetensorError as err:
        raise ModelError("the policy file is damaged", got=str(err)) from err
    network = make_actor(card.layout)
    weights = part_of(arrays, ACTOR)
    fill(network, weights, "the policy file")
    return Artifact(card, Actor(card.layout, network), part_of(arrays, CRITIC))


def read_policy(path: Path) -> Artifact:
    """The policy of a file on disk.

    Raises:
        ModelError: Absent, or not a policy file.
    """
    try:
        content = path.read_bytes()
    except OSError as err:
        raise ModelError(
            "the policy file cannot be read", got=err.strerror, do="check the path", where=path
        ) from err
    return restore(content)


def part_of(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def fill(module: nn.Module, arrays: Arrays, what: str) -> None:
    """Gives a network its weights.

    Raises:
        ModelError: Names or shapes differ, or a number is not finite.
    """
    wanted = module.state_dict()
    if set(wanted) != set(arrays):
        odd = sorted(set(wanted) ^ set(arrays))[:4]
        raise ModelError(f"{what} holds other weights than its layout", got=", ".join(odd))
    for name, array in arrays.items():
        if tuple(array.shape) != tuple(wanted[name].shape):
            raise ModelError(
                f"{what} holds weights of another shape",
                got=f"{name} {array.shape}",
                allowed=tuple(wanted[name].shape),
            )
        if not np.isfinite(array).all():
            raise ModelError(f"{what} holds numbers that are not finite", got=name)
    module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in arrays.items()})


def _arrays(module: nn.Module, prefix: str) -> Arrays:
    state = module.state_dict()
    return {f"{prefix}{k}": v.detach().cpu().contiguous().numpy() for k, v in state.items()}


def _no_policy(content: bytes, what: str) -> ModelError:
    """The refusal, with a word for what people try."""
    kind = "bytes without the header of such a file"
    if content[:2] == b"PK":
        kind = "a zip archive, as Stable-Baselines3 and torch.save write: it holds pickles"
    elif content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        kind = "a pickle, which runs code when it is read"
    return ModelError(
        f"this is not {what}",
        got=kind,
        allowed="safetensors with a card; nothing is ever unpickled",
        do="give the policy.safetensors that `sdl train` wrote",
    )
