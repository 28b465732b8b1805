"""What stands behind ``sim up``, ``release`` and ``doctor --lab``."""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from instruments.cores.core import Core, Show
from instruments.drivers.wired import WiredDriver
from instruments.notebook import Notebook
from instruments.registry import make_drivers
from instruments.site import Site
from instruments.supervisor import stop_all
from sdl.campaign.commissioning import items_for, missing_of, read_record, tick
from sdl.campaign.controls import control_of, judge
from sdl.campaign.laboratory import read_lab, simulate_lab, stop_file, write_lab
from sdl.campaign.opening import described
from sdl.campaign.places import url_of
from sdl.campaign.state import CampaignState
from sdl.core.clock import MonotonicClock
from sdl.core.errors import ConfigError, DeviceError
from sdl.core.event import Event, Noted, Topic
from sdl.core.lab import LabFile
from sdl.core.model import Frozen
from sdl.journal.blobs import MemoryBlobs
from sdl.journal.journal import Journal

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


class LabFinding(Frozen):
    """What was found of one instrument."""

    instrument: str
    state: str
    """ok, warning or failed."""
    words: str
    details: tuple[str, ...] = ()


def simulate(path: Path, out: Path | None, world: Path | None) -> None:
    """``sdl sim up``: serves until Ctrl-C or SIGTERM.

    Raises:
        ConfigError: The file is wrong, or a port is taken.
    """
    lab = read_lab(path)
    with simulate_lab(lab, path.parent, world) as laboratory:
        if out is not None:
            write_lab(laboratory.lab, out)
        for station in laboratory.lab.stations:
            ends = ", ".join(_endpoints(station.settings)) or "no socket"
            sys.stdout.write(f"{station.name:<14} {station.driver:<16} {ends}\n")
        sys.stdout.write(
            f"{lab.name} is up, {lab.clock_scale:g} times as fast as real; Ctrl-C ends it\n"
        )
        sys.stdout.flush()
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()


def _endpoints(value: object) -> list[str]:
    """Every endpoint in the settings of a station."""
    if isinstance(value, str):
        return [value] if value.startswith("tcp://") else []
    if isinstance(value, dict):
        return [end for each in value.values() for end in _endpoints(each)]
    return []


def release_station(run: Path, station: str, by: str) -> str:
    """``sdl release``: returns what was done, in a sentence.

    Raises:
        ConfigError: Nobody is named, or the station is not quarantined.
        JournalError: A controller works on the campaign, or there is none.
    """
    if not by.strip():
        raise ConfigError("nobody is named", got="no --by", do="add --by 'your name'")
    with Journal.open(url_of(run)) as journal:
        state = CampaignState()
        for event in journal.events():
            state.apply(event)
        named = list(state.quarantined) if station == "all" else [station]
        for name in named:
            if name not in state.quarantined:
                raise ConfigError(
                    f"{name} is not quarantined",
                    got=name,
                    allowed=", ".join(state.quarantined) or "no station is",
                )
        notes = [
            Noted(topic=Topic.RELEASE, station=n, message=f"released by {by}", values={"by": by})
            for n in named
        ]
        journal.append(*(Event.of(state.time_s, note) for note in notes))
    return (
        f"released: {', '.join(named) or 'nothing was quarantined'}; go on with `sdl resume {run}`"
    )


def enter_control(run: Path, name: str, value: float, by: str) -> str:
    """``sdl control``: returns what it means, in a sentence.

    Raises:
        ConfigError: No such control, no number, nobody named, or no laboratory file.
        JournalError: A controller works on the campaign, or there is none.
    """
    if not by.strip():
        raise ConfigError("nobody is named", got="no --by", do="add --by 'your name'")
    if not math.isfinite(value):
        raise ConfigError("a control finds a finite number", got=value, do="correct the value")
    with Journal.open(url_of(run)) as journal:
        config, _ = described(journal)
        if config.lab_file is None:
            raise ConfigError("this campaign has no laboratory file", got=f"lab: {config.lab}")
        controls = {c.name: c for c in read_lab(config.lab_file).controls}
        noted = judge(control_of(controls, name), value, by)
        time_s = max(event.time_s for event in journal.events())
        journal.append(*(Event.of(time_s, note) for note in noted))
    return f"{noted[0].message}; {noted[1].topic.value}: {noted[1].message}"


def commission_station(path: Path, station: str, items: Sequence[str], by: str) -> tuple[str, bool]:
    """``sdl commission``: what is to be done, and whether nothing is left.

    Raises:
        ConfigError: No such station or item, or nobody is named.
    """
    lab = read_lab(path)
    missing = tick(path, lab, station, items, by)
    lines = [f"{station} ({lab.station(station).driver}), cold commissioning:"]
    for item in items_for(lab.station(station)):
        mark = " " if item.partition(":")[0] in missing else "x"
        lines.append(f"  [{mark}] {item}")
    if missing:
        lines.append(f"Tick with `sdl commission {path} {station} --item {missing[0]} --by NAME`.")
    return "\n".join(lines), not missing


def emergency_stop(path: Path, reason: str, by: str, *, reset: bool) -> tuple[str, bool]:
    """``sdl estop``: what was done, and whether everything is safe.

    The stop file is written first, so that controllers start nothing more; then every instrument is
    told on a connection of its own.

    Raises:
        ConfigError: The file is wrong, or nobody is named.
    """
    if not by.strip():
        raise ConfigError("nobody is named", got="no --by", do="add --by 'your name'")
    mark = stop_file(path)
    if reset:
        mark.unlink(missing_ok=True)
        return f"the stop was lifted by {by}; quarantined stations stay so: `sdl release`", True
    mark.write_text(f"{reason or 'no reason given'} (by {by})", encoding="utf-8")
    drivers = _drivers(read_lab(path), path)
    cores = [core for driver in drivers.values() for core in driver.cores]
    failed = stop_all(cores)
    lines = [f"{core.name}: {core.stop_action}" for core in cores]
    lines += [f"NOT STOPPED, use the hardware's own stop: {each}" for each in failed]
    lines.append(f"`sdl estop {path} --reset --by NAME` lifts it")
    return "\n".join(lines), not failed


def examine_lab(path: Path) -> list[LabFinding]:
    """Connects to every instrument, identifies and reads it; moves nothing.

    Raises:
        ConfigError: The file is wrong.
    """
    lab = read_lab(path)
    findings = [found for d in _drivers(lab, path).values() for found in _examine(d)]
    if lab.real:
        record = read_record(path)
        for station in lab.stations:
            missing = missing_of(station, record)
            words = "commissioned" if not missing else f"not commissioned: {', '.join(missing)}"
            state = "failed" if missing else "ok"
            findings.append(LabFinding(instrument=station.name, state=state, words=words))
    return findings


def _drivers(lab: LabFile, path: Path) -> dict[str, WiredDriver]:
    """Drivers that look and stop, outside of any campaign."""
    site = Site(
        capabilities=lab.capabilities(()),
        clock=MonotonicClock(0.0, lab.clock_scale),
        clock_scale=lab.clock_scale,
        notebook=Notebook(None),
        blobs=MemoryBlobs(),
        folder=path.parent,
    )
    return make_drivers(lab, site, path)


def _examine(driver: WiredDriver) -> list[LabFinding]:
    if not driver.cores:
        words = "no instrument: a person or a folder"
        return [LabFinding(instrument=driver.name, state="ok", words=words)]
    return [_examine_core(core) for core in driver.cores]


def _examine_core(core: Core) -> LabFinding:
    try:
        identity = core.identify()
    except DeviceError as err:
        return LabFinding(instrument=core.name, state="failed", words=str(err))
    finally:
        core.close()
    shown, wrong = [], []
    for channel in core.channels:
        if channel.show is Show.OMITTED:
            continue
        readout = core.read(channel.name)
        value = readout.value if readout.ok else f"{readout.quality.value}: {readout.reason}"
        text = f"{value:g}" if isinstance(value, float) else str(value)
        (shown if readout.ok else wrong).append(f"{channel.name} {text} {channel.unit}".rstrip())
    core.close()
    about = " ".join(filter(None, (identity.model, identity.serial, identity.firmware)))
    return LabFinding(
        instrument=core.name,
        state="warning" if wrong else "ok",
        words=f"{about or 'answers'}; stop: {core.stop_action}",
        details=(*wrong, *shown),
    )


def show_lab(path: Path, findings: Sequence[LabFinding]) -> None:
    """Prints what was found."""
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, highlight=False, width=150)
    table = Table(box=box.SIMPLE)
    table.add_column("instrument", no_wrap=True)
    table.add_column("state")
    table.add_column("found")
    for finding in findings:
        words = Text(finding.words)
        for detail in finding.details:
            words.append(f"\n  {detail}", "dim")
        table.add_row(finding.instrument, Text(finding.state, _STYLES[finding.state]), words)
    console.print(Text(str(path), "bold"), soft_wrap=True)
    console.print(table)
