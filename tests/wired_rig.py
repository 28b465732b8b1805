"""One station of the loopback laboratory: its simulator, its driver, one clock turned by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from instruments.drivers.job import Job
from instruments.notebook import Notebook
from instruments.registry import driver_class, read_settings
from instruments.site import Site
from sdl.chemistry.system import load_system
from sdl.core.clock import VirtualClock
from sdl.core.command import Command, Effect
from sdl.core.lab import LabFile
from sdl.core.yaml import load
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task
from simulators.laboratory import nominal_laboratory
from simulators.wire.laboratory import SimulatedLaboratory
from simulators.world import World

LOOPBACK = Path(__file__).parents[1] / "labs" / "loopback.yaml"
FREE = "tcp://127.0.0.1:0"


class Rig:
    """Use in a ``with`` statement.

    Args:
        station: Name of a station of ``labs/loopback.yaml``.
        folder: For the notebook.
        settings: Instead of the file's.
    """

    def __init__(self, station: str, folder: Path, **settings: Any) -> None:
        task = load_task("batio3-coarse")
        hidden = nominal_laboratory(
            load_system(task.system), task.laboratory.shelf, ["furnace_1", "furnace_2"]
        )
        self.world = World.create(None, task, seed=11, laboratory=hidden)
        self.clock = VirtualClock()
        self.station = station
        file = load(LOOPBACK, LabFile)
        changed = {**file.station(station).settings, "link": FREE, **settings}
        if changed.get("door"):
            changed["door"] = {**changed["door"], "link": FREE}
        one = file.station(station).model_copy(update={"settings": changed})
        lab = file.model_copy(update={"stations": (one,)})
        self.simulated = SimulatedLaboratory(lab, self.world)
        self.simulated.plant.clock = self.clock  # type: ignore[assignment]
        self.capabilities = task.laboratory
        self.path = folder / "notebook.db"
        self.driver: Any = None
        self.restarted()

    @property
    def simulator(self) -> Any:
        """The simulator of the station."""
        return self.simulated.simulators[self.station]

    def restarted(self) -> None:
        """A driver of a new process: it knows the notebook and nothing else."""
        self._forget()
        self.site = Site(
            self.capabilities, self.clock, 3600.0, Notebook(self.path), MemoryBlobs(),
            self.path.parent,
        )  # fmt: skip
        one = self.simulated.lab.station(self.station)
        self.driver = driver_class(one.driver)(one.plain(), self.site, read_settings(one))

    def _forget(self) -> None:
        """What the kernel does with connections and files of a process that was killed."""
        if self.driver is not None:
            for core in self.driver.cores:
                core.close()
            self.site.notebook.close()

    def unplug(self) -> None:
        """The simulator stops listening, and every connection breaks."""
        loop = self.simulated._loop
        asyncio.run_coroutine_threadsafe(self.simulator.stop(), loop).result(10.0)

    def put(self, *samples: str) -> None:
        """Puts vials into the station, in the world and in the notebook."""
        for sample in samples:
            self.simulated.ask(lambda s=sample: self._carry(s))
            self.site.notebook.put(sample, self.station)

    def _carry(self, sample: str) -> None:
        self.simulated.plant.tick()
        self.world.start_transfer("transfer", f"put-{sample}", sample, self.station)
        self.clock.advance_to(self.clock.now_s() + 60.0)
        self.simulated.plant.tick()

    def turn(self, by_s: float) -> None:
        """Lets laboratory time pass, for driver and simulator alike."""
        self.clock.advance_to(self.clock.now_s() + by_s)

    def close(self) -> None:
        """Ends everything."""
        self._forget()
        self.simulated.close()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def command(job: Job, station: str) -> Command:
    """The command a job came from."""
    return Command(
        id=job.label, station=station, verb=job.verb, samples=job.samples,
        effect=Effect.IRREVERSIBLE, args=dict(job.args), time_s=0.0,
    )  # fmt: skip
