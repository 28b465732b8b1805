"""What no single key of a task shows: ranges against limits, lots against the shelf."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdl.core.capabilities import StationKind
from sdl.core.errors import ConfigError
from sdl.core.recipe import Cooling
from sdl.core.yaml import place_of
from sdl.tasks.task import Space, Task


def check_task(task: Task, path: Path) -> None:
    """Refuses a task that its own laboratory cannot carry out.

    Args:
        task: The task as it was read.
        path: Its file, for messages with lines.

    Raises:
        ConfigError: A range is empty or beyond every station, or a lot is not on the shelf.
    """
    if task.space is None:
        return
    for keys, what, got, allowed in _faults(task, task.space):
        raise ConfigError(
            f"{'.'.join(str(k) for k in keys)}: {what}",
            got=got,
            allowed=allowed,
            do="correct the range, the lot or the station",
            where=place_of(path, *keys),
        )


Fault = tuple[tuple[str | int, ...], str, str, str]


def _faults(task: Task, space: Space) -> Iterator[Fault]:
    yield from _lots(task, space)
    yield from _ranges(space)
    yield from _limits(task, space)
    gases = {g for s in task.laboratory.of_kind(StationKind.FURNACE) for g in s.gases}
    for i, gas in enumerate(space.gases):
        if gas not in gases:
            offered = ", ".join(sorted(g.value for g in gases))
            yield ("space", "gases", i), "no furnace has this gas", gas.value, offered
    coolings = {c for s in task.laboratory.of_kind(StationKind.QUENCH) for c in s.coolings}
    for i, cooling in enumerate(space.coolings):
        if cooling not in coolings | {Cooling.FURNACE}:
            offered = ", ".join(sorted(c.value for c in coolings | {Cooling.FURNACE}))
            yield ("space", "coolings", i), "no station cools like this", cooling.value, offered


def _lots(task: Task, space: Space) -> Iterator[Fault]:
    shelf = ", ".join(lot.name for lot in task.laboratory.shelf)
    for i, group in enumerate(space.cation_lots):
        for j, name in enumerate(group):
            if task.laboratory.lot(name) is None:
                keys = ("space", "cation_lots", i, j)
                yield keys, "the lot is not on the shelf", repr(name), shelf


def _ranges(space: Space) -> Iterator[Fault]:
    for name in ("ratio", "temperature_c", "dwell_h", "ramp_c_per_min", "mill_min"):
        interval = getattr(space, name)
        if interval.high < interval.low:
            got = f"low {interval.low:g}, high {interval.high:g}"
            yield ("space", name), "the range is empty", got, "low <= high"
        if name in ("ratio", "dwell_h", "ramp_c_per_min") and interval.low <= 0:
            yield ("space", name, "low"), "must be above zero", f"{interval.low:g}", "> 0"
        if name == "mill_min" and interval.low < 0:
            yield ("space", name, "low"), "time is not negative", f"{interval.low:g}", ">= 0"


def _limits(task: Task, space: Space) -> Iterator[Fault]:
    furnaces = task.laboratory.of_kind(StationKind.FURNACE)
    mixers = task.laboratory.of_kind(StationKind.MIXER)
    limits = (
        ("temperature_c", "°C", [f.max_temperature_c for f in furnaces]),
        ("dwell_h", "h", [f.max_dwell_h for f in furnaces]),
        ("ramp_c_per_min", "°C/min", [f.max_ramp_c_per_min for f in furnaces]),
        ("mill_min", "min", [m.max_mill_min for m in mixers]),
    )
    for name, unit, values in limits:
        known = [v for v in values if v is not None]
        high = getattr(space, name).high
        if len(known) == len(values) and known and high > max(known):
            keys = ("space", name, "high")
            got, allowed = f"{high:g} {unit}", f"at most {max(known):g} {unit}"
            yield keys, "above the limit of every station", got, allowed
