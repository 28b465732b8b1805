"""The washer of the virtual world: by its driver, behind a face, after a restart, and stopped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest

from instruments.drivers.base import start_job
from instruments.drivers.job import Job
from instruments.drivers.virtual import virtual_drivers
from instruments.plans import collect_wash, start_wash
from sdl.campaign.labs.fast import FastLab
from sdl.campaign.labs.virtual import VirtualLab
from sdl.core.command import Command, Effect, Presence, Verb
from sdl.core.errors import BusyError, DeviceError, SafetyError
from sdl.core.recipe import Wash
from sdl.journal.blobs import MemoryBlobs
from sdl.safety.limits import check_command, check_step, require_safe
from sdl.tasks.task import load_task
from simulators.powder import DISSOLVED_MIN

TASK = load_task("y2mn2o7")
AnyLab = FastLab | VirtualLab
WATER = {"solvent": "water", "duration_min": 10.0}


def order(number: int, station: str, verb: Verb, sample: str, /, **args: Any) -> Command:
    return Command(
        id=f"c{number}",
        station=station,
        verb=verb,
        samples=(sample,),
        effect=Effect.IRREVERSIBLE,
        args=args,
        time_s=0.0,
    )


def wash(number: int = 9, sample: str = "S1", **changes: Any) -> Command:
    return order(number, "washer", Verb.WASH, sample, **{**WATER, **changes})


def finish(lab: AnyLab) -> list[Any]:
    told = []
    while (due_s := lab.next_event_s()) is not None:
        told += lab.events(lab.advance(due_s))
    return told


def put(lab: AnyLab, number: int, sample: str, *places: str) -> None:
    for n, (origin, to) in enumerate(itertools.pairwise(places)):
        args = {"sample": sample, "origin": origin, "destination": to}
        lab.submit(order(number + n, "transfer", Verb.TRANSFER, sample, **args))
        finish(lab)


@pytest.fixture(params=[FastLab, VirtualLab])
def lab(request: pytest.FixtureRequest) -> Iterator[AnyLab]:
    """A chloride, which dissolves, and an oxide, which does not, in the washer."""
    lab = request.param.create(TASK, seed=2, blobs=MemoryBlobs())
    put(lab, 1, "S1", "rack", "dispenser")
    for number, lot in ((2, "YCl3-dry"), (3, "Mn2O3-fine")):
        lab.submit(order(number, "dispenser", Verb.DISPENSE, "S1", lot=lot, mass_mg=1000.0))
        finish(lab)
    put(lab, 4, "S1", "dispenser", "rack", "washer")
    yield lab
    lab.close()


def chloride(lab: AnyLab) -> float:
    """Mass of the chloride over that of the oxide in S1."""
    weights = lab.world.effects.reactor.weight_fractions(lab.world.material("S1"))
    return weights["YCl3"] / weights["Mn2O3"]


def test_salt_leaves_by_the_law_of_the_time_in_water(lab: AnyLab) -> None:
    before, begun_s = chloride(lab), lab.world.now_s
    lab.submit(wash())
    (told,) = finish(lab)
    assert told.ok
    assert told.result == {"energy_kwh": 0.0}
    assert told.time_s - begun_s == pytest.approx(600.0 + lab.world.model.drying_s)
    assert chloride(lab) / before == pytest.approx(math.exp(-10.0 / DISSOLVED_MIN))


@pytest.mark.parametrize(("after_min", "in_water_min"), [(4.0, 4.0), (30.0, 10.0)])
def test_a_stopped_wash_has_washed_for_its_time_in_water(
    lab: AnyLab, after_min: float, in_water_min: float
) -> None:
    before = chloride(lab)
    lab.submit(wash())
    lab.advance(lab.world.now_s + after_min * 60.0)
    assert lab.cancel("c9")
    (told,) = finish(lab)
    assert not told.ok
    assert f"stopped after {after_min * 60.0:.0f} s" in str(told.error)
    assert chloride(lab) / before == pytest.approx(math.exp(-in_water_min / DISSOLVED_MIN))


def test_vials_are_washed_side_by_side_each_once(lab: AnyLab) -> None:
    put(lab, 20, "S2", "rack", "washer")
    lab.submit(wash())
    lab.advance(lab.world.now_s + 60.0)
    lab.submit(wash(10, "S2"))
    with pytest.raises(BusyError, match="S1"):
        lab.submit(wash(11, "S1"))
    with pytest.raises(BusyError):
        put(lab, 30, "S1", "washer", "rack")
    with pytest.raises(DeviceError, match="S3"):
        lab.submit(wash(12, "S3"))
    assert [(e.command, e.ok) for e in finish(lab)] == [("c9", True), ("c10", True)]


def test_after_a_restart_the_log_of_the_washer_decides(lab: AnyLab) -> None:
    assert lab.inspect(wash()).presence is Presence.ABSENT
    lab.submit(wash())
    running = lab.inspect(wash())
    assert running.presence is Presence.STARTED
    assert "runs c9" in running.evidence
    assert lab.inspect(wash(duration_min=20.0)).presence is Presence.UNKNOWN
    finish(lab)
    assert lab.inspect(wash()).presence is Presence.STARTED
    assert [a.verb for a in lab.world.acts()].count(Verb.WASH) == 1


@pytest.mark.parametrize(
    "args",
    [
        {**WATER, "solvent": "ethanol"},
        *({**WATER, "duration_min": minutes} for minutes in (0.0, -1.0, math.nan, 600.5, None)),
        {**WATER, "speed": 3},
    ],
)
def test_wrong_orders_are_refused_and_nothing_moves(args: dict[str, Any]) -> None:
    lab = FastLab.create(TASK, seed=2, blobs=MemoryBlobs())
    driver = virtual_drivers(lab.world, TASK.laboratory, MemoryBlobs())["washer"]
    with pytest.raises(DeviceError, match=r"washer.*c9"):
        start_job(driver, Job("c9", Verb.WASH, ("S1",), args))
    with pytest.raises(DeviceError, match="number of samples"):
        driver.check_job(Job("c9", Verb.WASH, ("S1", "S2"), WATER))
    assert not lab.world.acts()
    with pytest.raises(DeviceError):
        lab.world.start_wash("washer", "c9", "S1", "ethanol", 10.0)


def test_plans_start_a_wash_and_collect_its_end(lab: AnyLab) -> None:
    if isinstance(lab, FastLab):
        return
    washer: Any = lab.devices["washer"]
    lab.engine.run(start_wash(washer, "c9", "S1", "water", 10.0), device="washer", command="c9")
    lab.advance(lab.world.now_s + lab.world.model.wash_s(10.0))
    result = lab.engine.run(collect_wash(washer, "c9"), device="washer", command="c9")
    assert result == {"energy_kwh": 0.0}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"solvent": "ethanol"}, "solvent"),
        ({"duration_min": 0.0}, "wash-time"),
        ({"duration_min": 601.0}, "wash-time"),
        ({"duration_min": math.nan}, "finite"),
    ],
)
def test_limits_hold_for_steps_and_commands(changes: dict[str, Any], rule: str) -> None:
    assert check_command(wash(), TASK.laboratory) == ()
    assert [v.rule for v in check_command(wash(**changes), TASK.laboratory)] == [rule]
    with pytest.raises(SafetyError, match=rule):
        require_safe(wash(**changes), TASK.laboratory)
    if rule != "finite":
        assert check_step((), Wash(**WATER), TASK.laboratory) == ()
        step = Wash(**{**WATER, **changes})
        assert [v.rule for v in check_step((), step, TASK.laboratory)] == [rule]


def test_only_a_washer_washes() -> None:
    command = wash().model_copy(update={"station": "mixer"})
    assert [v.rule for v in check_command(command, TASK.laboratory)] == ["station-verb"]
