"""Faults of commands: duplicated, late, reordered (12)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sdl.bench.faults.provoking import ALWAYS, START_COIL, at_once, command_of
from sdl.bench.faults.scenario import expect, refusal, scenario
from sdl.bench.loopback import Room, room
from sdl.campaign.labs.wired import WiredLab
from sdl.core.command import Command, LabEvent, Verb
from sdl.core.errors import LabError
from simulators.wire.proxy import Fault, Kind
from simulators.world import World

LATE_S = 1.4
"""A request that comes so late finds the controller's deadline over, s of wall time."""
SLOW = 40.0
"""Clock of this laboratory: its shortest act takes longer than a late request is late."""


def _twice(start: bytes) -> Fault:
    """The request that starts an act comes twice."""
    return Fault(Kind.DUPLICATE, times=ALWAYS, on="request", which=lambda piece: start in piece)


def _late(start: bytes) -> Fault:
    """The first request that starts an act comes when nobody waits for its answer any more."""
    came: list[bytes] = []

    def is_first(piece: bytes) -> bool:
        if start in piece:
            came.append(piece)
        return start in piece and len(came) == 1

    return Fault(Kind.DELAY, times=ALWAYS, on="request", seconds=LATE_S, which=is_first)


def _reordered(start: bytes) -> Fault:
    """In the place of the answer to the start comes the answer before it."""
    return Fault(Kind.STALE, times=ALWAYS, which=lambda piece: _answers(piece, start))


def _answers(piece: bytes, start: bytes) -> bool:
    echo = start if start != b"play" else b"Starting program"
    return echo in piece


Act = tuple[str, str, Verb, bytes, dict[str, Any]]
ACTS: tuple[Act, ...] = (
    ("mixer", "S1", Verb.MILL, START_COIL, {"mill_min": 2.0}),
    ("dispenser", "S2", Verb.DISPENSE, b"QRA 61 1", {"lot": "BaCO3-coarse", "mass_mg": 300.0}),
    (
        "transfer", "S3", Verb.TRANSFER, b"play",
        {"sample": "S3", "origin": "rack", "destination": "quench"},
    ),
)  # fmt: skip
"""Acts that must not happen twice, and the bytes that start them."""


@scenario(12, "a command comes twice, late, in another order")
def repeated_commands(folder: Path) -> str:
    """Each leads to one physical act; the same command once more is refused.

    No protocol here carries a command id, so a request that a network holds back until the act it
    asked for has been sent again *and has ended* would be carried out once more. What protects is
    that acts last longer than any deadline: a late start finds the device at work.
    """

    def carry_out(fault: Callable[[bytes], Fault]) -> int:
        stations = tuple(act[0] for act in ACTS)
        with room(folder, proxied=stations, clock_scale=SLOW) as here:
            for station, sample, *_ in ACTS[:2]:
                here.move(sample, station)
            lab = WiredLab(here.lab, here.site, here.drivers)
            for number, act in enumerate(ACTS):
                _started(here, lab, f"x{number}", act, fault)
            noted = len(lab.notes())
            lab.close()
        return noted

    noted = at_once(carry_out, (_twice, _late, _reordered))
    return f"{3 * len(ACTS)} starts, one act each; {sum(noted)} notes of links"


def _started(
    here: Room, lab: WiredLab, label: str, act: Act, fault: Callable[[bytes], Fault]
) -> None:
    """Starts an act under a fault, as a campaign does, then once more without."""
    station, sample, verb, start, args = act
    command = command_of(label, station, verb, sample, **args)
    proxy = here.proxies[station][0]
    proxy.script(fault(start))
    lab.submit(command)
    proxy.script()
    event = _end_of(lab, command)
    expect(event.ok, f"{label} at {station} ends well ({fault.__name__})", event)
    refused = refusal(lambda: lab.submit(command), LabError, of="the same again")
    expect("before" in refused, "the label is known", refused)
    _expect_one(here, command)


def _end_of(lab: WiredLab, command: Command) -> LabEvent:
    """Waits for the end of a command as a campaign does."""
    until_s = time.monotonic() + 60.0
    while time.monotonic() < until_s:
        now_s = lab.advance(lab.site.clock.now_s() + 60.0)
        for event in lab.events(now_s):
            if event.command == command.id:
                return event
    raise LabError(f"{command.id} does not end", where=command.station)


def _expect_one(here: Room, command: Command) -> None:
    """Looks into the world: one act, and of a dose its mass once."""
    verb = command.verb

    def look(world: World) -> tuple[int, float]:
        acts = [a for a in world.acts() if a.verb == verb and a.station == command.station]
        acts = [a for a in acts if command.samples[0] in a.samples]
        return len(acts), sum(float(a.args.get("mass_mg", 0.0)) for a in acts)

    acts, mass_mg = here.ask(look)
    expect(acts == 1, f"{command.station} has done it once", acts)
    asked_mg = float(command.args.get("mass_mg", 0.0))
    expect(abs(mass_mg - asked_mg) <= 0.03 * asked_mg, "the mass fell once", mass_mg)
