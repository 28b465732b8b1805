"""The virtual world without the RunEngine: for benches and planning."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Self

from instruments.drivers.base import start_job
from instruments.drivers.job import Job
from instruments.drivers.virtual import VirtualDriver
from sdl.campaign.labs.common import WorldLab, make_world, open_world
from sdl.core.protocols import BlobStore
from sdl.tasks.task import Task
from simulators.laboratory import Laboratory


class FastLab(WorldLab):
    """Talks to the drivers directly; gives the same events as ``VirtualLab``."""

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
        campaign: str = "",
    ) -> Self:
        """A laboratory with a new world.

        Args:
            task: The task.
            seed: Number of the hidden laboratory and seed of the world's noise.
            laboratory: Replaces the drawn laboratory.
            blobs: Where patterns go.
            path: ``world.db``; ``None`` keeps the world in memory.
            done: Ids of commands whose end is journalled already.
            campaign: Identity of the campaign; ``open`` refuses the world of another.

        Raises:
            LabError: ``path`` exists, or the disk is full or refuses.
        """
        world = make_world(task, seed, laboratory, path, campaign)
        return cls(task, world, blobs, done)

    @classmethod
    def open(
        cls,
        task: Task,
        *,
        seed: int,
        blobs: BlobStore,
        path: Path | None,
        done: Collection[str] = (),
        campaign: str = "",
    ) -> Self:
        """The laboratory of an earlier campaign, as its world was left.

        Raises:
            LabError: ``path`` is absent, damaged, or the world of another task, seed or campaign.
        """
        return cls(task, open_world(task, seed, path, campaign), blobs, done)

    def _start(self, driver: VirtualDriver, job: Job) -> None:
        start_job(driver, job)

    def _collect(self, driver: VirtualDriver, label: str) -> dict[str, Any]:
        return driver.result(label)
