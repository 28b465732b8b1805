"""The loopback laboratory for benches and tests: simulators on free ports, drivers over them.

The laboratory is that of ``sdl/templates/loopback.yaml``; every port is taken anew, so that any
number of them may stand side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from instruments.drivers.base import start_job
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.drivers.wired import WiredDriver
from instruments.notebook import Notebook
from instruments.registry import make_drivers
from instruments.site import Site
from sdl.campaign.labs.common import make_world
from sdl.chemistry.system import load_system
from sdl.core.clock import MonotonicClock
from sdl.core.command import Verb
from sdl.core.errors import SdlError
from sdl.core.lab import LabFile, with_endpoints
from sdl.core.yaml import load
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import Task, load_task
from simulators.laboratory import nominal_laboratory
from simulators.wire.laboratory import SimulatedLaboratory
from simulators.wire.proxy import FaultProxy, behind_proxies
from simulators.world import World

PATIENCE_S = 60.0
"""Wall time that a scenario waits for something that must happen, s."""


def loopback_lab(**changes: Any) -> LabFile:
    """The shipped laboratory with free ports.

    Args:
        changes: Other values of its keys, as ``clock_scale``.
    """
    with resources.as_file(resources.files("sdl.templates") / "loopback.yaml") as path:
        lab = load(path, LabFile, "the laboratory file")
    stations = tuple(
        s.model_copy(update={"settings": with_endpoints(s.settings, lambda _: "tcp://127.0.0.1:0")})
        for s in lab.stations
    )
    return lab.model_copy(update={"stations": stations, **changes})


@dataclass
class Room:
    """A running loopback laboratory.

    Args:
        lab: The file with the ports that the drivers use.
        laboratory: The simulators.
        site: What the drivers share.
        drivers: By station.
        proxies: By station: between its drivers and its simulators.
    """

    lab: LabFile
    laboratory: SimulatedLaboratory
    site: Site
    drivers: dict[str, WiredDriver]
    proxies: dict[str, list[FaultProxy]] = field(default_factory=dict)
    _labels: int = 0

    @property
    def world(self) -> World:
        """The truth; look at it through ``ask`` only."""
        return self.laboratory.plant.world

    def ask(self, look: Callable[[World], Any]) -> Any:
        """Looks at the world in the simulators' thread, at the present time."""

        def tick() -> Any:
            self.laboratory.plant.tick()
            return look(self.world)

        return self.laboratory.ask(tick)

    def label(self) -> str:
        """A new command id."""
        self._labels += 1
        return f"c{self._labels}"

    def start(self, station: str, verb: Verb, *samples: str, **args: Any) -> str:
        """Gives one order straight to a driver; returns its command id."""
        label = self.label()
        start_job(self.drivers[station], Job(label, verb, samples, args))
        return label

    def wait(self, station: str, label: str, *, within_s: float = PATIENCE_S) -> JobRecord:
        """Waits for the end of an order."""

        def ended() -> JobRecord | None:
            record = self.drivers[station].record(label)
            done = record is not None and record.state is not JobState.RUNNING
            return record if done else None

        return until(ended, f"{station} ends {label}", within_s=within_s)

    def do(self, station: str, verb: Verb, *samples: str, **args: Any) -> JobRecord:
        """Gives an order and waits for its end."""
        return self.wait(station, self.start(station, verb, *samples, **args))

    def move(self, sample: str, destination: str) -> JobRecord:
        """Moves a vial from wherever it is."""
        origin = self.site.place(sample)
        args = {"sample": sample, "origin": origin, "destination": destination}
        return self.do("transfer", Verb.TRANSFER, sample, **args)


def until(look: Callable[[], Any], what: str, *, within_s: float = PATIENCE_S) -> Any:
    """Looks again and again until there is something; returns it.

    Raises:
        SdlError: Nothing within the time.
    """
    end_s = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end_s:
            raise SdlError(f"it did not happen within {within_s:g} s: {what}")
        time.sleep(0.002)


@contextmanager
def room(
    folder: Path,
    *,
    proxied: tuple[str, ...] = (),
    notebook: Path | None = None,
    task: Task | None = None,
    **changes: Any,
) -> Iterator[Room]:
    """A loopback laboratory with its drivers; closed at the end.

    Args:
        folder: Where result files go.
        proxied: Stations with a fault proxy at each of their endpoints.
        notebook: The drivers' notes; ``None`` keeps them in memory.
        task: What stands behind it; the shipped one's with a nominal laboratory if ``None``.
        changes: Other values of the laboratory file.
    """
    lab = loopback_lab(**changes)
    shipped = load_task("batio3-coarse") if task is None else task
    shipped = shipped.model_copy(update={"laboratory": lab.capabilities(shipped.laboratory.shelf)})
    furnaces = [s.name for s in lab.stations if s.name.startswith("furnace")]
    nominal = nominal_laboratory(load_system(shipped.system), shipped.laboratory.shelf, furnaces)
    world = make_world(shipped, 0, nominal, None)
    with ExitStack() as stack:
        laboratory = stack.enter_context(SimulatedLaboratory(lab, world, folder=folder))
        lab, proxies = _with_proxies(laboratory.lab, proxied, stack)
        site = Site(
            capabilities=shipped.laboratory,
            clock=MonotonicClock(0.0, lab.clock_scale),
            clock_scale=lab.clock_scale,
            notebook=Notebook(notebook),
            blobs=MemoryBlobs(),
            folder=folder,
        )
        drivers = make_drivers(lab, site)
        for driver in drivers.values():
            for core in driver.cores:
                stack.callback(core.close)
        yield Room(lab, laboratory, site, drivers, proxies)


def _with_proxies(
    lab: LabFile, proxied: tuple[str, ...], stack: ExitStack
) -> tuple[LabFile, dict[str, list[FaultProxy]]]:
    proxies: dict[str, list[FaultProxy]] = {}
    stations = []
    for station in lab.stations:
        if station.name in proxied:
            settings, proxies[station.name] = behind_proxies(station.settings, stack)
            station = station.model_copy(update={"settings": settings})
        stations.append(station)
    return lab.model_copy(update={"stations": tuple(stations)}), proxies
