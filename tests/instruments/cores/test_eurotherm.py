"""The core of a Eurotherm controller against its simulator, and against controllers that fail."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from instruments.cores.core import STOP_S, Show
from instruments.cores.eurotherm import EurothermCore, Watchdog
from instruments.devices.quality import look
from instruments.protocols import modbus as modbus_protocol
from instruments.protocols.eurotherm import EPC3000, MAPS, SERIES_2400, Mode
from instruments.protocols.eurotherm_program import FurnaceProgram
from instruments.readout import Quality
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import Endpoint
from wired_rig import Rig

PROGRAM = FurnaceProgram(900.0, 2.0, 5.0, event=0, cooling="furnace", tag=77)
BOTH = pytest.mark.parametrize("station", ["furnace_1", "furnace_2"], ids=["epc3000", "2400"])


@pytest.fixture
def rig(station: str, tmp_path: Path) -> Iterator[Rig]:
    with Rig(station, tmp_path, time_unit=None) as rig:
        yield rig


def core_of(rig: Rig) -> EurothermCore:
    return rig.driver.core


def register(rig: Rig, address: int) -> int:
    """What the controller holds, past the core."""
    return rig.simulated.ask(lambda: rig.simulator.registers(address, 1)[0])


class Scripted:
    """A Modbus TCP server that answers as told, or not at all."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self.answer = answer
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint(host="127.0.0.1", port=self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(link)
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link: socket.socket) -> None:
        while True:
            try:
                request = link.recv(1024)
            except OSError:
                return
            if not request:
                return
            self.requests += 1
            answer = self.answer(request)
            if answer is not None:
                link.sendall(answer)

    def close(self) -> None:
        self._listener.close()
        for link in self._open:
            link.close()


def reading(words: dict[int, int]) -> Callable[[bytes], bytes]:
    """Answers of a controller that holds these registers, 0 elsewhere, and takes every write."""

    def answer(request: bytes) -> bytes:
        head, function = request[:2], request[7]
        first, count = struct.unpack(">HH", request[8:12])
        if function == 3:
            values = [words.get(first + i, 0) for i in range(count)]
            body = struct.pack(f">BB{count}H", 3, 2 * count, *values)
        else:
            body = request[7:12]
        return head + struct.pack(">HHB", 0, len(body) + 1, request[6]) + body

    return answer


def shown_by(core: EurothermCore) -> dict[str, object]:
    names = [c.name for c in core.channels if c.show is not Show.CONFIG]
    seen = look(core, names)
    assert all(seen.readout(name).ok for name in names)
    return {name: seen.readout(name).value for name in names}


@BOTH
def test_a_look_takes_few_exchanges_and_a_device_that_refuses_blocks_more(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = core_of(rig)
    asked: list[tuple[int, int]] = []
    ask = modbus_protocol.read_registers

    def counted(address: int, count: int) -> object:
        asked.append((address, count))
        return ask(address, count)

    monkeypatch.setattr(modbus_protocol, "read_registers", counted)
    by_block = shown_by(core)
    assert len(asked) == (4 if core.regs is EPC3000 else 3)  # the unit of its times is asked too
    rig.simulated.ask(lambda: setattr(rig.simulator, "reads_gaps", False))
    asked.clear()
    one_by_one = shown_by(core)
    tried = len(asked)
    asked.clear()
    shown_by(core)
    blocks = 2 if core.regs is EPC3000 else 1
    assert tried == len(asked) + blocks  # no block is tried again
    for name in ("mode", "setpoint_c", "segment", "remaining_s", "sensor_break"):
        assert by_block[name] == one_by_one[name]


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[bytes], bytes | None]], Scripted]]:
    made: list[Scripted] = []

    def make(answer: Callable[[bytes], bytes | None]) -> Scripted:
        made.append(Scripted(answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


def lone_core(endpoint: Endpoint) -> EurothermCore:
    return EurothermCore("furnace_1", endpoint, EPC3000, highest_c=900.0)


@BOTH
def test_channels(rig: Rig, station: str) -> None:
    core = core_of(rig)
    shown = {c.name: core.read(c.name) for c in core.channels}
    assert all(r.ok for r in shown.values()), shown
    assert shown["temperature_c"].value == pytest.approx(25.0, abs=2.0)
    assert shown["mode"].value == "reset"
    assert shown["program"].value == ""
    assert shown["sensor_break"].value == 0.0


@BOTH
def test_limits_are_armed_and_armed_again_after_a_restart(rig: Rig, station: str) -> None:
    core = core_of(rig)
    assert core.identify().model == MAPS[rig.driver.settings.model].model
    assert register(rig, 111) == 9000
    low, high = 112, 111

    def forget() -> None:
        rig.simulator.set_registers(high, [5000])
        rig.simulator.set_registers(low, [100])
        rig.simulator.reboot()

    rig.simulated.ask(forget)
    deadline_s = time.monotonic() + 2.0
    while register(rig, high) != 9000:
        assert time.monotonic() < deadline_s
        try:
            core.put("setpoint_c", 30.0)
        except LinkError:
            time.sleep(0.01)
    assert register(rig, low) == 0


@BOTH
def test_setpoint_within_limits_only(rig: Rig, station: str) -> None:
    core = core_of(rig)
    core.put("setpoint_c", 120.5)
    assert register(rig, 2) == 1205
    for wrong in (-1.0, 900.1, float("nan"), True, "hot"):
        with pytest.raises(DeviceError, match="refuses a value"):
            core.put("setpoint_c", wrong)
    assert register(rig, 2) == 1205


@BOTH
def test_program_is_written_compared_and_run(rig: Rig, station: str) -> None:
    core = core_of(rig)
    rig.put("S1")
    core.load_program(PROGRAM)
    assert core.program_in(core.held()) == PROGRAM
    assert core.differs(PROGRAM, core.held()) == ""
    core.run()
    assert core.mode() is Mode.RUN
    assert core.believed("remaining_s") == pytest.approx((175 + 120 + 437.5) * 60.0, rel=0.001)
    rig.turn(200 * 60.0)
    assert core.believed("segment") == 2.0
    assert core.believed("working_setpoint_c") == pytest.approx(900.0)
    with pytest.raises(DeviceError, match="owns the setpoint"):
        core.put("setpoint_c", 100.0)


@BOTH
def test_stop_is_the_safe_state_from_every_state(rig: Rig, station: str) -> None:
    core = core_of(rig)
    rig.put("S1")
    for running in (False, True):
        if running:
            core.load_program(PROGRAM)
            core.run()
        core.stop()
        core.stop()
        assert core.mode() is Mode.RESET
        assert core.believed("setpoint_c") == 0.0


@BOTH
def test_broken_thermocouple_shows_no_temperature(rig: Rig, station: str) -> None:
    core = core_of(rig)
    rig.simulated.ask(lambda: rig.simulator.break_sensor("open"))
    shown = core.read("temperature_c")
    assert (shown.quality, shown.value) == (Quality.IMPLAUSIBLE, None)
    assert core.read("sensor_break").value == 1.0


@pytest.mark.parametrize("station", ["furnace_1"])
def test_times_by_the_instruments_own_format(rig: Rig, station: str) -> None:
    core = core_of(rig)
    rig.put("S1")
    rig.simulated.ask(lambda: rig.simulator.set_registers(1173, [0]))
    core.load_program(PROGRAM)
    assert register(rig, 8331) == 0
    core.run()
    rig.turn(200 * 60.0)
    assert core.believed("remaining_s") == pytest.approx((732.5 - 200) * 60.0, abs=1.0)


@pytest.mark.parametrize("station", ["furnace_1"])
def test_a_changed_format_changes_the_program(rig: Rig, station: str) -> None:
    core = core_of(rig)
    core.load_program(PROGRAM)
    rig.simulated.ask(lambda: rig.simulator.set_registers(1173, [2]))
    assert "DwellUnits" in core.differs(PROGRAM, core.held())
    assert core.program_in(core.held()) is None


@pytest.mark.parametrize("station", ["furnace_1"])
def test_only_what_differs_is_written(rig: Rig, station: str) -> None:
    core = core_of(rig)
    core.load_program(PROGRAM)
    written: list[int] = []
    keep = rig.simulator.set_registers

    def spy(address: int, values: list[int]) -> None:
        written.append(address)
        keep(address, values)

    rig.simulator.set_registers = spy
    core.load_program(PROGRAM)
    assert written == []
    core.load_program(FurnaceProgram(900.0, 2.0, 5.0, event=0, cooling="furnace", tag=78))
    assert written == [8329]


@pytest.mark.parametrize("station", ["furnace_1"])
def test_watchdog_is_armed_with_what_the_user_said(rig: Rig, station: str) -> None:
    endpoint = rig.driver.settings.link
    core = EurothermCore(
        "furnace_1", endpoint, EPC3000, highest_c=900.0, watchdog=Watchdog(120.0, 1)
    )
    core.identify()
    assert (register(rig, 1169), register(rig, 1170)) == (2, 1)  # minutes, by its TimeFormat
    core.close()
    old = EurothermCore("f", endpoint, SERIES_2400, highest_c=900.0, watchdog=Watchdog(120.0, 1))
    with pytest.raises(DeviceError, match="has no watchdog"):
        old.arm()
    old.close()


def test_another_device_is_told_apart(scripted: Callable[..., Scripted]) -> None:
    server = scripted(reading({23: 3}))
    core = lone_core(server.endpoint)
    with pytest.raises(ProtocolError, match="no programmer mode"):
        core.identify()
    core.close()


def test_a_controller_that_keeps_another_limit(scripted: Callable[..., Scripted]) -> None:
    server = scripted(reading({23: 1}))
    core = lone_core(server.endpoint)
    with pytest.raises(DeviceError, match="holds another SPHighLimit"):
        core.identify()
    with pytest.raises(DeviceError, match="holds another SPHighLimit"):
        core.load_program(PROGRAM)
    core.close()


def test_a_controller_that_does_not_run(scripted: Callable[..., Scripted]) -> None:
    limit = struct.unpack(">HH", struct.pack(">f", 900.0))
    words = {23: 1, 22: 1, 1173: 1, 0x80DE: limit[0], 0x80DF: limit[1]}
    server = scripted(reading(words))
    core = lone_core(server.endpoint)
    with pytest.raises(DeviceError, match="was told to run its program and did not"):
        core.run()
    core.close()


def test_everything_is_bounded_when_the_controller_freezes(
    scripted: Callable[..., Scripted],
) -> None:
    core = lone_core(scripted(lambda _: None).endpoint)
    for act in (core.mode, core.run, lambda: core.load_program(PROGRAM)):
        begun_s = time.monotonic()
        with pytest.raises(LinkError):
            act()
        assert time.monotonic() - begun_s < 1.5
    begun_s = time.monotonic()
    with pytest.raises(LinkError):
        core.stop()
    assert time.monotonic() - begun_s < STOP_S
    core.close()


def test_stop_is_repeated_while_time_is_left(scripted: Callable[..., Scripted]) -> None:
    good, lost = reading({23: 1}), [2]

    def flaky(request: bytes) -> bytes | None:
        if lost[0]:
            lost[0] -= 1
            return b"\x00garbage, not an answer"
        return good(request)

    core = lone_core(scripted(flaky).endpoint)
    core.stop()
    core.close()
    assert lost == [0]
