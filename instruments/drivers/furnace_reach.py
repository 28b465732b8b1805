"""Whether the arm may reach into a furnace: nothing at work, cold or allowed hot, and known to be.

A furnace without a door of ours is asked all the same: a ``Hatch`` stands for its opening.
"""

from __future__ import annotations

from collections.abc import Callable

from instruments.drivers.wired import Note, Progress
from instruments.protocols.eurotherm_program import COOLING_C_PER_MIN
from instruments.site import Site
from sdl.core.errors import DeviceError


class Hatch:
    """The opening of a furnace whose door, if it has one, is none of this laboratory's.

    Args:
        may_open: Raises ``DeviceError`` while nothing may reach in.
    """

    def __init__(self, may_open: Callable[[], None]) -> None:
        self._may_open = may_open

    def open(self) -> None:
        """Looks whether the arm may reach in.

        Raises:
            DeviceError: It may not.
        """
        self._may_open()

    def shut(self) -> None:
        """Nothing to move."""


class FurnaceReach:
    """What one furnace allows.

    Args:
        name: The station.
        site: What the laboratory's drivers share.
        below_c: Temperature below which it counts as cold, degC.
        hot: Whether it may be opened hot while no program is at work.
    """

    def __init__(self, name: str, site: Site, *, below_c: float, hot: bool) -> None:
        self._name = name
        self._site = site
        self._below_c = below_c
        self._hot = hot

    def require(self, at_work: str, temperature_c: Callable[[], float]) -> None:
        """Looks whether it may be opened now.

        What stands in a furnace whose thermocouple was not believed stays there until a person has
        taken it out and released the furnace.

        Args:
            at_work: What runs, empty if nothing.
            temperature_c: Reads the thermocouple, degC; raises ``DeviceError`` where it cannot be
                believed.

        Raises:
            DeviceError: It must stay shut.
        """
        left = self._left_inside()
        if left:
            raise self._stays_shut(left, "vials of a furnace whose temperature is known")
        if at_work:
            raise self._stays_shut(at_work, "no program at work")
        now_c = temperature_c()
        if now_c >= self._below_c and not self._hot:
            raise self._stays_shut(f"{now_c:.1f} degC", f"below {self._below_c:g} degC")

    def cold_in_s(self, temperature_c: float) -> float:
        """Laboratory time until it has cooled by itself, s; not above 0 when it is cold."""
        return (temperature_c - self._below_c) / COOLING_C_PER_MIN * 60.0

    def distrusted(self, note: Note, ended: Progress) -> Progress:
        """Ends a job of which no reading tells when its furnace is cold: a person looks first."""
        self._site.notebook.write(self._name, note["label"], {"distrusted": ended.error})
        return ended

    def _left_inside(self) -> str:
        """Why the vials inside are left for a person; empty if they are not."""
        notebook = self._site.notebook
        inside = set(notebook.occupants(self._name))
        for label in notebook.labels(self._name) if inside else ():
            note = notebook.read(self._name, label) or {}
            if note.get("distrusted") and inside & set(note["samples"]):
                return f"{', '.join(sorted(inside))} of {label}: {note['distrusted']}"
        return ""

    def _stays_shut(self, got: str, allowed: str) -> DeviceError:
        return DeviceError(
            f"{self._name} must not be opened now",
            got=got,
            allowed=allowed,
            do="wait; nothing was moved",
            where=self._name,
        )
