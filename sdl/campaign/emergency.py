"""The emergency stop: every instrument of a laboratory at once, outside of any campaign."""

from __future__ import annotations

from pathlib import Path

from instruments.drivers.wired import WiredDriver
from instruments.notebook import Notebook
from instruments.registry import make_drivers
from instruments.site import Site
from instruments.supervisor import stop_all
from sdl.campaign.laboratory import read_lab, stop_file
from sdl.core.clock import MonotonicClock
from sdl.core.errors import ConfigError
from sdl.core.lab import LabFile
from sdl.journal.blobs import MemoryBlobs


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
        try:
            mark.unlink(missing_ok=True)
        except OSError as err:
            raise ConfigError(
                "the stop cannot be lifted", got=f"{mark}: {err.strerror}", do="remove that file"
            ) from err
        return f"the stop was lifted by {by}; quarantined stations stay so: `sdl release`", True
    lines: list[str] = []
    try:
        mark.write_text(f"{reason or 'no reason given'} (by {by})", encoding="utf-8")
    except OSError as err:  # the instruments are stopped all the same
        lines.append(f"CONTROLLERS ARE NOT TOLD, end them by hand: {mark}: {err.strerror}")
    drivers = look_drivers(read_lab(path), path)
    cores = [core for driver in drivers.values() for core in driver.cores]
    failed = stop_all(cores)
    safe = not failed and not lines
    lines += [f"{core.name}: {core.stop_action}" for core in cores]
    lines += [f"NOT STOPPED, use the hardware's own stop: {each}" for each in failed]
    lines.append(f"`sdl estop {path} --reset --by NAME` lifts it")
    return "\n".join(lines), safe


def look_drivers(lab: LabFile, path: Path) -> dict[str, WiredDriver]:
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
