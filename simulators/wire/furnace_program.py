"""A controller's segments as a program of the virtual world, and how far the furnace is with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from simulators.act import Act
from simulators.stations import FURNACE_COOLING_C_PER_MIN, ROOM_C, Program, clip, cool_down
from simulators.wire import eurotherm_registers as at
from simulators.wire.modbus import Code, RefusedError
from simulators.world import World

RESET, RUN, HOLD, COMPLETE = 1, 2, 4, 16
"""Modes of both models (the 2400 calls them OFF, RUN, HOLD, STOP)."""
END, RAMP_RATE, DWELL = 0, 1, 3
"""Types of segments the virtual world can carry out."""
END_DWELL, END_RESET = 0, 1
SLOWEST_C_PER_MIN, LONGEST_H = 0.001, 1000.0
"""Ramps and dwells beyond are mistakes (assumption)."""


@dataclass(frozen=True)
class Run:
    """A program that was started.

    Args:
        label: Of the world's act.
        program: What runs.
        resets: Whether the controller resets itself at the end.
    """

    label: str
    program: Program
    resets: bool


@dataclass(frozen=True)
class Situation:
    """What a controller could show now.

    Args:
        mode: One of the modes.
        true_c: Temperature at the thermocouple without noise, degC.
        target_c: Where the program or the operator wants to be, degC.
        segment: Number from 1; 0 when no program runs.
        segment_left_s: Time to its end, s.
        left_s: Time to the end of the program, s.
        ramping: Whether the setpoint moves.
        heating: Whether it moves upward.
    """

    mode: int
    true_c: float
    target_c: float
    segment: int = 0
    segment_left_s: float = 0.0
    left_s: float = 0.0
    ramping: bool = False
    heating: bool = False


def program_of(
    read: Callable[[int], float], *, is_epc: bool, gases: Mapping[int, str]
) -> tuple[Program, bool]:
    """What the registers hold, as the virtual world can run it, and whether it resets at its end.

    Ramp and dwell are taken exactly as the registers say. The gas is that of the dwell's event
    outputs; those of the ramps are not looked at.

    Args:
        read: Value of a register.
        is_epc: Which model: where the end type stands, and what the unit of a time is.
        gases: Gas by code of the event outputs.

    Raises:
        RefusedError: Another shape than ramp, dwell, perhaps a ramp down at 2 degC/min to room
            temperature, end; or a gas that no event stands for.
    """
    types: list[int] = []
    while len(types) < at.SEGMENT_COUNT:
        kind = int(read(at.place(len(types) + 1, at.SEGMENT_TYPE)))
        types.append(kind)
        if kind == END:
            break
    if types not in ([RAMP_RATE, DWELL, END], [RAMP_RATE, DWELL, RAMP_RATE, END]):
        raise _unable(f"segments of types {types}")
    per_min = 60.0 / at.UNIT_S[int(read(at.GENERAL + 2))]
    temperature_c = read(at.place(1, at.TARGET))
    ramp_c_per_min = read(at.place(1, at.AMOUNT)) * per_min
    if ramp_c_per_min < SLOWEST_C_PER_MIN:
        raise _unable("a ramp without a rate")
    unit = read(1173) if is_epc else read(at.GENERAL + 3)
    dwell_h = read(at.place(2, at.AMOUNT)) * at.UNIT_S[int(unit)] / 3600.0
    if dwell_h > LONGEST_H:
        raise _unable(f"a dwell of {dwell_h:g} h")
    event = read(at.place(2, at.EVENT))
    if event not in gases:
        raise _unable(f"event outputs {event:g}, which stand for no gas")
    end = read(at.GENERAL + 6 if is_epc else at.place(len(types), at.END_OR_CALL))
    cools = len(types) == 4
    if cools:
        down = (read(at.place(3, at.TARGET)), read(at.place(3, at.AMOUNT)) * per_min)
        if abs(down[0] - ROOM_C) > 0.5 or abs(down[1] - FURNACE_COOLING_C_PER_MIN) > 0.02:
            raise _unable(f"a ramp to {down[0]:g} degC at {down[1]:g} degC/min")
    elif end != END_DWELL:
        raise _unable("an end that does not hold the temperature, and no ramp down before it")
    cooling = "furnace" if cools else "hold"
    program = Program(temperature_c, dwell_h, ramp_c_per_min, gases[int(event)], cooling)
    return program, end == END_RESET


def situation(
    world: World, station: str, run: Run | None, idle_sp_c: float, now_s: float
) -> Situation:
    """What the furnace does now; ``world`` has come up to ``now_s``.

    A program that was stopped leaves the furnace cooling at 2 degC/min. One that ended with
    ``hold`` keeps its temperature until the controller is reset, vials inside or not.
    """
    act = None if run is None else world.find(station, run.label)
    if run is None or act is None:
        return Situation(RESET, world.temperature_c(station), idle_sp_c)
    segments = run.program.segments(float(act.args["start_c"]))
    elapsed_s = now_s - act.start_s
    stopped_s = act.args.get("stopped_after_s")
    if stopped_s is not None and elapsed_s >= stopped_s:
        return Situation(RESET, _cooled_c(act, segments, elapsed_s - stopped_s), idle_sp_c)
    if stopped_s is not None or now_s < act.end_s:
        return _running(segments, elapsed_s)
    if run.program.cooling == "hold":
        hot_c = run.program.temperature_c
        return Situation(COMPLETE, hot_c, hot_c)
    if run.resets:
        return Situation(RESET, world.temperature_c(station), idle_sp_c)
    return Situation(COMPLETE, ROOM_C, ROOM_C)


def _running(segments: tuple[tuple[float, float, float], ...], elapsed_s: float) -> Situation:
    ends_s = tuple(accumulate(lasts_s for _, _, lasts_s in segments))
    index = next((i for i, s in enumerate(ends_s) if elapsed_s < s), len(segments) - 1)
    (start_c, goal_c, lasts_s), end_s = segments[index], ends_s[index]
    left_s = ends_s[-1] - elapsed_s
    share = 1.0 if lasts_s <= 0.0 else min(1.0 - (end_s - elapsed_s) / lasts_s, 1.0)
    return Situation(
        RUN,
        start_c + (goal_c - start_c) * share,
        goal_c,
        segment=index + 1,
        segment_left_s=max(end_s - elapsed_s, 0.0),
        left_s=max(left_s, 0.0),
        ramping=goal_c != start_c,
        heating=goal_c > start_c,
    )


def _cooled_c(
    act: Act, segments: tuple[tuple[float, float, float], ...], cooling_s: float
) -> float:
    ran = clip(segments, float(act.args["stopped_after_s"]))
    reached_c = ran[-1][1] if ran else float(act.args["start_c"])
    cooled = clip((cool_down(reached_c),), cooling_s)
    return cooled[-1][1] if cooled else reached_c


def _unable(why: str) -> RefusedError:
    return RefusedError(Code.FAILURE, f"the virtual furnace cannot run {why}")
