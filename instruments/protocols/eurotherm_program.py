"""Furnace programs to the registers of a Eurotherm controller, and back.

A program is compared register by register with what the controller holds: ramp, soak, and cooling
or hold. Units of ramps and dwells are chosen so that the registers hold the numbers best, and are
part of the program.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from instruments.protocols.eurotherm import UNIT_S, Cell, RegisterMap, is_held, number, words

ROOM_C = 25.0
"""Where a program that cools in the furnace ends, degC."""
COOLING_C_PER_MIN = 2.0
"""Rate at which it cools (contract of ``sdl.core.recipe.Cooling.FURNACE``)."""
DWELL_TOLERANCE = 0.001
"""Share by which the registers may miss a dwell."""
RAMP_TOLERANCE = 0.01
"""Share by which the registers may miss a ramp rate."""
HIGHEST_TAG = 9999
SEGMENTS = 4
"""Segments of the longest program: ramp, dwell, ramp down, end."""
DWELL_SEGMENT = 2
"""Number of the segment that is the soak."""


class SegmentType(IntEnum):
    """First register of a segment."""

    END = 0
    RAMP_RATE = 1
    DWELL = 3


@dataclass(frozen=True)
class FurnaceProgram:
    """What a furnace is told to do.

    Args:
        temperature_c: Soak temperature, degC.
        dwell_h: Soak, h.
        ramp_c_per_min: Heating rate, degC/min.
        event: Event outputs that set the gas, on until the program ends (and on, if it holds).
        cooling: ``furnace``: cools at ``COOLING_C_PER_MIN``; ``hold``: stays hot.
        tag: 1 to ``HIGHEST_TAG``: by it a program is recognised after a crash. It stands in the
            program's HoldbackValue, which means nothing while HoldbackType is off; 0 for none.
            A trick of this project, never tried on hardware.
    """

    temperature_c: float
    dwell_h: float
    ramp_c_per_min: float
    event: int
    cooling: str
    tag: int


def tag_of(label: str, samples: Sequence[str], avoid: int = 0) -> int:
    """A tag for a job that is not the one the furnace holds now."""
    digest = hashlib.sha256("\0".join((label, *sorted(samples))).encode()).digest()
    tag = int.from_bytes(digest[:8], "big") % HIGHEST_TAG + 1
    return tag if tag != avoid else tag % HIGHEST_TAG + 1


def cells(
    regs: RegisterMap, program: FurnaceProgram, decimals: int, dwell_unit: int | None = None
) -> tuple[Cell, ...]:
    """Every parameter a program needs.

    Args:
        regs: Map of the controller.
        program: What to do.
        decimals: Of the controller's temperatures, where they are scaled integers.
        dwell_unit: Code of the unit the dwell must be in; the best one if ``None``.

    Raises:
        ValueError: The registers cannot hold dwell or ramp within their tolerance.
    """
    held = program.cooling == "hold"
    ramps = [program.ramp_c_per_min] + ([] if held else [COOLING_C_PER_MIN])
    ramp_unit = _unit(regs, "the ramp rate", ramps, rates=True, tolerance=RAMP_TOLERANCE)
    minutes = [program.dwell_h * 60.0]
    if dwell_unit is None:
        dwell_unit = _unit(regs, "the dwell", minutes, rates=False, tolerance=DWELL_TOLERANCE)
    heat, cool = (rate * UNIT_S[ramp_unit] / 60.0 for rate in (ramps[0], COOLING_C_PER_MIN))
    dwell = program.dwell_h * 3600.0 / UNIT_S[dwell_unit]
    rows = [
        (SegmentType.RAMP_RATE, program.temperature_c, heat, program.event),
        (SegmentType.DWELL, None, dwell, program.event),
    ]
    if not held:
        rows.append((SegmentType.RAMP_RATE, ROOM_C, cool, program.event))
    rows.append((SegmentType.END, None, None, program.event if held else 0))
    listed = [
        Cell("HoldbackType", regs.program, 0),
        Cell("HoldbackValue (the tag)", regs.program + 1, program.tag),
        Cell("RampUnits", regs.program + 2, ramp_unit),
        Cell("DwellUnits", regs.program + 3, dwell_unit),
        Cell("ProgramCycles", regs.program + 4, 1),
    ]
    if regs.end_type is not None:
        listed.append(Cell("ProgramEndType", regs.end_type, 0))
    for place, (kind, target, amount, event) in enumerate(rows, start=1):
        at, name = regs.segment_at(place), f"segment {place}"
        listed.append(Cell(f"{name} type", at, kind.value))
        if target is not None:
            listed.append(Cell(f"{name} target", at + 1, target, decimals))
        if amount is not None:
            listed.append(Cell(f"{name} rate or duration", at + 2, amount, 1))
            listed.append(Cell(f"{name} holdback type", at + 5, 0))
        elif regs.end_type is None:
            listed.append(Cell(f"{name} end type", at + 3, 0))
        listed.append(Cell(f"{name} events", at + 4, event))
    for cell in listed:
        words(regs, cell)
    return tuple(listed)


def ranges(regs: RegisterMap) -> Iterator[tuple[int, int]]:
    """First register and number of registers of each read that a whole program needs."""
    yield regs.program, 5 if regs.end_type is None else 7
    for place in range(1, SEGMENTS + 1):
        at = regs.segment_at(place)
        yield at, 6
        if regs.floats:
            yield 0x8000 + 2 * (at + 1), 4


def difference(regs: RegisterMap, wanted: Sequence[Cell], held: Mapping[int, int]) -> str:
    """The first parameter that a controller holds otherwise, in words; empty when all are equal.

    Args:
        regs: Map of the controller.
        wanted: What it should hold.
        held: What it holds, by register.
    """
    for cell in wanted:
        got = _value(regs, cell.address, cell.decimals, held)
        if not is_held(regs, cell, got):
            return f"{cell.name} (register {cell.address}) is {got:g}, not {cell.value:g}"
    return ""


def tag_in(regs: RegisterMap, held: Mapping[int, int]) -> int:
    """The tag of the program a controller holds; 0 when it cannot be one of ours."""
    tag = held[regs.program + 1]
    return tag if held[regs.program] == 0 and 1 <= tag <= HIGHEST_TAG else 0


def program_in(regs: RegisterMap, decimals: int, held: Mapping[int, int]) -> FurnaceProgram | None:
    """The program a controller holds.

    Returns:
        ``None`` when it holds none, or one that is no ``FurnaceProgram``.
    """
    kinds = [held[regs.segment_at(n)] for n in range(1, SEGMENTS + 1)]
    up, soak, end = SegmentType.RAMP_RATE, SegmentType.DWELL, SegmentType.END
    held_hot = kinds[:3] == [up, soak, end]
    if not held_hot and kinds != [up, soak, up, end]:
        return None
    ramp_unit, dwell_unit = held[regs.program + 2], held[regs.program + 3]
    if ramp_unit not in UNIT_S or dwell_unit not in UNIT_S:
        return None
    at, soak_at = regs.segment_at(1), regs.segment_at(DWELL_SEGMENT)
    rate = _value(regs, at + 2, 1, held) * 60.0 / UNIT_S[ramp_unit]
    program = FurnaceProgram(
        temperature_c=_value(regs, at + 1, decimals, held),
        dwell_h=_value(regs, soak_at + 2, 1, held) * UNIT_S[dwell_unit] / 3600.0,
        ramp_c_per_min=rate,
        event=held[at + 4],
        cooling="hold" if held_hot else "furnace",
        tag=tag_in(regs, held),
    )
    if not program.dwell_h > 0.0:
        return None  # floats of the EPC can be negative, and NaN
    try:
        wanted = cells(regs, program, decimals, dwell_unit if regs.times_by_format else None)
        return None if difference(regs, wanted, held) else program
    except (ValueError, OverflowError):
        return None


def _value(regs: RegisterMap, address: int, decimals: int | None, held: Mapping[int, int]) -> float:
    if decimals is None or not regs.floats:
        return number(regs, decimals, [held[address]])
    at = 0x8000 + 2 * address
    return number(regs, decimals, [held[at], held[at + 1]])


def _unit(
    regs: RegisterMap, what: str, per_min: Sequence[float], *, rates: bool, tolerance: float
) -> int:
    """The time unit in which the registers hold every value best; minutes where it is the same."""
    best, least = 1, float("inf")
    for unit, seconds in UNIT_S.items():
        factor = seconds / 60.0 if rates else 60.0 / seconds
        worst = 0.0
        for value in per_min:
            try:
                cell = Cell(what, 0, value * factor, 1)
                got = number(regs, 1, words(regs, cell)[1])
            except (ValueError, OverflowError):
                got = float("inf")
            worst = max(worst, abs(got / (value * factor) - 1.0) if value > 0.0 else float("inf"))
        if worst < least - 1e-6:
            best, least = unit, worst
    if least > tolerance:
        raise ValueError(f"{what} cannot be {per_min[0]:g} per min or min within {tolerance:.1%}")
    return best
