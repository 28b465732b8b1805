"""The in-process world that a campaign over sockets is compared with, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

from instruments.drivers.base import start_job
from instruments.drivers.job import Job
from instruments.drivers.virtual import virtual_drivers
from sdl.campaign.acts import Act, acts_of, furnaces_for
from sdl.campaign.labs.common import make_world
from sdl.campaign.reading import observe
from sdl.core.capabilities import StationKind
from sdl.core.command import Command, Verb
from sdl.core.material import Observation
from sdl.core.recipe import Recipe
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import Task

RACK = "rack"


@dataclass
class InProcess:
    """One virtual world without sockets, in which recipes are carried out one by one.

    Noise is keyed by world, sample and act, so the same sample meets the same noise here as over
    sockets: what differs is what its history was.

    Args:
        task: As the campaign's.
        laboratory: Number of the hidden laboratory.
    """

    task: Task
    laboratory: int

    def __post_init__(self) -> None:
        self.world = make_world(self.task, self.laboratory, None, None)
        self._blobs = MemoryBlobs()
        self._drivers = virtual_drivers(self.world, self.task.laboratory, self._blobs)
        self._arm = self.task.laboratory.of_kind(StationKind.TRANSFER)[0].name
        self._labels = 0

    def make(self, sample: str, recipe: Recipe, furnaces: list[str]) -> list[Observation]:
        """Carries a recipe out; returns what was measured, in order.

        Args:
            sample: Its name in the campaign.
            recipe: All its steps.
            furnaces: The furnace of each anneal, as it was over sockets.
        """
        found: list[Observation] = []
        left = list(furnaces)
        for act in acts_of(recipe.steps):
            station = self._station(act, left)
            place = self.world.place(sample)
            if not act.starts_hot and place not in (RACK, station):
                self._move(sample, RACK)
            if self.world.place(sample) != station:
                self._move(sample, station)
            command = self._command(sample, station, act)
            result = self._do(command)
            if act.verb is Verb.SCAN:
                found.append(
                    observe(
                        command, result, time_s=self.world.now_s,
                        name=f"{sample}-a{len(found) + 1}", system=self.task.system,
                        blobs=self._blobs,
                    )
                )  # fmt: skip
        self._move(sample, RACK)
        return found

    def _station(self, act: Act, furnaces: list[str]) -> str:
        if act.verb is Verb.ANNEAL:
            return furnaces.pop(0) if furnaces else furnaces_for(act, self.task.laboratory)[0].name
        return self.task.laboratory.of_kind(act.kind)[0].name

    def _command(self, sample: str, station: str, act: Act) -> Command:
        self._labels += 1
        return Command(
            id=f"c{self._labels}", station=station, verb=act.verb, samples=(sample,),
            effect=act.effect, args=act.args, time_s=self.world.now_s,
        )  # fmt: skip

    def _do(self, command: Command) -> dict[str, object]:
        driver = self._drivers[command.station]
        record = start_job(driver, Job.of(command))
        self.world.advance(record.end_s)
        return driver.result(command.id)

    def _move(self, sample: str, destination: str) -> None:
        self._labels += 1
        args = {"sample": sample, "origin": self.world.place(sample), "destination": destination}
        record = start_job(
            self._drivers[self._arm], Job(f"c{self._labels}", Verb.TRANSFER, (sample,), args)
        )
        self.world.advance(record.end_s)
