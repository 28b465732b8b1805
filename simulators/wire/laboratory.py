"""A whole simulated laboratory on loopback sockets: what ``sdl sim up`` starts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sdl.core.lab import LabFile, LabStation
from simulators.wire.plant import Plant, ScaledClock
from simulators.wire.registry import make_simulator
from simulators.wire.server import WireSimulator
from simulators.world import World

T = TypeVar("T")


class SimulatedLaboratory:
    """All simulators of a laboratory file, in one thread of their own; a context manager.

    Args:
        lab: The file; endpoints with port 0 get a free one.
        world: What stands behind the instruments.
        start_s: World time at the start, s.
        folder: Where relative paths of the file begin.
        make: Makes the simulator of a station; by the name of its driver if it is not said.

    Raises:
        ConfigError: A station without a simulator, or a port that is taken.
    """

    def __init__(
        self,
        lab: LabFile,
        world: World,
        *,
        start_s: float = 0.0,
        folder: Path = Path(),
        make: Callable[[Plant, LabStation], WireSimulator] = make_simulator,
    ) -> None:
        self.plant = Plant(world, ScaledClock(lab.clock_scale, start_s), folder=folder)
        self.simulators: dict[str, WireSimulator] = {
            s.name: make(self.plant, s) for s in lab.stations if s.driver != "human"
        }
        self._lab = lab
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, daemon=True, name="simulators"
        )
        self._thread.start()
        try:
            for simulator in self.simulators.values():
                asyncio.run_coroutine_threadsafe(simulator.start(), self._loop).result(30.0)
        except BaseException:
            self.close()
            raise

    @property
    def lab(self) -> LabFile:
        """The laboratory file with the ports that are listened on."""
        stations: list[LabStation] = []
        for station in self._lab.stations:
            simulator = self.simulators.get(station.name)
            settings = station.settings if simulator is None else simulator.settings
            stations.append(station.model_copy(update={"settings": settings}))
        return self._lab.model_copy(update={"stations": tuple(stations)})

    def ask(self, look: Callable[[], T]) -> T:
        """Runs a function in the simulators' thread: the only safe way to look at the world."""

        async def run() -> T:
            return look()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(60.0)

    def close(self) -> None:
        """Stops all servers; the world stays as it is."""
        if self._loop.is_closed():
            return
        for simulator in self.simulators.values():
            asyncio.run_coroutine_threadsafe(simulator.stop(), self._loop).result(10.0)
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
    ) -> Any:
        self.close()
