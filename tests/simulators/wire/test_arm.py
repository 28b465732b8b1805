"""The simulated arm answers on its dashboard and over RTDE, and carries the world's vials."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golden import ur as golden
from simulators.wire.arm import ArmSimulator
from wire_room import Room, Wire, room, wait_for

RACK, DISPENSER, MIXER, FURNACE, QUENCH = 0, 1, 2, 3, 5


@pytest.fixture
def arm() -> Iterator[Room]:
    settings = {
        "dashboard": "tcp://127.0.0.1:0",
        "rtde": "tcp://127.0.0.1:0",
        "program": "sdl_move.urp",
        "places": {
            "rack": RACK,
            "dispenser": DISPENSER,
            "mixer": MIXER,
            "furnace_1": FURNACE,
            "quench": QUENCH,
        },
    }
    with room("transfer", "ur-arm", settings) as made:
        yield made


@pytest.fixture
def dashboard(arm: Room) -> Iterator[Wire]:
    with Wire(arm.simulator.settings["dashboard"]) as wire:
        assert wire.line() == golden.GREETING
        yield wire


class Rtde:
    """A client as the guide describes one, over the golden packets."""

    def __init__(self, endpoint: str) -> None:
        self.wire = Wire(endpoint)
        assert self.ask(golden.ASK_VERSION) == golden.VERSION_TAKEN
        assert self.ask(golden.ASK_OUTPUTS) == golden.OUTPUTS
        assert self.ask(golden.ASK_INPUTS) == golden.INPUTS
        assert self.ask(golden.START) == golden.START_TAKEN

    def packet(self) -> bytes:
        head = self.wire.read(2)
        return head + self.wire.read(int.from_bytes(head, "big") - 2)

    def ask(self, data: bytes) -> bytes:
        self.wire.send(data)
        return self.packet()

    def job(self, *values: int) -> None:
        self.wire.send(b"\x00\x18U\x02" + struct.pack(">5i", *values))

    def shows(self) -> tuple[int, int, int]:
        """Job, error, gripper: the newest of what is sent all the time."""
        end = time.monotonic() + 0.02
        while time.monotonic() < end:
            self.packet()
        return struct.unpack(">3i", self.packet()[4:])


@pytest.fixture
def rtde(arm: Room) -> Iterator[Rtde]:
    made = Rtde(arm.simulator.settings["rtde"])
    yield made
    made.wire.close()


def move(arm: Room, dashboard: Wire, rtde: Rtde, *job: int, wait_s: float = 30.0) -> None:
    """Writes the job, loads, plays, lets the time of a move pass."""
    rtde.job(*job)
    wait_for(lambda: arm.simulator.robot.inputs[24:29] == list(job))
    assert dashboard.ask(golden.LOAD) == golden.LOADED
    assert dashboard.ask(golden.PLAY) == golden.STARTED
    arm.wait(wait_s)


def finished(arm: Room) -> list[int]:
    wait_for(lambda: arm.simulator.dashboard.state == "STOPPED")
    return arm.simulator.robot.outputs[24:27]


def test_dashboard(arm: Room, dashboard: Wire) -> None:
    assert dashboard.ask(golden.RUNNING) in golden.RUNS_NOT
    assert dashboard.ask(golden.ROBOT_MODE) == golden.MODE_RUNNING
    assert dashboard.ask(golden.SAFETY_STATUS) == golden.SAFETY_NORMAL
    assert dashboard.ask(golden.REMOTE_CONTROL) == golden.REMOTE
    assert dashboard.ask(b"get loaded program\n") == b"No program loaded\n"
    assert dashboard.ask(golden.PLAY) == golden.NOT_STARTED
    assert dashboard.ask(b"load other.urp\n") == b"File not found: other.urp\n"
    assert dashboard.ask(golden.LOAD) == golden.LOADED
    assert dashboard.ask(golden.PROGRAM_STATE) == golden.STATE_STOPPED
    assert dashboard.ask(b"get loaded program\n") == b"Loaded program: /programs/sdl_move.urp\n"
    assert dashboard.ask(golden.STOP) == b"Failed to execute: stop\n"
    assert dashboard.ask(b"close popup\n") == b"closing popup\n"
    assert dashboard.ask(b"dance \xff\n").startswith(b"could not understand")
    arm.ask(arm.simulator.local)
    assert dashboard.ask(golden.REMOTE_CONTROL) == golden.LOCAL
    assert dashboard.ask(golden.PLAY) == golden.NOT_STARTED
    assert dashboard.ask(b"quit\n") == b"Disconnected\n"
    assert dashboard.rest() == b""


def test_rtde_setup(arm: Room) -> None:
    with Wire(arm.simulator.settings["rtde"]) as wire:
        wire.send(golden.START)
        assert wire.read(3)[2:] == b"M"  # version 2 was not agreed on
        wire.rest()
    client = Rtde(arm.simulator.settings["rtde"])
    data = {client.packet() for _ in range(5)}
    assert data == {b"\x00\x10U\x01" + bytes(12)}
    client.wire.send(golden.PAUSE)
    while (packet := client.packet()) != golden.PAUSE_TAKEN:
        assert packet[2:3] == b"U"
    assert client.ask(golden.ASK_CONTROLLER)[:3] == golden.CONTROLLER[:3]
    missing = golden.ASK_OUTPUTS.replace(b"register_26", b"register_99")
    assert client.ask(missing) == golden.OUTPUTS_MISSING
    assert client.ask(golden.START) == b"\x00\x04S\x00"
    other = Wire(arm.simulator.settings["rtde"])
    other.send(golden.ASK_VERSION + golden.ASK_INPUTS)
    assert other.read(4) == golden.VERSION_TAKEN
    assert other.read(38)[3:] == b"\x00" + b",".join([b"IN_USE"] * 5)
    client.wire.close()
    wait_for(lambda: not arm.simulator.robot.claimed)
    other.send(golden.ASK_INPUTS)
    assert other.read(33)[4:] == golden.INPUTS[4:]
    other.close()


@pytest.mark.parametrize(
    "nonsense", [b"\x00\x01V", b"\x00\x03Q", b"\x00\x04U\x09", b"\x00\x05U\x01\x00"]
)
def test_rtde_nonsense_ends_the_connection(arm: Room, nonsense: bytes) -> None:
    with Wire(arm.simulator.settings["rtde"]) as wire:
        wire.send(golden.ASK_VERSION)
        assert wire.read(4) == golden.VERSION_TAKEN
        wire.send(nonsense)
        said = wire.rest()
        assert said == b"" or said[2:3] == b"M"


def test_frequency_is_bounded(arm: Room) -> None:
    with Wire(arm.simulator.settings["rtde"]) as wire:
        wire.send(golden.ASK_VERSION)
        wire.read(4)
        for hz in (0.0, 500.1, float("nan"), -1.0):
            wire.send(b"\x00\x14O" + struct.pack(">d", hz) + b"timestamp")
            assert wire.read(10) == b"\x00\x0aO\x00DOUBLE"


def test_one_vial_there_and_back(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    move(arm, dashboard, rtde, 7, RACK, 1, DISPENSER, 0, wait_s=29.0)
    assert dashboard.ask(golden.RUNNING) in golden.RUNS
    assert rtde.shows() == (0, 0, 1)
    assert dashboard.ask(golden.PLAY) == golden.NOT_STARTED
    assert arm.world.place("S1") == "transfer"
    arm.wait(1.0)
    assert finished(arm) == [7, 0, 0]
    assert rtde.shows() == (7, 0, 0)
    assert dashboard.ask(golden.PROGRAM_STATE) == golden.STATE_STOPPED
    assert arm.world.place("S1") == "dispenser"
    move(arm, dashboard, rtde, 8, DISPENSER, 0, RACK, 1)
    assert finished(arm) == [8, 0, 0]
    move(arm, dashboard, rtde, 9, RACK, 1, MIXER, 0)
    assert finished(arm) == [9, 0, 0]
    assert arm.world.occupants("mixer") == ("S1",)


def test_error_codes(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    def code(*job: int) -> int:
        move(arm, dashboard, rtde, *job)
        number, error, gripper = finished(arm)
        assert (number, gripper) == (job[0], 0)
        return error

    arm.plant.doors["furnace_1"] = False
    assert code(1, DISPENSER, 0, MIXER, 0) == 1
    assert code(2, RACK, 1, RACK, 2) == 2
    assert code(3, RACK, 1, FURNACE, 0) == 3
    assert code(4, RACK, 1, 9, 0) == 4
    assert code(5, RACK, 1, DISPENSER, 0) == 0
    assert code(6, RACK, 1, MIXER, 0) == 1
    assert code(7, RACK, 2, DISPENSER, 0) == 2
    assert code(8, RACK, 2, DISPENSER, 1) == 4  # another slot, but there is no room for two
    arm.plant.doors["furnace_1"] = True
    assert code(9, DISPENSER, 0, FURNACE, 3) == 0
    assert arm.world.occupants("furnace_1") == ("S1",)
    arm.ask(lambda: arm.world.plant_stop("transfer", 0.5))
    assert code(10, RACK, 2, DISPENSER, 0) == 6
    assert code(11, RACK, 2, DISPENSER, 0) == 0


def test_a_furnace_without_a_door_is_open(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    move(arm, dashboard, rtde, 1, RACK, 4, FURNACE, 0)
    assert finished(arm) == [1, 0, 0]


def test_never_starts(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    arm.ask(arm.simulator.never_start)
    move(arm, dashboard, rtde, 7, RACK, 1, DISPENSER, 0)
    assert dashboard.ask(golden.RUNNING) in golden.RUNS_NOT
    assert rtde.shows() == (0, 0, 0)
    assert arm.world.acts() == ()


def test_dropped_vial_is_in_no_slot(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    arm.ask(arm.simulator.drop)
    move(arm, dashboard, rtde, 7, RACK, 1, DISPENSER, 0, wait_s=5.0)
    assert finished(arm) == [7, 5, 0]
    arm.wait(60.0)
    assert arm.world.occupants("dispenser") == ()
    move(arm, dashboard, rtde, 8, RACK, 1, DISPENSER, 0)
    assert finished(arm) == [8, 1, 0]


def test_emergency_stop_keeps_the_vial(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    move(arm, dashboard, rtde, 7, RACK, 1, DISPENSER, 0, wait_s=10.0)
    arm.ask(arm.simulator.emergency_stop)
    assert dashboard.ask(golden.SAFETY_STATUS) == b"Safetystatus: ROBOT_EMERGENCY_STOP\n"
    assert dashboard.ask(golden.ROBOT_MODE) == b"Robotmode: POWER_OFF\n"
    assert dashboard.ask(golden.PLAY) == golden.NOT_STARTED
    arm.wait(60.0)
    assert rtde.shows() == (0, 0, 1)
    assert arm.world.occupants("dispenser") == ()
    arm.ask(arm.simulator.release)
    assert rtde.shows() == (0, 0, 0)
    move(arm, dashboard, rtde, 8, RACK, 1, DISPENSER, 0)
    assert finished(arm) == [8, 0, 0]


def test_protective_stop_and_a_full_gripper(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    move(arm, dashboard, rtde, 7, RACK, 1, DISPENSER, 0, wait_s=10.0)
    arm.ask(arm.simulator.protective_stop)
    assert dashboard.ask(golden.SAFETY_STATUS) == golden.SAFETY_PROTECTIVE
    arm.simulator.dashboard.safety = "NORMAL"  # unlocked, and nobody took the vial
    move(arm, dashboard, rtde, 8, RACK, 2, DISPENSER, 0)
    assert finished(arm) == [8, 7, 1]


def test_stop_and_pause(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    move(arm, dashboard, rtde, 7, RACK, 1, DISPENSER, 0, wait_s=10.0)
    assert dashboard.ask(golden.STOP) == golden.STOPPED
    arm.wait(60.0)
    assert rtde.shows() == (0, 0, 0)
    assert arm.world.place("S1") == "rack"
    move(arm, dashboard, rtde, 8, RACK, 1, DISPENSER, 0, wait_s=10.0)
    assert dashboard.ask(b"pause\n") == b"Pausing program\n"
    arm.wait(60.0)
    assert rtde.shows() == (0, 0, 1)
    assert dashboard.ask(golden.PROGRAM_STATE) == b"PAUSED sdl_move.urp\n"
    assert dashboard.ask(golden.PLAY) == golden.STARTED
    assert finished(arm) == [8, 0, 0]


def test_power_cut(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    move(arm, dashboard, rtde, 7, RACK, 1, DISPENSER, 0)
    assert finished(arm) == [7, 0, 0]
    move(arm, dashboard, rtde, 8, DISPENSER, 0, MIXER, 0, wait_s=5.0)
    arm.ask(arm.simulator.reboot)
    assert dashboard.rest() == b""
    assert arm.simulator.robot.outputs[24:27] == [0, 0, 0]
    assert arm.simulator.dashboard.loaded == ""
    arm.wait(1.0)
    assert arm.world.place("S1") == "dispenser"


def test_frozen_sends_nothing(arm: Room, rtde: Rtde) -> None:
    arm.ask(arm.simulator.freeze)
    rtde.wire.socket.settimeout(0.1)
    quiet = False
    while not quiet:
        try:
            assert rtde.wire.socket.recv(4096)
        except TimeoutError:
            quiet = True
    arm.ask(arm.simulator.thaw)
    rtde.wire.socket.settimeout(3.0)
    assert rtde.wire.socket.recv(4)[2:3] == b"U"


def test_slots_survive_the_simulators(arm: Room, dashboard: Wire, rtde: Rtde) -> None:
    move(arm, dashboard, rtde, 7, RACK, 3, MIXER, 0)
    finished(arm)
    move(arm, dashboard, rtde, 8, RACK, 5, DISPENSER, 0, wait_s=5.0)
    dashboard.ask(golden.STOP)
    arm.wait(60.0)
    again = ArmSimulator(arm.plant, arm.simulator.station)
    assert again.slots.vial(("mixer", 0)) == "S3"
    assert again.slots.vial(("rack", 3)) is None
    assert again.slots.vial(("rack", 5)) == "S5"
    assert again.slots.vial(("dispenser", 0)) is None


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_every_line_is_answered_by_one(arm: Room, line: str) -> None:
    said = arm.ask(lambda: arm.simulator.dashboard.answer(line))
    assert said


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=3, max_size=60))
def test_no_bytes_break_the_registers(arm: Room, data: bytes) -> None:
    with Wire(arm.simulator.settings["rtde"]) as wire:
        wire.send(golden.ASK_VERSION)
        assert wire.read(4) == golden.VERSION_TAKEN
        wire.send(data)
    assert arm.ask(lambda: all(-(2**31) <= v < 2**31 for v in arm.simulator.robot.inputs))
    with Wire(arm.simulator.settings["rtde"]) as wire:
        wire.send(golden.ASK_VERSION)
        assert wire.read(4) == golden.VERSION_TAKEN
