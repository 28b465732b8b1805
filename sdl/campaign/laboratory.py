"""Laboratories of files: read, checked, locked, opened, and simulated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from sdl.campaign.commissioning import require_commissioned
from sdl.campaign.places import NOTEBOOK_NAME, folder_of, journal_file
from sdl.core.clock import MonotonicClock
from sdl.core.errors import BusyError, ConfigError, JournalLockedError
from sdl.core.event import Boot, Event, EventKind, Noted, Topic
from sdl.core.lab import LabFile
from sdl.core.recipe import Gas
from sdl.core.yaml import load
from sdl.journal.boot import boot_id
from sdl.journal.lock import OwnerLock

if TYPE_CHECKING:
    from instruments.notebook import Notebook
    from sdl.campaign.labs.wired import WiredLab
    from sdl.campaign.making import Setting
    from sdl.core.capabilities import Capabilities
    from simulators.wire.laboratory import SimulatedLaboratory
    from simulators.world import World


def read_lab(path: Path) -> LabFile:
    """A laboratory file with the settings of every driver checked; nothing is connected.

    Raises:
        ConfigError: With file and line, what was given, what is allowed, what to do.
        MissingExtraError: A package of a driver is not installed.
    """
    from instruments.registry import read_settings

    lab = load(path, LabFile, "the laboratory file")
    for station in lab.stations:
        read_settings(station, path)
    return lab


def write_lab(lab: LabFile, path: Path) -> None:
    """Writes a laboratory file that can be read again."""
    data = lab.model_dump(mode="json", exclude_defaults=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def lock_lab(path: Path) -> OwnerLock:
    """One controller for a laboratory at a time, whatever its campaign.

    Raises:
        BusyError: Another controller drives it.
    """
    try:
        return OwnerLock.acquire(path.with_name(path.name + ".lock"), str(path))
    except JournalLockedError as err:
        raise BusyError(
            "another controller drives this laboratory",
            got=err.got,
            allowed="one controller at a time",
            do="end that campaign, or wait for it; a killed controller's lock is free at once",
            where=path,
        ) from err


def laboratory_time_s(events: Sequence[Event], scale: float) -> float:
    """Laboratory time now: time since the campaign's first start, with every pause counted.

    Within one boot of the machine by the monotonic clock, across boots by UTC; never before the
    last event.

    Args:
        events: The journal so far.
        scale: Laboratory seconds in a second.
    """
    first = next((e.read(Boot) for e in events if e.kind is EventKind.BOOT), None)
    last_s = max((e.time_s for e in events), default=0.0)
    if first is None:
        return last_s
    if first.boot_id and first.boot_id == boot_id():
        passed_s = time.monotonic() - first.monotonic_s
    else:
        passed_s = (datetime.now(UTC) - datetime.fromisoformat(first.utc)).total_seconds()
    return max(passed_s * scale, last_s)


def gap_of(events: Sequence[Event], now_s: float) -> Noted | None:
    """The time in which no controller ran; ``None`` at the first start.

    Devices went on by themselves meanwhile: what they did is told command by command.
    """
    boots = sum(e.kind is EventKind.BOOT for e in events)
    if boots < 2:
        return None
    last_s = max(e.time_s for e in events)
    hours = (now_s - last_s) / 3600.0
    return Noted(
        topic=Topic.GAP,
        station="laboratory",
        message=f"no controller between {last_s / 3600.0:.2f} h and {now_s / 3600.0:.2f} h "
        f"({hours:.2f} h): what ran went on by itself, and hot samples stayed hot",
        values={"from_s": last_s, "to_s": now_s},
    )


def require_free(path: Path, *, shadow: bool) -> None:
    """Refuses a campaign whose laboratory cannot be driven now, before anything is written.

    Args:
        path: The laboratory file.
        shadow: Whether persons stand in the place of its drivers.

    Raises:
        ConfigError: Real hardware that was not commissioned.
        BusyError: Another controller drives it.
    """
    if not shadow:
        require_commissioned(read_lab(path), path)
    lock_lab(path).release()


def require_same_stations(lab: LabFile, begun: Capabilities, path: Path) -> None:
    """Refuses a file whose stations were taken away or replaced since the campaign began.

    Limits may be changed: drivers keep those of the file, so that a lower one counts at once.

    Raises:
        ConfigError: Names the first station that does not fit.
    """
    now = {station.name: station for station in lab.stations}
    for station in begun.stations:
        found = now.get(station.name)
        if found is None or found.kind is not station.kind:
            raise ConfigError(
                f"the campaign was begun with the {station.kind.value} {station.name}",
                got="no such station" if found is None else f"a {found.kind.value} of that name",
                allowed="the stations it was begun with; ports, limits and settings may change",
                do="put the station back into the file, or begin a new campaign",
                where=path,
            )


def note_removals(notebook: Notebook, lab: LabFile, events: Sequence[Event]) -> None:
    """Notes that ended samples stand in no released station any more: who released it looked.

    Raises:
        LabError: The notebook cannot be used.
    """
    from sdl.campaign.state import RACK, CampaignState

    state = CampaignState()
    for event in events:
        state.apply(event)
    for station in lab.stations:
        if station.name in state.quarantined:
            continue
        for sample in notebook.occupants(station.name):
            if sample in state.finished:
                notebook.put(sample, RACK)


def open_lab(setting: Setting) -> WiredLab:
    """The laboratory of a campaign, with its notebook beside the journal.

    Raises:
        ConfigError: The file is wrong.
        BusyError: Another controller drives it.
        LabError: The notebook cannot be used.
    """
    from instruments.notebook import Notebook
    from instruments.registry import make_drivers
    from instruments.site import Site
    from instruments.supervisor import Supervisor
    from sdl.campaign.labs.wired import WiredLab

    path = setting.config.lab_file
    if path is None:
        raise ConfigError("this campaign has no laboratory file", got=setting.config.lab)
    lab = read_lab(path)
    require_same_stations(lab, setting.task.laboratory, path)
    if setting.config.shadow:
        folder = folder_of(setting.url) or path.parent
        (folder / "inbox").mkdir(parents=True, exist_ok=True)
        lab = shadow_of(lab, folder)
    else:
        require_commissioned(lab, path)
    lock = lock_lab(path)
    try:
        journal = journal_file(setting.url)
        notes = None if journal is None else journal.with_name(NOTEBOOK_NAME)
        start_s = laboratory_time_s(setting.events, lab.clock_scale)
        site = Site(
            capabilities=setting.task.laboratory,
            clock=MonotonicClock(start_s, lab.clock_scale),
            clock_scale=lab.clock_scale,
            notebook=Notebook(notes, setting.journal.epoch),
            blobs=setting.journal.blobs,
            folder=path.parent,
        )
        note_removals(site.notebook, lab, setting.events)
        drivers = make_drivers(lab, site, path)
        return WiredLab(
            lab,
            site,
            drivers,
            done=setting.ended,
            documents=setting.journal.documents.append,
            lock=lock,
            supervisor=Supervisor(lab.interlocks, drivers, stop_file=stop_file(path)),
            gap=gap_of(setting.events, start_s),
        )
    except BaseException:
        lock.release()
        raise


def stop_file(path: Path) -> Path:
    """The file whose existence stops everything; ``sdl estop`` writes and removes it."""
    return path.with_name(path.name + ".stop")


def shadow_of(lab: LabFile, folder: Path) -> LabFile:
    """The laboratory with a person in the place of every driver: nothing is commanded.

    Args:
        lab: The file.
        folder: The run's folder; requests and answers lie in its ``inbox``.
    """
    inbox = {"inbox": str((folder / "inbox").resolve())}
    stations = tuple(
        s.model_copy(update={"driver": "human", "settings": inbox}) for s in lab.stations
    )
    return lab.model_copy(update={"stations": stations, "interlocks": (), "clock_scale": 1.0})


def simulate_lab(lab: LabFile, folder: Path, world_path: Path | None = None) -> SimulatedLaboratory:
    """Starts the simulators of a laboratory file over a virtual world, a new one or that of a file.

    A world that was left is taken up as after a power cut: what ran has stopped, vials stand where
    they stood, and the instruments have lost what they held in memory.

    Args:
        lab: The file.
        folder: Where its relative paths begin.
        world_path: File of the world; ``None`` keeps it in memory.

    Raises:
        ConfigError: The file has no ``simulated`` part, or a station has no simulator.
        LabError: ``world_path`` is the world of another laboratory, or damaged.
    """
    from sdl.campaign.labs.common import make_world, open_world
    from sdl.tasks.task import load_task
    from simulators.wire.laboratory import SimulatedLaboratory

    if lab.simulated is None:
        raise ConfigError(
            f"the laboratory {lab.name} does not say what stands behind its simulators",
            got="no key `simulated`",
            allowed="simulated: {task: batio3-coarse, laboratory: 0}",
            do="add the key",
        )
    task = load_task(lab.simulated.task, folder)
    task = task.model_copy(update={"laboratory": lab.capabilities(task.laboratory.shelf)})
    if world_path is not None and world_path.exists():
        world = open_world(task, lab.simulated.laboratory, world_path)
        world.lose_power()
    else:
        world = make_world(task, lab.simulated.laboratory, None, world_path)
    _warm(world)
    return SimulatedLaboratory(lab, world, start_s=world.now_s, folder=folder)


def _warm(world: World) -> None:
    """Compiles the reactor before the first instrument answers: later it would be late."""
    from simulators.reactor import Segment

    reactor, lot = world.effects.reactor, world.task.laboratory.shelf[0].name
    powder = reactor.mill(reactor.dispense(reactor.empty(), lot, 1.0), 1.0)
    reactor.heat(powder, [Segment(25.0, 30.0, 60.0)], Gas.AIR)
