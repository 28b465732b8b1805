"""An arm's driver over its simulator, with doors that move at once, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instruments.drivers.arm import ArmSettings, ArmStation
from instruments.drivers.base import start_job
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.notebook import Notebook
from instruments.site import Site
from sdl.core.clock import VirtualClock
from sdl.core.command import Command, Effect, Verb
from sdl.core.errors import DeviceError
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task
from wire_room import Room, room, wait_for

SETTINGS: dict[str, Any] = {
    "dashboard": "tcp://127.0.0.1:0",
    "rtde": "tcp://127.0.0.1:0",
    "program": "sdl_move.urp",
    "places": {
        "rack": 0,
        "dispenser": 1,
        "mixer": 2,
        "furnace_1": 3,
        "furnace_2": 4,
        "quench": 5,
        "diffractometer": 6,
    },
}


@dataclass
class FakeDoor:
    """A door that moves at once and remembers what it was told."""

    move: Callable[[bool], None]
    told: list[str] = field(default_factory=list)
    stuck: DeviceError | None = None
    hot: DeviceError | None = None

    def open(self) -> None:
        self.told.append("open")
        if self.hot is not None:
            raise self.hot
        self.move(True)

    def shut(self) -> None:
        self.told.append("shut")
        if self.stuck is not None:
            raise self.stuck
        self.move(False)


@dataclass
class Bench:
    """An arm's driver, its simulator, and the doors of two furnaces."""

    room: Room
    site: Site
    driver: ArmStation
    doors: dict[str, FakeDoor]

    def job(self, label: str, sample: str, origin: str, destination: str) -> Job:
        args = {"sample": sample, "origin": origin, "destination": destination}
        return Job(label, Verb.TRANSFER, (sample,), args)

    def start(self, label: str, sample: str, origin: str, destination: str) -> JobRecord:
        return start_job(self.driver, self.job(label, sample, origin, destination))

    def finish(self, label: str, wait_s: float = 100.0) -> JobRecord:
        self.room.wait(wait_s)
        wait_for(lambda: self.record(label).state is not JobState.RUNNING)
        return self.record(label)

    def move(self, label: str, sample: str, origin: str, destination: str) -> JobRecord:
        self.start(label, sample, origin, destination)
        return self.finish(label)

    def record(self, label: str) -> JobRecord:
        record = self.driver.record(label)
        assert record is not None
        return record

    def command(self, label: str, sample: str, origin: str, destination: str) -> Command:
        job = self.job(label, sample, origin, destination)
        return Command(
            id=label,
            station="transfer",
            verb=Verb.TRANSFER,
            samples=(sample,),
            effect=Effect.IDEMPOTENT,
            args=dict(job.args),
            time_s=0.0,
        )

    def reborn(self) -> ArmStation:
        """The driver of a new process: only the notebook is left."""
        self.driver.arm.close()
        return ArmStation(self.driver.station, self.site, self.driver.settings)


@contextmanager
def arm_bench(folder: Path) -> Iterator[Bench]:
    with room("transfer", "ur-arm", SETTINGS) as running:
        capabilities = load_task("batio3-coarse").laboratory
        site = Site(capabilities, VirtualClock(), 1.0, Notebook(None), MemoryBlobs(), folder)
        doors: dict[str, FakeDoor] = {}
        for furnace in ("furnace_1", "furnace_2"):

            def move(is_open: bool, furnace: str = furnace) -> None:
                running.ask(lambda: running.plant.doors.update({furnace: is_open}))

            move(False)
            doors[furnace] = FakeDoor(move)
        site.doors.update(doors)
        settings = ArmSettings.model_validate(running.simulator.settings)
        driver = ArmStation(capabilities.station("transfer"), site, settings)
        bench = Bench(running, site, driver, doors)
        yield bench
        bench.driver.arm.close()
        site.notebook.close()
