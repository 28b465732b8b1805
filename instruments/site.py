"""What the drivers of one laboratory share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from instruments.notebook import Notebook
from sdl.core.capabilities import Capabilities
from sdl.core.clock import Clock
from sdl.core.protocols import BlobStore

RACK = "rack"
"""Where vials stand that no station holds."""


class Door(Protocol):
    """A door that the arm must open before it reaches into a station."""

    def open(self) -> None:
        """Opens it and looks that it is open.

        Raises:
            DeviceError: It must not be opened now (hot, running), or did not open in time.
        """
        ...

    def shut(self) -> None:
        """Closes it and looks that it is closed. Raises ``DeviceError`` where it did not."""
        ...


@dataclass(frozen=True)
class Site:
    """One laboratory as its drivers see it.

    Args:
        capabilities: Stations, limits, shelf.
        clock: Laboratory time; scaled in a simulated laboratory, real otherwise.
        clock_scale: Laboratory seconds in a second of wall time.
        notebook: What must survive a crash, and where the samples stand.
        blobs: Where patterns and curves go.
        folder: Where relative paths of the laboratory file begin.
        doors: Doors by station; their stations' drivers put them here, the arm uses them.
    """

    capabilities: Capabilities
    clock: Clock
    clock_scale: float
    notebook: Notebook
    blobs: BlobStore
    folder: Path
    doors: dict[str, Door] = field(default_factory=dict)

    def place(self, sample: str) -> str:
        """Where a sample stands."""
        return self.notebook.place(sample) or RACK
