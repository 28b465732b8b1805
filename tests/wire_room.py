"""A room with simulated instruments, for tests that talk bytes to them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sdl.chemistry.system import load_system
from sdl.core.lab import Endpoint, LabFile, LabStation
from sdl.tasks.task import load_task
from simulators.laboratory import nominal_laboratory
from simulators.wire.laboratory import SimulatedLaboratory
from simulators.wire.plant import ScaledClock
from simulators.world import World


def small_world() -> World:
    task = load_task("batio3-coarse")
    laboratory = nominal_laboratory(
        load_system(task.system), task.laboratory.shelf, ["furnace_1", "furnace_2"]
    )
    return World.create(None, task, seed=11, laboratory=laboratory)


def wait_for(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


class Room:
    """One station's simulator, its world, and a clock that the test moves."""

    def __init__(self, running: SimulatedLaboratory, station: str) -> None:
        self.running = running
        self.station = station
        self.simulator: Any = running.simulators[station]
        self.plant = running.plant
        self.world = running.plant.world
        self.now_s = 0.0
        running.ask(self._by_hand)

    def _by_hand(self) -> None:
        self.plant.clock = ScaledClock(1.0, self.world.now_s, lambda: self.now_s)

    def wait(self, seconds: float) -> None:
        """Lets world time pass."""
        self.now_s += seconds
        self.running.ask(self.plant.tick)

    def ask(self, look: Callable[[], Any]) -> Any:
        """Runs something in the simulators' thread."""
        return self.running.ask(look)

    def bring(self, vial: str, station: str) -> None:
        """Puts a vial into a station, by somebody's hand."""
        self.ask(lambda: self.world.start_transfer("transfer", f"hand {vial}", vial, station))
        self.wait(30.0)
        assert self.world.place(vial) == station


@contextmanager
def room(
    station: str, driver: str, settings: Mapping[str, Any], folder: Path = Path()
) -> Iterator[Room]:
    world = small_world()
    plain = world.task.laboratory.station(station)
    wired = LabStation(**plain.model_dump(), driver=driver, settings=dict(settings))
    with SimulatedLaboratory(LabFile(name="room", stations=(wired,)), world) as running:
        if folder != Path():
            running.plant.folder = folder
        yield Room(running, station)


class Wire:
    """A plain client: what is sent is given as bytes, what comes back is taken by line."""

    def __init__(self, endpoint: str) -> None:
        where = Endpoint.of(endpoint)
        self.socket = socket.create_connection((where.host, where.port), timeout=3.0)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        return self.file.readline()

    def ask(self, data: bytes) -> bytes:
        self.send(data)
        return self.line()

    def read(self, count: int) -> bytes:
        return self.file.read(count)

    def rest(self) -> bytes:
        return self.file.read()

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
