"""A scripted pair of samples, through any laboratory over the virtual world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sdl.campaign.labs.common import WorldLab
from sdl.core.command import Command, Effect, LabEvent, Verb
from sdl.tasks.task import Task, load_task

ANNEAL = {
    "temperature_c": 880.0,
    "dwell_h": 3.0,
    "ramp_c_per_min": 10.0,
    "gas": "air",
    "cooling": "hold",
}


@pytest.fixture(scope="session")
def coarse() -> Task:
    return load_task("batio3-coarse")


def command(
    number: int, station: str, verb: Verb, samples: tuple[str, ...], **args: Any
) -> Command:
    """A command as the scheduler would give it."""
    effect = Effect.IDEMPOTENT if verb in (Verb.TRANSFER, Verb.SCAN) else Effect.IRREVERSIBLE
    return Command(
        id=f"c{number}",
        station=station,
        verb=verb,
        samples=samples,
        effect=effect,
        args=args,
        time_s=0.0,
    )


def batches() -> Iterator[list[tuple[str, Verb, tuple[str, ...], dict[str, Any]]]]:
    """Commands that are sent together; the next batch waits for the last end of this one."""

    def move(sample: str, origin: str, destination: str) -> tuple[Any, ...]:
        args = {"sample": sample, "origin": origin, "destination": destination}
        return ("transfer", Verb.TRANSFER, (sample,), args)

    both = ("S1", "S2")
    for sample in both:
        yield [move(sample, "rack", "dispenser")]
        for lot, mass_mg in (("BaCO3-fine", 1300.0), ("TiO2-rutile-fine", 515.0)):
            args = {"lot": lot, "mass_mg": mass_mg}
            yield [("dispenser", Verb.DISPENSE, (sample,), args)]
        yield [move(sample, "dispenser", "rack")]
        yield [move(sample, "rack", "mixer")]
        yield [("mixer", Verb.MILL, (sample,), {"mill_min": 20.0})]
        yield [move(sample, "mixer", "rack")]
    for sample in both:
        yield [move(sample, "rack", "furnace_1")]
    yield [("furnace_1", Verb.ANNEAL, both, ANNEAL)]
    yield [move("S2", "furnace_1", "quench")]
    yield [move("S1", "furnace_1", "quench")]
    yield [("quench", Verb.QUENCH, (s,), {"cooling": "air"}) for s in both]
    for sample in both:
        yield [move(sample, "quench", "diffractometer")]
        yield [("diffractometer", Verb.SCAN, (sample,), {"scan_min": 2.0})]
        yield [move(sample, "diffractometer", "rack")]


def play(
    lab: WorldLab, each: Callable[[WorldLab, Command], WorldLab] = lambda lab, _: lab
) -> tuple[WorldLab, list[LabEvent]]:
    """Sends the script; ``each`` may exchange the laboratory after every command."""
    told: list[LabEvent] = []
    number = 0
    for batch in batches():
        for station, verb, samples, args in batch:
            number += 1
            sent = command(number, station, verb, samples, **args)
            lab.submit(sent)
            lab = each(lab, sent)
        while (due_s := lab.next_event_s()) is not None:
            told += lab.events(lab.advance(due_s))
    return lab, told


Play = Callable[..., tuple[WorldLab, list[LabEvent]]]


@pytest.fixture
def script() -> Play:
    return play
