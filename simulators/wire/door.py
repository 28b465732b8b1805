"""The doors of furnaces on one Arduino: ``Open A``, ``Close A``, ``Status``, a status line each.

Source: alab_control, ``door_controller.py``. What the Arduino answers to ``Open`` and ``Close`` is
not public; here every line, even one that it does not understand, is answered by a status line.
While a door moves its switch still says where it came from, as one switch per end of travel would.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sdl.core.lab import LabStation
from simulators.wire.plant import Plant
from simulators.wire.server import WireSimulator


@dataclass
class _Leaf:
    """One door.

    Args:
        station: Furnace it closes.
        goal: Where it moves to: open or not; ``None`` when it stands still.
        arrives_s: World time it arrives at, s.
        jammed: Whether it stops half way, at every move.
        stalled: Whether a move has failed; the next command tries again.
    """

    station: str
    goal: bool | None = None
    arrives_s: float = 0.0
    jammed: bool = False
    stalled: bool = False


class DoorSimulator(WireSimulator):
    """One Arduino and the doors it moves.

    Args:
        plant: The room; its ``doors`` say what stands open.
        station: The first furnace; its ``settings`` are ``link`` and ``name`` of the door.
    """

    travel_s: float = 10.0
    """World time a door needs from one end to the other, s (assumption: 3 to 30)."""

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self.leaves: dict[str, _Leaf] = {}
        self.add(str(self.settings["name"]), station.name)

    def add(self, name: str, station: str) -> None:
        """Puts another door on the same Arduino."""
        self.leaves[name] = _Leaf(station)
        self.plant.doors.setdefault(station, False)

    async def start(self) -> None:
        """Listens, once for all furnaces that share the Arduino."""
        if self._servers:
            return
        self.settings["link"] = await self.listen(str(self.settings["link"]), self._serve)

    def jam(self, name: str) -> None:
        """From now on the door sticks: a move ends in ``ERROR``, the switch does not change."""
        self.tick()
        self.leaves[name].jammed = True

    def free(self, name: str) -> None:
        """Somebody frees the door; it stands where it was."""
        self.tick()
        leaf = self.leaves[name]
        leaf.jammed = leaf.stalled = False

    def reboot(self) -> None:
        """Moves end where they are: the switch still says where the door came from."""
        self.tick()
        for leaf in self.leaves.values():
            leaf.goal, leaf.stalled = None, False
        super().reboot()

    def tell(self, line: str) -> str:
        """What the Arduino answers to a line, without line ends; moves doors."""
        now_s = self.tick()
        verb, _, name = line.partition(" ")
        if verb in ("Open", "Close") and name in self.leaves:
            self._move(self.leaves[name], verb == "Open", now_s)
        return self._status()

    def tick(self) -> float:
        """Lets the doors come up to the clock; returns world time, s."""
        now_s = self.plant.tick()
        for leaf in self.leaves.values():
            if leaf.goal is None or now_s < leaf.arrives_s:
                continue
            if leaf.jammed:
                leaf.stalled = True
            else:
                self.plant.doors[leaf.station] = leaf.goal
            leaf.goal = None
        return now_s

    def _move(self, leaf: _Leaf, is_open: bool, now_s: float) -> None:
        leaf.stalled = False
        standing = self.plant.doors[leaf.station] if leaf.goal is None else leaf.goal
        if standing is not is_open:
            leaf.goal, leaf.arrives_s = is_open, now_s + self.travel_s

    def _status(self) -> str:
        leaves = self.leaves.values()
        state = "STOP"
        if any(leaf.stalled for leaf in leaves):
            state = "ERROR"
        elif any(leaf.goal is not None for leaf in leaves):
            state = "RUNNING"
        doors = (
            f"Furnace {name}: {'Open' if self.plant.doors[leaf.station] else 'Closed'}"
            for name, leaf in self.leaves.items()
        )
        return ";".join((f"State: {state}", *doors))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            line = await reader.readuntil(b"\n")
            text = line.decode("ascii", errors="replace").strip()
            writer.write(self.tell(text).encode("ascii") + b"\n")
            await writer.drain()
