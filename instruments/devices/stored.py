"""One instrument of a laboratory file, as an entry of a happi database names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from instruments.cores.core import Core
from instruments.devices.instrument import InstrumentFace, face_of
from instruments.notebook import Notebook
from instruments.registry import make_drivers
from instruments.site import Site
from sdl.core.clock import MonotonicClock
from sdl.core.errors import ConfigError
from sdl.core.lab import LabFile, LabStation
from sdl.journal.blobs import MemoryBlobs


def cores_of(lab: LabFile, folder: Path) -> dict[str, Sequence[Core]]:
    """The instruments of a laboratory file by station; none is connected.

    Args:
        lab: The file.
        folder: Where its relative paths begin.

    Raises:
        ConfigError: A driver or a setting is wrong.
    """
    site = Site(lab.capabilities(()), MonotonicClock(), 1.0, Notebook(None), MemoryBlobs(), folder)
    return {name: tuple(driver.cores) for name, driver in make_drivers(lab, site).items()}


def open_instrument(
    *, name: str, station: Mapping[str, Any], core: str, folder: str
) -> InstrumentFace:
    """The classic face of one instrument; nothing is connected before it is read.

    Args:
        name: Name of the device.
        station: The station as it stands in the laboratory file.
        core: Name of the instrument, one of the station's.
        folder: Where relative paths in the settings begin.

    Raises:
        ConfigError: The station, its driver or a setting is wrong, or has no such instrument.
    """
    try:
        read = LabStation.model_validate(station)
    except ValidationError as err:
        first = err.errors()[0]
        raise ConfigError(
            f"the station of {name} is wrong", got=f"{first['loc']}: {first['msg']}"
        ) from err
    lab = LabFile(name="stored", stations=(read,))
    found = {c.name: c for c in cores_of(lab, Path(folder))[read.name]}
    if core not in found:
        raise ConfigError(
            f"{read.name} has no such instrument", got=core, allowed=", ".join(found) or "none"
        )
    return face_of(type(found[core]))("", core=found[core], name=name)
