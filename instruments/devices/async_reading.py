"""All channels of an asynchronous instrument as one reading: one look, whatever their number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from bluesky.protocols import HasHints, Hints, Reading
from event_model import DataKey
from ophyd_async.core import (
    DEFAULT_TIMEOUT,
    AsyncReadable,
    Device,
    DeviceMock,
    SignalR,
    merge_gathered_dicts,
)

from instruments.cores.core import Channel, Show
from instruments.devices.async_backend import INVALID, Asker
from instruments.devices.quality import Look, in_document


@dataclass(frozen=True)
class Pair:
    """The signals of a channel.

    Args:
        channel: The channel.
        value: Shows its value.
        quality: Shows why it may be believed or not.
    """

    channel: Channel
    value: SignalR
    quality: SignalR


class OneLook(Device, AsyncReadable, HasHints):
    """What an instrument contributes to an event. A task for each signal would cost more than it.

    Args:
        asker: Asks the core.
        pairs: What is shown, by channel.
        age_s: Shows the age of the oldest value, s.

    In mock mode the signals are read, which hold values of a test, and the core is not asked.
    """

    def __init__(self, asker: Asker, pairs: Mapping[str, Pair], age_s: SignalR) -> None:
        self._asker = asker
        self._pairs = dict(pairs)
        both = [signal for pair in pairs.values() for signal in (pair.value, pair.quality)]
        # A signal that is an attribute would become a child; these are the instrument's.
        self._signals = (*both, age_s)
        self._is_mocked = False
        super().__init__()

    async def connect(
        self,
        mock: bool | DeviceMock = False,
        timeout: float = DEFAULT_TIMEOUT,
        force_reconnect: bool = False,
    ) -> None:
        """Remembers the mode. Arguments as for every device."""
        self._is_mocked = bool(mock)
        await super().connect(mock, timeout, force_reconnect)

    @property
    def hints(self) -> Hints:
        """Names of the hinted values, once the instrument has a name."""
        hinted = (p.value.name for p in self._pairs.values() if p.channel.show is Show.HINTED)
        return {"fields": [name for name in hinted if name]}

    async def describe(self) -> dict[str, DataKey]:
        """Every value, its quality, and the age."""
        return await merge_gathered_dicts([signal.describe() for signal in self._signals])

    async def read(self) -> dict[str, Reading]:
        """Every value, its quality, and the age of the oldest, from one look."""
        if self._is_mocked:
            return await merge_gathered_dicts([s.read(cached=False) for s in self._signals])
        return self._shown(await self._asker.look_alone(self._pairs))

    def _shown(self, seen: Look) -> dict[str, Reading]:
        found: dict[str, Reading] = {}
        now_s = time.time()
        for name, pair in self._pairs.items():
            readout = seen.readout(name)
            found[pair.value.name] = Reading(
                value=in_document(readout, pair.channel),
                timestamp=now_s - seen.age_s(name),
                alarm_severity=0 if readout.ok else INVALID,
                message=readout.reason,
            )
            found[pair.quality.name] = Reading(value=readout.quality.value, timestamp=now_s)
        found[self._signals[-1].name] = Reading(value=seen.oldest_s(), timestamp=now_s)
        return found
