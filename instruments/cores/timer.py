"""A mill or a blower behind a timer relay or a small PLC on Modbus: no maker's product.

No public protocol of a planetary mill was found, so the machine is switched by a timer of which the
user gives the addresses in the laboratory file.
"""

from __future__ import annotations

import time
from typing import Annotated, ClassVar

from pydantic import Field

from instruments.cores.core import Channel, Core, Identity, Show
from instruments.transports.modbus import ModbusLink, insist
from instruments.transports.tcp import FIRST_PAUSE_S
from sdl.core.errors import DeviceError, LinkError
from sdl.core.lab import EndpointText
from sdl.core.model import Frozen

DEADLINE_S = 1.0
"""Wall time for one exchange, s."""
TRY_STOP_S = 3.5
"""Wall time after which ``stop`` begins no further exchange, s."""
START_S = 2.0
"""Wall time within which the timer must count a start, s."""
LARGEST = 0xFFFF

Address = Annotated[int, Field(ge=0, le=0xFFFF)]


class TimerSettings(Frozen):
    """Where the timer is, and what is at which address."""

    link: EndpointText
    unit: Annotated[int, Field(ge=0, le=255)] = 1
    preset_s: Address
    """Holding register: time of the next start, s."""
    remaining_s: Address
    """Holding register: time left, s; what was left when the machine was stopped."""
    starts: Address
    """Holding register that counts starts and is never set back: by it a start is recognised."""
    start_coil: Address
    """Pulsed to start."""
    stop_coil: Address
    """Pulsed to stop."""
    running_contact: Address
    """Discrete input of the machine's own contact, not of the relay's coil."""


class TimerCore(Core):
    """One timer.

    Args:
        name: Name of the instrument.
        settings: Where it is, and its addresses.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel("remaining_s", "s", Show.HINTED, 0.0, LARGEST, doc="Time left."),
        Channel("preset_s", "s", Show.CONFIG, 0.0, LARGEST, settable=True, doc="Of the next start"),
        Channel("starts", low=0.0, high=LARGEST, doc="Starts counted so far, modulo 65536."),
        Channel("running", low=0.0, high=1.0, doc="1 while the machine's contact is on."),
    )
    stop_action: ClassVar[str] = "Pulses the stop coil and looks that the machine's contact is off."

    def __init__(self, name: str, settings: TimerSettings) -> None:
        super().__init__(name)
        self._at = settings
        self._link = ModbusLink(name, settings.link, unit=settings.unit, deadline_s=DEADLINE_S)

    def identify(self) -> Identity:
        """A relay has no identity: looks that every register and the contact answer."""
        for channel in self.channels:
            self.fetch(channel.name)
        return Identity(model="timer on Modbus")

    def fetch(self, channel: str) -> float:
        """One register, or the contact."""
        at = self._at
        if channel == "running":
            return float(self._link.read_contacts(at.running_contact)[0])
        address = {"remaining_s": at.remaining_s, "preset_s": at.preset_s, "starts": at.starts}
        return float(self._link.read(address[channel])[0])

    def assign(self, channel: str, value: float | str) -> None:
        """Writes the preset where it differs, in whole seconds, and reads it back."""
        wanted = round(float(value))
        if self.fetch(channel) != wanted:
            self._link.write(self._at.preset_s, wanted)
            got = self.fetch(channel)
            if got != wanted:
                raise DeviceError(
                    f"{self.name} holds another preset than was written",
                    got=f"{got:g} s",
                    allowed=f"{wanted} s",
                    do="look at the timer",
                    where=self.name,
                )

    def is_running(self) -> bool:
        """Whether the machine's contact is on."""
        return self.fetch("running") != 0.0

    def begin(self) -> int:
        """Pulses the start coil, once, and looks that the start was counted.

        Returns:
            The counter after the start.

        Raises:
            LinkError: No answer: whether it started, the counter tells.
            DeviceError: The timer refuses, or counted no start within ``START_S``.
        """
        before = self.fetch("starts")
        self._pulse(self._at.start_coil)
        until_s = time.monotonic() + START_S
        while (now := self.fetch("starts")) == before:
            if time.monotonic() >= until_s:
                raise DeviceError(
                    f"{self.name} was told to start and counted no start",
                    got=f"{now:g} starts",
                    allowed=f"{(before + 1) % (LARGEST + 1):g} within {START_S:g} s",
                    do="look at the machine and its enabling contacts",
                    where=self.name,
                )
            time.sleep(FIRST_PAUSE_S)
        return int(now)

    def stop(self) -> None:
        """Pulses the stop coil until the contact is off, or time is up."""
        insist(self._stop_once, self._link.link, TRY_STOP_S)

    def close(self) -> None:
        """Closes the connection."""
        self._link.close()

    def _stop_once(self, until_s: float) -> None:
        self._pulse(self._at.stop_coil)
        if time.monotonic() >= until_s:
            raise LinkError(f"{self.name} answers too slowly to be stopped", where=self.name)
        if self.is_running():
            raise DeviceError(
                f"{self.name} does not stop",
                got="its contact is on",
                do="switch the machine off by hand",
                where=self.name,
            )

    def _pulse(self, coil: int) -> None:
        """On, then off: a coil that does not spring back by itself is ready for the next time."""
        self._link.write_coil(coil, True)
        self._link.write_coil(coil, False)
