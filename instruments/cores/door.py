"""The door of a furnace: opened only when it may be, believed only by its sensor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ClassVar

from instruments.cores.core import Channel, Core, Identity, Show
from instruments.cores.once import Once
from instruments.protocols import door as wire
from instruments.protocols.door import DoorState
from instruments.transports.tcp import FIRST_PAUSE_S, TcpLink
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import Endpoint

ATTEMPTS = 2
"""A door that did not move is told once more, never a third time."""
FIRST_POLL_S = 0.002
LONGEST_POLL_S = 0.1


def nothing() -> None:
    """The door may be opened at any time."""


class FurnaceDoor(Core):
    """One door of a door controller; see ``instruments.site.Door``.

    Every exchange has a connection of its own, as the known controller wants it. A lost network is
    a ``LinkError``: what the door does is then not known, which is not the controller's ``ERROR``.

    Args:
        name: Name of the instrument.
        endpoint: Where its controller listens.
        door_name: Name of the door in the controller, as ``A``.
        may_open: Raises ``DeviceError`` while the door must not be opened; called first, and again
            before every command to open.
        deadline_s: Wall time for one exchange, s.
        travel_s: Wall time within which a door has moved, s, for each of the two attempts.
        start_s: Wall time after a command within which the controller must show that it moves, s;
            the source waits for one second.

    Raises:
        ValueError: The name of the door cannot stand in a command.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel("state", text=True, doc="What the door controller does: RUNNING, STOP, ERROR."),
        Channel("position", show=Show.HINTED, text=True, doc="Open or Closed, by the sensor."),
    )
    stop_action: ClassVar[str] = (
        "Sends nothing, for the controller knows no stop: a door that moves ends its travel, and "
        "no further command is sent to it."
    )

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        door_name: str,
        may_open: Callable[[], None] = nothing,
        *,
        deadline_s: float = 1.0,
        travel_s: float = 30.0,
        start_s: float = 1.0,
    ) -> None:
        super().__init__(name)
        self.door_name = door_name
        self._commands = {
            is_open: wire.command(door_name, is_open=is_open) for is_open in (True, False)
        }
        self._may_open = may_open
        self._travel_s = travel_s
        self._start_s = start_s
        self._link = TcpLink(name, endpoint, deadline_s=deadline_s, per_query=True)
        self._status = Once(self._look)
        self._moving = threading.Lock()
        self._stops = 0

    def identify(self) -> Identity:
        """Its protocol has no identity: looks that the controller has this door."""
        self._look()
        return Identity(model="furnace door controller")

    def fetch(self, channel: str) -> str:
        """State or position, from one status line."""
        state, is_open = self._status()
        if channel == "state":
            return state.value
        return "Open" if is_open else "Closed"

    def glance(self) -> AbstractContextManager[None]:
        """State and position are from the same status line."""
        return self._status.held()

    def is_open(self) -> bool:
        """Whether the sensor says open.

        Raises:
            LinkError: No answer: not known.
            ProtocolError: No status, or not of this door.
        """
        return self._look()[1]

    def open(self) -> None:
        """Opens it and looks that it is open; a door that is open stays so.

        Raises:
            DeviceError: It must not be opened now, or it is not open after two attempts.
            LinkError: No answer: whether it moved is not known.
        """
        self._move(to_open=True)

    def shut(self) -> None:
        """Closes it and looks that it is closed. Raises as ``open``."""
        self._move(to_open=False)

    def stop(self) -> None:
        """Carries out ``stop_action``: an ``open`` or ``shut`` that waits ends with an error."""
        self._stops += 1

    def close(self) -> None:
        """Lets go of the connection."""
        self._link.close()

    def _move(self, *, to_open: bool) -> None:
        stops, wanted = self._stops, (DoorState.STOP, to_open)
        with self._moving:
            if to_open:
                self._may_open()
            # Another door of the same controller may move.
            seen = self._wait(to_open, stops, begun=True)
            for _ in range(ATTEMPTS):
                if seen == wanted or seen[0] is DoorState.RUNNING:
                    break
                if to_open:
                    self._may_open()
                self._heed(stops)
                self._tell(to_open)
                seen = self._wait(to_open, stops, begun=False)
        if seen != wanted:
            raise DeviceError(
                f"{self.name}: the door {self.door_name} did not {'open' if to_open else 'shut'}",
                got=f"{seen[0].value}, sensor says {'open' if seen[1] else 'closed'}",
                allowed=f"STOP, sensor says {'open' if to_open else 'closed'}",
                do="quarantine the station and look at the door",
                where=self.name,
            )

    def _wait(self, to_open: bool, stops: int, *, begun: bool) -> tuple[DoorState, bool]:
        """The first status that nothing further follows from; the last one when time is up.

        Args:
            to_open: Which way it is told to go.
            stops: As ``_heed``.
            begun: Whether a controller at rest is at its end; after a command it may have to start.
        """
        now_s, pause_s = time.monotonic(), FIRST_POLL_S
        until_s, start_until_s = now_s + self._travel_s, now_s + self._start_s
        while True:
            seen = self._look_twice()
            begun = begun or seen[0] is DoorState.RUNNING or time.monotonic() >= start_until_s
            ended = begun and seen[0] is not DoorState.RUNNING
            if ended or seen == (DoorState.STOP, to_open) or time.monotonic() >= until_s:
                return seen
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_POLL_S)
            self._heed(stops)

    def _heed(self, stops: int) -> None:
        """Ends a movement that ``stop`` was called upon since it began with so many stops."""
        if self._stops != stops:
            raise DeviceError(
                f"{self.name} was stopped while the door {self.door_name} moved",
                do="look at the door",
                where=self.name,
            )

    def _tell(self, to_open: bool) -> None:
        try:
            self._link.exchange(self._commands[to_open], wire.frame)
        except (LinkError, ProtocolError):
            # Whether the controller took it shows in its status; to open an open door is harmless.
            return

    def _look_twice(self) -> tuple[DoorState, bool]:
        """A status is asked for once more where the first answer was lost: asking moves nothing."""
        try:
            return self._look()
        except (LinkError, ProtocolError):
            time.sleep(FIRST_PAUSE_S)
            return self._look()

    def _look(self) -> tuple[DoorState, bool]:
        status = wire.read_status(self._link.exchange(wire.STATUS, wire.frame), self.name)
        is_open = status.is_open.get(self.door_name)
        if is_open is None:
            raise ProtocolError(
                f"{self.name}: the controller has no door {self.door_name}",
                got=", ".join(status.is_open),
                do="correct the door's name in the laboratory file",
                where=self.name,
            )
        return status.state, is_open
