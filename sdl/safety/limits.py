"""Limits of a laboratory, applied to recipes and again to every command.

Each rule is a pure function of a step (or command) and the capabilities and yields violations. The
campaign vetoes a proposal with a violation and refuses a command with one; the drivers check their
own station once more.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence

from sdl.core.capabilities import (
    LONGEST_WASH_MIN,
    MEASURED_AT,
    SOLVENTS,
    Capabilities,
    Station,
    StationKind,
)
from sdl.core.command import Command, Verb
from sdl.core.errors import SafetyError
from sdl.core.event import Violation
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Continue,
    Cooling,
    Dose,
    Gas,
    Measure,
    Mix,
    Press,
    Quench,
    Recipe,
    Regrind,
    Split,
    Step,
    Stop,
    Wash,
)

ROOM_C = 25.0
"""Instruments heat and do not cool below the room, degC."""


def check_recipe(recipe: Recipe, capabilities: Capabilities) -> tuple[Violation, ...]:
    """Every limit a recipe breaks; empty when the laboratory can make it.

    A recipe of a laboratory that replays a table must be in its pool; nothing else is asked of it.
    """
    if capabilities.pool:
        if recipe in capabilities.pool:
            return ()
        return (
            Violation(
                rule="in-pool",
                message="the table holds no such experiment; allowed: one of its "
                f"{len(capabilities.pool)} recipes",
            ),
        )
    found = [v for step in recipe.steps for v in _step(step, capabilities)]
    found += _order(recipe.steps)
    found += _charge(recipe, capabilities)
    return tuple(found)


def check_step(
    done: Sequence[Step], step: Step, capabilities: Capabilities
) -> tuple[Violation, ...]:
    """Every limit broken by continuing a cold sample, made by the steps ``done``, with ``step``."""
    found = list(_step(step, capabilities))
    if isinstance(step, Quench):
        found.append(Violation(rule="step-order", message="a cold sample cannot be quenched"))
    if isinstance(step, Mix) and any(isinstance(s, Anneal) for s in done):
        found.append(Violation(rule="step-order", message="powders are mixed before firing"))
    return tuple(found)


def check_steps(
    done: Sequence[Step], steps: Sequence[Step], capabilities: Capabilities
) -> tuple[Violation, ...]:
    """Every limit broken by continuing a cold sample, made by the steps ``done``, with others.

    Unlike a sample that waits, one that is annealed may be quenched in the next of these steps.
    """
    if not steps:
        return (Violation(rule="step-order", message="nothing was decided; allowed: a step"),)
    found: list[Violation] = []
    for n, step in enumerate(steps):
        broken = check_step((*done, *steps[:n]), step, capabilities)
        if n and isinstance(step, Quench) and isinstance(steps[n - 1], Anneal):
            broken = tuple(_step(step, capabilities))
        found += broken
        if isinstance(step, Stop | Continue) and n + 1 < len(steps):
            message = f"a step follows after {step.kind}"
            found.append(Violation(rule="step-order", message=message))
    return tuple(found)


def check_command(command: Command, capabilities: Capabilities) -> tuple[Violation, ...]:
    """Every limit a physical command breaks at its station."""
    try:
        station = capabilities.station(command.station)
    except KeyError:
        names = ", ".join(s.name for s in capabilities.stations)
        return (
            Violation(
                rule="station-exists", message=f"no station {command.station!r}; allowed: {names}"
            ),
        )
    for name, value in command.args.items():
        if isinstance(value, float) and not math.isfinite(value):
            return (Violation(rule="finite", message=f"{name} is {value}; allowed: a number"),)
    found: list[Violation] = []
    if len(command.samples) > station.capacity:
        found.append(
            Violation(
                rule="station-capacity",
                message=f"{station.name} takes {station.capacity} samples, got "
                f"{len(command.samples)}",
            )
        )
    if command.verb is Verb.ANNEAL:
        step = Anneal(
            temperature_c=command.args["temperature_c"],
            dwell_h=command.args["dwell_h"],
            ramp_c_per_min=command.args["ramp_c_per_min"],
            gas=command.args["gas"],
        )
        found += _furnace(step, station)
    elif command.verb is Verb.DISPENSE:
        dose = Dose(lot=command.args["lot"], mass_mg=command.args["mass_mg"])
        found += _dose(dose, capabilities, (station,))
    elif command.verb is Verb.MILL:
        found += _mill(float(command.args["mill_min"]), (station,))
    elif command.verb is Verb.WASH:
        able = (station,) if station.kind is StationKind.WASHER else ()
        found += _wash(str(command.args["solvent"]), float(command.args["duration_min"]), able)
    elif command.verb is Verb.MEASURE:
        measure = Measure(
            property=command.args["property"], temperature_c=command.args["temperature_c"]
        )
        found += _instrument(measure, station)
    elif command.verb is Verb.QUENCH and Cooling(command.args["cooling"]) not in station.coolings:
        found.append(_no_cooling(Cooling(command.args["cooling"]), (station,)))
    return tuple(found)


def require_safe(command: Command, capabilities: Capabilities) -> None:
    """Refuses a command that breaks a limit.

    Raises:
        SafetyError: With every rule that is broken.
    """
    found = check_command(command, capabilities)
    if found:
        raise SafetyError(
            f"the command {command.id} ({command.verb.value} at {command.station}) breaks "
            + "; ".join(f"{v.rule}: {v.message}" for v in found),
            do="correct the recipe or the limits of the station",
        )


def _step(step: Step, capabilities: Capabilities) -> Iterator[Violation]:
    match step:
        case Mix():
            dispensers = capabilities.of_kind(StationKind.DISPENSER)
            for dose in step.doses:
                yield from _dose(dose, capabilities, dispensers)
            yield from _mill(step.mill_min, capabilities.of_kind(StationKind.MIXER))
        case Regrind():
            yield from _mill(step.mill_min, capabilities.of_kind(StationKind.MIXER))
        case Anneal():
            yield from _some_furnace(step, capabilities)
        case Quench():
            stations = capabilities.of_kind(StationKind.QUENCH)
            able = any(step.cooling in s.coolings for s in stations)
            if step.cooling is not Cooling.FURNACE and not able:
                yield _no_cooling(step.cooling, stations)
        case Characterise():
            if not capabilities.of_kind(StationKind.DIFFRACTOMETER):
                yield Violation(rule="station-exists", message="there is no diffractometer")
        case Measure():
            yield from check_measurement(step, capabilities)
        case Wash():
            washers = capabilities.of_kind(StationKind.WASHER)
            yield from _wash(step.solvent, step.duration_min, washers)
        case Press() | Split():
            yield Violation(
                rule="station-exists", message=f"no station of this laboratory can {step.kind}"
            )
        case Stop() | Continue():
            return


def check_measurement(step: Measure, capabilities: Capabilities) -> tuple[Violation, ...]:
    """None if one instrument can do it; else what the instrument that is closest lacks."""
    kind = MEASURED_AT[step.property]
    able = capabilities.of_kind(kind)
    if not able:
        message = f"there is no {kind.value}, which measures the {step.property.value}"
        return (Violation(rule="station-exists", message=message),)
    return min((tuple(_instrument(step, station)) for station in able), key=len)


def _instrument(step: Measure, station: Station) -> Iterator[Violation]:
    kind = MEASURED_AT[step.property]
    if station.kind is not kind:
        what = f"{station.name} cannot measure the {step.property.value}"
        message = f"{what}; allowed: a {kind.value}"
        yield Violation(rule="instrument", message=message)
    top = ROOM_C if station.max_temperature_c is None else station.max_temperature_c
    if not ROOM_C <= step.temperature_c <= top:
        yield Violation(
            rule="instrument-temperature",
            message=f"{station.name}: {step.temperature_c:g} °C; allowed: {ROOM_C:g} to {top:g} °C",
        )


def _no_cooling(cooling: Cooling, stations: Sequence[Station]) -> Violation:
    able = sorted({c.value for s in stations for c in s.coolings} | {Cooling.FURNACE.value})
    return Violation(
        rule="quench-cooling",
        message=f"no station cools in {cooling.value}; allowed: {', '.join(able)}",
    )


def _dose(
    dose: Dose, capabilities: Capabilities, stations: Sequence[Station]
) -> Iterator[Violation]:
    lot = capabilities.lot(dose.lot)
    if lot is None:
        names = ", ".join(item.name for item in capabilities.shelf)
        yield Violation(
            rule="lot-on-shelf",
            message=f"the lot {dose.lot!r} is not on the shelf; allowed: {names}",
        )
    low = min((s.min_dose_mg or 0.0 for s in stations), default=0.0)
    high = max((s.max_dose_mg or math.inf for s in stations), default=0.0)
    if not low <= dose.mass_mg <= high:
        yield Violation(
            rule="dose-range",
            message=f"{dose.mass_mg:g} mg of {dose.lot}; allowed: {low:g} to {high:g} mg",
        )


def _mill(mill_min: float, stations: Sequence[Station]) -> Iterator[Violation]:
    limit = max((s.max_mill_min or math.inf for s in stations), default=None)
    if limit is None:
        yield Violation(rule="station-exists", message="there is no mixer")
    elif mill_min > limit:
        yield Violation(
            rule="mill-time", message=f"{mill_min:g} min of milling; allowed: at most {limit:g}"
        )


def _wash(solvent: str, duration_min: float, stations: Sequence[Station]) -> Iterator[Violation]:
    if not stations:
        yield Violation(rule="station-exists", message="there is no washer")
    if solvent not in SOLVENTS:
        message = f"washes are in {' or '.join(SOLVENTS)}; asked: {solvent}"
        yield Violation(rule="solvent", message=message)
    if not 0.0 < duration_min <= LONGEST_WASH_MIN:
        allowed = f"more than 0, at most {LONGEST_WASH_MIN:g}"
        yield Violation(
            rule="wash-time", message=f"{duration_min:g} min of washing; allowed: {allowed}"
        )


def _some_furnace(step: Anneal, capabilities: Capabilities) -> list[Violation]:
    """No violation if one furnace can do all of it; else those of the furnace that is closest."""
    furnaces = capabilities.of_kind(StationKind.FURNACE)
    if not furnaces:
        return [Violation(rule="station-exists", message="there is no furnace")]
    return min((list(_furnace(step, f)) for f in furnaces), key=len)


def _furnace(step: Anneal, furnace: Station) -> Iterator[Violation]:
    limits = (
        ("temperature", "°C", step.temperature_c, furnace.max_temperature_c),
        ("ramp", "°C/min", step.ramp_c_per_min, furnace.max_ramp_c_per_min),
        ("dwell", "h", step.dwell_h, furnace.max_dwell_h),
    )
    for name, unit, value, limit in limits:
        if limit is not None and value > limit:
            yield Violation(
                rule=f"furnace-{name}",
                message=f"{furnace.name}: {value:g} {unit}; allowed: at most {limit:g} {unit}",
            )
    gases = furnace.gases or (Gas.AIR,)
    if step.gas not in gases:
        yield Violation(
            rule="furnace-gas",
            message=f"{furnace.name} has no {step.gas.value}; allowed: "
            + ", ".join(g.value for g in gases),
        )


def _order(steps: Sequence[Step]) -> Iterator[Violation]:
    if not isinstance(steps[0], Mix):
        yield Violation(rule="step-order", message="a recipe starts with a mix")
    for before, step in itertools.pairwise(steps):
        if isinstance(step, Quench) and not isinstance(before, Anneal):
            yield Violation(rule="step-order", message="a quench follows an anneal directly")
        if isinstance(before, Stop | Continue):
            yield Violation(rule="step-order", message=f"nothing follows `{before.kind}`")
    fired = False
    for step in steps:
        if fired and isinstance(step, Mix):
            yield Violation(rule="step-order", message="powders are mixed before firing")
        fired = fired or isinstance(step, Anneal)
    last = [s for s in steps if not isinstance(s, Stop | Continue)][-1:]
    if not last or not isinstance(last[0], Characterise | Measure):
        yield Violation(
            rule="step-order",
            message="a recipe ends with a characterisation or a measurement, or nothing is learned",
        )


def _charge(recipe: Recipe, capabilities: Capabilities) -> Iterator[Violation]:
    masses: Counter[str] = Counter()
    for dose in recipe.doses():
        masses[dose.lot] += dose.mass_mg  # pyright: ignore[reportArgumentType]
    total = float(sum(masses.values()))
    if total > capabilities.vial_capacity_mg:
        yield Violation(
            rule="vial-capacity",
            message=f"{total:g} mg in one vial; allowed: at most {capabilities.vial_capacity_mg:g}",
        )
    for name, mass in masses.items():
        lot = capabilities.lot(name)
        if lot is not None and mass > lot.stock_mg:
            yield Violation(
                rule="lot-stock",
                message=f"{mass:g} mg of {name}; on the shelf: {lot.stock_mg:g} mg",
            )
