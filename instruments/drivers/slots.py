"""Where on the rack and in the stations the vials stand, for an arm that must know the position."""

from __future__ import annotations

import re
from typing import Any

from instruments.notebook import Notebook
from instruments.site import RACK
from sdl.core.capabilities import Capabilities
from sdl.core.errors import DeviceError

_NUMBER = re.compile(r"(\d{1,9})\D*$")


class Slots:
    """Positions by sample, kept in the notebook beside the places.

    On the rack every sample has one position for good: the number in its name (``S7``: 7), or the
    lowest from 1 that no other has. In a station, positions count from 0 to below its capacity.

    Args:
        notebook: Keeps them under ``<arm>.slots``, label ``slot-<sample>``.
        arm: Name of the arm's station.
        capabilities: Capacities.
    """

    def __init__(self, notebook: Notebook, arm: str, capabilities: Capabilities) -> None:
        self._notebook = notebook
        self._page = f"{arm}.slots"
        self._capabilities = capabilities

    def held(self, sample: str, place: str) -> int:
        """The position of a sample at the place where it stands."""
        return self._home(sample) if place == RACK else self._inside(place)[sample]

    def free(self, sample: str, place: str) -> int:
        """A position where a sample can be put.

        Raises:
            DeviceError: The station is full.
        """
        if place == RACK:
            return self._home(sample)
        inside = self._inside(place)
        capacity = self._capabilities.station(place).capacity
        slot = _lowest_free(set(inside.values()))
        if len(inside) >= capacity or slot >= capacity:
            raise DeviceError(
                f"{place} has no position for {sample}",
                got=", ".join(inside),
                allowed=f"{capacity} vials",
                do="move one of them out first",
                where=place,
            )
        return slot

    def keep(self, sample: str, place: str, slot: int) -> None:
        """Notes the position of a sample that arrived."""
        self._notebook.write(self._page, f"slot-{sample}", {"place": place, "slot": slot})

    def _home(self, sample: str) -> int:
        """The sample's position on the rack, chosen and noted at the first question."""
        known = self._note(sample).get("rack")
        if known is not None:
            return int(known)
        labels = self._notebook.labels(self._page)
        others = {self._note(label.removeprefix("slot-")).get("rack") for label in labels}
        number = _NUMBER.search(sample)
        slot = None if number is None else int(number[1])
        if slot is None or slot in others:
            slot = _lowest_free(others, first=1)
        self._notebook.write(self._page, f"slot-{sample}", {"rack": slot})
        return slot

    def _inside(self, place: str) -> dict[str, int]:
        """Positions of all samples in a station; who was put there by hand stands lowest."""
        slots: dict[str, int] = {}
        strangers: list[str] = []
        for sample in self._notebook.occupants(place):
            note = self._note(sample)
            if note.get("place") == place:
                slots[sample] = int(note["slot"])
            else:
                strangers.append(sample)
        for sample in strangers:
            slots[sample] = _lowest_free(set(slots.values()))
        return slots

    def _note(self, sample: str) -> dict[str, Any]:
        return self._notebook.read(self._page, f"slot-{sample}") or {}


def _lowest_free(taken: set[Any], first: int = 0) -> int:
    slot = first
    while slot in taken:
        slot += 1
    return slot
