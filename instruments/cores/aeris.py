"""One Aeris diffractometer: its state, and the messages that start a scan."""

from __future__ import annotations

from typing import ClassVar

from instruments.cores.core import Channel, Core, Identity, Show
from instruments.protocols import aeris
from instruments.transports.tcp import TcpLink
from sdl.core.lab import Endpoint

DEADLINE_S = 4.0
"""Wall time for one answer, s; below ``STOP_S``."""


class AerisCore(Core):
    """The instrument behind its remote port, one connection for each question.

    Args:
        name: Name of the instrument.
        endpoint: Where it listens; TCP 702 unless changed.
        slot: Position that the arm uses, 2 to 6.
        deadline_s: Wall time for one answer, s.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel("ready", show=Show.HINTED, text=True, doc="yes, or no while it scans."),
        Channel("system", show=Show.CONFIG, text=True, doc="remote when it takes commands."),
        Channel("slot_state", show=Show.NORMAL, text=True, doc="free or occupied, by its sensor."),
    )
    stop_action: ClassVar[str] = (
        "nothing: the instrument has no stop command; a scan that runs ends by itself, and its own"
        " shutter interlock guards persons"
    )

    def __init__(
        self, name: str, endpoint: Endpoint, *, slot: int, deadline_s: float = DEADLINE_S
    ) -> None:
        super().__init__(name)
        self.slot = slot
        self._link = TcpLink(name, endpoint, deadline_s=deadline_s, per_query=True)

    def identify(self) -> Identity:
        """Looks that an Aeris answers; its protocol tells neither serial number nor firmware."""
        self.fetch("system")
        return Identity(model="Aeris")

    def fetch(self, channel: str) -> str:
        """A word of the instrument."""
        if channel == "ready":
            return self._word(aeris.ask_ready(), "READY", ("yes", "no"))
        if channel == "system":
            return self._word(aeris.ask_system(), "SYSTEM", ())
        return self._word(aeris.ask_slot(self.slot), "STATE", ("free", "occupied"))

    def add(self, sample_id: str, program: str) -> None:
        """Registers the sample that stands in the slot; nothing moves.

        Raises:
            DeviceError: It refuses, or a name is not safe: then nothing was sent.
        """
        self._tell(aeris.add(sample_id, program, self.slot))

    def measure(self, sample_id: str, program: str) -> None:
        """Starts the scan of a registered sample.

        Raises:
            LinkError: No answer: it may have started.
            DeviceError: It refuses: nothing started. Or a name is not safe: nothing was sent.
        """
        self._tell(aeris.measure(sample_id, program))

    def remove(self, sample_id: str) -> bool:
        """Forgets a registered sample; False when it did not know it.

        Raises:
            LinkError: No answer.
            ProtocolError: Nonsense.
        """
        request = aeris.remove(sample_id)
        return not aeris.refused(self._link.exchange(request, aeris.frame), request, self.name)

    def stop(self) -> None:
        """Does nothing, at once; see ``stop_action``."""

    def close(self) -> None:
        """No connection outlives its question."""
        self._link.close()

    def _tell(self, request: bytes) -> None:
        aeris.accepted(self._link.exchange(request, aeris.frame), request, self.name)

    def _word(self, request: bytes, key: str, allowed: tuple[str, ...]) -> str:
        answer = self._link.exchange(request, aeris.frame)
        return aeris.word(answer, request, key, self.name, allowed)
