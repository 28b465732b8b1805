"""A whole simulated laboratory: it starts, listens, is asked in its own thread, and stops."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from instruments.transports.modbus import ModbusLink
from sdl.core.errors import ConfigError, LinkError, ProtocolError
from sdl.core.lab import Endpoint, LabFile, LabStation
from simulators.wire.laboratory import SimulatedLaboratory
from simulators.wire.registry import SHIPPED, make_simulator
from simulators.world import World

TIMER = {
    "link": "tcp://127.0.0.1:0",
    "preset_s": 100,
    "remaining_s": 101,
    "starts": 102,
    "start_coil": 0,
    "stop_coil": 1,
    "running_contact": 0,
}
FURNACE = {
    "link": "tcp://127.0.0.1:0",
    "model": "epc3000",
    "gas_events": {"air": 0},
    "door": {"link": "tcp://127.0.0.1:0", "name": "A"},
}


def lab(*stations: dict[str, Any], scale: float = 3600.0) -> LabFile:
    raw = {"name": "test", "clock_scale": scale, "stations": stations}
    return LabFile.model_validate(raw)


MIXER = {"name": "mixer", "kind": "mixer", "driver": "modbus-mill", "settings": TIMER}
HEATER = {
    "name": "furnace_1",
    "kind": "furnace",
    "max_temperature_c": 900,
    "driver": "eurotherm",
    "settings": FURNACE,
}
PERSON = {"name": "bench", "kind": "mixer", "driver": "human"}


def link(running: LabFile, station: str, deadline_s: float = 2.0) -> ModbusLink:
    endpoint = Endpoint.of(running.station(station).settings["link"])
    return ModbusLink(station, endpoint, deadline_s=deadline_s)


def test_every_simulator_listens_and_the_file_says_where(world: World) -> None:
    with SimulatedLaboratory(lab(MIXER, HEATER, PERSON), world) as running:
        assert set(running.simulators) == {"mixer", "furnace_1"}
        settings = running.lab.station("furnace_1").settings
        ports = {
            Endpoint.of(text).port
            for text in (
                settings["link"],
                settings["door"]["link"],
                running.lab.station("mixer").settings["link"],
            )
        }
        assert len(ports) == 3
        assert 0 not in ports
        assert running.lab.station("bench").settings == {}
        mill = link(running.lab, "mixer")
        mill.write(100, 600)
        assert mill.read(100, 3) == [600, 0, 0]
        with pytest.raises(ProtocolError, match=r"device failure \(4\)"):
            mill.write_coil(0, True)
        furnace = link(running.lab, "furnace_1")
        assert abs(furnace.read_float(0x8002) - 25.0) < 2.0
        assert furnace.read(23) == [1]
        door = Endpoint.of(settings["door"]["link"])
        with socket.create_connection((door.host, door.port), timeout=2.0) as line:
            line.sendall(b"Status\nOpen A\r\n")
            got = b""
            while got.count(b"\n") < 2:
                got += line.recv(1000)
        assert got == b"State: STOP;Furnace A: Closed\nState: RUNNING;Furnace A: Closed\n"
        mill.close()
        furnace.close()


def test_questions_are_answered_in_the_thread_of_the_simulators(world: World) -> None:
    with SimulatedLaboratory(lab(MIXER), world, start_s=1000.0) as running:
        assert running.ask(lambda: threading.current_thread().name) == "simulators"
        assert running.ask(running.plant.tick) >= 1000.0
        with pytest.raises(KeyError):
            running.ask(lambda: running.plant.world.vial("nobody"))


def test_a_frozen_instrument_is_silent_and_works_again(world: World) -> None:
    with SimulatedLaboratory(lab(MIXER), world) as running:
        mill = link(running.lab, "mixer", deadline_s=0.2)
        assert mill.read(102) == [0]
        running.ask(running.simulators["mixer"].freeze)
        with pytest.raises(LinkError):
            mill.read(102)
        running.ask(running.simulators["mixer"].thaw)
        fresh = link(running.lab, "mixer")
        assert fresh.read(102) == [0]
        mill.close()
        fresh.close()


def test_close_frees_the_ports_and_may_be_called_twice(world: World) -> None:
    with SimulatedLaboratory(lab(MIXER, HEATER), world) as running:
        fixed = running.lab
    running.close()
    with SimulatedLaboratory(fixed, world) as again:
        assert again.lab == fixed


def test_a_taken_port_ends_everything_that_was_started(world: World) -> None:
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {**TIMER, "link": f"tcp://127.0.0.1:{taken.getsockname()[1]}"}
        blocked = {**MIXER, "name": "quench", "kind": "quench", "driver": "modbus-quench"}
        with pytest.raises(ConfigError, match="cannot listen"):
            SimulatedLaboratory(lab(MIXER, {**blocked, "settings": settings}), world)
    assert threading.active_count() == before


def test_a_driver_without_a_simulator(world: World) -> None:
    with pytest.raises(ConfigError, match="no simulator for oven"):
        SimulatedLaboratory(lab({**HEATER, "name": "oven", "driver": "unknown"}), world)


@pytest.mark.parametrize("driver", ["eurotherm", "modbus-mill", "modbus-quench"])
def test_the_registry_makes_what_it_names(world: World, driver: str) -> None:
    settings = FURNACE if driver == "eurotherm" else TIMER
    raw = {**HEATER, "driver": driver, "settings": settings}
    with SimulatedLaboratory(lab(MIXER), world) as running:
        made = make_simulator(running.plant, LabStation.model_validate(raw))
    assert type(made).__name__ == SHIPPED[driver].rpartition(":")[2]
