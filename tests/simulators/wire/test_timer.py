"""The simulated timer runs the mill and the blower of the virtual world."""

from __future__ import annotations

from typing import Any

import pytest

from hand_clock import Hand
from sdl.core.errors import BusyError, DeviceError
from sdl.core.lab import LabStation
from simulators.act import ActState
from simulators.stations import Program
from simulators.wire import modbus
from simulators.wire.modbus import RefusedError
from simulators.wire.plant import Plant
from simulators.wire.timer import MillSimulator, QuenchSimulator
from simulators.world import World

SETTINGS = {
    "link": "tcp://127.0.0.1:0",
    "preset_s": 100,
    "remaining_s": 101,
    "starts": 102,
    "start_coil": 0,
    "stop_coil": 1,
    "running_contact": 7,
    "blow_s": 900,
}
START, STOP = 0, 1


def station(name: str, kind: str, **more: Any) -> LabStation:
    raw = {"name": name, "kind": kind, "driver": f"modbus-{kind}", "settings": SETTINGS, **more}
    return LabStation.model_validate(raw)


@pytest.fixture
def mill(plant: Plant) -> MillSimulator:
    return MillSimulator(plant, station("mixer", "mixer", max_mill_min=60))


@pytest.fixture
def blower(plant: Plant) -> QuenchSimulator:
    return QuenchSimulator(plant, station("quench", "quench", capacity=2))


def put(plant: Plant, hand: Hand, sample: str, place: str) -> None:
    plant.tick()
    plant.world.start_transfer("transfer", f"{sample}-{place}", sample, place)
    hand.turn(60.0)
    plant.tick()


def shown(timer: MillSimulator | QuenchSimulator) -> tuple[int, int, int, bool]:
    preset_s, remaining_s, starts = timer.registers(100, 3)
    return preset_s, remaining_s, starts, timer.contacts(7, 1)[0]


def test_milling_takes_its_time(mill: MillSimulator, plant: Plant, hand: Hand) -> None:
    put(plant, hand, "S1", "mixer")
    mill.set_registers(100, [600])
    assert shown(mill) == (600, 0, 0, False)
    mill.set_coils(START, [True])
    assert shown(mill) == (600, 600, 1, True)
    assert list(mill.coils(START, 2)) == [False, False]
    hand.turn(599.5)
    assert shown(mill) == (600, 1, 1, True)
    hand.turn(0.5)
    assert shown(mill) == (600, 0, 1, False)
    (act,) = (a for a in plant.world.acts() if a.verb == "mill")
    assert act.state is ActState.COMPLETE
    assert act.args["mill_min"] == 10.0


def test_a_start_that_fails_is_not_counted(mill: MillSimulator, plant: Plant, hand: Hand) -> None:
    with pytest.raises(RefusedError, match="without a preset"):
        mill.set_coils(START, [True])
    mill.set_registers(100, [600])
    with pytest.raises(DeviceError, match="must hold one vial"):
        mill.set_coils(START, [True])
    assert modbus.answer(mill, bytes.fromhex("05 0000 ff00")) == bytes([0x85, 4])
    put(plant, hand, "S1", "mixer")
    mill.set_coils(START, [True])
    with pytest.raises(BusyError):
        mill.set_coils(START, [True])
    assert modbus.answer(mill, bytes.fromhex("05 0000 ff00")) == bytes([0x85, 6])
    assert shown(mill) == (600, 600, 1, True)
    assert modbus.answer(mill, bytes.fromhex("05 0000 0000")) == bytes.fromhex("05 0000 0000")


def test_a_stopped_mill_keeps_what_remained(mill: MillSimulator, plant: Plant, hand: Hand) -> None:
    put(plant, hand, "S1", "mixer")
    mill.set_registers(100, [600])
    mill.set_coils(START, [True])
    hand.turn(240.0)
    mill.set_coils(STOP, [True])
    assert shown(mill) == (600, 360, 1, False)
    mill.set_coils(STOP, [True])
    hand.turn(1000.0)
    assert shown(mill) == (600, 360, 1, False)
    act = plant.world.acts()[-1]
    assert act.state is ActState.ABORTED
    assert act.stop_share == pytest.approx(0.4)
    mill.set_coils(START, [True])
    hand.turn(600.0)
    assert shown(mill) == (600, 0, 2, False)


def test_a_jam_ends_the_contact_early(mill: MillSimulator, plant: Plant, hand: Hand) -> None:
    put(plant, hand, "S1", "mixer")
    plant.world.plant_stop("mixer", 0.25)
    mill.set_registers(100, [600])
    mill.set_coils(START, [True])
    hand.turn(149.0)
    assert shown(mill)[3]
    hand.turn(2.0)
    assert shown(mill) == (600, 450, 1, False)


def test_a_power_cut_stops_the_mill_and_clears_the_registers(
    mill: MillSimulator, plant: Plant, hand: Hand
) -> None:
    put(plant, hand, "S1", "mixer")
    mill.set_registers(100, [600])
    mill.set_coils(START, [True])
    hand.turn(60.0)
    mill.reboot()
    assert shown(mill) == (0, 0, 0, False)
    hand.turn(600.0)
    assert shown(mill) == (0, 0, 0, False)
    assert plant.world.acts()[-1].state is ActState.ABORTED


def test_the_mill_takes_no_preset_beyond_its_limit(mill: MillSimulator) -> None:
    mill.set_registers(100, [3600])
    with pytest.raises(RefusedError, match="at most 3600 s"):
        mill.set_registers(100, [3601])
    assert shown(mill)[0] == 3600


@pytest.mark.parametrize(
    "pdu",
    [
        "06 0065 0001",  # the remaining time is read only
        "06 0066 0000",  # so is the count of starts
        "10 0064 0002 04 0001 0001",
        "03 0063 0001",
        "03 0064 0004",
        "01 0000 0003",
        "02 0000 0001",
        "05 0002 ff00",
        "0f 0000 0003 01 00",
    ],
)
def test_addresses_that_are_not_there(mill: MillSimulator, pdu: str) -> None:
    raw = bytes.fromhex(pdu)
    assert modbus.answer(mill, raw) == bytes([raw[0] | 0x80, 2])


def glow(plant: Plant, hand: Hand, *samples: str) -> None:
    """Heats vials in a furnace that holds, and puts them down at the quench station."""
    for sample in samples:
        put(plant, hand, sample, "furnace_1")
    world: World = plant.world
    world.load_program("furnace_1", Program(900.0, 1.0, 20.0, "air", "hold"))
    act = world.start_program("furnace_1", "heat")
    hand.turn(act.end_s - plant.tick())
    for sample in samples:
        put(plant, hand, sample, "quench")


def test_the_blower_cools_every_hot_vial(blower: QuenchSimulator, plant: Plant, hand: Hand) -> None:
    glow(plant, hand, "S1", "S2")
    blower.set_registers(100, [900])
    blower.set_coils(START, [True])
    assert shown(blower) == (900, 900, 1, True)
    hand.turn(60.0)
    blower.set_coils(START, [True])
    assert shown(blower) == (900, 900, 2, True)
    hand.turn(899.0)
    assert shown(blower)[3]
    hand.turn(1.0)
    assert shown(blower) == (900, 0, 2, False)
    quenches = [a for a in plant.world.acts() if a.verb == "quench"]
    assert sorted(a.samples for a in quenches) == [("S1",), ("S2",)]
    assert all(a.state is ActState.COMPLETE for a in quenches)
    assert plant.world.vial("S1").heat is None


def test_a_second_vial_is_cooled_by_a_second_start(
    blower: QuenchSimulator, plant: Plant, hand: Hand
) -> None:
    glow(plant, hand, "S1")
    blower.set_registers(100, [600])
    blower.set_coils(START, [True])
    put(plant, hand, "S2", "quench")
    blower.set_coils(START, [True])
    assert [a.samples for a in plant.world.acts() if a.verb == "quench"] == [("S1",)]
    assert shown(blower) == (600, 600, 2, True)


def test_stopping_the_blower(blower: QuenchSimulator, plant: Plant, hand: Hand) -> None:
    glow(plant, hand, "S1")
    blower.set_registers(100, [600])
    blower.set_coils(START, [True])
    hand.turn(100.0)
    blower.set_coils(STOP, [True])
    assert shown(blower) == (600, 500, 1, False)
    hand.turn(3600.0)
    plant.tick()
    act = plant.world.acts()[-1]
    assert (act.verb, act.state) == ("quench", ActState.ABORTED)
    blower.reboot()
    assert shown(blower) == (0, 0, 0, False)
