"""What every simulated instrument does with its connections: serve, freeze, thaw, reboot, stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from sdl.core.errors import ConfigError
from sdl.core.lab import Endpoint, LabStation
from simulators.wire.plant import Plant
from simulators.wire.server import WireSimulator

DEADLINE_S = 10.0
STATION = {"name": "echo", "kind": "mixer", "driver": "echo"}


class Echo(WireSimulator):
    """Says every line back and counts them."""

    def __init__(self, plant: Plant, link: str = "tcp://127.0.0.1:0") -> None:
        super().__init__(plant, LabStation.model_validate({**STATION, "settings": {"link": link}}))
        self.lines = 0

    async def start(self) -> None:
        self.settings["link"] = await self.listen(self.settings["link"], self._serve)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        endpoint = Endpoint.of(self.settings["link"])
        return await asyncio.open_connection(endpoint.host, endpoint.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            line = await reader.readuntil(b"\n")
            self.lines += 1
            writer.write(line)
            await writer.drain()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


def with_echo(plant: Plant, script: Callable[[Echo], Awaitable[None]]) -> None:
    async def run() -> None:
        echo = Echo(plant)
        await echo.start()
        try:
            async with asyncio.timeout(DEADLINE_S):
                await script(echo)
        finally:
            await echo.stop()

    asyncio.run(run())


def test_it_listens_on_a_free_port_and_serves_several(plant: Plant) -> None:
    async def script(echo: Echo) -> None:
        assert Endpoint.of(echo.settings["link"]).port != 0
        pairs = [await echo.connect() for _ in range(3)]
        for number, (_, writer) in enumerate(pairs):
            writer.write(b"%d\n" % number)
        for number, (reader, writer) in enumerate(pairs):
            assert await reader.readline() == b"%d\n" % number
            writer.close()

    with_echo(plant, script)


@pytest.mark.parametrize("link", ["tcp://192.0.2.1:1", "tcp://example.org:80", "tcp://0.0.0.0:0"])
def test_it_listens_on_this_machine_only(plant: Plant, link: str) -> None:
    with pytest.raises(ConfigError, match="this machine only"):
        asyncio.run(Echo(plant, link).start())


def test_a_port_that_is_taken(plant: Plant) -> None:
    async def script(echo: Echo) -> None:
        with pytest.raises(ConfigError, match="cannot listen"):
            await Echo(plant, echo.settings["link"]).start()

    with_echo(plant, script)


def test_a_frozen_instrument_accepts_and_neither_acts_nor_answers(plant: Plant) -> None:
    async def script(echo: Echo) -> None:
        reader, writer = await echo.connect()
        writer.write(b"a\n")
        assert await reader.readline() == b"a\n"
        echo.freeze()
        late_reader, late_writer = await echo.connect()
        writer.write(b"b\n")
        late_writer.write(b"c\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.readline()
        assert echo.lines == 1
        echo.thaw()
        assert await reader.readline() == b"b\n"
        assert await late_reader.readline() == b"c\n"
        assert echo.lines == 3
        writer.close()
        late_writer.close()

    with_echo(plant, script)


def test_a_command_arrives_late_even_if_its_sender_gave_up(plant: Plant) -> None:
    async def script(echo: Echo) -> None:
        _, writer = await echo.connect()
        writer.write(b"a\n")
        await until(lambda: echo.lines == 1)
        echo.freeze()
        writer.write(b"b\n")
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.02)
        echo.thaw()
        await until(lambda: echo.lines == 2)

    with_echo(plant, script)


def test_a_reboot_breaks_connections_and_thaws(plant: Plant) -> None:
    async def script(echo: Echo) -> None:
        reader, writer = await echo.connect()
        writer.write(b"a\n")
        await reader.readline()
        echo.freeze()
        writer.write(b"b\n")
        await asyncio.sleep(0.02)
        echo.reboot()
        assert await reader.read() == b""
        assert not echo.frozen
        writer.close()
        again, new_writer = await echo.connect()
        new_writer.write(b"c\n")
        assert await again.readline() == b"c\n"
        assert echo.lines == 2
        new_writer.close()

    with_echo(plant, script)


def test_stop_ends_connections_frozen_ones_too(plant: Plant) -> None:
    async def run() -> None:
        echo = Echo(plant)
        await echo.start()
        reader, writer = await echo.connect()
        echo.freeze()
        late, late_writer = await echo.connect()
        late_writer.write(b"x\n")
        await asyncio.sleep(0.02)
        await echo.stop()
        assert await reader.read() == b""
        assert await late.read() == b""
        assert echo.lines == 0
        writer.close()
        late_writer.close()
        with pytest.raises(OSError, match="Connect call failed"):
            await echo.connect()

    asyncio.run(run())


def test_a_line_that_never_ends_closes_the_connection(plant: Plant) -> None:
    async def script(echo: Echo) -> None:
        reader, writer = await echo.connect()
        writer.write(b"x" * 200_000)
        # What it had not read when it closed makes its end a reset.
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert echo.lines == 0

    with_echo(plant, script)
