"""The recipes at the corners of a task's space against the limits of its laboratory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from pydantic import ValidationError

from sdl.core.capabilities import StationKind
from sdl.core.event import Violation
from sdl.core.recipe import Recipe
from sdl.safety import check_recipe
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task

Fault = tuple[tuple[str | int, ...], str, str, str]
"""Keys of the faulty value, what is wrong, what was given, what is allowed."""

# The key to correct for each rule of ``sdl.safety`` that a recipe of a space can break.
_KEYS = {
    "dose-range": "batch_mg",
    "vial-capacity": "batch_mg",
    "lot-stock": "batch_mg",
    "furnace-temperature": "temperature_c",
    "furnace-ramp": "ramp_c_per_min",
    "furnace-dwell": "dwell_h",
    "furnace-gas": "gases",
    "quench-cooling": "coolings",
    "mill-time": "mill_min",
}
_FIELDS = {"mass_mg": "batch_mg"}


def corner_faults(task: Task) -> Iterator[Fault]:
    """What a laboratory would refuse of a task's lowest and highest recipes, with every choice.

    Limits bound each value from one side, so a space whose corners can be made can be made.

    Args:
        task: A task whose lots and phases are known to exist.
    """
    space = TaskSpace(task)
    yield from _smallest(space)
    for name, point in _corners(space):
        try:
            recipe = space.decode(point)
        except ValidationError as err:
            first = err.errors()[0]
            field = str(first["loc"][-1]) if first["loc"] else ""
            key = _FIELDS.get(field, field)
            got = f"{field} {first.get('input')}"
            yield ("space", key), f"the {name} recipe is none", got, first["msg"]
            return
        for violation in check_recipe(recipe, task.laboratory):
            yield _fault(name, recipe, violation)


def _fault(name: str, recipe: Recipe, violation: Violation) -> Fault:
    got, _, allowed = violation.message.partition("; ")
    key = _KEYS.get(violation.rule)
    keys = ("space",) if key is None else ("space", key)
    # A space's ranges may each fit some furnace and yet no one furnace fit them all.
    able = "no single furnace" if violation.rule.startswith("furnace-") else "no station"
    what = f"{able} can make the {name} recipe ({recipe.sentence()}): {violation.rule}"
    return keys, what, got, allowed.removeprefix("allowed: ") or "what the stations can do"


def _corners(space: TaskSpace) -> Iterator[tuple[str, np.ndarray]]:
    """Points with all continuous coordinates at one end, every gas and cooling, every lot."""
    counts = dict(space.choices)
    groups = [name for name in counts if name.startswith("lot_")]
    longest = max((counts[name] for name in groups), default=1)
    picks = [{g: min(k, counts[g] - 1) for g in groups} for k in range(longest)]
    # Every lot once, and the heaviest lots together in one vial.
    picks.append({g: space.heaviest(int(g.removeprefix("lot_"))) for g in groups})
    free = [
        [(name, k) for k in range(counts[name])] for name in ("gas", "cooling") if name in counts
    ]
    pure = [space.blend.pure(i) for i in range(len(space.blend.names))] if space.blend else [[]]
    for end, pick, blend in itertools.product((0.0, 1.0), picks, pure):
        for chosen in itertools.product(*free):
            most = {name: counts.get(name, 1) - 1 for name in ("regrinds", "washes")}
            values = {**most, **pick, **dict(chosen)}
            units = [(values[name] + 0.5) / count for name, count in space.choices]
            point = np.asarray([end] * len(space.axes) + blend + units, dtype=np.float64)
            yield "highest" if end else "lowest", point


def _smallest(space: TaskSpace) -> Iterator[Fault]:
    """One step of a composition must be a dose that the dispenser can weigh."""
    if space.blend is None:
        return
    least_mg, lot = space.smallest_dose()
    dispensers = space.task.laboratory.of_kind(StationKind.DISPENSER)
    limit_mg = min((s.min_dose_mg or 0.0 for s in dispensers), default=0.0)
    if least_mg < limit_mg:
        got, allowed = f"{least_mg:.1f} mg of {lot}", f"at least {limit_mg:g} mg per step"
        what = "no dispenser weighs one step of the composition"
        yield ("space", "composition_step"), what, got, allowed
