"""Orders straight to the simulated drivers, past every gate that comes before them.

One ``Hands`` holds one small world with its drivers, tells them whatever it is given, lets time
pass, and has a ``Watch`` look after each order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from instruments.drivers.base import start_job
from instruments.drivers.job import Job, JobRecord
from instruments.drivers.virtual import virtual_drivers
from sdl.bench.raw import LOTS, STRANGE, Draws, RawRecipes
from sdl.bench.watch import Watch
from sdl.campaign.acts import Act, acts_of, furnaces_for
from sdl.chemistry.system import load_system
from sdl.core.capabilities import Capabilities, Station, StationKind
from sdl.core.command import Command, Effect, Verb
from sdl.core.errors import BusyError, DeviceError, SdlError
from sdl.core.recipe import Step
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import Task
from simulators.act import ActState
from simulators.laboratory import Laboratory, draw_laboratory, laboratory_key
from simulators.world import World

FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, SdlError)
"""What a driver must not answer: it does it, or raises a ``DeviceError`` or a ``BusyError``."""
RACK = "rack"
SAMPLES = ("S1", "S2", "S3", "S4", "S5")
VERBS = {
    StationKind.DISPENSER: Verb.DISPENSE,
    StationKind.MIXER: Verb.MILL,
    StationKind.FURNACE: Verb.ANNEAL,
    StationKind.QUENCH: Verb.QUENCH,
    StationKind.WASHER: Verb.WASH,
    StationKind.DIFFRACTOMETER: Verb.SCAN,
    StationKind.MAGNETOMETER: Verb.MEASURE,
    StationKind.TRANSFER: Verb.TRANSFER,
}


def hidden_laboratory(task: Task, number: int) -> Laboratory:
    """One of the training laboratories of a task: offsets, assays and rates are not the labels'."""
    furnaces = [s.name for s in task.laboratory.of_kind(StationKind.FURNACE)]
    key = laboratory_key("train", number)
    return draw_laboratory(
        load_system(task.system), task.hidden, task.laboratory.shelf, furnaces, *key
    )


class Hands:
    """A world, its drivers and somebody who obeys no rule.

    Args:
        task: Stations, shelf, chemical system.
        number: Number of the hidden laboratory, and seed of the world.
        laboratory_told: Limits that the drivers believe in, if not the task's: to plant violations.
    """

    def __init__(
        self, task: Task, number: int, *, laboratory_told: Capabilities | None = None
    ) -> None:
        self.capabilities = task.laboratory
        laboratory = hidden_laboratory(task, number)
        self.world = World.create(None, task, seed=number, laboratory=laboratory)
        told = laboratory_told or task.laboratory
        self.drivers = virtual_drivers(self.world, told, MemoryBlobs())
        self.watch = Watch(self.world)
        self.refused: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.orders = 0
        self._labels = 0
        self._arm = task.laboratory.of_kind(StationKind.TRANSFER)[0].name

    def label(self) -> str:
        """A new command id."""
        self._labels += 1
        return f"c{self._labels}"

    def order(
        self, station: str, verb: Verb, samples: Sequence[str], args: Mapping[str, Any]
    ) -> JobRecord | None:
        """Gives one order; ``None`` when the driver refuses it."""
        self.orders += 1
        record = None
        try:
            record = start_job(self.drivers[station], Job(self.label(), verb, tuple(samples), args))
        except (BusyError, DeviceError):
            self.refused[verb.value] += 1
        except FAULTS as err:
            self.faults[f"{verb.value}: {type(err).__name__}"] += 1
        self.watch.look()
        return record

    def wait(self, time_s: float) -> None:
        """Lets time pass."""
        try:
            self.world.advance(time_s)
        except FAULTS as err:
            self.faults[f"end of an act: {type(err).__name__}"] += 1
        self.watch.look()

    def finish(self, record: JobRecord | None) -> bool:
        """Waits for the end of an order; False when it was refused."""
        if record is not None:
            self.wait(record.end_s)
        return record is not None

    def move(self, sample: str, destination: str) -> bool:
        """Moves a vial from wherever it is."""
        args = {
            "sample": sample,
            "origin": self.world.place(sample),
            "destination": destination,
        }
        return self.finish(self.order(self._arm, Verb.TRANSFER, [sample], args))

    def make(self, sample: str, steps: Sequence[Step]) -> bool:
        """Carries a recipe out as a campaign would, alone in the laboratory.

        Returns:
            Whether every order of it was taken.
        """
        return all(self._act(sample, act) for act in acts_of(steps))

    def force(self, sample: str, raw: Sequence[Mapping[str, Any]], draws: Draws) -> None:
        """Carries out what can be of raw steps, whatever was refused on the way."""
        for step in raw:
            for kind, args in _raw_orders(step, draws):
                stations = self.capabilities.of_kind(kind)
                if stations:
                    station = draws.pick(stations).name
                    self.move(sample, station)
                    let_pass(draws, self, self.order(station, VERBS[kind], [sample], args))
        # Whatever still runs ends, and the next one finds its stations empty.
        while self.world.now_s < (end_s := self._end_s()):
            self.wait(end_s)
        self.move(sample, RACK)

    def _end_s(self) -> float:
        """When the last act that runs now ends, s; the present time when none does."""
        acts = self.world.acts()
        return max((a.end_s for a in acts if a.state is ActState.RUNNING), default=0.0)

    def _act(self, sample: str, act: Act) -> bool:
        able: Sequence[Station] = self.capabilities.of_kind(act.kind)
        if act.verb is Verb.ANNEAL:
            able = furnaces_for(act, self.capabilities)
        if not able:
            return False
        station, place = able[0].name, self.world.place(sample)
        by_rack = not act.starts_hot and place not in (station, RACK)
        if by_rack and not self.move(sample, RACK):
            return False
        if place != station and not self.move(sample, station):
            return False
        record = self.finish(self.order(station, act.verb, [sample], act.args))
        following_hot = act.args.get("cooling") == "hold"
        return record and (following_hot or self.move(sample, RACK))


def _raw_orders(
    step: Mapping[str, Any], draws: Draws
) -> Iterator[tuple[StationKind, dict[str, Any]]]:
    """Kinds of stations and arguments of a raw step; nothing for a step no station can do."""
    fields = {name: value for name, value in step.items() if name not in ("kind", "doses")}
    match step["kind"]:
        case "mix":
            for dose in step["doses"]:
                yield StationKind.DISPENSER, dict(dose)
            yield StationKind.MIXER, fields
        case "regrind":
            yield StationKind.MIXER, fields
        case "anneal":
            yield StationKind.FURNACE, {**fields, "cooling": draws.pick(("furnace", "hold"))}
        case "quench":
            yield StationKind.QUENCH, fields
        case "wash":
            yield StationKind.WASHER, fields
        case "characterise":
            yield StationKind.DIFFRACTOMETER, fields
        case "measure":
            yield StationKind.MAGNETOMETER, fields
        case _:
            return


class RawCommands:
    """Draws commands for one laboratory, most of them wrong in one way.

    Args:
        laboratory: Whose stations are told.
    """

    def __init__(self, laboratory: Capabilities) -> None:
        self._laboratory = laboratory
        self._recipes = RawRecipes(laboratory)
        self._places = [RACK, *(s.name for s in laboratory.stations)]

    def draw(self, draws: Draws, hands: Hands) -> Command:
        """One command; it may name vials that are elsewhere, and anything as its arguments."""
        station = draws.pick(self._laboratory.stations)
        chance = draws.unit()
        holding = [s for s in self._laboratory.stations if hands.world.occupants(s.name)]
        if chance < 0.5 and holding:
            station = draws.pick(holding)
        elif chance < 0.8:
            station = next(s for s in self._laboratory.stations if s.kind is StationKind.TRANSFER)
        verb = VERBS[station.kind]
        if draws.chance(0.04):
            verb = draws.pick(tuple(VERBS.values()))
        manner = draws.pick(("far", "near", "sound", "sound"))
        inside = hands.world.occupants(station.name)
        samples = list(inside) if draws.chance(0.85) else []
        if verb is Verb.TRANSFER or not samples or draws.chance(0.05):
            samples = [draws.pick(SAMPLES) for _ in range(1 if draws.chance(0.9) else 3)]
        args = self._args(draws, manner, verb, station, hands, samples)
        if draws.chance(0.04) and args:
            args[draws.pick(sorted(args))] = draws.pick(STRANGE)
        if draws.chance(0.02) and args:
            del args[draws.pick(sorted(args))]
        if draws.chance(0.01):
            args["balance_before_mg"] = draws.number("far", 0.0, 5000.0)
        return Command.model_construct(
            id="c1",
            station=station.name if draws.chance(0.99) else "cellar",
            verb=verb,
            samples=tuple(samples),
            effect=Effect.IRREVERSIBLE,
            args=args,
            time_s=0.0,
        )

    def _args(
        self,
        draws: Draws,
        manner: str,
        verb: Verb,
        station: Station,
        hands: Hands,
        names: list[str],
    ) -> dict[str, Any]:
        raw = self._recipes
        match verb:
            case Verb.TRANSFER:
                origin = hands.world.place(names[0]) if names and draws.chance(0.95) else RACK
                strange = draws.chance(0.03)
                where = draws.pick(LOTS) if strange else draws.pick(self._places)
                return {"sample": names[0], "origin": origin, "destination": where}
            case Verb.DISPENSE:
                return raw.dose(draws, manner, self._laboratory.vial_capacity_mg)
            case Verb.ANNEAL:
                cooling = draws.word(manner, ("furnace", "hold", "hold"), ("air", "none"))
                return {**raw.program(draws, manner, station), "cooling": cooling}
            case Verb.MILL:
                return {"mill_min": raw.step(draws, manner, "regrind")["mill_min"]}
            case Verb.SCAN:
                # Long scans cost the bench nothing, but a sound one need not be long.
                return {"scan_min": raw.step(draws, manner, "characterise")["scan_min"]}
            case Verb.WASH | Verb.QUENCH | Verb.MEASURE:
                step = raw.step(draws, manner, verb.value)
                return {name: value for name, value in step.items() if name != "kind"}
            case _:
                return {}


def let_pass(draws: Draws, hands: Hands, record: JobRecord | None) -> None:
    """What happens after a command: its end, a part of it, a stop, or the next at once."""
    if record is None:
        return
    left_s = record.end_s - hands.world.now_s
    chance = draws.unit()
    if chance < 0.75:
        hands.wait(record.end_s)
    elif chance < 0.85:
        hands.wait(hands.world.now_s + draws.unit() * left_s)
    elif chance < 0.92:
        hands.wait(hands.world.now_s + draws.unit() * left_s)
        for driver in hands.drivers.values():
            found = driver.record(record.label)
            if found is not None:
                driver.abort(record.label)
                hands.watch.look()
