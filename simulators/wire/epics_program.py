"""The furnace behind the soft IOC: setpoint by hand while it is empty, programs by the world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from uuid import uuid4

from sdl.core.lab import LabStation
from simulators.act import Act, ActState
from simulators.stations import ROOM_C, Program
from simulators.wire.furnace_program import Run, Situation, situation
from simulators.wire.plant import Plant
from simulators.wire.thermocouple import Thermocouple

HIGHEST_C = 1200.0
"""Range of a furnace whose station names no highest temperature, degC."""
FASTEST_C_PER_MIN = 1000.0


@dataclass(frozen=True)
class ByHand:
    """A setpoint put by hand.

    Args:
        start_c: Temperature when it was put, degC.
        goal_c: Setpoint, degC.
        rate_c_per_min: Ramp, degC/min.
        since_s: World time of the put, s.
    """

    start_c: float
    goal_c: float
    rate_c_per_min: float
    since_s: float

    def now_c(self, now_s: float) -> float:
        """Temperature of the empty furnace, degC."""
        moved_c = self.rate_c_per_min * (now_s - self.since_s) / 60.0
        distance_c = self.goal_c - self.start_c
        return self.start_c + math.copysign(min(moved_c, abs(distance_c)), distance_c)


class SoftFurnace:
    """What the IOC's records stand for; ``ValueError`` is what a put is refused with.

    The world runs whole programs only, so a setpoint put by hand heats an empty furnace and is
    refused with vials inside.

    Args:
        plant: The room.
        station: The furnace.
    """

    def __init__(self, plant: Plant, station: LabStation) -> None:
        self.plant = plant
        self.name = station.name
        self.highest_c = station.max_temperature_c or HIGHEST_C
        self.gases = tuple(g.value for g in station.gases) or ("air",)
        self.thermocouple = Thermocouple(plant.world.seed, station.name)
        self.ramp_c_per_min = 600.0
        self.boot_up()

    def boot_up(self) -> None:
        """The state after a start: setpoint 25 degC, no program, another boot id."""
        self.boot = uuid4().hex[:16]
        self.program: dict[str, float | str] = {
            "T": ROOM_C,
            "DWELL": 0.0,
            "RATE": 0.0,
            "GAS": "air",
            "COOL": "furnace",
        }
        self.tag = ""
        self.run: Run | None = None
        self.hand: ByHand | None = None

    def lose_power(self) -> None:
        """A power cut: what ran is lost, the furnace cools by itself."""
        if self.state() == "RUNNING" and self.run is not None:
            self.plant.world.abort(self.name, self.run.label)
        self.boot_up()

    # -- what it shows -----------------------------------------------------------------------------

    def look(self) -> Situation:
        """The furnace now."""
        now_s = self.plant.tick()
        found = situation(self.plant.world, self.name, self.run, ROOM_C, now_s)
        if self.run is None and self.hand is not None and not self._vials():
            there_c = self.hand.now_c(now_s)
            moving = there_c != self.hand.goal_c
            return Situation(found.mode, there_c, self.hand.goal_c, ramping=moving)
        return found

    def state(self) -> str:
        """``PROG:STATE``."""
        now_s, act = self.plant.tick(), self._act()
        if act is None:
            return "IDLE"
        stopped_s = act.args.get("stopped_after_s")
        if act.state is ActState.RUNNING:
            stopped = stopped_s is not None and now_s >= act.start_s + stopped_s
            return "COOLING" if stopped else "RUNNING"
        return "COMPLETE" if act.state is ActState.COMPLETE else "ABORTED"

    def reading_c(self) -> float:
        """``RBV``; NaN when the thermocouple is open."""
        true_c = self.look().true_c
        return self.thermocouple.reading_c(true_c, self.plant.world.now_s)

    def setpoint_c(self) -> float:
        """``SP``: of a running program the present setpoint, otherwise what was put."""
        if self.state() == "RUNNING":
            return self.look().true_c
        return ROOM_C if self.hand is None else self.hand.goal_c

    def moving(self) -> int:
        """``MOVING``."""
        return int(self.look().ramping)

    def left_s(self) -> float:
        """``PROG:LEFT``."""
        act = self._act()
        if act is None or act.state is not ActState.RUNNING:
            return 0.0
        return max(act.end_s - self.plant.world.now_s, 0.0)

    def ran_s(self) -> float:
        """``PROG:RAN``."""
        act = self._act()
        if act is None:
            return 0.0
        return min(self.plant.world.now_s, act.end_s) - act.start_s

    def shown(self, name: str) -> float:
        """A figure of the ended program; NaN before."""
        act = self._act()
        return math.nan if act is None else float(act.result.get(name, math.nan))

    # -- what it takes -----------------------------------------------------------------------------

    def put_setpoint(self, goal_c: float) -> None:
        """``SP`` by hand."""
        if not 0.0 <= goal_c <= self.highest_c:
            raise ValueError(f"a setpoint of {goal_c:g}; allowed: 0 to {self.highest_c:g}")
        self._only_idle("the setpoint")
        if self._vials():
            raise ValueError("the virtual world heats vials by programs only")
        start_c, self.run = self.look().true_c, None
        now_s = self.plant.world.now_s
        self.hand = ByHand(start_c, goal_c, self.ramp_c_per_min, now_s)

    def put_ramp(self, rate_c_per_min: float) -> None:
        """``RAMP``, for setpoints by hand."""
        if not 0.0 < rate_c_per_min <= FASTEST_C_PER_MIN:
            raise ValueError(f"a ramp of {rate_c_per_min:g}; at most {FASTEST_C_PER_MIN:g}")
        self.ramp_c_per_min = rate_c_per_min

    def put_program(self, name: str, value: float | str) -> None:
        """A value of the program; the tag no longer vouches for it."""
        self._only_idle(f"PROG:{name}")
        limits = {"T": self.highest_c, "DWELL": 1000.0, "RATE": FASTEST_C_PER_MIN}
        words = {"GAS": self.gases, "COOL": ("furnace", "hold")}
        if name in limits and not 0.0 <= float(value) <= limits[name]:
            raise ValueError(f"PROG:{name} {value}; allowed: 0 to {limits[name]:g}")
        if name in words and value not in words[name]:
            raise ValueError(f"PROG:{name} {value}; allowed: {', '.join(words[name])}")
        self.program[name], self.tag, self.run = value, "", None

    def put_tag(self, tag: str) -> None:
        """``PROG:TAG``."""
        self._only_idle("PROG:TAG")
        self.tag, self.run = tag, None

    def put_run(self, tag: str) -> None:
        """``PROG:RUN``: once for a program that was loaded."""
        if not tag or tag != self.tag:
            raise ValueError("the program has another tag, or was changed since")
        if self.run is not None:
            raise ValueError(f"this program is {self.state()}; load it again")
        values = self.program
        rate = float(values["RATE"])
        if rate <= 0.0:
            raise ValueError("a program without a ramp")
        program = Program(
            temperature_c=float(values["T"]),
            dwell_h=float(values["DWELL"]),
            ramp_c_per_min=rate,
            gas=str(values["GAS"]),
            cooling=str(values["COOL"]),
        )
        self.plant.tick()
        label = self.plant.label(self.name)
        self.plant.world.load_program(self.name, program)
        self.plant.world.start_program(self.name, label)
        self.run, self.hand = Run(label, program, False), None

    def stop(self) -> None:
        """``STOP``: a program ends and the furnace cools; by hand it holds where it is."""
        state = self.state()
        if state == "RUNNING" and self.run is not None:
            self.plant.world.abort(self.name, self.run.label)
        elif state == "IDLE" and self.hand is not None:
            here_c = self.look().true_c
            self.hand = ByHand(here_c, here_c, self.ramp_c_per_min, self.plant.world.now_s)
        elif state == "COMPLETE":
            self.run, self.tag = None, ""

    # -- inside ------------------------------------------------------------------------------------

    def _act(self) -> Act | None:
        self.plant.tick()
        return None if self.run is None else self.plant.world.find(self.name, self.run.label)

    def _vials(self) -> tuple[str, ...]:
        return self.plant.world.occupants(self.name)

    def _only_idle(self, what: str) -> None:
        if self.state() in ("RUNNING", "COOLING"):
            raise ValueError(f"a program is at work; {what} cannot be changed")
