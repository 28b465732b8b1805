"""What every simulator keeps to: loopback only, any bytes, silence while frozen, power cuts."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from instruments.testing.expect import expect
from sdl.core.errors import ConfigError
from sdl.core.lab import Endpoint, LabStation
from simulators.wire.plant import Plant
from simulators.wire.server import WireSimulator

SILENT_S = 0.2
"""Wall time for which a frozen simulator is listened to, s."""
PIECES = 30
"""Pieces of garbage that a simulator is sent."""


def endpoints_of(settings: object) -> Iterator[Endpoint]:
    """Every endpoint of a simulator's settings."""
    if isinstance(settings, Mapping):
        for value in settings.values():
            yield from endpoints_of(value)
    elif isinstance(settings, str) and settings.startswith("tcp://"):
        yield Endpoint.of(settings)


def check_endpoints(simulator: WireSimulator) -> None:
    """A simulator that was started tells its ports, all on this machine."""
    for endpoint in endpoints_of(simulator.settings):
        expect(endpoint.port > 0, "the port that was taken is told", endpoint)
        expect(endpoint.is_loopback, "it listens on this machine only", endpoint)
        _connected(endpoint).close()


def check_loopback_only(
    make: Callable[[Plant, LabStation], WireSimulator], plant: Plant, station: LabStation
) -> None:
    """It refuses to listen where others could reach it.

    Args:
        make: Makes the simulator.
        plant: The room; nothing in it changes.
        station: With endpoints.
    """
    settings = _elsewhere(station.settings)
    if settings == station.settings:
        return
    simulator = make(plant, station.model_copy(update={"settings": settings}))

    async def run() -> None:
        try:
            await simulator.start()
        finally:
            await simulator.stop()

    try:
        asyncio.run(run())
    except ConfigError:
        return
    raise AssertionError(f"the simulator of {station.name} must listen on loopback only")


def check_garbage(simulator: WireSimulator, seed: int = 0) -> None:
    """Any bytes, also of peers that vanish; that it still works, its core's readings show."""
    draw = random.Random(seed)
    for endpoint in endpoints_of(simulator.settings):
        for _ in range(PIECES):
            with _connected(endpoint) as link:
                link.sendall(draw.randbytes(draw.randrange(1, 200)))
                if draw.random() < 0.5:
                    link.sendall(b"\r\n")


def check_frozen(simulator: WireSimulator) -> None:
    """While it is frozen it takes connections and says nothing."""
    expect(simulator.frozen, "the simulator is frozen")
    for endpoint in endpoints_of(simulator.settings):
        with _connected(endpoint) as link:
            link.sendall(b"\r\n")
            link.settimeout(SILENT_S)
            try:
                said = link.recv(1)
            except TimeoutError:
                continue
            raise AssertionError(f"a frozen simulator must say nothing at {endpoint}; it: {said!r}")


def _connected(endpoint: Endpoint) -> socket.socket:
    return socket.create_connection((endpoint.host, endpoint.port), timeout=5.0)


def _elsewhere(settings: Any) -> Any:
    """The same settings with endpoints that are not on this machine."""
    if isinstance(settings, Mapping):
        return {key: _elsewhere(value) for key, value in settings.items()}
    if isinstance(settings, str) and settings.startswith("tcp://"):
        return "tcp://192.0.2.1:9"
    return settings
