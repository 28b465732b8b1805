"""Signal backends of ophyd-async over a driver core: real first values, errors pushed, no freeze.

The soft signals of ophyd-async 0.21 are not used: their poll loop keeps the last value for ever
when the getter fails, and hands their initial value to whoever subscribes first.
"""

from __future__ import annotations

import asyncio
import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from bluesky.protocols import Reading
from event_model import DataKey
from ophyd_async.core import NotConnectedError, SignalBackend

from instruments.cores.core import Channel, Core
from instruments.devices.quality import Look, Nameplate, in_document, look, plain
from instruments.readout import Quality
from sdl.core.errors import DeviceError

INVALID = 3
"""EPICS's severity of a value that must not be used."""


class Asker:
    """Asks a core from an event loop, one look at a time, in a thread.

    Requests of the same moment share a look, so that a value and its quality come from the same
    answer; a look that has begun is never shared with a later request, which may follow a setting.

    Args:
        core: The instrument.
        age_limit_s: Age beyond which a value is stale, s of wall time.
    """

    def __init__(self, core: Core, age_limit_s: float) -> None:
        self.core = core
        self.age_limit_s = age_limit_s
        self._turn = asyncio.Lock()
        self._wanted: dict[str, None] = {}
        self._next: asyncio.Task[Look] | None = None

    async def look(self, *channels: str) -> Look:
        """A look with these channels, and with those that others ask for meanwhile."""
        if self._next is None:
            self._wanted = {}
            self._next = asyncio.create_task(self._take())
        self._wanted.update(dict.fromkeys(channels))
        return await asyncio.shield(self._next)

    async def look_alone(self, channels: Iterable[str]) -> Look:
        """A look with these channels, shared with nobody: a task less."""
        async with self._turn:
            return await asyncio.to_thread(look, self.core, channels, self.age_limit_s)

    async def _take(self) -> Look:
        async with self._turn:
            wanted, self._next = tuple(self._wanted), None
            return await asyncio.to_thread(look, self.core, wanted, self.age_limit_s)


class AskedBackend(SignalBackend[Any]):
    """What all backends here share.

    Args:
        datatype: ``float`` or ``str``.
        source: As documents name it.
        poll_s: Wall time between two values for subscribers, s.
        patience_s: Wall time after which a value that does not come is told as stale, s.
    """

    def __init__(
        self, datatype: type[float] | type[str], source: str, poll_s: float, patience_s: float
    ) -> None:
        super().__init__(datatype)
        self._source = source
        self._poll_s = poll_s
        self._patience_s = patience_s
        self._pushing: asyncio.Task[None] | None = None

    @abstractmethod
    async def get_reading(self) -> Reading[Any]:
        """The value now."""

    def nothing(self, quality: Quality) -> Any:
        """What is shown where there is no value."""
        return math.nan if self.datatype is float else ""

    def metadata(self) -> dict[str, Any]:
        """Units, precision, limits."""
        return {}

    def source(self, name: str, read: bool) -> str:
        """Instrument and channel."""
        return self._source

    async def connect(self, timeout: float) -> None:
        """Nothing to do before a value is asked for."""

    async def put(self, value: Any) -> None:
        """Refused.

        Raises:
            DeviceError: It cannot be set.
        """
        raise DeviceError(f"{self._source} cannot be set")

    async def get_datakey(self, source: str) -> DataKey:
        """Type, units, precision and limits; the instrument is not asked."""
        dtype: Any = "number" if self.datatype is float else "string"
        extra: Any = self.metadata()
        return DataKey(dtype=dtype, shape=[], source=source, **extra)

    async def get_value(self) -> Any:
        """The value now."""
        return (await self.get_reading())["value"]

    async def get_setpoint(self) -> Any:
        """What the instrument holds: it is asked, not remembered."""
        return await self.get_value()

    def set_callback(self, callback: Callable[[Reading[Any]], None] | None) -> None:
        """Pushes values, or that there are none, from the first real one on."""
        if self._pushing is not None:
            self._pushing.cancel()
            self._pushing = None
        if callback is not None:
            self._pushing = asyncio.create_task(self._push(callback))

    async def _push(self, callback: Callable[[Reading[Any]], None]) -> None:
        try:
            while True:
                callback(await self._timely())
                await asyncio.sleep(self._poll_s)
        except asyncio.CancelledError:
            raise
        except BaseException as err:
            # Whoever subscribed must not take the last value for the present one.
            callback(self._invalid(Quality.UNREACHABLE, repr(err)))
            raise

    async def _timely(self) -> Reading[Any]:
        try:
            # Not `wait_for`, which in Python 3.11 may swallow the cancellation that ends a push.
            async with asyncio.timeout(self._patience_s):
                return await self.get_reading()
        except TimeoutError:
            return self._invalid(Quality.STALE, f"no value for {self._patience_s:g} s")

    def _invalid(self, quality: Quality, reason: str) -> Reading[Any]:
        return Reading(
            value=self.nothing(quality),
            timestamp=time.time(),
            alarm_severity=INVALID,
            message=reason,
        )


class ChannelBackend(AskedBackend):
    """A channel of a core.

    Args:
        asker: Asks the core.
        channel: The channel.
        poll_s: Wall time between two values for subscribers, s.
    """

    def __init__(self, asker: Asker, channel: Channel, poll_s: float) -> None:
        source = f"core:{asker.core.name}.{channel.name}"
        super().__init__(str if channel.text else float, source, poll_s, asker.age_limit_s)
        self._asker = asker
        self._channel = channel

    def metadata(self) -> dict[str, Any]:
        """Units, precision, and limits as narrow as the core's."""
        if self._channel.text:
            return {}
        low, high = self._asker.core.limits(self._channel.name)
        limits = {"limits": {"control": {"low": low, "high": high}}}
        return {"units": self._channel.unit, "precision": 6, **limits}

    async def get_reading(self) -> Reading[Any]:
        """The value with the time of its measurement; NaN or empty text where there is none."""
        name = self._channel.name
        seen = await self._asker.look(name)
        readout = seen.readout(name)
        return Reading(
            value=in_document(readout, self._channel),
            timestamp=time.time() - seen.age_s(name),
            alarm_severity=0 if readout.ok else INVALID,
            message=readout.reason,
        )

    async def put(self, value: Any) -> None:
        """Sets the channel and reads it back.

        Raises:
            DeviceError: Not settable, outside the limits, or the instrument did not take it.
        """
        await asyncio.to_thread(self._asker.core.put, self._channel.name, plain(value))


class QualityBackend(AskedBackend):
    """Why a channel may be believed or not. Arguments as for ``ChannelBackend``."""

    def __init__(self, asker: Asker, channel: Channel, poll_s: float) -> None:
        source = f"core:{asker.core.name}.{channel.name}.quality"
        super().__init__(str, source, poll_s, asker.age_limit_s)
        self._asker = asker
        self._name = channel.name

    def nothing(self, quality: Quality) -> Any:
        """The word itself."""
        return quality.value

    async def get_reading(self) -> Reading[Any]:
        """The word now, from the same look as the value that is asked for beside it."""
        readout = (await self._asker.look(self._name)).readout(self._name)
        return Reading(value=readout.quality.value, timestamp=time.time(), message=readout.reason)


class AgeBackend(AskedBackend):
    """Age of the oldest value that is asked for in the same moment; NaN if there is none."""

    def __init__(self, asker: Asker, poll_s: float) -> None:
        super().__init__(float, f"core:{asker.core.name}.age", poll_s, asker.age_limit_s)
        self._asker = asker

    def metadata(self) -> dict[str, Any]:
        """Seconds."""
        return {"units": "s", "precision": 6}

    async def get_reading(self) -> Reading[Any]:
        """The age, s."""
        seen = await self._asker.look()
        return Reading(value=seen.oldest_s(), timestamp=time.time())


class PlateBackend(AskedBackend):
    """A line of the nameplate. Connecting asks the instrument who it is.

    Args:
        nameplate: Of the instrument.
        line: ``model``, ``serial`` or ``firmware``.
        source: As documents name it.
        poll_s: Wall time between two values for subscribers, s.
    """

    def __init__(self, nameplate: Nameplate, line: str, source: str, poll_s: float) -> None:
        super().__init__(str, source, poll_s, 10.0)
        self._nameplate = nameplate
        self._line = line

    async def connect(self, timeout: float) -> None:
        """Waits for an answer.

        Raises:
            NotConnectedError: None came in time, or another instrument answered.
        """
        try:
            await asyncio.wait_for(asyncio.to_thread(self._nameplate.require), timeout)
        except TimeoutError as err:
            raise NotConnectedError(f"{self._source}: no answer within {timeout:g} s") from err
        except DeviceError as err:
            raise NotConnectedError(str(err)) from err

    async def get_reading(self) -> Reading[Any]:
        """The line; empty while the instrument does not answer."""
        identity = await asyncio.to_thread(self._nameplate.read)
        return Reading(value=getattr(identity, self._line), timestamp=time.time())
