"""A thermocouple with its noise, and the ways it lies."""

from __future__ import annotations

import math
from typing import Literal

from sdl.core.seeds import generator
from simulators.stations import ROOM_C, StationModel

Break = Literal["open", "short"]


class Thermocouple:
    """What a controller's input sees of the furnace.

    Args:
        seed: World seed.
        station: Furnace.
    """

    def __init__(self, seed: int, station: str) -> None:
        self._noise = generator("thermocouple", seed, station)
        self._sd_c = StationModel().thermocouple_sd_c
        self._shown_c = ROOM_C
        self.broken: Break | None = None
        """``open``: the input reads nothing, which the controller sees. ``short``: it reads the
        cold junction, which nobody can tell from a cold furnace."""
        self.stuck = False
        """It shows its last reading for ever."""
        self.runaway_c_per_min = 0.0
        """How fast the furnace runs away from its setpoint; 0 when it does not."""
        self._runaway_since_s = 0.0

    def run_away(self, c_per_min: float, now_s: float) -> None:
        """From now on the furnace heats beyond its setpoint."""
        self.runaway_c_per_min, self._runaway_since_s = c_per_min, now_s

    def mend(self) -> None:
        """Everything works again."""
        self.broken, self.stuck, self.runaway_c_per_min = None, False, 0.0

    def reading_c(self, true_c: float, now_s: float) -> float:
        """What the input shows, degC; NaN when the thermocouple is open."""
        if self.broken == "open":
            return math.nan
        if self.stuck:
            return self._shown_c
        if self.broken == "short":
            true_c = ROOM_C
        elif self.runaway_c_per_min:
            true_c += self.runaway_c_per_min * (now_s - self._runaway_since_s) / 60.0
        self._shown_c = true_c + self._sd_c * float(self._noise.standard_normal())
        return self._shown_c
