"""The simulated Eurotherm controllers: registers, programs, modes, limits and faults."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import eurotherm as golden
from hand_clock import Hand
from sdl.core.lab import LabStation
from sdl.tasks.task import Task
from simulators.act import ActState
from simulators.laboratory import Laboratory
from simulators.stations import Program
from simulators.wire import modbus
from simulators.wire.eurotherm import EurothermSimulator
from simulators.wire.eurotherm_registers import EPC3000, SERIES_2400
from simulators.wire.plant import Plant, ScaledClock
from simulators.world import World

OK, ADDRESS, VALUE, FAILURE, BUSY = 0, 2, 3, 4, 6


def controller(plant: Plant, model: str = "epc3000", **more: Any) -> EurothermSimulator:
    settings = {
        "link": "tcp://127.0.0.1:0",
        "model": model,
        "gas_events": {"air": 0, "steam": 1},
        "door": {"link": "tcp://127.0.0.1:0", "name": "A", "opens_hot": True},
        **more,
    }
    return EurothermSimulator(
        plant,
        LabStation.model_validate(
            {
                "name": "furnace_1",
                "kind": "furnace",
                "driver": "eurotherm",
                "max_temperature_c": 900,
                "gases": ["air", "steam"],
                "settings": settings,
            }
        ),
    )


@pytest.fixture
def epc(plant: Plant) -> EurothermSimulator:
    return controller(plant)


@pytest.fixture
def old(plant: Plant) -> EurothermSimulator:
    return controller(plant, "2400")


def read(device: EurothermSimulator, address: int) -> int:
    return device.registers(address, 1)[0]


def float_at(device: EurothermSimulator, address: int) -> float:
    words = device.registers(0x8000 + 2 * address, 2)
    return struct.unpack(">f", struct.pack(">HH", *words))[0]


def write(device: EurothermSimulator, address: int, *values: int) -> int:
    """The exception code a write is answered by; 0 when it is taken."""
    count = len(values)
    body = struct.pack(f">HHB{count}H", address, count, 2 * count, *values)
    answer = modbus.answer(device, b"\x10" + body)
    return 0 if answer[0] == 0x10 else answer[1]


def write_float(device: EurothermSimulator, address: int, value: float) -> int:
    return write(device, 0x8000 + 2 * address, *struct.unpack(">HH", struct.pack(">f", value)))


def load(device: EurothermSimulator, *, holds: bool = False, gas: int = 0) -> None:
    """The program of the golden registers; with ``holds`` without its ramp down."""
    for address, value in golden.GENERAL_MINUTES.items():
        assert write(device, address, value) == OK
    for address, values in golden.SEGMENTS_2400.items():
        if device.is_epc:
            assert write(device, address, values[0]) == OK
        else:
            assert write(device, address, *values) == OK
    if device.is_epc:
        for address, words in golden.FLOATS_EPC.items():
            assert write(device, address, *words) == OK
    if holds:
        assert write(device, 8352, 0) == OK
    assert write(device, 8348, gas) == OK


def mode(device: EurothermSimulator) -> int:
    return read(device, 23)


def put(plant: Plant, hand: Hand, sample: str, place: str = "furnace_1") -> None:
    plant.tick()
    plant.world.start_transfer("transfer", f"{sample}-{place}", sample, place)
    hand.turn(60.0)
    plant.tick()


@pytest.mark.parametrize("model", ["epc3000", "2400"])
def test_a_program_runs_by_itself_as_its_registers_say(
    model: str, plant: Plant, hand: Hand
) -> None:
    device = controller(plant, model)
    put(plant, hand, "S1")
    load(device)
    assert mode(device) == golden.MODE_RESET
    assert write(device, 23, golden.MODE_RUN) == OK
    assert mode(device) == golden.MODE_RUN
    assert plant.world.program("furnace_1") == Program(900.0, 2.0, 5.0, "air", "furnace")
    decimals = 1.0 if device.is_epc else 10.0
    assert read(device, 56) == 1
    assert read(device, 58) == round((175.0 + 120.0 + 437.5) * decimals)
    assert read(device, 63) == 175 * decimals
    hand.turn(100.0 * 60.0)
    assert read(device, 5) == 5250
    assert read(device, 2) == 9000
    assert abs(read(device, 1) - 5250) < 20
    assert read(device, 4) == 800
    assert read(device, 75) == 1 << 13
    hand.turn(100.0 * 60.0)
    assert (read(device, 56), read(device, 5), read(device, 75)) == (2, 9000, 0)
    assert read(device, 63) == 95 * decimals
    assert read(device, 4) == 500
    hand.turn(195.0 * 60.0)
    assert (read(device, 56), read(device, 5), read(device, 2)) == (3, 7000, 250)
    hand.turn(337.5 * 60.0)
    assert mode(device) == golden.MODE_COMPLETE
    assert (read(device, 56), read(device, 58), read(device, 75)) == (0, 0, 1 << 9)
    assert abs(read(device, 1) - 250) < 20
    (act,) = (a for a in plant.world.acts() if a.verb == "anneal")
    assert (act.state, act.samples) == (ActState.COMPLETE, ("S1",))
    hand.turn(1e5)
    assert mode(device) == golden.MODE_COMPLETE
    assert write(device, 23, golden.MODE_RUN) == FAILURE
    assert write(device, 23, golden.MODE_RESET) == OK
    assert mode(device) == golden.MODE_RESET


def test_floats_have_full_precision_and_are_the_same_numbers(epc: EurothermSimulator) -> None:
    load(epc)
    assert float_at(epc, 8338) == 5.0
    assert list(epc.registers(0xC122, 4)) == [0x4461, 0, 0x40A0, 0]
    assert list(epc.registers(8336, 8)) == [1, 9000, 50, 0, 0, 0, 0, 0]
    assert list(epc.registers(8344, 3)) == [3, 0, 120]
    assert write_float(epc, 8338, 3.25) == OK
    assert read(epc, 8338) == 32
    assert write_float(epc, 8346, 90.5) == OK
    assert write(epc, 23, 2) == OK
    program = epc.plant.world.program("furnace_1")
    assert program is not None
    assert (program.ramp_c_per_min, program.dwell_h) == (3.25, 90.5 / 60.0)
    assert float_at(epc, 58) == pytest.approx(875.0 / 3.25 + 90.5 + 437.5)
    assert 0.0 < abs(float_at(epc, 1) - 25.0) < 2.0


@pytest.mark.parametrize(
    ("unit", "rate", "ramp_c_per_min", "dwell_h"),
    [(0, 0.5, 30.0, 300 / 3600), (1, 10.0, 10.0, 5.0), (2, 60.0, 1.0, 300.0)],
)
def test_units_of_ramp_and_time(
    epc: EurothermSimulator, unit: int, rate: float, ramp_c_per_min: float, dwell_h: float
) -> None:
    """TimeFormat is what counts for times of the EPC; DwellUnits are for its display."""
    load(epc, holds=True)
    write(epc, 8330, unit)
    write(epc, 8331, 2 - unit)
    write(epc, 1173, unit)
    write(epc, 8346, 300)
    write_float(epc, 8338, rate)
    assert write(epc, 23, 2) == OK
    program = epc.plant.world.program("furnace_1")
    assert program is not None
    assert program.ramp_c_per_min == pytest.approx(ramp_c_per_min)
    assert program.dwell_h == pytest.approx(dwell_h)


def test_times_of_the_2400_are_in_its_dwell_units(old: EurothermSimulator) -> None:
    load(old, holds=True)
    write(old, 8331, 2)
    write(old, 8346, 725)
    write(old, 8330, 2)
    write(old, 8338, 3000)
    assert write(old, 23, 2) == OK
    assert old.plant.world.program("furnace_1") == Program(900.0, 72.5, 5.0, "air", "hold")
    assert read(old, 58) == round((175.0 / 60.0 + 72.5) * 10)


def test_hold_stays_hot_until_the_vials_are_out_and_the_controller_is_reset(
    old: EurothermSimulator, plant: Plant, hand: Hand
) -> None:
    put(plant, hand, "S1")
    load(old, holds=True, gas=1)
    assert write(old, 23, 2) == OK
    hand.turn(300.0 * 60.0)
    assert mode(old) == golden.MODE_COMPLETE
    assert plant.world.program("furnace_1") == Program(900.0, 2.0, 5.0, "steam", "hold")
    assert abs(read(old, 1) - 9000) < 20
    assert (read(old, 5), read(old, 4)) == (9000, 500)
    plant.world.start_transfer("transfer", "out", "S1", "quench")
    hand.turn(120.0)
    assert abs(read(old, 1) - 9000) < 20
    assert write(old, 23, 1) == OK
    assert abs(read(old, 1) - 250) < 20
    assert read(old, 4) == 0


def test_a_reset_while_vials_are_inside_leaves_them_hot(
    epc: EurothermSimulator, plant: Plant, hand: Hand
) -> None:
    put(plant, hand, "S1")
    load(epc, holds=True)
    write(epc, 23, 2)
    hand.turn(300.0 * 60.0)
    write(epc, 23, 1)
    assert mode(epc) == golden.MODE_RESET
    assert abs(read(epc, 1) - 9000) < 20


def test_reset_of_a_running_program_lets_the_furnace_cool_inside(
    epc: EurothermSimulator, plant: Plant, hand: Hand
) -> None:
    put(plant, hand, "S1")
    load(epc)
    write(epc, 23, 2)
    hand.turn(100.0 * 60.0)
    assert write(epc, 23, 1) == OK
    assert mode(epc) == golden.MODE_RESET
    assert (read(epc, 2), read(epc, 4), read(epc, 56), read(epc, 58)) == (250, 0, 0, 0)
    hand.turn(50.0 * 60.0)
    assert abs(read(epc, 1) - 4250) < 20
    assert write(epc, 23, 2) == BUSY
    assert "busy" in epc.refusal
    hand.turn(200.0 * 60.0)
    assert abs(read(epc, 1) - 250) < 20
    assert plant.world.acts()[-1].state is ActState.ABORTED
    assert write(epc, 23, 2) == OK


def test_end_type_reset_resets_by_itself(epc: EurothermSimulator, hand: Hand) -> None:
    load(epc)
    write(epc, 8334, 1)
    write(epc, 23, 2)
    hand.turn(700.0 * 60.0)
    assert mode(epc) == golden.MODE_RUN
    hand.turn(33.0 * 60.0)
    assert mode(epc) == golden.MODE_RESET
    assert write(epc, 23, 2) == OK


def test_run_while_it_runs_starts_nothing_again(
    epc: EurothermSimulator, plant: Plant, hand: Hand
) -> None:
    load(epc)
    write(epc, 23, 2)
    hand.turn(60.0)
    assert write(epc, 23, 2) == OK
    assert read(epc, 63) == 174
    assert len(plant.world.acts()) == 1


def test_a_running_program_can_neither_be_held_nor_changed(epc: EurothermSimulator) -> None:
    load(epc)
    write(epc, 23, 2)
    assert write(epc, 23, golden.MODE_HOLD) == FAILURE
    assert write(epc, 273, 1) == FAILURE
    assert write(epc, 8346, 60) == BUSY
    assert write_float(epc, 8337, 500.0) == BUSY
    assert write(epc, 8334, 1) == BUSY
    assert mode(epc) == golden.MODE_RUN


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({8336: 0}, "types"),
        ({8336: 2}, "types"),
        ({8344: 1}, "types"),
        ({8352: 3}, "types"),
        ({8352: 4}, "types"),
        ({8360: 3}, "types"),
        ({8338: 0}, "without a rate"),
        ({8346: 60_001}, "a dwell of 1000.02 h"),
        ({8353: 300}, "ramp to 30"),
        ({8354: 30}, "at 3 degC/min"),
        ({8348: 7}, "event outputs 7"),
        ({8352: 0, 8334: 1}, "does not hold"),
    ],
)
def test_programs_of_another_shape_are_refused_at_run(
    epc: EurothermSimulator, plant: Plant, changes: dict[int, int], why: str
) -> None:
    load(epc)
    for address, value in changes.items():
        assert write(epc, address, value) == OK
    assert write(epc, 23, 2) == FAILURE
    assert why in epc.refusal
    assert mode(epc) == golden.MODE_RESET
    assert plant.world.acts() == ()


def test_the_controller_is_an_independent_limit(
    epc: EurothermSimulator, old: EurothermSimulator
) -> None:
    for device in (epc, old):
        load(device)
        assert read(device, 111) == 9000
        assert write(device, 8337, 9001) == VALUE
        assert write(device, 2, 9001) == VALUE
        assert write(device, 24, 9001) == VALUE
        assert write(device, 8336, 1, 9001, 50) == VALUE
        assert read(device, 8337) == 9000
        assert write(device, 111, 9001) == VALUE
        assert write(device, 111, 8000) == OK
        assert write(device, 23, 2) == VALUE
        assert write(device, 111, 9000) == OK
        assert write(device, 112, 100) == OK
        assert write(device, 2, 99) == VALUE
        assert write(device, 2, 200) == OK
        assert (read(device, 2), read(device, 24), read(device, 5)) == (200, 200, 200)
    assert write_float(epc, 8337, 900.1) == VALUE
    assert write_float(epc, 8337, math.nan) == VALUE
    assert write_float(epc, 8337, math.inf) == VALUE
    assert write_float(epc, 8338, -1.0) == VALUE
    assert write_float(epc, 23, 1.5) == VALUE


@pytest.mark.parametrize("value", [0, 3, 8, 16, 65535])
def test_modes_that_cannot_be_written(epc: EurothermSimulator, value: int) -> None:
    assert write(epc, 23, value) == VALUE


def test_registers_of_the_other_model_are_not_there(
    epc: EurothermSimulator, old: EurothermSimulator
) -> None:
    for address in (518, 1072, 1085, 1169, 1172, 1173, 1667, 1931):
        assert modbus.answer(old, struct.pack(">BHH", 3, address, 1)) == b"\x83\x02"
        assert write(old, address, 0) == ADDRESS
        assert len(modbus.answer(epc, struct.pack(">BHH", 3, address, 1))) == 4
    assert modbus.answer(epc, struct.pack(">BHH", 3, 258, 1)) == b"\x83\x02"
    assert modbus.answer(old, struct.pack(">BHH", 3, 0x8002, 2)) == b"\x83\x02"
    assert write(old, 8334, 1) == VALUE


def test_floats_are_read_and_written_whole(epc: EurothermSimulator) -> None:
    assert modbus.answer(epc, struct.pack(">BHH", 3, 0x8003, 2)) == b"\x83\x02"
    assert modbus.answer(epc, struct.pack(">BHH", 3, 0x8002, 1)) == b"\x83\x02"
    assert write(epc, 0xC122, 0x4461) == ADDRESS
    assert write(epc, 1, 500) == ADDRESS
    assert write(epc, 8335, 3) == ADDRESS
    assert write(epc, 22, 2) == VALUE
    assert modbus.answer(epc, struct.pack(">BHH", 4, 2, 1)) == bytes.fromhex("04 02 00fa")


def test_segments_in_use_are_counted(epc: EurothermSimulator) -> None:
    assert read(epc, 8335) == 0
    load(epc)
    assert read(epc, 8335) == 3
    assert list(epc.registers(8328, 8)) == [0, 0, 1, 1, 1, 0, 0, 3]


def test_a_reboot_loses_setpoint_and_run_but_not_the_segments(
    epc: EurothermSimulator, plant: Plant, hand: Hand
) -> None:
    write(epc, 2, 5000)
    load(epc)
    write(epc, 23, 2)
    hand.turn(100.0 * 60.0)
    epc.reboot()
    assert mode(epc) == golden.MODE_RESET
    assert (read(epc, 2), read(epc, 8337)) == (250, 9000)
    assert abs(read(epc, 1) - 5250) < 20
    hand.turn(1e5)
    plant.tick()
    assert plant.world.acts()[-1].state is ActState.ABORTED
    epc.reboot(forget=True)
    assert list(epc.registers(8336, 3)) == [0, 0, 0]


def test_a_power_cut_of_the_world_shows_as_a_reset(
    epc: EurothermSimulator, plant: Plant, hand: Hand
) -> None:
    load(epc)
    plant.world.plant_stop("furnace_1", 0.5)
    write(epc, 23, 2)
    hand.turn(366.0 * 60.0)
    assert mode(epc) == golden.MODE_RUN
    hand.turn(60.0)
    assert mode(epc) == golden.MODE_RESET


def test_an_open_thermocouple(epc: EurothermSimulator, old: EurothermSimulator) -> None:
    for device in (epc, old):
        device.break_sensor()
        assert read(device, 75) & golden.SENSOR_BREAK
        assert read(device, 1) == 32767
        device.mend()
        assert not read(device, 75) & golden.SENSOR_BREAK
        assert abs(read(device, 1) - 250) < 20
    epc.break_sensor("open")
    old.break_sensor("open")
    assert math.isnan(float_at(epc, 1))
    assert (read(epc, 1931), read(epc, 1932), read(old, 258)) == (1, 1, 1)


def test_a_shorted_thermocouple_reads_cold_and_heats_at_full_power(
    epc: EurothermSimulator, hand: Hand
) -> None:
    load(epc)
    write(epc, 23, 2)
    hand.turn(200.0 * 60.0)
    epc.break_sensor("short")
    assert abs(read(epc, 1) - 250) < 20
    assert (read(epc, 4), read(epc, 5)) == (1000, 9000)
    assert not read(epc, 75) & golden.SENSOR_BREAK


def test_a_stuck_thermocouple(epc: EurothermSimulator, hand: Hand) -> None:
    load(epc)
    write(epc, 23, 2)
    hand.turn(60.0 * 60.0)
    epc.stick()
    shown = float_at(epc, 1)
    assert abs(shown - 325.0) < 2.0
    hand.turn(60.0 * 60.0)
    assert float_at(epc, 1) == shown
    assert read(epc, 5) == 6250


def test_a_runaway_passes_the_limit_and_raises_a_latched_alarm(
    epc: EurothermSimulator, hand: Hand
) -> None:
    load(epc)
    write(epc, 23, 2)
    hand.turn(200.0 * 60.0)
    assert read(epc, 75) == 0
    epc.runaway(10.0)
    hand.turn(300.0)
    assert abs(read(epc, 1) - 9500) < 20
    assert read(epc, 75) & 0x1001 == 0x1001
    assert (read(epc, 1072), read(epc, 1073), read(epc, 4)) == (1, 1, 0)
    epc.mend()
    assert read(epc, 75) & 0x1001 == 0x1000
    assert write(epc, 274, 1) == OK
    assert read(epc, 75) & 0x1001 == 0


def test_noise_is_the_same_for_the_same_world(plant: Plant) -> None:
    first, second = controller(plant), controller(plant)
    shown = [float_at(first, 1) for _ in range(20)]
    assert shown == [float_at(second, 1) for _ in range(20)]
    assert len(set(shown)) == 20


def test_the_watchdog_flags_silence_in_wall_time(epc: EurothermSimulator, hand: Hand) -> None:
    wall = Hand()
    epc.wall_s = wall
    assert write(epc, 1169, 1) == OK
    hand.turn(1e6)
    wall.turn(59.0)
    assert read(epc, 1172) == 0
    wall.turn(61.0)
    assert epc.watchdog_expired()
    assert read(epc, 1172) == 1
    assert read(epc, 1172) == 1
    assert write(epc, 1172, 0) == OK
    assert read(epc, 1172) == 0
    assert write(epc, 1169, 0) == OK
    wall.turn(1e6)
    assert read(epc, 1172) == 0


def test_standby_ends_a_program(epc: EurothermSimulator) -> None:
    load(epc)
    write(epc, 23, 2)
    assert write(epc, 1085, 1) == OK
    assert mode(epc) == golden.MODE_RESET
    assert write(epc, 23, 2) == FAILURE


def test_who_runs_with_the_door_open_is_recorded(
    epc: EurothermSimulator, plant: Plant, hand: Hand
) -> None:
    load(epc)
    assert write(epc, 23, 2) == OK
    assert write(epc, 23, 1) == OK
    assert epc.ran_open == []
    assert epc.door is not None
    epc.door.tell("Open A")
    hand.turn(1e5)
    assert write(epc, 23, 2) == OK
    assert epc.ran_open == [plant.world.acts()[-1].label]


def test_furnaces_share_an_arduino(plant: Plant) -> None:
    link = "tcp://127.0.0.1:15999"
    first = controller(plant, door={"link": link, "name": "A"})
    second = EurothermSimulator(
        plant,
        first.station.model_copy(
            update={
                "name": "furnace_2",
                "settings": {**first.settings, "door": {"link": link, "name": "B"}},
            }
        ),
    )
    assert first.door is not None
    assert second.door is first.door
    assert first.door.tell("Status") == "State: STOP;Furnace A: Closed;Furnace B: Closed"


def test_any_request_is_answered_and_no_program_passes_the_limit(
    task: Task, nominal: Laboratory
) -> None:
    addresses = st.one_of(
        st.sampled_from(sorted({**EPC3000, **SERIES_2400})),
        st.sampled_from([0x8000 + 2 * a for a in EPC3000]),
        st.integers(0, 0xFFFF),
    )
    words = st.one_of(st.sampled_from([0, 1, 2, 3, 4, 20, 250, 9000]), st.integers(0, 0xFFFF))
    writes = st.tuples(addresses, st.lists(words, min_size=1, max_size=6))
    reads = st.tuples(addresses, st.integers(1, 125))
    models = st.sampled_from(["epc3000", "2400"])

    @given(models, st.lists(st.one_of(writes, reads), max_size=30))
    @settings(max_examples=100)
    def check(model: str, requests: list[tuple[int, list[int] | int]]) -> None:
        world = World.create(None, task, seed=11, laboratory=nominal)
        hand = Hand()
        device = controller(Plant(world, ScaledClock(1.0, monotonic=hand)), model)
        load(device)
        for address, what in requests:
            hand.turn(600.0)
            if isinstance(what, list):
                assert write(device, address, *what) in (OK, ADDRESS, VALUE, FAILURE, BUSY)
            else:
                answer = modbus.answer(device, struct.pack(">BHH", 3, address, what))
                assert answer == b"\x83\x02" or len(answer) == 2 + 2 * what
        write(device, 23, 2)
        program = world.program("furnace_1")
        assert program is None or 0.0 <= program.temperature_c <= 900.0

    check()
