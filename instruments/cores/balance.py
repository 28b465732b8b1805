"""A balance that speaks MT-SICS: only a weight that it calls stable is a weight."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ClassVar, TypeVar

from instruments.cores.core import Channel, Core, Identity, Show
from instruments.cores.once import Once
from instruments.protocols import mt_sics as wire
from instruments.protocols.mt_sics import Weight, WeightState
from instruments.readout import Value
from instruments.transports.tcp import Announced, Framer, TcpLink
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import Endpoint

T = TypeVar("T")

DEADLINE_S = 1.0
"""Wall time of one exchange, s: ``stop`` takes three at most."""
SETTLE_S = 5.0
"""Wall time within which the pan comes to rest, s, unless a station says otherwise."""
ZERO_S = 3.0
"""Wall time of zeroing, s: the balance itself waits for rest."""
REPEAT_MG = 0.5
"""What two readings of an unchanged pan never differ by, mg: three and a half standard deviations
of a difference at a repeatability of 0.1 mg (assumption: 0.05 to 0.15 mg)."""
LARGEST_MG = 5_000_000.0
"""Weights beyond are none, whatever the sign, mg: no balance for powder shows 5 kg, and a code for
"no value" in grams (-9999 g) would."""
FIRST_POLL_S = 0.002
LONGEST_POLL_S = 0.1


class UnsettledError(DeviceError):
    """The pan did not come to rest in time."""


class Balance(Core):
    """One balance. Weights are gross: its tare register is never used.

    That register is lost at every power cut, and the balance does not say so: a driver that trusted
    it would take a vial for powder. Whoever wants net weights notes the tare durably.

    A weight is believed when two readings one after the other are stable and agree, for the
    protocol has no checksum and a flipped digit would pass.

    Args:
        name: Name of the instrument.
        endpoint: Where it, or its serial gateway, listens.
        settle_s: Wall time within which the pan comes to rest, s.
        deadline_s: Wall time for one exchange, s.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel(
            "mass_mg",
            "mg",
            Show.HINTED,
            -LARGEST_MG,
            LARGEST_MG,
            doc="Gross weight on the pan, if it is stable.",
        ),
        Channel("stable", text=True, doc="What the balance says of the weight: stable, dynamic."),
    )
    stop_action: ClassVar[str] = (
        "Sends @, which cancels what the balance does; nothing is zeroed or tared."
    )

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        settle_s: float = SETTLE_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        super().__init__(name)
        self.settle_s = settle_s
        self.link = TcpLink(name, endpoint, deadline_s=deadline_s)
        self._weight = Once(self.look)

    def identify(self) -> Identity:
        """Model (I2), serial number (I4) and firmware (I3); old balances know only the second."""
        return Identity(
            model=self._known(wire.MODEL) or "MT-SICS balance",
            serial=self._twice(lambda: self._text(wire.SERIAL)),
            firmware=self._known(wire.FIRMWARE),
        )

    def fetch(self, channel: str) -> Value:
        """The weight now, or what the balance says of it.

        Raises:
            UnsettledError: There is no stable weight now.
            DeviceError: Overload, underload, an error of the balance.
        """
        weight = self._weight()
        if channel == "stable":
            return weight.state.value
        if weight.mass_mg is None:
            raise self._no_weight(weight.state)
        return weight.mass_mg

    def glance(self) -> AbstractContextManager[None]:
        """The weight and what the balance says of it are from the same answer."""
        return self._weight.held()

    def look(self) -> Weight:
        """What the balance shows at this moment; asked once more where an answer was lost."""
        return self._twice(lambda: self._exchange(wire.WEIGH_NOW, wire.read_weight))

    def gross_mg(self, *, empty: bool = False) -> float:
        """The weight on the pan, mg, with its sign: waits for rest, tries twice, then fails.

        Args:
            empty: Whether nothing stands on the pan for certain. Only then is the balance zeroed
                between the tries, and also when it shows another weight than none: to zero a
                vial would take its mass for nothing.

        Raises:
            UnsettledError: The pan does not come to rest.
            DeviceError: Overload, underload, an error of the balance, or an empty pan that weighs
                something after zeroing.
        """
        try:
            seen_mg = self._settled()
            if not empty or abs(seen_mg) <= REPEAT_MG:
                return seen_mg
        except UnsettledError:
            pass  # tried once more below
        if not empty:
            return self._settled()
        self.zero()
        seen_mg = self._settled()
        if abs(seen_mg) > REPEAT_MG:
            raise DeviceError(
                f"{self.name} does not show zero for an empty pan after zeroing",
                got=f"{seen_mg:g} mg",
                allowed=f"{REPEAT_MG:g} mg at most",
                do="clean and level the balance, keep draughts away",
                where=self.name,
            )
        return seen_mg

    def zero(self) -> None:
        """Zeroes the balance; for an empty pan only.

        Raises:
            DeviceError: It was not zeroed.
        """
        self._exchange(wire.ZERO, wire.read_zeroed, deadline_s=ZERO_S)

    def stop(self) -> None:
        """Carries out ``stop_action``, once more where the answer was lost."""

        def cancel() -> None:
            self.link.hurry()
            self._text(wire.CANCEL)

        self._twice(cancel)

    def close(self) -> None:
        """Lets go of the connection."""
        self.link.close()

    def _settled(self) -> float:
        until_s, pause_s = time.monotonic() + self.settle_s, FIRST_POLL_S
        before_mg = math.inf
        while True:
            weight = self.look()
            if weight.state in (WeightState.OVERLOAD, WeightState.UNDERLOAD):
                raise self._no_weight(weight.state)
            now_mg = weight.mass_mg
            if now_mg is not None and abs(now_mg - before_mg) <= REPEAT_MG:
                return now_mg
            before_mg = math.inf if now_mg is None else now_mg
            if time.monotonic() >= until_s:
                raise self._no_weight(weight.state)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_POLL_S)

    def _no_weight(self, state: WeightState) -> DeviceError:
        ended = state in (WeightState.OVERLOAD, WeightState.UNDERLOAD)
        return (DeviceError if ended else UnsettledError)(
            f"{self.name} has no stable weight",
            got=state.value,
            allowed=f"two stable readings that agree, within {self.settle_s:g} s",
            do="look at the pan" if ended else "keep draughts and vibration away",
            where=self.name,
        )

    def _text(self, command: bytes) -> str:
        def read(answer: bytes, device: str) -> str:
            return wire.read_text(answer, command, device)

        return self._exchange(command, read, framer=wire.block)

    def _known(self, command: bytes) -> str:
        """A text that not every balance has; empty then."""
        try:
            return self._twice(lambda: self._text(command))
        except LinkError:
            raise
        except DeviceError:
            return ""

    def _exchange(
        self,
        command: bytes,
        read: Callable[[bytes, str], T],
        *,
        framer: Framer = wire.line,
        announced: Announced | None = None,
        deadline_s: float | None = None,
    ) -> T:
        """One request, and its answer as ``read`` understands it."""
        answer = self.link.exchange(command, framer, deadline_s=deadline_s, announced=announced)
        try:
            return read(answer, self.name)
        except ProtocolError:
            # Perhaps out of step with the device: the next exchange begins on a new connection.
            self.link.close()
            raise

    @staticmethod
    def _twice(ask: Callable[[], T]) -> T:
        """Asks once more where an answer was lost or damaged; for what may be sent twice only."""
        try:
            return ask()
        except (LinkError, ProtocolError):
            return ask()
