"""Programs to the registers of Eurotherm controllers, and back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import eurotherm as golden
from instruments.protocols.eurotherm import (
    EPC3000,
    MODES,
    SERIES_2400,
    STATUS_BITS,
    UNIT_S,
    Cell,
    Mode,
    RegisterMap,
    is_held,
    number,
    words,
)
from instruments.protocols.eurotherm_program import (
    HIGHEST_TAG,
    FurnaceProgram,
    cells,
    difference,
    program_in,
    ranges,
    tag_in,
    tag_of,
)

PROGRAM = FurnaceProgram(900.0, 2.0, 5.0, event=0, cooling="furnace", tag=1234)
MINUTES = 1
MAPS = pytest.mark.parametrize("regs", [EPC3000, SERIES_2400], ids=["epc3000", "2400"])

programs = st.builds(
    FurnaceProgram,
    temperature_c=st.floats(25.0, 1700.0),
    dwell_h=st.floats(0.02, 500.0),
    ramp_c_per_min=st.floats(0.1, 50.0),
    event=st.integers(0, 255),
    cooling=st.sampled_from(["furnace", "hold"]),
    tag=st.integers(1, HIGHEST_TAG),
)


def held(
    regs: RegisterMap, program: FurnaceProgram, dwell_unit: int | None = None
) -> dict[int, int]:
    """What a controller holds after a program was written: all other registers are 0."""
    found = {a: 0 for first, count in ranges(regs) for a in range(first, first + count)}
    unit = MINUTES if regs.times_by_format else None
    for cell in cells(regs, program, 1, unit):
        first, registers = words(regs, cell)
        found.update(zip(range(first, first + len(registers)), registers, strict=True))
    return found


def test_golden_2400() -> None:
    found = held(SERIES_2400, PROGRAM)
    assert {a: found[a] for a in golden.GENERAL_MINUTES} == golden.GENERAL_MINUTES
    for first, registers in golden.SEGMENTS_2400.items():
        assert [found[first + i] for i in range(len(registers))] == registers


def test_golden_epc() -> None:
    found = held(EPC3000, PROGRAM)
    for first, registers in golden.FLOATS_EPC.items():
        assert [found[first], found[first + 1]] == registers
    assert [found[a] for a in (8336, 8344, 8352, 8360)] == [1, 3, 1, 0]
    assert (found[8328], found[8329], found[8334]) == (0, 1234, 0)


def test_golden_modes_and_status() -> None:
    shown = [golden.MODE_RESET, golden.MODE_RUN, golden.MODE_HOLD, golden.MODE_COMPLETE]
    assert [MODES[m] for m in shown] == [Mode.RESET, Mode.RUN, Mode.HOLD, Mode.COMPLETE]
    assert 1 << STATUS_BITS["sensor_break"] == golden.SENSOR_BREAK


def test_hold_ends_without_ramp_down_and_keeps_its_gas() -> None:
    found = held(SERIES_2400, replace(PROGRAM, cooling="hold", event=1))
    assert [found[a] for a in (8336, 8344, 8352)] == [1, 3, 0]
    assert [found[a + 4] for a in (8336, 8344, 8352)] == [1, 1, 1]
    assert found[8352 + 3] == 0  # end type: dwell


@MAPS
@settings(max_examples=200)
@given(program=programs)
def test_round_trip_within_tolerance(regs: RegisterMap, program: FurnaceProgram) -> None:
    found = program_in(regs, 1, held(regs, program))
    assert found is not None
    assert (found.event, found.cooling, found.tag) == (
        program.event,
        program.cooling,
        program.tag,
    )
    assert math.isclose(found.temperature_c, program.temperature_c, abs_tol=0.0501)
    assert math.isclose(found.dwell_h, program.dwell_h, rel_tol=0.001)
    assert math.isclose(found.ramp_c_per_min, program.ramp_c_per_min, rel_tol=0.01)


@MAPS
@pytest.mark.parametrize("dwell_h", [1 / 60, 0.1, 0.37, 5.0, 54.7, 109.3, 500.0])
def test_dwells_keep_a_thousandth(regs: RegisterMap, dwell_h: float) -> None:
    found = program_in(regs, 1, held(regs, replace(PROGRAM, dwell_h=dwell_h)))
    assert found is not None
    assert math.isclose(found.dwell_h, dwell_h, rel_tol=0.001)


@pytest.mark.parametrize("unit", UNIT_S)
def test_dwell_in_the_instruments_own_unit(unit: int) -> None:
    wanted = cells(EPC3000, PROGRAM, 1, unit)
    dwell = next(c for c in wanted if c.name.startswith("segment 2 rate"))
    assert dwell.value == pytest.approx(7200.0 / UNIT_S[unit])
    assert next(c for c in wanted if c.name == "DwellUnits").value == unit


@MAPS
@pytest.mark.parametrize("ramp", [0.1, 0.5, 1.0, 5.9, 20.0])
def test_slow_ramps_are_not_zero(regs: RegisterMap, ramp: float) -> None:
    found = program_in(regs, 1, held(regs, replace(PROGRAM, ramp_c_per_min=ramp)))
    assert found is not None
    assert math.isclose(found.ramp_c_per_min, ramp, rel_tol=0.01)


@pytest.mark.parametrize(
    "change", [{"ramp_c_per_min": 1e-4}, {"dwell_h": 1e-6}, {"dwell_h": 5000.0}]
)
def test_what_registers_cannot_hold_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        cells(SERIES_2400, replace(PROGRAM, **change), 1)


@MAPS
def test_temperature_beyond_16_bits_is_refused(regs: RegisterMap) -> None:
    hot = replace(PROGRAM, temperature_c=3300.0)
    if regs.floats:
        assert cells(regs, hot, 1)
    else:
        with pytest.raises(ValueError, match="target cannot be 3300"):
            cells(regs, hot, 1)


@MAPS
def test_every_changed_register_is_seen(regs: RegisterMap) -> None:
    good, wanted = held(regs, PROGRAM), cells(regs, PROGRAM, 1, MINUTES)
    assert difference(regs, wanted, good) == ""
    for cell in wanted:
        first, _ = words(regs, cell)
        bad = {**good, first: good[first] ^ 0x0040}
        assert cell.name in difference(regs, wanted, bad)


@MAPS
def test_a_foreign_program_is_none_of_ours(regs: RegisterMap) -> None:
    empty = {a: 0 for first, count in ranges(regs) for a in range(first, first + count)}
    assert program_in(regs, 1, empty) is None
    assert program_in(regs, 1, {**held(regs, PROGRAM), 8344: 4}) is None
    assert program_in(regs, 1, {**held(regs, PROGRAM), 8331: 7}) is None
    assert program_in(regs, 1, {**held(regs, PROGRAM), 8332: 2}) is None


@MAPS
@settings(max_examples=200)
@given(data=st.data())
def test_any_registers_are_read_or_refused(regs: RegisterMap, data: st.DataObject) -> None:
    found = held(regs, PROGRAM)
    spots = data.draw(st.lists(st.sampled_from(sorted(found)), max_size=6, unique=True))
    for spot in spots:
        found[spot] = data.draw(st.integers(0, 0xFFFF))
    program = program_in(regs, 1, found)
    if program is not None:
        unit = found[8331] if regs.times_by_format else None
        assert difference(regs, cells(regs, program, 1, unit), found) == ""


def test_tags() -> None:
    tag = tag_of("c12", ["S1", "S2"])
    assert 1 <= tag <= HIGHEST_TAG
    assert tag == tag_of("c12", ["S2", "S1"])
    assert tag_of("c12", ["S1", "S2"], avoid=tag) not in (0, tag)
    assert tag_of("c13", ["S1", "S2"]) != tag
    assert tag_in(SERIES_2400, held(SERIES_2400, PROGRAM)) == 1234
    assert tag_in(SERIES_2400, {**held(SERIES_2400, PROGRAM), 8328: 1}) == 0


@settings(max_examples=200)
@given(value=st.floats(-3000.0, 3000.0))
def test_scaled_integers_keep_sign_and_half_a_step(value: float) -> None:
    cell = Cell("PV", 1, value, 1)
    got = number(SERIES_2400, 1, words(SERIES_2400, cell)[1])
    assert is_held(SERIES_2400, cell, got)
    assert abs(got - value) <= 0.0501


def test_whole_numbers_are_not_rounded() -> None:
    for value in (1.5, -1.0, 65536.0):
        with pytest.raises(ValueError, match="Mode cannot be"):
            words(EPC3000, Cell("Mode", 23, value))


@pytest.mark.parametrize("hours", [-2.0, 0.0, math.nan])
def test_a_program_without_a_soak_is_none_of_ours(hours: float) -> None:
    found = held(EPC3000, PROGRAM)
    at = 0x8000 + 2 * (EPC3000.segment_at(2) + 2)
    found[at], found[at + 1] = words(EPC3000, Cell("dwell", 0, hours, 1))[1]
    assert program_in(EPC3000, 1, found) is None
