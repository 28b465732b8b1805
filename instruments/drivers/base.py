"""The state machine every station shares: load, read back, start, log, abort."""

from __future__ import annotations

import math
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from instruments.drivers.job import Job, JobRecord
from sdl.core.capabilities import Station
from sdl.core.command import Verb
from sdl.core.errors import DeviceError, excerpt
from sdl.core.model import SAFE_ID


class Driver(ABC):
    """One station behind its transport. Limits are checked here whatever was checked before.

    Args:
        station: Name and limits.
    """

    verb: Verb
    """The only verb the station knows."""
    arguments: frozenset[str]
    """Names of the arguments it understands; another one is refused."""
    result_units: Mapping[str, str]
    """Names and units of what it reports at the end of a job; text has the unit ``""``."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self._loaded: Job | None = None

    @property
    def name(self) -> str:
        """Name of the station."""
        return self.station.name

    def load(self, job: Job) -> None:
        """Checks a job against the limits and writes it into the device; nothing moves.

        Raises:
            DeviceError: Wrong verb, a limit is broken, a value is missing or not finite.
            BusyError: The device runs another job.
        """
        self._loaded = None
        self.check_job(job)
        self.write(job)
        self._loaded = job

    def check_job(self, job: Job) -> None:
        """Checks a job against everything that can be known beforehand; nothing moves.

        Raises:
            DeviceError: Wrong verb, an unsafe name, a limit is broken, a value is missing or not
                finite.
        """
        if job.verb is not self.verb:
            raise self.refusal(job, "the verb", job.verb.value, self.verb.value)
        if not 1 <= len(job.samples) <= self.station.capacity:
            raise self.refusal(
                job, "the number of samples", len(job.samples), f"1 to {self.station.capacity}"
            )
        unknown = sorted(set(job.args) - self.arguments)
        if unknown:
            allowed = ", ".join(sorted(self.arguments))
            raise self.refusal(job, "an argument", unknown[0], allowed)
        self.check(job)
        for name in (job.label, *job.samples):
            if re.fullmatch(SAFE_ID, name) is None:
                raise self.refusal(job, "a name", excerpt(name), f"like {SAFE_ID}")

    def read_back(self) -> str:
        """Hash of the job the device holds; empty when it holds none."""
        return "" if self._loaded is None else self._loaded.setup_hash

    def start(self) -> JobRecord:
        """Starts the loaded job; the device goes on by itself. A job is started once per load.

        Raises:
            DeviceError: Nothing is loaded, or other vials are inside than the job names.
            BusyError: The device runs another job.
        """
        if self._loaded is None:
            raise DeviceError(f"{self.name} was told to start nothing", do="load a job first")
        job, self._loaded = self._loaded, None
        self.check_samples(job)
        self.begin(job)
        record = self.record(job.label)
        if record is None:
            raise DeviceError(f"{self.name} did not take {job.label}", do="look at the device")
        return record

    def stop(self) -> None:
        """The safe action on a pause: drops a job that is loaded but not started.

        What runs goes on by itself: a furnace holds its program, a dose is finished.
        """
        self._loaded = None

    def check_samples(self, job: Job) -> None:
        """Compares the labels of the vials inside with the job.

        Raises:
            DeviceError: They differ.
        """
        inside = self.occupants()
        if sorted(inside) != sorted(job.samples):
            raise DeviceError(
                f"{self.name} cannot carry out {job.label}: it holds other vials",
                got=", ".join(inside) or "none",
                allowed=", ".join(job.samples),
                do="move the samples first",
            )

    def number(
        self, job: Job, name: str, low: float, high: float | None, *, above: bool = False
    ) -> float:
        """A finite argument between its limits.

        Args:
            job: The job.
            name: Name of the argument, with its unit.
            low: Smallest value.
            high: Largest value; ``None`` for no limit.
            above: Whether ``low`` itself is refused.

        Raises:
            DeviceError: Missing, not a finite number, or outside.
        """
        value = job.args.get(name)
        top = math.inf if high is None else high
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            # Whole numbers may be too large to become a float: compared, never converted.
            or not low <= value <= min(top, sys.float_info.max)
            or (above and value == low)
        ):
            sign = ">" if above else ">="
            bounds = f"{sign} {low:g}" + ("" if high is None else f" and <= {high:g}")
            raise self.refusal(job, name, value, bounds)
        return float(value)

    def choice(self, job: Job, name: str, options: Iterable[str]) -> str:
        """An argument that is one of some words.

        Raises:
            DeviceError: It is none of them.
        """
        allowed, value = tuple(options), job.args.get(name)
        if not isinstance(value, str) or value not in allowed:
            raise self.refusal(job, name, value, ", ".join(allowed))
        return str(value)

    def refusal(self, job: Job, what: str, got: object, allowed: object) -> DeviceError:
        """The error that names device and command."""
        return DeviceError(
            f"{self.name} refuses {job.label}: {what} is outside its limits",
            got=got if isinstance(got, str | float) else excerpt(got),
            allowed=allowed,
            do="correct the command; nothing was moved",
            where=self.name,
        )

    @abstractmethod
    def check(self, job: Job) -> None:
        """Checks the arguments against the limits of the station; raises ``DeviceError``."""

    @abstractmethod
    def write(self, job: Job) -> None:
        """Writes the job into the device."""

    @abstractmethod
    def begin(self, job: Job) -> None:
        """Starts the device, once."""

    @abstractmethod
    def occupants(self) -> tuple[str, ...]:
        """Labels of the vials inside."""

    @abstractmethod
    def record(self, label: str) -> JobRecord | None:
        """The last line of the log under a label, ``None`` when the device never took it."""

    @abstractmethod
    def result(self, label: str) -> dict[str, Any]:
        """What the device reports of an ended job: the keys of ``result_units``.

        Raises:
            DeviceError: The job is unknown or runs.
        """

    @abstractmethod
    def abort(self, label: str) -> bool:
        """Stops a running job safely; False when it had ended."""


def start_job(driver: Driver, job: Job) -> JobRecord:
    """Load, read back, start: the same acts a plan performs, without a RunEngine.

    Raises:
        DeviceError: A limit is broken, or the device holds another job than was written.
        BusyError: The device runs another job.
    """
    driver.load(job)
    require_same(driver.name, job, driver.read_back())
    return driver.start()


def require_same(device: str, job: Job, read_back: str) -> None:
    """Compares what was written with what the device holds.

    Raises:
        DeviceError: They differ.
    """
    if read_back != job.setup_hash:
        raise DeviceError(
            f"{device} holds another job than {job.label} wrote",
            got=read_back[:12] or "nothing",
            allowed=job.setup_hash[:12],
            do="look at the device; nothing was started",
            where=device,
        )
