"""The face every station shares: prepare, set, select, read, stop."""

from __future__ import annotations

from typing import Any, cast

from ophyd import Component as Cpt
from ophyd import Kind, Signal

from instruments.devices.quality import Nameplate
from instruments.devices.signals import AnsweredStatus, Described, Shown
from instruments.drivers.base import Driver, start_job
from instruments.drivers.job import Job, JobRecord, JobState
from sdl.core.errors import DeviceError


class JobLog(Described):
    """The selected line of the device's log."""

    job = Cpt(Shown, text=True, kind=Kind.normal)
    state = Cpt(Shown, text=True, kind=Kind.normal)
    start_s = Cpt(Shown, units="s", kind=Kind.normal)
    end_s = Cpt(Shown, units="s", kind=Kind.normal)
    error = Cpt(Shown, text=True, kind=Kind.normal)

    def value_of(self, signal: str) -> Any:
        """A field of the selected record, ``None`` when nothing is selected."""
        return cast(StationFace, self.parent).log_value(signal)


class Outcome(Described):
    """What the device reports of the selected job; ``None`` before its end."""

    def value_of(self, signal: str) -> Any:
        """A figure of the result."""
        return cast(StationFace, self.parent).outcome_value(signal)


class Selected(Signal):
    """Which job of the log the readings show; setting it moves nothing."""

    def set(self, value: str, **_: Any) -> AnsweredStatus:
        """Reads the log and the result of a job.

        Raises:
            DeviceError: The device never took it.
        """
        cast(StationFace, self.parent).select(value)
        return AnsweredStatus(self)


class StationFace(Described):
    """A classic ophyd device over a driver core.

    ``prepare(job)`` checks and writes a job, ``set(label)`` starts it, ``selected`` chooses which
    job ``record`` and ``outcome`` show. ``stop`` drops a job that is prepared but not started;
    whatever runs goes on by itself (a furnace holds its program, a dose is finished). Ending a
    running job is ``driver.abort``, on purpose out of reach of a pause.

    Args:
        driver: The driver core.
        name: Name of the device, the station's.
    """

    selected = Cpt(Selected, value="", kind=Kind.omitted)
    loaded = Cpt(Shown, text=True, kind=Kind.omitted)
    serial_number = Cpt(Shown, text=True, kind=Kind.config)
    firmware = Cpt(Shown, text=True, kind=Kind.config)
    record = Cpt(JobLog, kind=Kind.normal)

    def __init__(self, driver: Driver, *, name: str, **kwargs: Any) -> None:
        self.driver = driver
        self._nameplates = [Nameplate(core) for core in getattr(driver, "cores", ())]
        self._prepared: Job | None = None
        self._record: JobRecord | None = None
        self._result: dict[str, Any] = {}
        super().__init__("", name=name, **kwargs)

    def check(self, job: Job) -> None:
        """Checks a job against the limits; nothing is written, nothing moves.

        Raises:
            DeviceError: A limit is broken, a value is missing or not finite.
        """
        self.driver.check_job(job)

    def prepare(self, job: Job) -> AnsweredStatus:
        """Checks a job and writes it into the device.

        Raises:
            DeviceError: A limit is broken.
            BusyError: The device runs another job.
        """
        self.driver.load(job)
        self._prepared = job
        return AnsweredStatus(self)

    def set(self, label: str) -> AnsweredStatus:
        """Starts the prepared job of that label; the device goes on by itself.

        Raises:
            DeviceError: Another job is prepared, or other vials are inside than it names.
            BusyError: The device runs another job.
        """
        job, self._prepared = self._prepared, None
        if job is None or job.label != label:
            raise DeviceError(
                f"{self.name} was told to start {label}, which is not prepared",
                got=None if job is None else job.label,
                do="prepare the job first",
                where=self.name,
            )
        self.driver.start()
        self.select(label)
        return AnsweredStatus(self)

    def run(self, job: Job) -> JobRecord:
        """Prepare, read back and start at once, for interactive use."""
        return start_job(self.driver, job)

    def trigger(self) -> Any:
        """Reads the selected line of the log again."""
        if self._record is not None:
            self.select(self._record.label)
        return AnsweredStatus(self)

    def stop(self, *, success: bool = False) -> None:
        """Drops a job that is prepared but not started; what runs goes on by itself."""
        self._prepared = None
        self.driver.stop()

    def select(self, label: str) -> None:
        """Shows a job of the log.

        Raises:
            DeviceError: The device never took it.
        """
        record = self.driver.record(label)
        if record is None:
            raise DeviceError(f"{self.name} has no {label} in its log", where=self.name)
        self._record = record
        self._result = {} if record.state is JobState.RUNNING else self.driver.result(label)

    def log_value(self, field: str) -> Any:
        """A field of the selected record."""
        record = self._record
        if record is None:
            return None
        value = record.label if field == "job" else getattr(record, field)
        return value.value if isinstance(value, JobState) else value

    def outcome_value(self, name: str) -> Any:
        """A figure of the selected result."""
        return self._result.get(name)

    def value_of(self, signal: str) -> Any:
        """The values of the station's own signals."""
        if signal == "loaded":
            return self.driver.read_back()
        if signal in ("serial_number", "firmware"):
            return self._identity(signal)
        raise KeyError(signal)

    def _identity(self, signal: str) -> str:
        """What the station's instruments say they are; empty while they do not answer."""
        if not hasattr(self.driver, "cores"):
            return "simulated"
        plates = (plate.read() for plate in self._nameplates)
        told = [p.serial if signal == "serial_number" else p.firmware for p in plates]
        return ", ".join(text for text in told if text)
