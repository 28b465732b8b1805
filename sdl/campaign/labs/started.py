"""What was started in a laboratory and has not ended: how far it is, asked of the devices."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from instruments.drivers.job import JobRecord, JobState
from instruments.drivers.wired import WiredDriver
from instruments.site import Site
from sdl.campaign.labs.common import station_of
from sdl.core.command import Command, Inspection, LabEvent, Presence
from sdl.core.errors import BusyError, DeviceError, LinkError, ProtocolError
from sdl.core.event import Topic
from sdl.core.lab import LabFile

ANSWER_S = 2.0
"""Wall time for which an answer that lies there is looked at before a person is told to wait."""
LOST_S = 5.0
"""Wall time between two looks at a device for which nobody waits any more, s."""
LOOK_SHARE = 0.02
"""A job is looked at again after this share of the time it still takes."""


class Tell(Protocol):
    """Notes something for the journal."""

    def __call__(
        self, topic: Topic, station: str, message: str, values: Mapping[str, Any] = ...
    ) -> None:
        """Takes the note."""
        ...


@dataclass
class Pending:
    """A command that was started and whose end is not told.

    Args:
        command: The command.
        record: What the device said last.
        look_s: Monotonic time of the next look.
        silent_s: Monotonic time since when the device does not answer; ``None`` when it does.
        is_lost: Whether patience has ended: nobody waits for it, but it is asked now and then.
        is_unsure: Whether it must be looked whether it happened at all, once the device answers.
    """

    command: Command
    record: JobRecord | None = None
    look_s: float = 0.0
    silent_s: float | None = None
    is_lost: bool = False
    is_unsure: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether the device said so."""
        return self.record is not None and self.record.state is not JobState.RUNNING


class Started:
    """The commands at work.

    Args:
        lab: The laboratory file.
        site: Clock and notebook.
        drivers: A driver for every station, by name.
        tell: Takes notes for the journal.
    """

    def __init__(
        self, lab: LabFile, site: Site, drivers: Mapping[str, WiredDriver], tell: Tell
    ) -> None:
        self._lab = lab
        self._site = site
        self._drivers = drivers
        self._tell = tell
        self._pending: dict[str, Pending] = {}
        self._failed: list[LabEvent] = []

    def add(self, command: Command) -> None:
        """Waits for the end of a command."""
        self._pending[command.id] = Pending(command)

    def add_unseen(self, command: Command, err: LinkError) -> Inspection:
        """Waits for a command whose device cannot be asked after a restart.

        Its act may go on, so nothing is given up: its station gets no work, and once the device
        answers it is looked whether the act happened.
        """
        self._pending[command.id] = Pending(
            command, silent_s=time.monotonic(), is_lost=True, is_unsure=True
        )
        self._tell(Topic.QUARANTINE, command.station, str(err), {"command": command.id})
        evidence = f"not known, {command.station} does not answer"
        return Inspection(presence=Presence.STARTED, evidence=evidence)

    def abort(self, command_id: str) -> bool:
        """Stops a command in its device's safe way; False when it had ended or is not known."""
        pending = self._pending.get(command_id)
        return pending is not None and self._driver(pending.command).abort(command_id)

    @property
    def any_ended(self) -> bool:
        """Whether an end was seen that ``ended`` or ``failed`` will hand over."""
        return bool(self._failed) or any(p.has_ended for p in self._pending.values())

    def ended(self) -> list[Pending]:
        """Commands whose end was seen; they stay until ``forget``."""
        return [p for p in self._pending.values() if p.has_ended]

    def failed(self) -> list[LabEvent]:
        """Commands given up since the last call."""
        told, self._failed = self._failed, []
        return told

    def forget(self, command_id: str) -> None:
        """Lets go of a command whose end was handed over."""
        self._pending.pop(command_id, None)

    def at_machines(self) -> list[Pending]:
        """What runs at stations that answer, without a person."""
        personal = {name for name, d in self._drivers.items() if hasattr(d, "waiting_for")}
        waiting = (p for p in self._pending.values() if not p.is_lost)
        return [p for p in waiting if p.command.station not in personal]

    def look(self) -> None:
        """Asks the devices whose next look is due."""
        for pending in list(self._pending.values()):
            if not pending.has_ended and time.monotonic() >= pending.look_s:
                self._look_at(pending)

    def look_at_persons(self) -> None:
        """Looks for answers, which may be older than this process; they count once they settle."""
        until_s = time.monotonic() + ANSWER_S
        while True:
            asked = [p for p in self._pending.values() if not p.has_ended]
            for pending in asked:
                self._look_at(pending)
            lying = [p for p in asked if self._is_answered(p.command)]
            if len(asked) < len(self._pending) or not lying or time.monotonic() >= until_s:
                return
            if self._failed or all(p.has_ended for p in lying):
                return
            time.sleep(ANSWER_S / 20.0)

    def _is_answered(self, command: Command) -> bool:
        answered = getattr(self._drivers[command.station], "is_answered", None)
        return answered is not None and answered(command.id)

    def _look_at(self, pending: Pending) -> None:
        command, driver = pending.command, self._driver(pending.command)
        try:
            if pending.is_unsure and not self._happened(pending):
                return
            pending.record = driver.record(command.id)
        except LinkError as err:
            self._silent(pending, err)
            return
        except BusyError:
            pending.look_s = time.monotonic() + self._lab.poll_s
            return
        except DeviceError as err:
            self._fail(pending, str(err))
            self._tell(Topic.QUARANTINE, command.station, str(err))
            return
        if pending.silent_s is not None:
            silent_s = time.monotonic() - pending.silent_s
            pending.silent_s, pending.is_lost = None, False
            self._tell(
                Topic.LINK, command.station, f"{command.station} answers again",
                {"silent_wall_s": round(silent_s, 3)},
            )  # fmt: skip
        if pending.record is None:
            self._fail(pending, f"{command.station} forgot {command.id}")
            return
        left_s = (pending.record.end_s - self._site.clock.now_s()) / self._site.clock_scale
        pause_s = min(max(LOOK_SHARE * left_s, self._lab.poll_s), 60.0)
        pending.look_s = time.monotonic() + pause_s

    def _silent(self, pending: Pending, err: LinkError) -> None:
        """A device that does not answer: the act goes on by itself, so its samples are not lost.

        When patience ends the station gets no more work, and nobody waits for it any longer.
        """
        now_s, command = time.monotonic(), pending.command
        values = {"command": command.id}
        if pending.silent_s is None:
            pending.silent_s = now_s
            self._tell(Topic.LINK, command.station, str(err), values)
        pending.look_s = now_s + (LOST_S if pending.is_lost else max(self._lab.poll_s, 0.05))
        if not pending.is_lost and now_s - pending.silent_s > self._lab.patience_s:
            pending.is_lost = True
            words = f"{command.station} has not answered for {self._lab.patience_s:g} s; what it "
            words += f"does may go on; waiting for it: {', '.join(command.samples)}"
            self._tell(Topic.QUARANTINE, command.station, words, values)

    def _happened(self, pending: Pending) -> bool:
        """Whether an act happened whose device could not be asked after a restart.

        Raises:
            LinkError: It still cannot.
        """
        command = pending.command
        try:
            found = self._driver(command).inspect(command)
        except ProtocolError as err:
            raise LinkError(err.what, got=err.got, where=command.station) from err
        pending.is_unsure = False
        if found.presence is Presence.STARTED:
            self._tell(Topic.GAP, command.station, found.evidence, {"command": command.id})
            return True
        self._fail(pending, f"{found.presence.value}: {found.evidence}")
        return False

    def _fail(self, pending: Pending, why: str) -> None:
        command = pending.command
        self._driver(command).give_up(command.id, why)
        self.forget(command.id)
        self._failed.append(
            LabEvent(
                command=command.id,
                time_s=self._site.clock.now_s(),
                ok=False,
                error=f"{command.station}, {command.id}: {why}",
            )
        )

    def _driver(self, command: Command) -> WiredDriver:
        return station_of(command, self._drivers)


def soonest_end_s(pending: Sequence[Pending]) -> float | None:
    """Laboratory time at which the first of these says it ends, s; ``None`` if none says."""
    ends = [p.record.end_s for p in pending if p.record is not None and p.silent_s is None]
    return min(ends, default=None)
