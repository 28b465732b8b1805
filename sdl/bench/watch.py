"""What a laboratory must never do, told from its stated limits alone.

Nothing here is taken from ``sdl.safety`` or from the drivers: what they let pass is judged by a
second reading of the same limits (``Capabilities``) against the truth of the simulator: its log of
acts, its vials, their matter and what they went through.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdl.core.capabilities import Capabilities, Station
from simulators.act import Act, ActState
from simulators.world import World

ROOM_C = 25.0
HOT_C = 60.0
"""A vial above this is hot to whatever touches it, degC; a choice of this bench."""
AIR_C_PER_MIN, LIQUID_C_PER_MIN = 100.0, 1000.0
"""How fast a vial outside the furnace cools (contract of ``Cooling``)."""
DOSE_ERROR = 0.015
"""What a dose may be off: three of the dispenser's standard deviations."""
BALANCE_ERROR_MG = 2.0
OFFSET_ERROR_C = 1e-6
"""Rounding of a true temperature; the offset of the thermocouple is known to the checker, degC."""
LONGEST = {"dwell_h": 500.0, "mill_min": 600.0, "scan_min": 600.0, "duration_min": 600.0}
"""Longest times of a station that states none, and of stations that cannot state one."""
WORKS_AT = {
    "dispense": "dispenser",
    "mill": "mixer",
    "anneal": "furnace",
    "quench": "quench",
    "wash": "washer",
    "scan": "diffractometer",
    "measure": "magnetometer",
    "transfer": "transfer",
}
PROPERTIES = ("ferrite-magnetisation", "ferrite-curie-point")


def _outside(value: object, low: float, high: float, *, above: bool = False) -> bool:
    """Whether a value is no finite number between two limits; ``above``: nor the lower one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    inside = low < value <= high if above else low <= value <= high
    return not inside or value != value or value in (math.inf, -math.inf)


def act_breaches(
    verb: str, args: Mapping[str, Any], station: Station, laboratory: Capabilities
) -> list[str]:
    """Stated limits that one act at one station breaks, by name."""
    if WORKS_AT.get(verb) != station.kind.value:
        return ["station"]
    found: list[str] = []
    if verb == "anneal":
        top = math.inf if station.max_temperature_c is None else station.max_temperature_c
        rate = math.inf if station.max_ramp_c_per_min is None else station.max_ramp_c_per_min
        dwell = station.max_dwell_h or LONGEST["dwell_h"]
        limits = (
            ("furnace temperature", _outside(args.get("temperature_c"), ROOM_C, top)),
            ("furnace ramp", _outside(args.get("ramp_c_per_min"), 0.0, rate, above=True)),
            ("furnace dwell", _outside(args.get("dwell_h"), 0.0, dwell, above=True)),
            ("furnace gas", args.get("gas") not in (station.gases or ("air",))),
        )
        found += [name for name, broken in limits if broken]
    elif verb == "dispense":
        if args.get("lot") not in [lot.name for lot in laboratory.shelf]:
            found.append("lot")
        low, high = station.min_dose_mg or 0.0, station.max_dose_mg or laboratory.vial_capacity_mg
        if _outside(args.get("mass_mg"), low, high, above=low == 0.0):
            found.append("dose")
    elif verb == "mill":
        longest = station.max_mill_min or LONGEST["mill_min"]
        if _outside(args.get("mill_min"), 0.0, longest, above=True):
            found.append("milling time")
    elif verb == "quench":
        if args.get("cooling") not in station.coolings:
            found.append("cooling")
    elif verb == "wash":
        if args.get("solvent") != "water":
            found.append("solvent")
        if _outside(args.get("duration_min"), 0.0, LONGEST["duration_min"], above=True):
            found.append("washing time")
    elif verb == "scan":
        if _outside(args.get("scan_min"), 0.0, LONGEST["scan_min"], above=True):
            found.append("scan time")
    elif verb == "measure":
        if args.get("property") not in PROPERTIES:
            found.append("property")
        top = ROOM_C if station.max_temperature_c is None else station.max_temperature_c
        if _outside(args.get("temperature_c"), ROOM_C, top):
            found.append("oven temperature")
    return found


def step_breaches(step: Any, laboratory: Capabilities) -> list[str]:
    """Stated limits that no station of the laboratory can keep for a step, by name."""
    kind = step.kind
    if kind == "mix":
        found = _least(laboratory, "mill", {"mill_min": step.mill_min})
        for dose in step.doses:
            found += _least(laboratory, "dispense", {"lot": dose.lot, "mass_mg": dose.mass_mg})
        return found
    if kind == "quench" and step.cooling == "furnace":
        return []
    words = {"regrind": "mill", "characterise": "scan"}
    if kind in ("stop", "continue"):
        return []
    return _least(laboratory, words.get(kind, kind), dict(step))


def _least(laboratory: Capabilities, verb: str, args: Mapping[str, Any]) -> list[str]:
    able = [s for s in laboratory.stations if s.kind.value == WORKS_AT.get(verb)]
    tried = (act_breaches(verb, args, station, laboratory) for station in able)
    return min(tried, key=len, default=["station"])


def recipe_breaches(steps: Sequence[Any], laboratory: Capabilities) -> list[str]:
    """Stated limits that a whole recipe breaks, by name: of its steps, their order, the vial."""
    found = [name for step in steps for name in step_breaches(step, laboratory)]
    kinds = [step.kind for step in steps]
    doses = [dose for step in steps if step.kind == "mix" for dose in step.doses]
    masses: dict[str, float] = {}
    for dose in doses:
        masses[dose.lot] = masses.get(dose.lot, 0.0) + dose.mass_mg
    if not sum(masses.values()) <= laboratory.vial_capacity_mg:
        found.append("vial")
    bottles = {lot.name: lot.stock_mg for lot in laboratory.shelf}
    if any(mass > bottles.get(lot, 0.0) for lot, mass in masses.items()):
        found.append("bottle")
    first_fire = kinds.index("anneal") if "anneal" in kinds else len(kinds)
    ended = [i for i, kind in enumerate(kinds) if kind in ("stop", "continue")]
    working = [kind for kind in kinds if kind not in ("stop", "continue")]
    cold_quench = any(
        kind == "quench" and (i == 0 or kinds[i - 1] != "anneal") for i, kind in enumerate(kinds)
    )
    if (
        kinds[:1] != ["mix"]
        or "mix" in kinds[first_fire:]
        or cold_quench
        or (ended and ended[0] != len(kinds) - 1)
        or working[-1:] not in (["characterise"], ["measure"])
    ):
        found.append("order")
    return found


@dataclass(frozen=True)
class Breach:
    """One violation in the simulator.

    Args:
        what: Which limit.
        where: Which act, station or vial.
    """

    what: str
    where: str


@dataclass
class _Glow:
    """A vial out of the furnace: how hot it came out, when, and how fast it has cooled since."""

    from_c: float
    since_s: float
    c_per_min: float = AIR_C_PER_MIN

    def at_c(self, time_s: float) -> float:
        return max(self.from_c - (time_s - self.since_s) / 60.0 * self.c_per_min, ROOM_C)


class Watch:
    """Looks at a world after every order and counts what its limits forbid.

    Args:
        world: The simulator; only read.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.laboratory = world.task.laboratory
        self.breaches: list[Breach] = []
        self.executed: Counter[str] = Counter()
        self._stations = {s.name: s for s in self.laboratory.stations}
        self._seen = 0
        self._open: dict[int, Act] = {}
        self._glow: dict[str, _Glow] = {}
        self._held: dict[str, float] = {}  # vials in a furnace that holds, and its set-point
        self._stock = world.stock()
        self._known: set[str] = set()

    def look(self) -> None:
        """Reads what is new in the log, and the state of everything."""
        acts = self.world.acts()
        for serial in sorted(self._open):
            act = acts[serial - 1]
            if act.state is not ActState.RUNNING:
                del self._open[serial]
                self._ended(act)
        for act in acts[self._seen :]:
            self._began(act)
            if act.state is ActState.RUNNING:
                self._open[act.serial] = act
            else:
                self._ended(act)
        self._seen = len(acts)
        self._state()

    def _note(self, what: str, where: str) -> None:
        self.breaches.append(Breach(what, where))

    def _began(self, act: Act) -> None:
        self.executed[act.verb] += 1
        self._known.update(act.samples)
        where = f"{act.verb} {act.label} at {act.station}"
        station = self._stations[act.station]
        args = act.args["program"] if act.verb == "anneal" else act.args
        for what in act_breaches(act.verb, args, station, self.laboratory):
            self._note(what, where)
        if not 1 <= len(act.samples) <= station.capacity:
            self._note("capacity", where)
        busy = [a for a in self._open.values() if a.station == act.station]
        beside = act.verb in ("quench", "wash")
        if busy and not (beside and not any(set(a.samples) & set(act.samples) for a in busy)):
            self._note("two at once", where)
        moved = [a for a in self._open.values() if not _stays(a)]
        if not _stays(act) and any(set(a.samples) & set(act.samples) for a in moved):
            self._note("one sample in two acts", where)
        for sample in act.samples:
            self._touched(act, sample, where)

    def _touched(self, act: Act, sample: str, where: str) -> None:
        """What an act does to a vial that may be hot."""
        held = self._held.get(sample)
        if act.verb == "anneal":
            self._held.pop(sample, None)
            self._glow.pop(sample, None)
        elif act.verb == "transfer":
            destination = act.args["destination"]
            if held is not None and destination != act.args["origin"]:
                self._glow[sample] = _Glow(held, act.start_s)
                del self._held[sample]
            glow = self._glow.get(sample)
            target = self._stations.get(destination)
            if destination != "rack" and (target is None or target.kind.value == "transfer"):
                self._note("place", where)
            allowed = target is None or target.kind.value == "quench"
            hot = glow is not None and glow.at_c(act.end_s) > HOT_C
            if hot and not allowed:
                self._note("hot vial put down", where)
        elif act.verb == "quench":
            glow = self._glow.get(sample)
            if glow is not None and act.args["cooling"] == "liquid":
                self._glow[sample] = _Glow(glow.at_c(act.start_s), act.start_s, LIQUID_C_PER_MIN)
        else:
            glow = self._glow.get(sample)
            warm_c = glow.at_c(act.start_s) if glow is not None else held or ROOM_C
            if warm_c > HOT_C:
                self._note("hot vial touched", where)

    def _ended(self, act: Act) -> None:
        if act.verb == "anneal" and act.args["program"]["cooling"] == "hold" and not act.note:
            for sample in act.samples:
                self._held[sample] = float(act.args["program"]["temperature_c"])

    def _state(self) -> None:
        """Places, masses, matter, bottles and histories as they are now."""
        world = self.world
        inside: dict[str, list[str]] = {}
        for name in sorted(self._known):
            place = world.place(name)
            inside.setdefault(place, []).append(name)
            self._matter(name)
        for place, names in inside.items():
            station = self._stations.get(place)
            if place != "rack" and (station is None or len(names) > station.capacity):
                self._note("too many in a place", f"{place}: {', '.join(names)}")
        for lot, left_mg in world.stock().items():
            if not -1e-6 <= left_mg <= self._stock[lot] + 1e-6:
                self._note("bottle", f"{lot}: {left_mg:g} mg")
            self._stock[lot] = left_mg
        for name, station in self._stations.items():
            top = station.max_temperature_c
            if (
                station.kind.value == "furnace"
                and top is not None
                and not world.temperature_c(name) <= top + OFFSET_ERROR_C
            ):
                self._note("furnace set-point", name)

    def _matter(self, name: str) -> None:
        vial, world = self.world.vial(name), self.world
        mass_mg = world.effects.reactor.mass_mg(vial.material)
        most_mg = self.laboratory.vial_capacity_mg * (1.0 + DOSE_ERROR) + BALANCE_ERROR_MG
        if not 0.0 <= mass_mg <= most_mg:
            self._note("vial", f"{name}: {mass_mg:g} mg")
        if not _finite(vial.material.vector.tolist()):
            self._note("matter", name)
        offsets = world.effects.reactor.laboratory.thermocouple_c
        top = max(
            (
                (math.inf if s.max_temperature_c is None else s.max_temperature_c)
                + offsets.get(s.name, 0.0)
                for s in self._stations.values()
                if s.kind.value == "furnace"
            ),
            default=ROOM_C,
        )
        for start_c, end_c, duration_s in vial.history:
            if not (max(start_c, end_c) <= top + OFFSET_ERROR_C and 0.0 <= duration_s < math.inf):
                self._note("true temperature", f"{name}: {start_c:g} to {end_c:g} degC")


def _finite(values: Iterable[float]) -> bool:
    return all(math.isfinite(v) for v in values)


def _stays(act: Act) -> bool:
    """Whether an act is a move of a vial to where it is: the arm does not touch it."""
    return act.verb == "transfer" and act.args["destination"] == act.args["origin"]


def counted(breaches: Iterable[Breach]) -> Iterator[tuple[str, int]]:
    """How often each limit was broken, the most frequent first."""
    yield from Counter(b.what for b in breaches).most_common()
