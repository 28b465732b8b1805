"""The virtual world behind ophyd devices and the RunEngine: the rehearsal of a real laboratory."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Self

from instruments.devices.faces import faces_of
from instruments.drivers.job import Job
from instruments.drivers.virtual import VirtualDriver
from instruments.engine import DocumentSink, Engine
from instruments.plans import collect, start
from sdl.campaign.labs.common import WorldLab, make_world, open_world
from sdl.core.protocols import BlobStore
from sdl.tasks.task import Task
from simulators.laboratory import Laboratory
from simulators.world import World


class VirtualLab(WorldLab):
    """Every start and every collection is a short plan through the RunEngine.

    Args:
        task: The task.
        world: The world.
        blobs: Where patterns go.
        done: Ids of commands whose end is journalled already.
        documents: Gets every Bluesky document, as ``journal.documents.append``.
    """

    def __init__(
        self,
        task: Task,
        world: World,
        blobs: BlobStore,
        done: Collection[str] = (),
        documents: DocumentSink | None = None,
    ) -> None:
        super().__init__(task, world, blobs, done)
        self.devices = faces_of(self._drivers)
        """ophyd devices by station name."""
        self.engine = Engine(documents)

    @classmethod
    def create(
        cls,
        task: Task,
        *,
        seed: int,
        laboratory: Laboratory | None = None,
        blobs: BlobStore,
        path: Path | None = None,
        done: Collection[str] = (),
        documents: DocumentSink | None = None,
        campaign: str = "",
    ) -> Self:
        """A laboratory with a new world; arguments as for ``FastLab.create``.

        Raises:
            LabError: ``path`` exists, or the disk is full or refuses.
        """
        world = make_world(task, seed, laboratory, path, campaign)
        return cls(task, world, blobs, done, documents)

    @classmethod
    def open(
        cls,
        task: Task,
        *,
        seed: int,
        blobs: BlobStore,
        path: Path | None,
        done: Collection[str] = (),
        documents: DocumentSink | None = None,
        campaign: str = "",
    ) -> Self:
        """The laboratory of an earlier campaign, as its world was left.

        Raises:
            LabError: ``path`` is absent, damaged, or the world of another task, seed or campaign.
        """
        return cls(task, open_world(task, seed, path, campaign), blobs, done, documents)

    def close(self) -> None:
        """Ends the RunEngine and lets go of devices and world."""
        self.engine.close()
        super().close()

    def _start(self, driver: VirtualDriver, job: Job) -> None:
        plan = start(self.devices[driver.name], job, md={"lab_time_s": self.world.now_s})
        self.engine.run(plan, device=driver.name, command=job.label)

    def _collect(self, driver: VirtualDriver, label: str) -> dict[str, Any]:
        plan = collect(self.devices[driver.name], label, md={"lab_time_s": self.world.now_s})
        return self.engine.run(plan, device=driver.name, command=label)
