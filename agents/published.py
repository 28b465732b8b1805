"""The literature's median recipe, as far as the laboratory can follow it, every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdl.core.capabilities import Capabilities, StationKind
from sdl.core.errors import PolicyError
from sdl.core.event import Event
from sdl.core.proposal import Proposal, Request, SampleView
from sdl.core.protocols import BlobStore
from sdl.core.recipe import Anneal, Recipe, Step, Stop
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Published, Task

# What text-mined recipes hardly ever state is set to what this laboratory's recipes default to.
_DEFAULTS = {"ratio": 1.0, "ramp_c_per_min": 5.0, "mill_min": 10.0}


class PublishedPolicy:
    """Proposes one recipe again and again: median temperature and dwell, stoichiometric, no tricks.

    Temperature and dwell are clipped to the task's ranges and to the furnaces that offer the gas;
    the sample cools in the furnace. Of each cation the lot is of the phase that the task names
    first, and of several bottles of that phase the purest by the label, for papers start from
    reagent grade; labels, not true assays, which nobody knows.

    Args:
        task: A task with ``published`` and ``space``.

    Raises:
        PolicyError: The task has no published recipe or no space.
    """

    name = "published"

    def __init__(self, task: Task) -> None:
        if task.published is None or task.space is None:
            missing = "published" if task.published is None else "space"
            raise PolicyError(
                f"the policy published needs the key `{missing}` in the task {task.name}",
                do="add it to the task file, or choose another policy",
            )
        self._task = task
        self._published: Published = task.published

    def ingest(self, event: Event) -> None:
        """Learns nothing: the literature does not change during a campaign."""

    def next(self, view: SampleView) -> Step:
        """Recipes of this policy are never open; a sample that asks is finished."""
        return Stop()

    def propose(self, request: Request) -> Sequence[Proposal]:
        """The same recipe for every free slot.

        Raises:
            PolicyError: The laboratory holds a pool of recipes, or has no furnace for the gas.
        """
        if request.capabilities.pool:
            raise PolicyError(
                "the policy published makes its own recipe and cannot choose from a pool",
                do="choose the policy random, hottest, forest_ucb or default",
            )
        recipe, asked = self.recipe(request.capabilities), self._published
        anneal = recipe.anneals()[0]
        reason = f"median published recipe, {asked.temperature_c:g} °C for {asked.dwell_h:g} h"
        if (anneal.temperature_c, anneal.dwell_h) != (asked.temperature_c, asked.dwell_h):
            reason += (
                f", as near as this laboratory gets: {anneal.temperature_c:g} °C for "
                f"{anneal.dwell_h:g} h"
            )
        return [
            Proposal(
                id=f"P{request.next_id + i}",
                target=request.targets[0],
                recipe=recipe,
                reason=reason,
                policy=self.name,
            )
            for i in range(request.free_slots)
        ]

    def recipe(self, capabilities: Capabilities) -> Recipe:
        """The published recipe within the limits of a laboratory.

        Raises:
            PolicyError: No furnace offers the gas, or the task's space does not hold it.
        """
        space = TaskSpace(self._task)
        gas = self._published.gas
        if gas not in space.ranges.gases:
            raise PolicyError(
                "the task's space does not hold the gas of the published recipe",
                got=gas.value,
                allowed=", ".join(item.value for item in space.ranges.gases),
                do="correct `published.gas` or `space.gases`",
            )
        hottest, longest = _furnace_limits(capabilities, self._published)
        wanted = _DEFAULTS | {
            "temperature_c": min(self._published.temperature_c, hottest),
            "dwell_h": min(self._published.dwell_h, longest),
        }
        point = [min(max(axis.unit(wanted[axis.name]), 0.0), 1.0) for axis in space.axes]
        stated = {"gas": space.ranges.gases.index(gas), "washes": self._published.washes}
        for n, group in enumerate(space.groups):
            stated[f"lot_{n}"] = group.index(_reagent(self._task, group))
        point += [(stated.get(name, 0) + 0.5) / count for name, count in space.choices]
        recipe = space.decode(np.asarray(point))
        if not any(isinstance(step, Anneal) for step in recipe.steps):
            raise PolicyError("the task's space holds no anneal", got=recipe.sentence())
        return recipe


def purest(task: Task, names: Sequence[str]) -> str:
    """The lot with the largest assay by its label; the first of several.

    Args:
        task: Whose shelf.
        names: Lots on it.
    """
    labels = {lot.name: lot.assay for lot in task.laboratory.shelf}
    return max(names, key=lambda name: labels[name])


def _reagent(task: Task, group: Sequence[str]) -> str:
    """The purest lot of the phase that a group names first."""
    phases = {lot.name: lot.phase for lot in task.laboratory.shelf}
    return purest(task, [name for name in group if phases[name] == phases[group[0]]])


def _furnace_limits(capabilities: Capabilities, published: Published) -> tuple[float, float]:
    """Highest temperature, and longest dwell at a furnace that reaches it, for the gas."""
    able = [
        station
        for station in capabilities.of_kind(StationKind.FURNACE)
        if not station.gases or published.gas in station.gases
    ]
    if not able:
        raise PolicyError(
            "no furnace of the laboratory offers the gas of the published recipe",
            got=published.gas.value,
            do="choose another policy or laboratory",
        )
    best = max(able, key=lambda s: (_limit(s.max_temperature_c), _limit(s.max_dwell_h)))
    return _limit(best.max_temperature_c), _limit(best.max_dwell_h)


def _limit(value: float | None) -> float:
    return float("inf") if value is None else value


def make(task: Task | None, blobs: BlobStore | None) -> PublishedPolicy:
    """Factory for the registry.

    Raises:
        PolicyError: There is no task.
    """
    if task is None:
        raise PolicyError(
            "the policy published needs a task", do="give the campaign the key `task`"
        )
    return PublishedPolicy(task)
