"""What every simulated instrument is: servers on loopback sockets that answer as the real one."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from sdl.core.errors import ConfigError
from sdl.core.lab import Endpoint, LabStation
from simulators.wire.plant import Plant

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


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

    @abstractmethod
    async def start(self) -> None:
        """Listens; afterwards ``settings`` hold the ports."""

    async def stop(self) -> None:
        """Closes every connection and stops listening."""
        for server in self._servers:
            server.close()
        for writer in list(self._writers):
            writer.close()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def reboot(self) -> None:
        """Power comes back after a cut: connections break, what is volatile is lost.

        Subclasses lose what their instrument loses, then call this.
        """
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

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.add(writer)
            try:
                await serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass  # the peer is gone
            finally:
                self._writers.discard(writer)
                writer.close()

        try:
            server = await asyncio.start_server(talk, "127.0.0.1", asked.port)
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
