"""What no single key of a task shows: names that repeat, stations, lots and ranges that clash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sdl.chemistry.system import ChemicalSystem, load_system, system_names
from sdl.core.capabilities import StationKind
from sdl.core.errors import ConfigError
from sdl.core.recipe import Cooling, Gas
from sdl.core.yaml import place_of
from sdl.tasks.check_objective import objective_faults
from sdl.tasks.check_space import Fault, corner_faults
from sdl.tasks.task import Space, Task

ROOM_C = 25.0
"""Lowest temperature of a furnace, degC: it heats and does not cool below the room."""

NO_SYSTEM = "none"
"""``system`` of a task whose laboratory replays a table."""

_ALWAYS_NEEDED = (
    StationKind.DISPENSER,
    StationKind.MIXER,
    StationKind.FURNACE,
    StationKind.DIFFRACTOMETER,
    StationKind.TRANSFER,
)
_MASS_TOLERANCE = 0.01
_STEP_TOLERANCE = 1e-9


def check_task(task: Task, path: Path) -> None:
    """Refuses a task that its own laboratory cannot carry out.

    Args:
        task: The task as it was read.
        path: Its file, for messages with lines.

    Raises:
        ConfigError: A name stands twice, the chemical system, a phase, a station or a lot is
            missing, or a range is empty or beyond every station.
    """
    for keys, what, got, allowed in _faults(task):
        raise ConfigError(
            f"{'.'.join(str(k) for k in keys)}: {what}",
            got=got,
            allowed=allowed,
            do="correct this value, or what it does not agree with",
            where=place_of(path, *keys),
        )


def _faults(task: Task) -> Iterator[Fault]:
    # In this order: each check may rely on those before it.
    yield from _names(task)
    systems = system_names() if task.space else (*system_names(), NO_SYSTEM)
    if task.system not in systems:
        yield ("system",), "there is no such chemical system", task.system, ", ".join(systems)
    if task.space is None:
        if task.objective is not None:
            what, allowed = "a property is measured of what is made", "a task with a `space`"
            yield ("objective",), what, "a task without `space`", allowed
        return
    system = load_system(task.system)
    yield from _stations(task, task.space)
    yield from _furnaces(task, system)
    yield from _phases(task, system)
    yield from _solution(task, task.space, system)
    yield from _choices(task, task.space)
    yield from _cations(task, task.space, system)
    yield from _reagents(task, task.space, system)
    yield from _washes(task, task.space)
    yield from _ranges(task.space)
    yield from _limits(task, task.space)
    yield from objective_faults(task)
    yield from corner_faults(task)


def _names(task: Task) -> Iterator[Fault]:
    for key, names in (
        ("stations", [s.name for s in task.laboratory.stations]),
        ("shelf", [lot.name for lot in task.laboratory.shelf]),
    ):
        for i, name in enumerate(names):
            if name in names[:i]:
                keys = ("laboratory", key, i, "name")
                yield keys, "the name stands twice", name, "each name once"


def _stations(task: Task, space: Space) -> Iterator[Fault]:
    quenched = any(cooling is not Cooling.FURNACE for cooling in space.coolings)
    needed = (*_ALWAYS_NEEDED, *((StationKind.QUENCH,) if quenched else ()))
    needed += (StationKind.WASHER,) if space.washes else ()
    have = sorted({s.kind.value for s in task.laboratory.stations})
    for kind in needed:
        if not task.laboratory.of_kind(kind):
            keys = ("laboratory", "stations")
            allowed = f"at least one of each: {', '.join(k.value for k in needed)}"
            yield keys, f"there is no {kind.value}", ", ".join(have) or "none", allowed


def _furnaces(task: Task, system: ChemicalSystem) -> Iterator[Fault]:
    limit = system.range_k()[1] - 273.15
    allowed = f"{ROOM_C:g} to {limit:g} °C, where the free energies of {system.name} end"
    for i, station in enumerate(task.laboratory.stations):
        if station.kind is not StationKind.FURNACE:
            continue
        keys, top = ("laboratory", "stations", i, "max_temperature_c"), station.max_temperature_c
        if top is None:
            yield keys, f"the furnace {station.name} has no limit", "nothing", allowed
        elif not ROOM_C <= top <= limit:
            yield keys, "no simulation goes so far", f"{top:g} °C", allowed


def _phases(task: Task, system: ChemicalSystem) -> Iterator[Fault]:
    solids = {phase.name: phase for phase in system.solids}
    what, allowed = f"{system.name} has no such solid", ", ".join(solids)
    if task.target.phase not in solids:
        yield ("target", "phase"), what, task.target.phase, allowed
    for i, name in enumerate(task.target.solution):
        if name not in solids:
            yield ("target", "solution", i), what, name, allowed
        if name in task.target.members[: i + 1]:
            yield ("target", "solution", i), "the phase stands twice", name, "each phase once"
    for i, lot in enumerate(task.laboratory.shelf):
        keys = ("laboratory", "shelf", i)
        if lot.phase not in solids:
            yield (*keys, "phase"), what, lot.phase, allowed
            continue
        true = solids[lot.phase].molar_mass_g_per_mol
        if abs(lot.molar_mass_g_per_mol - true) > _MASS_TOLERANCE * true:
            got, bound = f"{lot.molar_mass_g_per_mol:g}", f"{true:g} g/mol within 1 %"
            yield (*keys, "molar_mass_g_per_mol"), f"{lot.phase} weighs otherwise", got, bound


def _choices(task: Task, space: Space) -> Iterator[Fault]:
    for name, values in (("gases", space.gases), ("coolings", space.coolings)):
        for i, value in enumerate(values):
            if value in values[:i]:
                yield ("space", name, i), "the choice stands twice", value.value, "each once"
    furnaces = task.laboratory.of_kind(StationKind.FURNACE)
    gases = {g for s in furnaces for g in s.gases or (Gas.AIR,)}
    for i, gas in enumerate(space.gases):
        if gas not in gases:
            offered = ", ".join(sorted(g.value for g in gases))
            yield ("space", "gases", i), "no furnace has this gas", gas.value, offered
    coolings = {c for s in task.laboratory.of_kind(StationKind.QUENCH) for c in s.coolings}
    for i, cooling in enumerate(space.coolings):
        if cooling not in coolings | {Cooling.FURNACE}:
            offered = ", ".join(sorted(c.value for c in coolings | {Cooling.FURNACE}))
            yield ("space", "coolings", i), "no station cools like this", cooling.value, offered


def _solution(task: Task, space: Space, system: ChemicalSystem) -> Iterator[Fault]:
    """Members of a solid solution share all cations but one, in equal number."""
    target, solids = task.target, [phase.name for phase in system.solids]
    for i, name in enumerate(target.unresolved):
        if name not in solids or name in target.members or not target.solution:
            what = "this is no solid beside the members of a solid solution"
            others = ", ".join(n for n in solids if n not in target.members)
            yield ("target", "unresolved", i), what, name, others
    if not target.solution:
        if space.composition_step is not None:
            what = "only solid solutions have a composition"
            got, allowed = f"{space.composition_step:g}", "no such key, or `target.solution`"
            yield ("space", "composition_step"), what, got, allowed
        return
    if task.published is not None:
        allowed = "a target of one phase, or no `published`"
        yield ("published",), "a published recipe has no composition", "a solid solution", allowed
    if space.composition_step is None or _rest(space.composition_step):
        step = space.composition_step
        what = "a solid solution needs a step of its composition"
        got = "nothing" if step is None else f"{step:g}"
        yield ("space", "composition_step"), what, got, "a step that divides 1, as 0.05"
        return
    own = [_own(name, task, system) for name in target.members]
    for i, cations in enumerate(own[1:]):
        if len(cations) != 1 or len(own[0]) != 1 or own.count(cations) > 1:
            what = f"{target.members[i + 1]} does not dissolve in {target.phase} cation for cation"
            got = f"{', '.join(sorted(cations)) or 'nothing'} of its own"
            yield ("target", "solution", i), what, got, "one cation of its own, the others shared"


def _rest(step: float) -> bool:
    return abs(round(1.0 / step) * step - 1.0) > _STEP_TOLERANCE


def _own(name: str, task: Task, system: ChemicalSystem) -> frozenset[str]:
    """Elements of a member that not all members hold in the same number."""
    every = [system.phase(member).composition for member in task.target.members]
    composition = system.phase(name).composition
    return frozenset(e for e, n in composition.items() if any(c.get(e) != n for c in every))


def _groups(task: Task, system: ChemicalSystem) -> list[str]:
    """The cation that each group of lots must bring, in order where that matters."""
    target = system.phase(task.target.phase).composition
    if not task.target.solution:
        return [element for element in target if element != "O"]
    own = [next(iter(_own(name, task, system))) for name in task.target.members]
    return [e for e in target if e not in ("O", *own)] + own


def _cations(task: Task, space: Space, system: ChemicalSystem) -> Iterator[Fault]:
    cations = _groups(task, system)
    used = Counter(name for group in space.cation_lots for name in group)
    shelf = ", ".join(lot.name for lot in task.laboratory.shelf)
    groups: list[str] = []
    for i, group in enumerate(space.cation_lots):
        brought: set[str] = set()
        for j, name in enumerate(group):
            keys, lot = ("space", "cation_lots", i, j), task.laboratory.lot(name)
            if lot is None:
                yield keys, "the lot is not on the shelf", repr(name), shelf
                return
            if used[name] > 1:
                yield keys, "the lot stands twice", repr(name), "each lot once"
            found = [e for e in system.phase(lot.phase).composition if e in cations]
            if len(found) != 1 or brought - {*found}:
                one = " or ".join(sorted(brought) or cations)
                got = f"{name} with {', '.join(found) or 'none'}"
                yield keys, f"a lot of this group brings {one} and nothing else", got, one
                return
            brought |= {*found}
        groups += sorted(brought)
    ordered = bool(task.target.solution)
    if groups != cations if ordered else sorted(groups) != sorted(cations):
        allowed = f"one group for each of {', '.join(cations)}" + (", in this order" * ordered)
        what, got = f"cations of {task.target.label}", ", ".join(groups)
        yield ("space", "cation_lots"), what, got, allowed


def _reagents(task: Task, space: Space, system: ChemicalSystem) -> Iterator[Fault]:
    """Reagents bring what the target does not hold, from lots that nothing else takes."""
    target = system.phase(task.target.phase).composition
    shelf = {lot.name: system.phase(lot.phase).composition for lot in task.laboratory.shelf}
    used = [name for group in space.cation_lots for name in group]
    for i, reagent in enumerate(space.reagents):
        keys = ("space", "reagents", i)
        others = sorted({e for c in shelf.values() for e in c if e not in target and e != "O"})
        if task.target.solution:
            yield keys, "only a target of one phase has reagents", reagent.element, "no reagents"
        elif reagent.element not in others:
            what = "a reagent brings an element that the target does not hold"
            yield (*keys, "element"), what, reagent.element, ", ".join(others) or "no reagents"
            return
        for j, name in enumerate(reagent.lots):
            place = (*keys, "lots", j)
            if name not in shelf:
                yield place, "the lot is not on the shelf", repr(name), ", ".join(shelf)
                return
            if name in used:
                yield place, "the lot stands twice", repr(name), "each lot once"
            used.append(name)
            cations = [e for e in shelf[name] if e in target and e != "O"]
            if cations or reagent.element not in shelf[name]:
                got, one = f"{name} with {', '.join(shelf[name])}", reagent.element
                yield place, "this lot is no such reagent", got, f"{one} and no cation"


def _washes(task: Task, space: Space) -> Iterator[Fault]:
    if task.published is not None and task.published.washes > space.washes:
        got, allowed = str(task.published.washes), f"at most space.washes, {space.washes}"
        yield ("published", "washes"), "the space holds no such wash", got, allowed


def _ranges(space: Space) -> Iterator[Fault]:
    for name in ("ratio", "temperature_c", "dwell_h", "ramp_c_per_min", "mill_min"):
        interval = getattr(space, name)
        if interval.high < interval.low:
            got = f"low {interval.low:g}, high {interval.high:g}"
            yield ("space", name), "the range is empty", got, "low <= high"
    low = space.temperature_c.low
    if low < ROOM_C:
        keys = ("space", "temperature_c", "low")
        yield keys, "a furnace does not cool", f"{low:g} °C", f">= {ROOM_C:g} °C"


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
