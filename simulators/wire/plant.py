"""The room the simulated instruments stand in: one virtual world, its clock, vials and doors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sdl.core.seeds import generator
from simulators.world import World

if TYPE_CHECKING:
    from simulators.wire.door import DoorSimulator

TARE_MG = 12_000.0
TARE_SD_MG = 150.0
"""Mass of an empty vial, mg: assumption for a 20 ml alumina crucible or glass vial (8 to 20 g)."""


class ScaledClock:
    """World time that runs ``scale`` times as fast as the monotonic clock.

    Args:
        scale: World seconds in a second.
        start_s: World time at the start, s.
        monotonic: The clock below; tests give one of their own.
    """

    def __init__(
        self,
        scale: float,
        start_s: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scale = scale
        self._monotonic = monotonic
        self._start_s = start_s - monotonic() * scale

    def now_s(self) -> float:
        """Present world time, s."""
        return self._start_s + self._monotonic() * self.scale


@dataclass
class Plant:
    """What all simulators of one laboratory share. Used from one thread: the servers' loop.

    Args:
        world: Truth; advanced to the clock whenever anybody looks.
        clock: World time.
        doors: Whether each furnace's door is open, by station; none if absent.
        arduinos: Controllers of doors by their endpoint: furnaces may share one.
        folder: Where relative paths of the laboratory file begin.
    """

    world: World
    clock: ScaledClock
    doors: dict[str, bool] = field(default_factory=dict)
    arduinos: dict[str, DoorSimulator] = field(default_factory=dict)
    folder: Path = Path()
    _serial: int = 0

    def __post_init__(self) -> None:
        """A world that was taken up again has acts under the first names already."""
        ends = (act.label.rpartition("-")[2] for act in self.world.acts())
        self._serial = max((int(end) for end in ends if end.isdecimal()), default=0)

    def tick(self) -> float:
        """Lets the world come up to the clock; returns world time, s."""
        return self.world.advance(self.clock.now_s())

    def label(self, station: str) -> str:
        """A new name for an act: devices number what they do, they know no command ids."""
        self._serial += 1
        return f"{station}-{self._serial}"

    def tare_mg(self, vial: str) -> float:
        """Mass of the empty vial, mg; the same for every look."""
        return TARE_MG + TARE_SD_MG * float(generator("tare", vial).standard_normal())

    def gross_mg(self, station: str) -> float:
        """What a balance without tare shows for the pan of a station, mg.

        Raises:
            BusyError: A dose runs.
        """
        inside = self.world.occupants(station)
        if not inside:
            return 0.0
        return self.tare_mg(inside[0]) + self.world.weigh(station)
