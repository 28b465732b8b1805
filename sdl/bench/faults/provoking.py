"""What scenarios provoke faults with: whole laboratories frozen, answers lost or replaced."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from instruments.cores.core import Core
from sdl.bench.loopback import Room
from sdl.core.command import Command, Effect, Verb
from sdl.core.errors import DeviceError
from simulators.wire.proxy import Fault, Kind

T = TypeVar("T")

START_COIL = b"\x05\x00\x00\xff\x00"
"""Function 5, coil 0, on: how the mixer of the loopback laboratory is started."""

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


def timed(work: Callable[[], object]) -> tuple[float, str]:
    """Wall time of something that may fail, s, and how it failed; other errors come through."""
    begun_s = time.monotonic()
    try:
        work()
    except DeviceError as err:
        return time.monotonic() - begun_s, str(err)
    return time.monotonic() - begun_s, ""


def command_of(label: str, station: str, verb: Verb, vial: str, **args: Any) -> Command:
    """The command of an order."""
    return Command(
        id=label, station=station, verb=verb, samples=(vial,), args=args,
        effect=Effect.IRREVERSIBLE, time_s=0.0,
    )  # fmt: skip


ALWAYS = 1_000_000
"""Exchanges: more than any scenario has."""


def deaf_to(which: Callable[[bytes], bool]) -> Fault:
    """Loses every answer of a kind."""
    return Fault(Kind.DROP, times=ALWAYS, which=which)


def instead(which: Callable[[bytes], bool], made: Callable[[bytes], bytes]) -> Fault:
    """Puts another answer in the place of every answer of a kind."""
    return Fault(Kind.REWRITE, times=ALWAYS, which=which, rewrite=made)
