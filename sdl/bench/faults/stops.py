"""An emergency stop or an abort while everything works (21)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instruments.cores.core import STOP_S
from instruments.drivers.job import JobState
from instruments.supervisor import ALL, Supervisor
from sdl.bench.faults.furnaces import expect_off, is_cut
from sdl.bench.faults.provoking import ORDERS, at_once, instruments_of
from sdl.bench.faults.scenario import expect, refusal, scenario
from sdl.bench.loopback import Room, room, until
from sdl.core.command import Verb
from sdl.core.errors import SafetyError
from simulators.act import Act, ActState

SCALE = 30.0
"""Clock of these laboratories: the shortest act, a move, takes a second, a dose two."""
ENDLESS = Verb.SCAN
"""The only act without a stop command: it ends by itself, and its shutter guards persons."""


@dataclass(frozen=True)
class Stop:
    """A way to stop everything.

    Args:
        words: For the report.
        do: Stops, in a laboratory whose jobs have the labels.
        blocks: Whether nothing may be started afterwards.
    """

    words: str
    do: Callable[[Room, Supervisor, dict[str, str]], object]
    blocks: bool = True


def _abort_each(here: Room, _supervisor: Supervisor, labels: dict[str, str]) -> object:
    """Every job by itself, as a campaign cancels its commands."""
    return at_once(lambda pair: here.drivers[pair[0]].abort(pair[1]), labels.items())


def _trip(_here: Room, supervisor: Supervisor, _labels: dict[str, str]) -> object:
    return supervisor.trip(ALL, "a person said so")


def _write_file(here: Room, supervisor: Supervisor, _labels: dict[str, str]) -> object:
    """As ``sdl estop`` does, which needs no controller."""
    (here.site.folder / "lab.yaml.stop").write_text("smoke", encoding="utf-8")
    return until(
        lambda: any("smoke" in note.message for note in supervisor.notes()), "the file is seen"
    )


STOPS = (
    Stop("abort of each job", _abort_each, blocks=False),
    Stop("trip of the laboratory", _trip),
    Stop("stop file", _write_file),
)


@scenario(21, "emergency stop or abort during any step")
def emergency_stop(folder: Path) -> str:
    """Every verb is stopped in its middle, at once with all others; then again at rest."""
    folders = [folder / str(number) for number in range(len(STOPS))]
    for each in folders:
        each.mkdir(parents=True)
    walls_s = at_once(lambda pair: _stopped(*pair), zip(STOPS, folders, strict=True))
    words = ", ".join(f"{s.words} {w:.1f} s" for s, w in zip(STOPS, walls_s, strict=True))
    return f"{len(ORDERS)} kinds of work stopped in their middle: {words}; again at rest as well"


def _stopped(stop: Stop, folder: Path) -> float:
    """Starts one job of every kind, stops, and looks at the world; wall time of the stop, s."""
    with room(folder, clock_scale=SCALE) as here:
        supervisor = Supervisor((), here.drivers, period_s=0.05, stop_file=folder / "lab.yaml.stop")
        for station, _, sample, _ in ORDERS[:-1]:
            here.move(sample, station)
        # The short ones come last, so that all are in their middle at the stop.
        labels = {
            order[0]: _start(here, *order) for order in [*ORDERS[1:-1], ORDERS[0], ORDERS[-1]]
        }
        supervisor.start()
        before = here.ask(lambda world: [a for a in world.acts() if a.state is ActState.RUNNING])
        blower: Any = here.laboratory.simulators["quench"]
        blows_s = here.ask(lambda world: blower.left_s(world.now_s))
        expect(blows_s > 0.0, "the blower is in its middle too", blows_s)
        begun_s = time.monotonic()
        stop.do(here, supervisor, labels)
        wall_s = time.monotonic() - begun_s
        expect(wall_s < STOP_S, f"{stop.words} is bounded", wall_s)
        _expect_safe(here, stop, before)
        records = {s: here.wait(s, label) for s, label in labels.items()}
        for station, record in records.items():
            ended = JobState.COMPLETE if record.verb is ENDLESS else JobState.ABORTED
            expect(record.state is ended, f"{station} tells that it was stopped", record)
        if stop.blocks:
            for station in here.drivers:
                refusal(
                    lambda station=station: supervisor.require_clear(station), SafetyError,
                    of=f"a start at {station}",
                )  # fmt: skip
        supervisor.close()
        again = at_once(lambda core: core.stop(), instruments_of(here))
        expect(len(again) > len(ORDERS), "stops at rest change nothing and succeed", len(again))
    return wall_s


def _start(here: Room, station: str, verb: Verb, sample: str, args: dict[str, Any]) -> str:
    return here.start(station, verb, sample, **args)


def _expect_safe(here: Room, stop: Stop, before: list[Act]) -> None:
    """No furnace heats, no powder falls, nothing turns, the arm stands."""
    verbs = {act.verb for act in before}
    missing = [order[1] for order in ORDERS if order[1] not in verbs and order[1] != Verb.QUENCH]
    expect(not missing, "every kind of work was in its middle", missing)

    def look(world: Any) -> list[str]:
        acts = [world.find(act.station, act.label) for act in before]
        return [a.verb for a in acts if a.verb != ENDLESS and not is_cut(a)]

    going = here.ask(look)
    expect(not going, f"{stop.words} stops all work", going)
    expect_off(here, "furnace_1", stop.words)
    simulators: Any = here.laboratory.simulators
    for station in ("mixer", "quench"):
        left_s = here.ask(lambda world, s=station: simulators[s].left_s(world.now_s))
        expect(left_s == 0.0, f"{station} stands still", left_s)
    arm = here.ask(lambda _: simulators["transfer"].dashboard.state)
    expect(arm == "STOPPED", "the arm stands", arm)
    doses = here.ask(lambda _: [h.dose for h in simulators["dispenser"].heads.values() if h.dose])
    expect(not doses, "no unit doses", doses)
