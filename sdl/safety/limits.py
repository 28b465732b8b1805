"""Limits of a laboratory, applied to recipes and again to every command.

Each rule is a pure function of a step (or command) and the capabilities and yields violations. The
campaign vetoes a proposal with a violation and refuses a command with one; the drivers check their
own station once more.
"""

from __future__ import annotations

import itertools
import math
import sys
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
from sdl.core.errors import SafetyError, excerpt
from sdl.core.event import Violation
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Continue,
    Cooling,
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
"""Furnaces and instruments heat and do not cool below the room, degC."""
LONGEST_MILL_MIN = 600.0
LONGEST_SCAN_MIN = 600.0
LONGEST_DWELL_H = 500.0
"""Where a station states no limit; longer times are taken for mistakes."""
_LARGEST = sys.float_info.max
_RACK = "rack"
_VERBS = {
    StationKind.DISPENSER: Verb.DISPENSE,
    StationKind.MIXER: Verb.MILL,
    StationKind.FURNACE: Verb.ANNEAL,
    StationKind.QUENCH: Verb.QUENCH,
    StationKind.DIFFRACTOMETER: Verb.SCAN,
    StationKind.MAGNETOMETER: Verb.MEASURE,
    StationKind.WASHER: Verb.WASH,
    StationKind.TRANSFER: Verb.TRANSFER,
    StationKind.TABLE: Verb.REPLAY,
}
"""The only verb of each kind of station."""
_ARGUMENTS: dict[Verb, dict[str, type]] = {
    Verb.TRANSFER: {"sample": str, "origin": str, "destination": str},
    Verb.DISPENSE: {"lot": str, "mass_mg": float},
    Verb.MILL: {"mill_min": float},
    Verb.ANNEAL: {
        "temperature_c": float, "dwell_h": float, "ramp_c_per_min": float, "gas": str,
        "cooling": str,
    },
    Verb.QUENCH: {"cooling": str},
    Verb.WASH: {"solvent": str, "duration_min": float},
    Verb.SCAN: {"scan_min": float},
    Verb.MEASURE: {"property": str, "temperature_c": float},
    Verb.REPLAY: {},
}  # fmt: skip
"""What a command must say, in numbers and words."""


def verb_of(kind: StationKind) -> Verb:
    """The only verb of a kind of station."""
    return _VERBS[kind]


def arguments_of(verb: Verb) -> frozenset[str]:
    """Names of the numbers and words that a command of a verb must say."""
    return frozenset(_ARGUMENTS[verb])


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
    if not recipe.steps:
        return (Violation(rule="step-order", message="a recipe starts with a mix; it is empty"),)
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
    verb = _VERBS.get(station.kind)
    if command.verb is not verb:
        allowed = "nothing" if verb is None else verb.value
        message = f"{station.name} cannot {command.verb.value}; allowed: {allowed}"
        return (Violation(rule="station-verb", message=message),)
    broken = tuple(_arguments(command))
    if broken:
        return broken
    found: list[Violation] = []
    if len(command.samples) > station.capacity:
        found.append(
            Violation(
                rule="station-capacity",
                message=f"{station.name} takes {station.capacity} samples, got "
                f"{len(command.samples)}",
            )
        )
    return (*found, *_act(command, station, capabilities))


def _act(command: Command, station: Station, capabilities: Capabilities) -> Iterator[Violation]:
    """Limits of the station broken by a command whose arguments are numbers and words."""
    args = command.args
    match command.verb:
        case Verb.ANNEAL:
            numbers = (args["temperature_c"], args["dwell_h"], args["ramp_c_per_min"])
            yield from _furnace(*numbers, args["gas"], station)
        case Verb.DISPENSE:
            yield from _dose(args["lot"], args["mass_mg"], capabilities, (station,))
        case Verb.MILL:
            yield from _mill(args["mill_min"], (station,))
        case Verb.WASH:
            yield from _wash(args["solvent"], args["duration_min"], (station,))
        case Verb.SCAN:
            yield from _scan(args["scan_min"])
        case Verb.MEASURE:
            yield from _instrument(args["property"], args["temperature_c"], station)
        case Verb.QUENCH if args["cooling"] not in station.coolings:
            yield _no_cooling(args["cooling"], (station,))
        case Verb.TRANSFER:
            yield from _places(command, capabilities)
        case _:
            return


def _arguments(command: Command) -> Iterator[Violation]:
    """Arguments that are missing, no finite numbers or no words; nothing may be guessed."""
    for name, kind in _ARGUMENTS[command.verb].items():
        value = command.args.get(name)
        if value is None:
            yield Violation(rule="argument", message=f"{name} is missing")
        elif kind is float and not _is_number(value):
            yield Violation(rule="finite", message=f"{name} is {excerpt(value)}; allowed: a number")
        elif kind is str and not isinstance(value, str):
            yield Violation(rule="argument", message=f"{name} is {excerpt(value)}; allowed: a word")


def _is_number(value: object) -> bool:
    """Whether it is a finite number that a device can be told."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST <= value <= _LARGEST


def _places(command: Command, capabilities: Capabilities) -> Iterator[Violation]:
    names = [s.name for s in capabilities.stations if s.kind is not StationKind.TRANSFER]
    places = (_RACK, *names)
    for name in ("origin", "destination"):
        if command.args[name] not in places:
            message = f"no place {excerpt(command.args[name])}; allowed: {', '.join(places)}"
            yield Violation(rule="place", message=message)
    if command.args["sample"] not in command.samples:
        yield Violation(rule="argument", message="the sample to move is not the command's")


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
                yield from _dose(dose.lot, dose.mass_mg, capabilities, dispensers)
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
            yield from _scan(step.scan_min)
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
    kind = MEASURED_AT.get(step.property)
    able = () if kind is None else capabilities.of_kind(kind)
    if not able:
        instrument = "instrument" if kind is None else kind.value
        message = f"there is no {instrument}, which measures the {step.property}"
        return (Violation(rule="station-exists", message=message),)
    found = (tuple(_instrument(step.property, step.temperature_c, s)) for s in able)
    return min(found, key=len)


def _instrument(measured: str, temperature_c: float, station: Station) -> Iterator[Violation]:
    able = [p.value for p, kind in MEASURED_AT.items() if kind is station.kind]
    if measured not in able:
        message = f"{station.name} cannot measure the {measured}; allowed: {', '.join(able)}"
        yield Violation(rule="instrument", message=message)
    top = ROOM_C if station.max_temperature_c is None else station.max_temperature_c
    if not ROOM_C <= temperature_c <= top:
        yield Violation(
            rule="instrument-temperature",
            message=f"{station.name}: {temperature_c:g} °C; allowed: {ROOM_C:g} to {top:g} °C",
        )


def _no_cooling(cooling: str, stations: Sequence[Station]) -> Violation:
    able = sorted({c.value for s in stations for c in s.coolings} | {Cooling.FURNACE.value})
    return Violation(
        rule="quench-cooling",
        message=f"no station cools in {cooling}; allowed: {', '.join(able)}",
    )


def _dose(
    lot: str, mass_mg: float, capabilities: Capabilities, stations: Sequence[Station]
) -> Iterator[Violation]:
    if capabilities.lot(lot) is None:
        names = ", ".join(item.name for item in capabilities.shelf)
        yield Violation(
            rule="lot-on-shelf",
            message=f"the lot {lot!r} is not on the shelf; allowed: {names}",
        )
    low = min((s.min_dose_mg or 0.0 for s in stations), default=0.0)
    high = max((s.max_dose_mg or capabilities.vial_capacity_mg for s in stations), default=0.0)
    if not low <= mass_mg <= high or mass_mg == 0.0:
        yield Violation(
            rule="dose-range",
            message=f"{mass_mg:g} mg of {lot}; allowed: {low:g} to {high:g} mg",
        )


def _mill(mill_min: float, stations: Sequence[Station]) -> Iterator[Violation]:
    limit = max((s.max_mill_min or LONGEST_MILL_MIN for s in stations), default=None)
    if limit is None:
        yield Violation(rule="station-exists", message="there is no mixer")
    elif not 0.0 < mill_min <= limit:
        allowed = f"more than 0, at most {limit:g}"
        yield Violation(
            rule="mill-time", message=f"{mill_min:g} min of milling; allowed: {allowed}"
        )


def _scan(scan_min: float) -> Iterator[Violation]:
    if not 0.0 < scan_min <= LONGEST_SCAN_MIN:
        allowed = f"more than 0, at most {LONGEST_SCAN_MIN:g}"
        yield Violation(rule="scan-time", message=f"a scan of {scan_min:g} min; allowed: {allowed}")


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
    numbers = (step.temperature_c, step.dwell_h, step.ramp_c_per_min)
    return min((list(_furnace(*numbers, step.gas, f)) for f in furnaces), key=len)


def _furnace(
    temperature_c: float, dwell_h: float, ramp_c_per_min: float, gas: str, furnace: Station
) -> Iterator[Violation]:
    hottest_c = math.inf if furnace.max_temperature_c is None else furnace.max_temperature_c
    fastest = math.inf if furnace.max_ramp_c_per_min is None else furnace.max_ramp_c_per_min
    longest_h = furnace.max_dwell_h or LONGEST_DWELL_H
    # Asked the other way round, a value that is no number would pass.
    limits = (
        ("temperature", "°C", temperature_c, hottest_c, ROOM_C <= temperature_c <= hottest_c),
        ("ramp", "°C/min", ramp_c_per_min, fastest, 0.0 < ramp_c_per_min <= fastest),
        ("dwell", "h", dwell_h, longest_h, 0.0 < dwell_h <= longest_h),
    )
    for name, unit, value, limit, inside in limits:
        if not inside or value == math.inf:
            low = f"{ROOM_C:g} {unit} or more" if name == "temperature" else "more than 0"
            most = f"at most {limit:g} {unit}"
            yield Violation(
                rule=f"furnace-{name}",
                message=f"{furnace.name}: {value:g} {unit}; allowed: "
                + (most if value > limit else f"{low}, {most}"),
            )
    gases = furnace.gases or (Gas.AIR,)
    if gas not in gases:
        yield Violation(
            rule="furnace-gas",
            message=f"{furnace.name} has no {gas}; allowed: " + ", ".join(g.value for g in gases),
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
    if not total <= capabilities.vial_capacity_mg:
        yield Violation(
            rule="vial-capacity",
            message=f"{total:g} mg in one vial; allowed: at most {capabilities.vial_capacity_mg:g}",
        )
    for name, mass in masses.items():
        lot = capabilities.lot(name)
        if lot is not None and not mass <= lot.stock_mg:
            yield Violation(
                rule="lot-stock",
                message=f"{mass:g} mg of {name}; on the shelf: {lot.stock_mg:g} mg",
            )
