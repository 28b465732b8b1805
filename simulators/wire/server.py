"""What every simulated instrument is: servers on loopback sockets that answer as the real one."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, SupportsIndex

from sdl.core.errors import ConfigError
from sdl.core.lab import Endpoint, LabStation
from simulators.wire.plant import Plant

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LONGEST_LINE = 65_536
"""Bytes a reader takes before it says that a line never ends."""


class _GatedReader(asyncio.StreamReader):
    """A reader that hands nothing on while its instrument is frozen, and all of it afterwards."""

    def __init__(self, simulator: WireSimulator, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=LONGEST_LINE, loop=loop)
        self._simulator = simulator
        self._held = bytearray()
        self._ended = False

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Takes bytes from the socket."""
        if self._simulator.frozen:
            self._held.extend(data)
        else:
            super().feed_data(data)

    def feed_eof(self) -> None:
        """Takes the end of what the peer sends."""
        self._ended = True
        if not self._simulator.frozen:
            super().feed_eof()

    def release(self) -> None:
        """Hands on what came while the instrument was frozen, even if the peer is gone since."""
        held, self._held = bytes(self._held), bytearray()
        if held:
            super().feed_data(held)
        if self._ended:
            super().feed_eof()

    def drop(self) -> None:
        """Forgets what came while the instrument was frozen."""
        self._held.clear()


class WireSimulator(ABC):
    """The instruments of one station.

    Args:
        plant: The room.
        station: Name, limits, driver and settings: endpoints to listen on.
    """

    def __init__(self, plant: Plant, station: LabStation) -> None:
        self.plant = plant
        self.station = station
        self.settings: dict[str, Any] = dict(station.settings)
        """As given; ``start`` puts the ports in that were taken for port 0."""
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._readers: set[_GatedReader] = set()
        self._talks: set[asyncio.Task[None]] = set()
        self._thawed = asyncio.Event()
        self._thawed.set()

    @abstractmethod
    async def start(self) -> None:
        """Listens; afterwards ``settings`` hold the ports."""

    async def stop(self) -> None:
        """Closes every connection and stops listening."""
        for server in self._servers:
            server.close()
        talks = list(self._talks)
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    @property
    def frozen(self) -> bool:
        """Whether it accepts connections and answers nothing."""
        return not self._thawed.is_set()

    def freeze(self) -> None:
        """From now on it accepts connections, does nothing and answers nothing.

        Call it in the simulators' thread. What a device sends by itself stops only where its
        simulator looks at ``frozen``.
        """
        self._thawed.clear()

    def thaw(self) -> None:
        """It works again and answers, late, what came while it was frozen."""
        self._thawed.set()
        for reader in list(self._readers):
            reader.release()

    def reboot(self) -> None:
        """Power comes back after a cut: connections break, what is volatile is lost, it is thawed.

        Subclasses lose what their instrument loses, then call this.
        """
        for reader in self._readers:
            reader.drop()
        self._thawed.set()
        for writer in list(self._writers):
            writer.close()

    async def listen(self, endpoint: str, serve: Serve) -> str:
        """Serves an endpoint; returns it with the port that was taken.

        Args:
            endpoint: ``tcp://host:port``; loopback only.
            serve: Talks on one connection until it ends.

        Raises:
            ConfigError: Not loopback, or the port is taken.
        """
        asked = Endpoint.of(endpoint)
        if not asked.is_loopback:
            raise ConfigError(
                "simulators listen on this machine only",
                got=endpoint,
                allowed="tcp://127.0.0.1:PORT",
                do="correct the endpoint in the laboratory file",
                where=self.station.name,
            )

        loop = asyncio.get_running_loop()

        def connect() -> asyncio.StreamReaderProtocol:
            gated = _GatedReader(self, loop)

            async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._talk(serve, gated, writer)

            return asyncio.StreamReaderProtocol(gated, talk, loop=loop)

        try:
            server = await loop.create_server(connect, "127.0.0.1", asked.port)
        except OSError as err:
            raise ConfigError(
                "a simulator cannot listen",
                got=f"{endpoint}: {err.strerror}",
                allowed="a free port",
                do="stop who uses it, or give another port",
                where=self.station.name,
            ) from err
        self._servers.append(server)
        return f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _talk(self, serve: Serve, reader: _GatedReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
        self._writers.add(writer)
        self._readers.add(reader)
        try:
            await self._thawed.wait()
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the peer is gone
        except asyncio.CancelledError:
            pass  # the instrument is switched off
        finally:
            self._writers.discard(writer)
            self._readers.discard(reader)
            writer.close()
