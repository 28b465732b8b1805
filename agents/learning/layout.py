"""What an actor's numbers mean: observation, heads, shelf, hidden layers; as data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from envs.batch import Batch
from sdl.core.errors import ConfigError
from sdl.core.model import Frozen

_SHELF = re.compile(r"shelf\.(\d+)\.(\w+)")
SLOT_HEAD = 1
"""The head that chooses a slot of the shelf, where there is a shelf of slots."""

Kind = Literal["mlp", "pointer", "lstm", "gaussian"]


class Layout(Frozen):
    """An actor's inputs, outputs and sizes: enough to build it without an environment."""

    kind: Kind
    """mlp: dense; pointer: slots of the shelf share a network; lstm: recurrent; gaussian: squashed
    normal distribution of a continuous action."""
    entries: tuple[str, ...]
    """Names of the numbers of an observation, in order."""
    limit: float = Field(gt=0.0)
    """Bound of every number of an observation."""
    nvec: tuple[int, ...]
    """Options of each head; empty for a continuous action."""
    size: int = 0
    """Numbers of a continuous action."""
    hidden: tuple[int, ...] = (128, 128)
    slots: tuple[tuple[int, ...], ...] = ()
    """Columns of the observation of each slot of the shelf, the same features in the same order."""
    slot_size: int = 32
    """Width of the network that the slots share."""
    lstm_size: int = 128
    """Width of the recurrent layer of ``lstm``."""

    @model_validator(mode="after")
    def _fits(self) -> Layout:
        numbers = len(self.entries)
        widths = {len(columns) for columns in self.slots}
        if self.kind == "pointer" and (
            not self.slots or len(self.nvec) <= SLOT_HEAD or len(self.slots) != self.nvec[SLOT_HEAD]
        ):
            raise ValueError("a pointer needs one slot per option of its head")
        if len(widths) > 1 or any(not 0 <= c < numbers for part in self.slots for c in part):
            raise ValueError("the slots must have the same features, all in the observation")
        if (self.kind == "gaussian") != (not self.nvec) or (not self.nvec and self.size < 1):
            raise ValueError("heads are for discrete actors, numbers for continuous ones")
        if not self.hidden or min((*self.hidden, self.slot_size, self.lstm_size, *self.nvec)) < 1:
            raise ValueError("every layer and every head needs a width of 1 or more")
        return self

    @property
    def others(self) -> tuple[int, ...]:
        """Columns of the observation that belong to no slot."""
        taken = {c for columns in self.slots for c in columns}
        return tuple(c for c in range(len(self.entries)) if c not in taken)


def layout_of(
    batch: Batch,
    *,
    recurrent: bool = False,
    hidden: Sequence[int] = (128, 128),
    slot_size: int = 32,
    lstm_size: int = 128,
) -> Layout:
    """The layout for a batch: a pointer where its shelf has slots and a head chooses one of them.

    Args:
        batch: The rows.
        recurrent: Whether the actor remembers; a recurrent one has no pointer.
        hidden: Widths of the hidden layers.
        slot_size: Width of the network that the slots share.
        lstm_size: Width of the recurrent layer.

    Raises:
        ConfigError: A recurrent actor is asked for and actions are continuous, or slots differ in
            their features.
    """
    names = tuple(entry.name for entry in batch.entries)
    slots = shelf_columns(names)
    common = {
        "entries": names,
        "limit": batch.limit,
        "nvec": batch.nvec,
        "hidden": tuple(hidden),
        "slot_size": slot_size,
        "lstm_size": lstm_size,
    }
    if not batch.nvec:
        if recurrent:
            raise ConfigError(
                "a recurrent actor needs discrete actions",
                allowed="an environment with heads",
                do="choose another algorithm or environment",
            )
        return Layout(kind="gaussian", size=int(getattr(batch, "size", 0)), **common)
    if recurrent:
        return Layout(kind="lstm", **common)
    if slots and len(batch.nvec) > SLOT_HEAD and len(slots) == batch.nvec[SLOT_HEAD]:
        return Layout(kind="pointer", slots=slots, **common)
    return Layout(kind="mlp", **common)


def shelf_columns(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Columns of the entries ``shelf.<slot>.<feature>``, slot by slot; empty where none is.

    Raises:
        ConfigError: The slots do not have the same features in the same order.
    """
    found: dict[int, dict[str, int]] = {}
    for column, name in enumerate(names):
        match = _SHELF.fullmatch(name)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = column
    features = [tuple(found[slot]) for slot in sorted(found)]
    if len(set(features)) > 1 or sorted(found) != list(range(len(found))):
        raise ConfigError(
            "the slots of the shelf differ in their features",
            got=sorted({", ".join(each) for each in features}),
            allowed="slots 0, 1, ... with the same features in the same order",
        )
    return tuple(tuple(found[slot].values()) for slot in sorted(found))
