"""``sdl bench sequences``: orders by every way there is, in process and over sockets.

A sequence is a handful of orders, most of them wrong in one way, sent as plans through a
RunEngine, as items of a queue (JSON values, NaN included), as proposals of a policy, straight to
drivers, and straight to the instruments' cores. ``sdl.bench.watch``, which knows none of them,
reads the simulator after every order and counts what the laboratory's stated limits forbid.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instruments.cores.core import STOP_S, Core
from instruments.devices.faces import faces_of
from instruments.devices.station import StationFace
from instruments.drivers.base import Driver, start_job
from instruments.drivers.job import Job
from instruments.engine import Engine
from instruments.plans import start
from instruments.supervisor import stop_all
from sdl.bench.hands import FAULTS, Hands, RawCommands, let_pass
from sdl.bench.loopback import Room, room
from sdl.bench.raw import MANNERS, STRANGE, Draws, RawRecipes, unvalidated, validated
from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.bench.watch import Watch
from sdl.campaign.acts import acts_of
from sdl.core.command import Command, Verb
from sdl.core.errors import BusyError, DeviceError, SafetyError
from sdl.safety import check_command, check_recipe
from sdl.tasks.task import load_task

IN_PROCESS, OVER_SOCKETS = 100_000, 500
WAYS = ("driver", "driver", "plan", "queue", "policy")
"""How an order is sent; straight to drivers twice as often."""
LONGEST = 4
"""Orders of a sequence at most."""
WORLD_ORDERS = 150
"""A world is left after so many orders: its log grows and its bottles empty."""
ROOM_SEQUENCES = 25
"""A room of simulators is left after so many sequences."""
SCALE = 100_000.0
SETTLE_S = 0.5
"""Wall time that an order over sockets may take to end before it is stopped, s."""


@dataclass
class Tally:
    """What was counted of one kind of laboratory."""

    sequences: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    executed: Counter[str] = field(default_factory=Counter)
    breaches: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    longest_stop_s: float = 0.0
    seconds: float = 0.0


def run(*, quick: bool = False) -> BenchReport:
    """Sends sequences in process and over sockets."""
    inside = in_process(IN_PROCESS // 100 if quick else IN_PROCESS)
    outside = over_sockets(OVER_SOCKETS // 20 if quick else OVER_SOCKETS)
    rows: list[Row] = []
    gates: list[Gate] = []
    for name, tally in (("process", inside), ("sockets", outside)):
        rows += [
            Row(name=f"{name}.sequences", value=tally.sequences, unit="sequences"),
            *(Row(name=f"{name}.{w}", value=n, unit="orders") for w, n in tally.ways.items()),
            Row(name=f"{name}.refused", value=tally.refused, unit="orders"),
            Row(name=f"{name}.executed", value=tally.executed.total(), unit="acts"),
            *(Row(name=f"{name}.breach.{w}", value=n, unit="acts")
              for w, n in tally.breaches.items()),
            *(Row(name=f"{name}.fault.{w}"[:120], value=n, unit="errors")
              for w, n in tally.faults.items()),
            Row(name=f"{name}.seconds", value=tally.seconds, unit="s"),
        ]  # fmt: skip
        for what, count in (("breaches", tally.breaches), ("faults", tally.faults)):
            total = count.total()
            gate = Gate(
                id=f"sequences.{name}.{what}", target="== 0", value=total, passed=total == 0
            )
            gates.append(gate)
    stop_s = outside.longest_stop_s
    rows.append(Row(name="sockets.longest_stop", value=stop_s, unit="s"))
    gates.append(Gate(id="sequences.stop", target="<= 5 s", value=stop_s, passed=stop_s <= STOP_S))
    return BenchReport(
        bench="sequences", commit=commit(), task=load_task("batio3-coarse").hash,
        machine=machine(), rows=tuple(rows), gates=tuple(gates),
    )  # fmt: skip


class Sender:
    """Sends one order by one of the ways; what a way must not answer is counted as a fault.

    Args:
        drivers: By station.
        devices: Their ophyd faces.
        engine: Runs plans.
        tally: Counts.
    """

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        devices: Mapping[str, StationFace],
        engine: Engine,
        tally: Tally,
    ) -> None:
        self._drivers, self._devices = drivers, devices
        self._engine, self._tally = engine, tally

    def send(self, way: str, station: str, job: Job) -> bool:
        """Sends; whether the station took it."""
        self._tally.ways[way] += 1
        try:
            if way == "driver":
                start_job(self._drivers[station], job)
            else:
                if way == "queue":
                    text = _to_queue(job)
                    if text is None:
                        self._tally.refused += 1
                        return False
                    job = _from_queue(text)
                plan = start(self._devices[station], job)
                self._engine.run(plan, device=station, command=job.label)
        except (BusyError, DeviceError, SafetyError):
            self._tally.refused += 1
            return False
        except FAULTS as err:
            self._tally.faults[f"{way}: {type(err).__name__}: {err}"[:80]] += 1
            return False
        return True


def _to_queue(job: Job) -> str | None:
    """A job as a queue server would hand it over: JSON, with NaN, as that takes it.

    ``None`` for what no JSON can hold: Python writes no integer of over 4,300 digits.
    """
    item = {"name": "start", "args": [job.label, job.verb.value, list(job.samples)]}
    try:
        return json.dumps({**item, "kwargs": dict(job.args)}, default=str)
    except ValueError:
        return None


def _from_queue(text: str) -> Job:
    item = json.loads(text)
    label, verb, samples = item["args"]
    return Job(label, Verb(verb), tuple(samples), item["kwargs"])


def in_process(sequences: int) -> Tally:
    """Sequences to the drivers of virtual worlds."""
    tally, task, began = Tally(), load_task("batio3-coarse"), time.perf_counter()
    draws, raw = Draws("bench-sequences", "process"), RawCommands(task.laboratory)
    recipes, engine = RawRecipes(task.laboratory), Engine()
    hands, worlds = Hands(task, 0), 1
    sender = _sender(hands, engine, tally)
    for number in range(sequences):
        if sum(tally.ways.values()) >= worlds * WORLD_ORDERS or hands.faults:
            _count(hands, tally)
            hands, worlds = Hands(task, worlds), worlds + 1
            sender = _sender(hands, engine, tally)
        way = WAYS[number % len(WAYS)]
        if way == "policy":
            _propose(hands, recipes, draws, tally, number)
        else:
            for _ in range(draws.whole(1, LONGEST)):
                command = raw.draw(draws, hands)
                if command.station not in hands.drivers:
                    continue
                label = hands.label()
                job = Job(label, command.verb, tuple(command.samples), command.args)
                taken = sender.send(way, command.station, job)
                hands.watch.look()
                record = hands.drivers[command.station].record(label) if taken else None
                let_pass(draws, hands, record)
        tally.sequences += 1
    _count(hands, tally)
    engine.close()
    tally.seconds = time.perf_counter() - began
    return tally


def _sender(hands: Hands, engine: Engine, tally: Tally) -> Sender:
    return Sender(hands.drivers, faces_of(hands.drivers), engine, tally)


def _propose(hands: Hands, recipes: RawRecipes, draws: Draws, tally: Tally, number: int) -> None:
    """A policy's raw recipe: vetoed, or made by the drivers."""
    tally.ways["policy"] += 1
    steps = recipes.steps(draws, MANNERS[number % len(MANNERS)])
    recipe = validated(steps) or unvalidated(steps)
    try:
        vetoed = check_recipe(recipe, hands.capabilities)
    except FAULTS as err:
        tally.faults[f"policy: {type(err).__name__}"] += 1
        return
    if vetoed:
        tally.refused += 1
    else:
        hands.make(f"P{number}", recipe.steps)


def _count(hands: Hands, tally: Tally) -> None:
    tally.executed.update(hands.watch.executed)
    tally.breaches.update(breach.what for breach in hands.watch.breaches)
    tally.faults.update(hands.faults)


# -- over sockets ---------------------------------------------------------------------------------


class _Seen:
    """Where samples are as the controller knows it, for ``RawCommands``."""

    def __init__(self, here: Room) -> None:
        self._site = here.site

    def occupants(self, station: str) -> tuple[str, ...]:
        return self._site.notebook.occupants(station)

    def place(self, sample: str) -> str:
        return self._site.place(sample)


class RoomHands:
    """Somebody who obeys no rule in a room of protocol simulators.

    Args:
        here: The room.
        engine: Runs plans.
        tally: Counts.
    """

    def __init__(self, here: Room, engine: Engine, tally: Tally) -> None:
        self.here, self.world = here, _Seen(here)
        self.watch = here.laboratory.ask(lambda: Watch(here.world))
        self._tally = tally
        self._sender = Sender(here.drivers, faces_of(here.drivers), engine, tally)
        self._cores = [core for d in here.drivers.values() for core in d.cores]

    def look(self) -> None:
        """Has the watch look at the world, at the present time."""
        self.here.ask(lambda _: self.watch.look())

    def order(self, way: str, command: Command) -> None:
        """One order; it is waited for a moment, then stopped."""
        driver = self.here.drivers.get(command.station)
        if driver is None:
            return
        job = Job(self.here.label(), command.verb, tuple(command.samples), command.args)
        self._sender.send(way, command.station, job)
        self.look()
        self._settle(command.station, job.label)

    def _settle(self, station: str, label: str) -> None:
        """Waits for the end of what may run; stops it in the device's way when it takes long."""
        driver, until_s = self.here.drivers[station], time.monotonic() + SETTLE_S
        try:
            while label in driver.running() and time.monotonic() < until_s:
                driver.record(label)
                time.sleep(0.002)
            if label in driver.running():
                driver.abort(label)
        except DeviceError:
            pass  # the driver says that the device does not do what it noted
        except FAULTS as err:
            self._tally.faults[f"end: {type(err).__name__}: {err}"[:80]] += 1
        self.look()

    def refuse(self) -> None:
        """Counts a proposal that was vetoed."""
        self._tally.ways["policy"] += 1
        self._tally.refused += 1

    def touch(self, draws: Draws) -> None:
        """A direct call at a core: any value into any channel, any door, any stop."""
        self._tally.ways["core"] += 1
        core = draws.pick(self._cores)
        channel = draws.pick(core.channels)
        value: Any = draws.pick(STRANGE) if draws.chance(0.3) else draws.number("far", -1e4, 1e4)
        try:
            if draws.chance(0.2):
                self.stop(core)
            elif draws.chance(0.2) and self.here.site.doors:
                door = draws.pick(tuple(self.here.site.doors.values()))
                door.open() if draws.chance(0.5) else door.shut()
            else:
                core.put(channel.name, value)
        except DeviceError:
            self._tally.refused += 1
        except FAULTS as err:
            self._tally.faults[f"core {core.name}: {type(err).__name__}: {err}"[:80]] += 1
        self.look()

    def stop(self, core: Core) -> None:
        """Stops one instrument and keeps the longest time."""
        began = time.perf_counter()
        stop_all([core])
        took_s = time.perf_counter() - began
        self._tally.longest_stop_s = max(self._tally.longest_stop_s, took_s)


def over_sockets(sequences: int) -> Tally:
    """Sequences to protocol simulators; every way of the loopback laboratory."""
    tally, began = Tally(), time.perf_counter()
    draws, engine = Draws("bench-sequences", "sockets"), Engine()
    for first in range(0, sequences, ROOM_SEQUENCES):
        count = min(ROOM_SEQUENCES, sequences - first)
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sdl-sequences-"))
            here = stack.enter_context(room(Path(folder), clock_scale=SCALE))
            hands = RoomHands(here, engine, tally)
            for number in range(first, first + count):
                _sequence(hands, draws, number)
                tally.sequences += 1
            hands.look()
            _end_frozen(hands, draws)
            tally.executed.update(hands.watch.executed)
            tally.breaches.update(breach.what for breach in hands.watch.breaches)
            _ran_open(here, tally)
    engine.close()
    tally.seconds = time.perf_counter() - began
    return tally


def _sequence(hands: RoomHands, draws: Draws, number: int) -> None:
    laboratory = hands.here.site.capabilities
    way = (*WAYS, "core")[number % (len(WAYS) + 1)]
    if way == "core":
        for _ in range(draws.whole(1, LONGEST)):
            hands.touch(draws)
        return
    if way == "policy":
        steps = RawRecipes(laboratory).steps(draws, MANNERS[number % len(MANNERS)])
        recipe = validated(steps) or unvalidated(steps)
        if check_recipe(recipe, laboratory):
            hands.refuse()
            return
        _make(hands, f"P{number}", acts_of(recipe.steps))
        return
    raw: Any = RawCommands(laboratory)
    for _ in range(draws.whole(1, LONGEST)):
        hands.order(way, raw.draw(draws, hands))


def _make(hands: RoomHands, sample: str, acts: Sequence[Any]) -> None:
    """The acts of an accepted recipe, each checked as the campaign does."""
    laboratory = hands.here.site.capabilities
    for act in acts:
        station = laboratory.of_kind(act.kind)[0].name
        move = {"sample": sample, "origin": hands.world.place(sample), "destination": station}
        transfer = laboratory.stations[-1].name
        for name, verb, args in ((transfer, Verb.TRANSFER, move), (station, act.verb, act.args)):
            command = Command(
                id=hands.here.label(), station=name, verb=verb, samples=(sample,),
                effect=act.effect, args=args, time_s=0.0,
            )  # fmt: skip
            if not check_command(command, laboratory):
                hands.order("policy", command)


def _end_frozen(hands: RoomHands, draws: Draws) -> None:
    """One instrument freezes and is stopped: the stop must end in time all the same."""
    name = draws.pick(tuple(hands.here.laboratory.simulators))
    simulator = hands.here.laboratory.simulators[name]
    hands.here.laboratory.ask(simulator.freeze)
    for core in hands.here.drivers[name].cores:
        hands.stop(core)
    hands.here.laboratory.ask(simulator.thaw)


def _ran_open(here: Room, tally: Tally) -> None:
    """Programs that ran behind an open door."""
    for name, simulator in here.laboratory.simulators.items():
        if getattr(simulator, "ran_open", False):
            tally.breaches[f"program behind an open door of {name}"] += 1
