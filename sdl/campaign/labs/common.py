"""What the laboratories over the virtual world share; they differ only in how a job is run."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from instruments.drivers.job import Job, JobRecord, JobState
from instruments.drivers.virtual import VirtualDriver, virtual_drivers
from sdl.campaign.labs.inspection import inspect
from sdl.chemistry.system import load_system
from sdl.core.capabilities import Capabilities, StationKind
from sdl.core.command import Command, Inspection, LabEvent, Presence
from sdl.core.errors import DeviceError, LabError
from sdl.core.protocols import BlobStore
from sdl.tasks.task import Task
from simulators.laboratory import Laboratory, draw_laboratory, laboratory_key
from simulators.world import World

D = TypeVar("D")
_NUMBER = re.compile(r"\d+")


def hidden_laboratory(task: Task, seed: int) -> Laboratory:
    """The laboratory a task hides behind a number; campaigns meet those kept for judging."""
    furnaces = [s.name for s in task.laboratory.of_kind(StationKind.FURNACE)]
    return draw_laboratory(
        load_system(task.system),
        task.hidden,
        task.laboratory.shelf,
        furnaces,
        *laboratory_key("judge", seed),
    )


def make_world(
    task: Task,
    seed: int,
    laboratory: Laboratory | None,
    path: Path | None,
    campaign: str = "",
) -> World:
    """A new world.

    Args:
        task: Stations, shelf, system and hidden distribution.
        seed: Number of the hidden laboratory and seed of the world's noise.
        laboratory: Replaces the drawn laboratory.
        path: ``world.db``; ``None`` keeps the world in memory.
        campaign: Identity of the campaign; ``open_world`` compares it.

    Raises:
        LabError: ``path`` exists, or the disk is full or refuses.
    """
    return World.create(
        path,
        task,
        seed=seed,
        laboratory=laboratory or hidden_laboratory(task, seed),
        campaign=campaign,
    )


def open_world(task: Task, seed: int, path: Path | None, campaign: str = "") -> World:
    """The world of an earlier campaign.

    Raises:
        LabError: No file, a damaged one, or the world of another task, seed or campaign.
    """
    if path is None:
        raise LabError("a world in memory cannot be opened again", do="give the path of a world.db")
    world = World.open(path)
    same = world.task.hash == task.hash and world.seed == seed
    if not same or world.campaign != campaign:
        world.close()
        raise LabError(
            "this virtual world belongs to another campaign",
            got=_identity(world.task, world.seed, world.campaign),
            allowed=_identity(task, seed, campaign),
            do="put back the world.db of this campaign; give every campaign a folder of its own",
            where=path,
        )
    return world


def _identity(task: Task, seed: int, campaign: str) -> str:
    return f"task {task.name} ({task.hash[:12]}), seed {seed}, campaign {campaign[:12] or 'none'}"


def station_of(command: Command, drivers: Mapping[str, D]) -> D:
    """The driver of a command's station.

    Raises:
        DeviceError: There is no such station.
    """
    driver = drivers.get(command.station)
    if driver is None:
        raise DeviceError(
            f"there is no station for {command.id}",
            got=command.station,
            allowed=", ".join(drivers),
        )
    return driver


class WorldLab(ABC):
    """A ``sdl.core.protocols.Lab`` over the drivers of a virtual world.

    Args:
        task: The task; its ``laboratory`` is what ``capabilities`` tells.
        world: The world.
        blobs: Where patterns go.
        done: Ids of commands whose end is journalled already; it is not told again.
    """

    def __init__(
        self, task: Task, world: World, blobs: BlobStore, done: Collection[str] = ()
    ) -> None:
        self.task = task
        self.world = world
        """For scoring by benches; nothing of it enters a decision."""
        self._drivers = virtual_drivers(world, task.laboratory, blobs)
        self._done = set(done)
        self._waiting: dict[str, Command] = {}

    def capabilities(self) -> Capabilities:
        """Stations, capacities, limits, gases, shelf."""
        return self.task.laboratory

    def submit(self, command: Command) -> str:
        """Starts a command now; its end comes through ``events``.

        Raises:
            DeviceError: The station does not exist, refuses, or holds other samples.
            BusyError: The station works on something else.
        """
        self._start(self._driver(command), Job.of(command))
        self._waiting[command.id] = command
        self._done.discard(command.id)
        return command.id

    def cancel(self, command_id: str) -> bool:
        """Stops a running command safely; its end comes through ``events`` as a failure.

        Powder that fell stays, the arm puts the vial back, a furnace cools closed. Returns False
        when the command had ended, or is not known to this process.
        """
        command = self._waiting.get(command_id)
        return command is not None and self._driver(command).abort(command_id)

    def next_event_s(self) -> float | None:
        """Laboratory time of the next end that is not handed over; ``None`` when idle."""
        ends = [self._record(c).end_s for c in self._waiting.values()]
        return min(ends, default=None)

    def advance(self, time_s: float) -> float:
        """Jumps to ``time_s``; a repeated or earlier jump is harmless."""
        return self.world.advance(time_s)

    def events(self, now_s: float) -> Sequence[LabEvent]:
        """Ends up to ``now_s`` not handed over before, by time, then number of the id."""
        ended: list[tuple[float, int, Command]] = []
        for command in self._waiting.values():
            record = self._record(command)
            if record.state is not JobState.RUNNING and record.end_s <= now_s:
                ended.append((record.end_s, _number(command.id), command))
        events: list[LabEvent] = []
        for _, _, command in sorted(ended, key=lambda e: e[:2]):
            events.append(self._event(command))
            del self._waiting[command.id]
            self._done.add(command.id)
        return events

    def inspect(self, command: Command) -> Inspection:
        """Looks at the devices whether a command has happened; see ``labs.inspection``."""
        found = inspect(self._driver(command), command)
        if found.presence is Presence.STARTED and command.id not in self._done:
            self._waiting[command.id] = command
        return found

    def close(self) -> None:
        """Lets go of the devices and of the world's file."""
        self.world.close()

    def _driver(self, command: Command) -> VirtualDriver:
        return station_of(command, self._drivers)

    def _record(self, command: Command) -> JobRecord:
        record = self._driver(command).record(command.id)
        if record is None:
            raise DeviceError(f"{command.station} forgot {command.id}", do="look at the device")
        return record

    def _event(self, command: Command) -> LabEvent:
        record = self._record(command)
        result = self._collect(self._driver(command), command.id)
        error = f"{command.station}, {command.id}: {record.error}" if record.error else None
        return LabEvent(
            command=command.id,
            time_s=record.end_s,
            ok=error is None,
            result=result,
            error=error,
        )

    @abstractmethod
    def _start(self, driver: VirtualDriver, job: Job) -> None:
        """Loads, reads back and starts a job."""

    @abstractmethod
    def _collect(self, driver: VirtualDriver, label: str) -> dict[str, Any]:
        """The result of an ended job."""


def _number(command_id: str) -> int:
    found = _NUMBER.search(command_id)
    return int(found[0]) if found else 0
