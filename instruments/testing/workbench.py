"""One station with its simulator and a vial in it: what a plugin's own contract tests stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from instruments.drivers.job import Job
from instruments.drivers.wired import WiredDriver
from instruments.notebook import Notebook
from instruments.site import Site
from instruments.testing.expect import until
from instruments.testing.subject import Subject
from sdl.chemistry.system import load_system
from sdl.core.capabilities import StationKind
from sdl.core.clock import MonotonicClock
from sdl.core.errors import BusyError
from sdl.core.lab import LabFile, LabStation
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task
from simulators.act import Act, ActState
from simulators.laboratory import nominal_laboratory
from simulators.wire.laboratory import SimulatedLaboratory
from simulators.wire.proxy import behind_proxies
from simulators.wire.server import WireSimulator
from simulators.world import World

VIAL = "V1"
"""The vial that stands in the station."""
CLOCK_SCALE = 3600.0
"""An hour of the laboratory is a second."""


@contextmanager
def workbench(
    station: LabStation,
    driver: type[WiredDriver],
    simulator: type[WireSimulator],
    job: Callable[[str], Job],
    folder: Path,
    *,
    can_abort: bool = True,
) -> Iterator[tuple[Subject, WireSimulator]]:
    """A station in a small virtual world, with a fault proxy at each of its endpoints.

    Args:
        station: With endpoints ``tcp://127.0.0.1:0``.
        driver: Class of its driver.
        simulator: Class of its simulator.
        job: A job for a label, with ``VIAL``.
        folder: Empty; for the notebook and for files.
        can_abort: Whether a running job can be stopped at all.

    Yields:
        The subject for the checks, and the running simulator.
    """
    world, lab = _world_with(station), LabFile(name="workbench", stations=(station,))
    lab = lab.model_copy(update={"clock_scale": CLOCK_SCALE})
    with ExitStack() as stack:
        room = stack.enter_context(SimulatedLaboratory(lab, world, folder=folder, make=simulator))
        settings, proxies = behind_proxies(room.simulators[station.name].settings, stack)
        checked = driver.Settings.model_validate(settings)
        path = folder / "notebook.db"
        site = Site(
            world.task.laboratory, MonotonicClock(0.0, CLOCK_SCALE), CLOCK_SCALE, Notebook(path),
            MemoryBlobs(), folder,
        )  # fmt: skip
        _bring(room, world, station.name)
        site.notebook.put(VIAL, station.name)

        def make() -> WiredDriver:
            again = Notebook(path)
            stack.callback(again.close)
            made = driver(station.plain(), replace(site, notebook=again), checked)
            for core in made.cores:
                stack.callback(core.close)
            return made

        running = room.simulators[station.name]
        subject = Subject(
            make=make,
            job=job,
            sent=lambda: sum(proxy.requests for proxy in proxies),
            acts=lambda: len(_acts(room, world, station.name)),
            freeze=lambda: room.ask(running.freeze),
            thaw=lambda: room.ask(running.thaw),
            reboot=lambda: room.ask(running.reboot),
            unsafe=lambda: _still_running(_acts(room, world, station.name)),
            can_abort=can_abort,
        )
        yield subject, running


def _acts(room: SimulatedLaboratory, world: World, station: str) -> list[Act]:
    """What a station has done so far."""

    def look() -> list[Act]:
        room.plant.tick()
        return [act for act in world.acts() if act.station == station]

    return room.ask(look)


def _still_running(acts: Sequence[Act]) -> str:
    return ", ".join(act.label for act in acts if act.state is ActState.RUNNING)


def _world_with(station: LabStation) -> World:
    """A world whose laboratory has the station besides its own."""
    task = load_task("batio3-coarse")
    own = [s for s in task.laboratory.stations if s.name != station.name]
    laboratory = task.laboratory.model_copy(update={"stations": (*own, station.plain())})
    furnaces = [s.name for s in laboratory.of_kind(StationKind.FURNACE)]
    hidden = nominal_laboratory(load_system(task.system), laboratory.shelf, furnaces)
    task = task.model_copy(update={"laboratory": laboratory})
    return World.create(None, task, seed=11, laboratory=hidden)


def _bring(room: SimulatedLaboratory, world: World, station: str) -> None:
    """Puts the vial into the station, by somebody's hand."""

    def carry() -> bool:
        room.plant.tick()
        if world.place(VIAL) == "rack":
            with suppress(BusyError):
                world.start_transfer("transfer", "by hand", VIAL, station)
        return world.place(VIAL) == station

    until(lambda: room.ask(carry), f"{VIAL} stands in {station}", within_s=10.0)
