"""A powder dosing unit (Quantos) over a balance, both on one line.

A dose is begun with ``QRA 61 1``. The unit answers ``B`` at once and sends ``A``, or ``I`` and a
code, by itself when the dose ends; meanwhile the line is free. That last line is lost if the
connection breaks. Then the unit is asked instead: while it doses, it says that it is busy or has no
weight; once it says neither for a while, the dose is over, and how much fell is for the balance to
say.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from instruments.cores.balance import FIRST_POLL_S, LONGEST_POLL_S, Balance
from instruments.cores.core import Channel
from instruments.protocols import mt_sics as wire
from instruments.protocols.mt_sics import Reply, WeightState
from instruments.readout import Value
from sdl.core.errors import DeviceError, LinkError, ProtocolError

MOVE_S = 20.0
"""Wall time within which the door or the pin has moved, s."""
QUIET_S = 0.1
"""Wall time for which a unit must say that it does nothing, s."""
LINE_S = 2.0
"""As ``QUIET_S`` while the line that tells the end may still come, s."""


class Door(StrEnum):
    """Where the unit's front door is, by its sensor."""

    CLOSED = "closed"
    OPEN = "open"
    UNDETECTABLE = "undetectable"
    RUNNING = "running"


_DOORS = {"2": Door.CLOSED, "3": Door.OPEN, "8": Door.UNDETECTABLE, "9": Door.RUNNING}


class Activity(StrEnum):
    """What a unit does, as far as its answers show."""

    BUSY = "busy"
    """It doses, or the door moves."""
    UNSETTLED = "unsettled"
    """Nothing moves, but the weight does."""
    REST = "rest"


@dataclass(frozen=True)
class DoseEnd:
    """How a dose ended.

    Args:
        fault: What the unit says against it; empty if it says done, or nothing more.
    """

    fault: str = ""


class DosingHead(Balance):
    """One dosing unit with its powder.

    The protocol, as far as the reference has it, tells nothing of the head: that it is missing or
    empty shows as the code of a dose that fails.

    Arguments as for ``Balance``.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        *Balance.channels,
        Channel("door", text=True, doc="Front door: closed, open, running."),
    )
    stop_action: ClassVar[str] = (
        "Sends QRA 61 4, which ends a dose, then @, which cancels whatever the unit does; powder "
        "that fell stays in the vial, the door stays where it is."
    )

    _end: DoseEnd | None = None
    _quiet_since_s: float | None = None
    _stops: int = 0

    def fetch(self, channel: str) -> Value:
        """As ``Balance.fetch``, and the door.

        Raises:
            DeviceError: There is no such value now.
        """
        return self.door().value if channel == "door" else super().fetch(channel)

    def door(self) -> Door:
        """Where the front door is.

        Raises:
            DeviceError: The unit does not say; it is busy, for instance.
        """
        reply = self._ask_door()
        if reply.value not in _DOORS:
            raise self._refused("does not say where its door is", reply)
        return _DOORS[reply.value]

    def move_door(self, wanted: Door) -> None:
        """Opens or closes the door, and looks that it is so.

        Args:
            wanted: ``OPEN`` or ``CLOSED``.

        Raises:
            DeviceError: It is not where it should be within ``MOVE_S``.
            LinkError: No answer: where it is is not known.
        """
        seen = self._door_at_rest()
        if seen is not wanted:
            self._act(wire.OPEN_DOOR if wanted is Door.OPEN else wire.CLOSE_DOOR)
            seen = self._door_at_rest()
        if seen is not wanted:
            raise DeviceError(
                f"{self.name}: the front door is not {wanted.value}",
                got=seen.value,
                allowed=f"{wanted.value} within {MOVE_S:g} s",
                do="look at the door; nothing was dosed",
                where=self.name,
            )

    def prepare(self, mass_mg: float, tolerance_pct: float) -> int:
        """Closes the door, locks the head, writes what to dose; every answer is checked.

        Args:
            mass_mg: Target, mg.
            tolerance_pct: How far it may be off, %.

        Returns:
            A token for ``start``, void once ``stop`` was called.

        Raises:
            DeviceError: Outside the limits of the unit, or refused: no powder has moved.
        """
        stops = self._stops
        try:
            settings = (wire.target(mass_mg), wire.tolerance(tolerance_pct))
        except ValueError as err:
            raise DeviceError(
                f"{self.name} refuses a dose",
                got=str(err),
                do="correct the command; nothing was sent",
                where=self.name,
            ) from err
        self._end = None
        self.move_door(Door.CLOSED)
        self._act(wire.LOCK_PIN)
        for setting in settings:
            reply = self._reply(setting)
            if reply.status != "A":
                # To dose now would be to dose what was asked for before.
                raise self._refused(f"does not take {setting.decode('ascii').strip()}", reply)
        return stops

    def start(self, token: int) -> None:
        """Starts the dose that was prepared, once; how it ends is told by ``ended``.

        A unit that refuses has ended the dose with its reason: codes as 7 may come after powder
        fell, so only the balance says how much.

        Raises:
            DeviceError: ``stop`` was called since ``prepare``: nothing was sent.
            LinkError: No answer: whether it started is not known.
            ProtocolError: Nonsense for an answer: as without one.
        """
        if token != self._stops:
            raise DeviceError(
                f"{self.name} was stopped before the dose began", do="resume", where=self.name
            )
        self._quiet_since_s = None
        reply = self._reply(wire.START)
        if reply.status != "B":
            self._end = DoseEnd(reply.reason)

    def ended(self) -> DoseEnd | None:
        """How the last dose ended; ``None`` while it runs. Waits for nothing.

        Raises:
            LinkError: No answer: not known.
            ProtocolError: Nonsense for an answer: not known.
        """
        if self._end is None:
            line = self.link.announced()
            if line is None:
                # Also shows whether the unit is still there.
                activity = self.activity()
                line = self.link.announced()
                if line is None and self._quiet(activity):
                    self._end = DoseEnd()
            if line is not None:
                self._end = self._read_end(line)
        return self._end

    def activity(self) -> Activity:
        """What the unit does now.

        While its last line may still come it is asked for door and weight only. On a connection
        that knows of no dose it is told to lock its pin too: it is locked already, so nothing
        moves, and a unit that doses answers that it is busy.

        Raises:
            LinkError: No answer.
            ProtocolError: Nonsense for an answer.
        """
        door = self._ask_door()
        if door.code == wire.BUSY or _DOORS.get(door.value) is Door.RUNNING:
            return Activity.BUSY
        if (
            not self.link.awaits
            and self._twice(lambda: self._move(wire.LOCK_PIN)).code == wire.BUSY
        ):
            return Activity.BUSY
        state = self.look().state
        if state is WeightState.BUSY:
            return Activity.BUSY
        return Activity.UNSETTLED if state is WeightState.DYNAMIC else Activity.REST

    def is_busy(self) -> bool:
        """Whether it works on something, by two looks ``QUIET_S`` apart.

        Raises:
            LinkError: No answer.
            ProtocolError: Nonsense for an answer.
        """
        if self.activity() is Activity.BUSY:
            return True
        time.sleep(QUIET_S)
        return self.activity() is Activity.BUSY

    def stop(self) -> None:
        """Carries out ``stop_action``; a dose that is being prepared does not start."""
        self._stops += 1
        self.link.hurry()
        with suppress(LinkError, ProtocolError):
            # Whatever it is answered: what does not know it is stopped by the next command.
            self.link.exchange(wire.END_DOSE, wire.line)
        super().stop()

    def _door_at_rest(self) -> Door:
        until_s, pause_s = time.monotonic() + MOVE_S, FIRST_POLL_S
        while (seen := self.door()) is Door.RUNNING and time.monotonic() < until_s:
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_POLL_S)
        return seen

    def _quiet(self, activity: Activity) -> bool:
        if activity is not Activity.REST:
            self._quiet_since_s = None
            return False
        now_s = time.monotonic()
        if self._quiet_since_s is None:
            self._quiet_since_s = now_s
        return now_s - self._quiet_since_s >= (LINE_S if self.link.awaits else QUIET_S)

    def _read_end(self, line: bytes) -> DoseEnd:
        return DoseEnd(wire.read_reply(line, wire.START, self.name).reason)

    def _ask_door(self) -> Reply:
        return self._twice(lambda: self._reply(wire.ASK_DOOR))

    def _reply(self, command: bytes) -> Reply:
        return self._exchange(
            command,
            lambda answer, device: wire.read_reply(answer, command, device),
            announced=wire.announced(command),
        )

    def _act(self, command: bytes) -> None:
        """Has the unit do something that may be done twice, to its end."""
        reply = self._move(command)
        if reply.status != "A":
            raise self._refused(f"does not carry out {command.decode('ascii').strip()}", reply)

    def _move(self, command: bytes) -> Reply:
        """The last answer to a command that moves something; waits for it ``MOVE_S`` at most."""
        reply = self._reply(command)
        until_s, pause_s = time.monotonic() + MOVE_S, FIRST_POLL_S
        while reply.status == "B":
            line = self.link.announced()
            if line is not None:
                return wire.read_reply(line, command, self.name)
            if not self.link.awaits or time.monotonic() >= until_s:
                raise LinkError(
                    f"{self.name} does not end {command.decode('ascii').strip()}",
                    allowed=f"its last line within {MOVE_S:g} s on the same connection",
                    do="look at the unit",
                    where=self.name,
                )
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_POLL_S)
        return reply

    def _refused(self, what: str, reply: Reply) -> DeviceError:
        return DeviceError(
            f"{self.name} {what}: {reply.reason or 'an answer that says nothing'}",
            got=f"{reply.status} {reply.code or reply.value}".strip(),
            do="look at the unit; no powder has moved",
            where=self.name,
        )
