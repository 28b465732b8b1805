"""A fault proxy: stands between a driver and a device and does to the bytes what cables do.

Faults are scripted: each names the exchange it befalls, so that a run can be repeated exactly; a
seed draws what a fault leaves open (which byte is corrupted, where a frame is cut).
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from sdl.core.lab import Endpoint, with_endpoints


class Kind(StrEnum):
    """What happens to an answer or a request."""

    DELAY = "delay"
    """It comes ``seconds`` late."""
    DROP = "drop"
    """It never comes."""
    CUT = "cut"
    """Its first part comes, then the connection breaks."""
    DUPLICATE = "duplicate"
    """It comes twice."""
    CORRUPT = "corrupt"
    """One byte is another."""
    GARBAGE = "garbage"
    """Random bytes come in its place."""
    STALE = "stale"
    """The answer before it comes in its place."""
    HANG_UP = "hang-up"
    """The connection breaks before it."""
    FREEZE = "freeze"
    """From here on nothing comes, on any connection, until ``thaw``."""
    REWRITE = "rewrite"
    """``Fault.rewrite`` makes another of it: NaN, a stuck value."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Args:
        kind: What happens.
        at: Number of the exchange it befalls, counted from 0 over all connections.
        times: How many exchanges in a row.
        on: ``answer`` (of the device) or ``request`` (of the driver).
        seconds: Of a delay, wall time.
        rewrite: Of ``REWRITE``.
        which: Befalls only pieces for which this holds; all of them if ``None``.
    """

    kind: Kind
    at: int = 0
    times: int = 1
    on: str = "answer"
    seconds: float = 0.0
    rewrite: Callable[[bytes], bytes] | None = None
    which: Callable[[bytes], bool] | None = None

    def befalls(self, exchange: int, on: str, piece: bytes) -> bool:
        """Whether it happens to a piece at an exchange."""
        due = self.on == on and self.at <= exchange < self.at + self.times
        return due and (self.which is None or self.which(piece))


class FaultProxy:
    """Listens on a port of its own and passes on to a device; a context manager.

    Args:
        device: Where the device listens.
        faults: The script.
        seed: Draws what the faults leave open.
    """

    def __init__(self, device: Endpoint, faults: Sequence[Fault] = (), *, seed: int = 0) -> None:
        self._device = device
        self._faults = list(faults)
        self._random = random.Random(seed)
        self._thawed = True
        self._last_answer = b""
        self.requests = 0
        """Requests that came from the driver so far."""
        self.answers = 0
        """Answers that came from the device so far."""
        self.connections = 0
        """Connections of the driver so far."""
        self.sent: list[bytes] = []
        """Every request as it reached the device."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="proxy")
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10.0)

    @property
    def endpoint(self) -> Endpoint:
        """Where the driver should connect."""
        return Endpoint(host="127.0.0.1", port=self._server.sockets[0].getsockname()[1])

    def script(self, *faults: Fault) -> None:
        """Replaces the script; the count of exchanges begins anew."""
        self._faults, self.requests, self.answers = list(faults), 0, 0

    def freeze(self) -> None:
        """Accepts connections and passes nothing on."""
        self._thawed = False

    def thaw(self) -> None:
        """Passes on again."""
        self._thawed = True

    def hang_up(self) -> None:
        """Breaks every connection."""
        self._loop.call_soon_threadsafe(lambda: [w.close() for w in list(self._writers)])

    def close(self) -> None:
        """Stops listening and breaks every connection."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._talk, "127.0.0.1", 0)

    async def _shut(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            from_device, to_device = await asyncio.open_connection(
                self._device.host, self._device.port
            )
        except OSError:
            writer.close()
            return
        self._writers |= {writer, to_device}
        ways = [
            asyncio.ensure_future(self._pass(reader, to_device, "request")),
            asyncio.ensure_future(self._pass(from_device, writer, "answer")),
        ]
        self._tasks |= set(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for each in (writer, to_device):
            each.close()
            self._writers.discard(each)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._tasks -= set(ways)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on: str
    ) -> None:
        """Passes pieces on until the connection ends; a piece is taken for one message."""
        while True:
            try:
                piece = await reader.read(65536)
            except ConnectionError:
                return
            if not piece:
                return
            number = self._count(on)
            if not self._thawed:
                continue
            fault = next((f for f in self._faults if f.befalls(number, on, piece)), None)
            goes_on = await self._deliver(piece, writer, fault, on)
            if on == "answer" and fault is None:
                self._last_answer = piece
            if not goes_on:
                return

    def _count(self, on: str) -> int:
        if on == "request":
            self.requests += 1
            return self.requests - 1
        self.answers += 1
        return self.answers - 1

    async def _deliver(
        self, piece: bytes, writer: asyncio.StreamWriter, fault: Fault | None, on: str
    ) -> bool:
        """Sends what the fault makes of a piece; False when the connection must break."""
        goes_on = True
        if fault is not None:
            if fault.kind is Kind.DELAY:
                await asyncio.sleep(fault.seconds)
            if fault.kind is Kind.FREEZE:
                self._thawed = False
            goes_on = fault.kind not in (Kind.CUT, Kind.HANG_UP)
            piece = self._changed(piece, fault)
        if piece:
            if on == "request":
                self.sent.append(piece)
            try:
                writer.write(piece)
                await writer.drain()
            except ConnectionError:
                return False
        return goes_on

    def _changed(self, piece: bytes, fault: Fault) -> bytes:
        draw = self._random
        match fault.kind:
            case Kind.DROP | Kind.HANG_UP | Kind.FREEZE:
                return b""
            case Kind.CUT:
                return piece[: draw.randrange(1, len(piece))] if len(piece) > 1 else b""
            case Kind.DUPLICATE:
                return piece * 2
            case Kind.CORRUPT:
                at = draw.randrange(len(piece))
                return piece[:at] + bytes([piece[at] ^ draw.randrange(1, 256)]) + piece[at + 1 :]
            case Kind.GARBAGE:
                return draw.randbytes(draw.randrange(1, 64))
            case Kind.STALE:
                return self._last_answer or piece
            case Kind.REWRITE:
                return piece if fault.rewrite is None else fault.rewrite(piece)
            case _:
                return piece


def behind_proxies(settings: Any, stack: ExitStack) -> tuple[Any, list[FaultProxy]]:
    """A fault proxy at each endpoint of a station.

    Args:
        settings: Of the station, with the endpoints of its instruments.
        stack: Closes the proxies.

    Returns:
        The settings with the endpoints of the proxies, and the proxies in their order.
    """
    proxies: list[FaultProxy] = []

    def between(text: str) -> str:
        proxies.append(stack.enter_context(FaultProxy(Endpoint.of(text))))
        return str(proxies[-1].endpoint)

    return with_endpoints(settings, between), proxies
