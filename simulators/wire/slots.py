"""Which vial stands in which slot, as an arm's own moves left it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from simulators.act import ActState
from simulators.stations import RACK
from simulators.world import World

Slot = tuple[str, int]
"""A station and a position in it."""

_LABEL = re.compile(r"[^@]*@(?P<origin>[^.]+)\.(?P<a>\d+)>(?P<target>[^.]+)\.(?P<b>\d+)")


def label_of(origin: Slot, target: Slot) -> str:
    """What a move's label in the world's record ends with."""
    return f"@{origin[0]}.{origin[1]}>{target[0]}.{target[1]}"


@dataclass
class Slots:
    """Slots of all stations; slot k of the rack holds ``S<k>`` as long as that was never moved."""

    put: dict[Slot, str] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)

    def vial(self, slot: Slot) -> str | None:
        """What stands in a slot."""
        if slot in self.put:
            return self.put[slot]
        fresh = f"S{slot[1]}"
        return fresh if slot[0] == RACK and slot[1] > 0 and fresh not in self.moved else None

    def take(self, slot: Slot) -> None:
        """The vial of a slot is in the gripper."""
        vial = self.vial(slot)
        if vial is not None:
            self.put.pop(slot, None)
            self.moved.add(vial)

    def look(self, world: World, arm: str) -> None:
        """Forgets vials that somebody else took from where the arm had put them."""
        for slot, vial in list(self.put.items()):
            if world.place(vial) not in (slot[0], arm):
                del self.put[slot]

    def remember(self, world: World, arm: str) -> None:
        """Brings the slots to where the moves of the world's record left them."""
        for act in world.acts():
            match = _LABEL.fullmatch(act.label) if act.station == arm else None
            if match is None:
                continue
            self.take((match["origin"], int(match["a"])))
            complete = act.state is ActState.COMPLETE
            slot = (match["target"], match["b"]) if complete else (match["origin"], match["a"])
            self.put[slot[0], int(slot[1])] = act.samples[0]
