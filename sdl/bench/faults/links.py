"""Faults of the links between controller and instruments: 5 to 8, 12 and 13."""

from __future__ import annotations

import math
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from instruments.cores.core import STOP_S, Core
from instruments.devices.instrument import face_of
from instruments.supervisor import ALL, Supervisor
from sdl.bench.faults.scenario import expect, refusal, scenario
from sdl.bench.loopback import Room, room
from sdl.core.command import Verb
from sdl.core.errors import DeviceError, SafetyError
from sdl.core.event import Topic
from sdl.core.lab import Interlock

T = TypeVar("T")

LOOK_MAX_S = 5.0
"""Wall time that a look at an instrument with all its channels may take, s: no further channel is
asked after 3 s, and the one being asked has a deadline of its own."""
ORDERS: tuple[tuple[str, Verb, str, dict[str, Any]], ...] = (
    ("dispenser", Verb.DISPENSE, "S1", {"lot": "BaCO3-fine", "mass_mg": 300.0}),
    ("mixer", Verb.MILL, "S2", {"mill_min": 5.0}),
    (
        "furnace_1", Verb.ANNEAL, "S3",
        {"temperature_c": 300.0, "dwell_h": 0.1, "ramp_c_per_min": 20.0, "gas": "air",
         "cooling": "hold"},
    ),
    ("quench", Verb.QUENCH, "S4", {"cooling": "air"}),
    ("diffractometer", Verb.SCAN, "S5", {"scan_min": 2.0}),
    ("transfer", Verb.TRANSFER, "S6",
     {"sample": "S6", "origin": "rack", "destination": "furnace_2"}),
)  # fmt: skip
"""An order for every kind of station, each with a vial of its own."""


def at_once(work: Callable[[Any], T], over: Iterable[Any]) -> list[T]:
    """Does the same with many things at the same time; in their order."""
    things = list(over)
    with ThreadPoolExecutor(len(things)) as pool:
        return list(pool.map(work, things))


def instruments_of(here: Room) -> list[Core]:
    """Every instrument of the laboratory."""
    return [core for driver in here.drivers.values() for core in driver.cores]


def freeze(here: Room, *, thawed: bool = False) -> None:
    """Freezes every simulator, doors too, or thaws them."""

    def do() -> None:
        for simulator in here.laboratory.simulators.values():
            for each in (simulator, getattr(simulator, "door", None)):
                if each is not None:
                    (each.thaw if thawed else each.freeze)()

    here.laboratory.ask(do)


def _timed(work: Callable[[], object]) -> tuple[float, str]:
    """Wall time of something that may fail, s, and how it failed; other errors come through."""
    begun_s = time.monotonic()
    try:
        work()
    except DeviceError as err:
        return time.monotonic() - begun_s, str(err)
    return time.monotonic() - begun_s, ""


@scenario(5, "a device freezes: it takes connections and does not answer")
def frozen_device(folder: Path) -> str:
    """Every instrument of the laboratory freezes: looks, orders and stops end in time."""
    with room(folder) as here:
        cores = instruments_of(here)
        for core in cores:
            core.identify()
        for _, _, sample, _ in ORDERS[:-1]:
            here.site.notebook.put(sample, next(o[0] for o in ORDERS if o[2] == sample))
        freeze(here)
        looking = threading.Thread(target=lambda: looks.extend(at_once(_looked, cores)))
        looks: list[float] = []
        looking.start()  # whoever stops an instrument finds its link taken
        stops = at_once(lambda core: _timed(core.stop), cores)
        longest_s = max(wall_s for wall_s, _ in stops)
        expect(longest_s < STOP_S, "every stop ends in time, also beside a look", longest_s)
        silent = [core for core in cores if core.name != "diffractometer" and not _is_door(core)]
        for core, (_, why) in zip(cores, stops, strict=True):
            expect(bool(why) is (core in silent), f"{core.name} tells that it was not stopped", why)
        looking.join()
        expect(max(looks) < LOOK_MAX_S, "every look ends in time", max(looks))
        supervisor = Supervisor((), here.drivers)
        emergency = threading.Thread(target=lambda: ended.append(_timed(stop_everything)))
        ended: list[tuple[float, str]] = []

        def stop_everything() -> None:
            supervisor.trip(ALL, "a test")

        emergency.start()
        orders = at_once(lambda order: _timed(lambda: _order(here, *order)), ORDERS)
        for (station, *_), (wall_s, why) in zip(ORDERS, orders, strict=True):
            expect(station in why and "answer" in why, f"{station} tells that it is silent", why)
            expect(wall_s < STOP_S, f"an order to {station} ends in time", wall_s)
        emergency.join()
        all_s = ended[0][0]
        expect(all_s < STOP_S + 0.5, "stop_all ends in time", all_s)
        told = next(n.message for n in supervisor.notes() if n.topic is Topic.INTERLOCK)
        missing = [core.name for core in silent if core.name not in told]
        expect(not missing, "the record names every instrument that did not stop", missing)
        freeze(here, thawed=True)
        at_once(lambda core: core.identify(), cores)
        acts = here.ask(lambda world: [a.label for a in world.acts()])
        expect(not acts, "no late answer has started anything", acts)
    return (
        f"{len(cores)} frozen instruments: longest stop {longest_s:.1f} s, all at once "
        f"{all_s:.1f} s, longest look {max(looks):.1f} s; all unreachable, none with a number"
    )


def _is_door(core: Core) -> bool:
    return core.name.endswith("_door")


def _order(here: Room, station: str, verb: Verb, sample: str, args: dict[str, Any]) -> None:
    here.start(station, verb, sample, **args)


def _looked(core: Core) -> float:
    """Looks at a frozen instrument through its ophyd face; wall time, s."""
    begun_s = time.monotonic()
    face = face_of(type(core))("", core=core, name=core.name)
    seen = {key: entry["value"] for key, entry in face.read().items()}
    wall_s = time.monotonic() - begun_s
    for key in [key for key in seen if key.endswith("_quality")]:
        value = seen.get(key.removesuffix("_quality"), seen.get(f"{key[:-8]}_"))
        expect(seen[key] == "unreachable", f"{key} is unreachable", seen[key])
        expect(_is_nothing(value), f"{key} stands beside no value", value)
    return wall_s


def _is_nothing(value: object) -> bool:
    return value == "" or (isinstance(value, float) and math.isnan(value))
