"""What stands behind ``sim up``, ``release`` and ``doctor --lab``."""

from __future__ import annotations

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
from sdl.campaign.commissioning import items_for, missing_of, read_record, tick
from sdl.campaign.emergency import look_drivers
from sdl.campaign.laboratory import read_lab, simulate_lab, write_lab
from sdl.core.errors import DeviceError
from sdl.core.model import Frozen

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


def examine_lab(path: Path) -> list[LabFinding]:
    """Connects to every instrument, identifies and reads it; moves nothing.

    Raises:
        ConfigError: The file is wrong.
    """
    lab = read_lab(path)
    findings = [found for d in look_drivers(lab, path).values() for found in _examine(d)]
    if lab.real:
        record = read_record(path)
        for station in lab.stations:
            missing = missing_of(station, record)
            words = "commissioned" if not missing else f"not commissioned: {', '.join(missing)}"
            state = "failed" if missing else "ok"
            findings.append(LabFinding(instrument=station.name, state=state, words=words))
    return findings


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
