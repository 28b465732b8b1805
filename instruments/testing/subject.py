"""What the checks of a station need: its driver, a job, and what stands behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from instruments.drivers.job import Job
from instruments.drivers.wired import WiredDriver


def _nothing() -> None:
    """Nobody has to do anything."""


def _safe() -> str:
    return ""


@dataclass
class Subject:
    """One station under test with a simulator, or a person, behind it.

    Args:
        make: A driver as a new process makes it, over the same notebook file.
        job: A job for a label that the station can do now and that ends by itself within
            ``within_s``; the vials it names stand in the station.
        sent: Requests that reached the instruments so far.
        acts: Physical acts of the station that began so far.
        freeze: Makes its instruments silent.
        thaw: Makes them answer again.
        reboot: Cuts their power for a moment; they answer again afterwards.
        tend: What a person does meanwhile; called again and again.
        unsafe: What is unsafe about the station after an abort; empty if nothing.
        can_abort: Whether a running job can be stopped at all.
        is_quick: Whether a job may end by itself before an abort reaches the device.
        within_s: Wall time a job takes at most, s.
    """

    make: Callable[[], WiredDriver]
    job: Callable[[str], Job]
    sent: Callable[[], int]
    acts: Callable[[], int]
    freeze: Callable[[], None] = _nothing
    thaw: Callable[[], None] = _nothing
    reboot: Callable[[], None] = _nothing
    tend: Callable[[], None] = _nothing
    unsafe: Callable[[], str] = _safe
    can_abort: bool = True
    is_quick: bool = False
    within_s: float = 60.0
    driver: WiredDriver = field(init=False)
    """The driver in use."""

    def __post_init__(self) -> None:
        self.driver = self.make()
        self._labels = 0

    def label(self) -> str:
        """A command id that was never used."""
        self._labels += 1
        return f"contract-{self.driver.name}-{self._labels}"

    @property
    def name(self) -> str:
        """Name of the station."""
        return self.driver.name
