"""After a restart the effect is looked for, never assumed."""

from __future__ import annotations

from typing import Any

import pytest

from sdl.campaign.labs.fast import FastLab
from sdl.campaign.labs.virtual import VirtualLab
from sdl.core.command import Command, Effect, Presence, Verb
from sdl.core.errors import BusyError, DeviceError
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import Task

AnyLab = FastLab | VirtualLab


def order(number: int, station: str, verb: Verb, samples: tuple[str, ...], **args: Any) -> Command:
    return Command(
        id=f"c{number}",
        station=station,
        verb=verb,
        samples=samples,
        effect=Effect.IRREVERSIBLE,
        args=args,
        time_s=0.0,
    )


def move(number: int, origin: str, destination: str, sample: str = "S1") -> Command:
    return order(
        number,
        "transfer",
        Verb.TRANSFER,
        (sample,),
        sample=sample,
        origin=origin,
        destination=destination,
    )


DOSE = order(2, "dispenser", Verb.DISPENSE, ("S1",), lot="BaCO3-fine", mass_mg=1000.0)


@pytest.fixture(params=[FastLab, VirtualLab])
def lab(request: pytest.FixtureRequest, coarse: Task) -> Any:
    lab = request.param.create(coarse, seed=2, blobs=MemoryBlobs())
    yield lab
    lab.close()


def finish(lab: AnyLab) -> list[Any]:
    told = []
    while (due_s := lab.next_event_s()) is not None:
        told += lab.events(lab.advance(due_s))
    return told


def test_what_never_happened_is_absent(lab: AnyLab) -> None:
    assert lab.inspect(move(1, "rack", "dispenser")).presence is Presence.ABSENT
    assert lab.inspect(DOSE).presence is Presence.ABSENT


def test_a_whole_dose_is_seen_while_it_runs_and_by_its_weight(lab: AnyLab) -> None:
    lab.submit(move(1, "rack", "dispenser"))
    finish(lab)
    lab.submit(DOSE)
    assert lab.inspect(DOSE).presence is Presence.STARTED
    lab.advance(lab.world.now_s + 200.0)
    found = lab.inspect(DOSE)
    assert found.presence is Presence.STARTED
    assert "balance" in found.evidence
    finish(lab)
    lab.submit(move(3, "dispenser", "rack"))
    finish(lab)
    assert lab.inspect(DOSE).presence is Presence.STARTED


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_of_a_partial_dose_the_rest_is_given(lab: AnyLab, share: float) -> None:
    lab.submit(move(1, "rack", "dispenser"))
    finish(lab)
    lab.world.plant_stop("dispenser", share)
    lab.submit(DOSE)
    lab.advance(lab.world.now_s + 200.0)
    found = lab.inspect(DOSE)
    assert found.presence is Presence.PARTIAL
    rest = found.remainder
    assert rest is not None
    again = lab.inspect(rest)
    assert again.remainder == rest
    assert rest.id == DOSE.id
    assert rest.args["mass_mg"] == pytest.approx(1000.0 * (1 - share), abs=20.0)
    lab.submit(rest)
    told = finish(lab)
    assert [e.command for e in told] == ["c2"]
    assert told[0].ok
    assert lab.inspect(rest).presence is Presence.STARTED
    result = told[0].result
    assert result["balance_after_mg"] - result["balance_before_mg"] == pytest.approx(
        1000.0, rel=0.02
    )
    assert lab.inspect(DOSE).presence is Presence.STARTED


def test_a_remainder_may_be_partial_too(lab: AnyLab) -> None:
    lab.submit(move(1, "rack", "dispenser"))
    finish(lab)
    todo = DOSE
    for _ in range(3):
        lab.world.plant_stop("dispenser", 0.5)
        lab.submit(todo)
        lab.advance(lab.world.now_s + 200.0)
        found = lab.inspect(DOSE)
        assert found.presence is Presence.PARTIAL
        assert found.remainder is not None
        todo = found.remainder
    assert todo.args["mass_mg"] == pytest.approx(125.0, abs=5.0)
    lab.submit(todo)
    (told,) = finish(lab)
    assert told.result["balance_after_mg"] - told.result["balance_before_mg"] == pytest.approx(
        1000.0, rel=0.02
    )


def test_a_vial_moved_by_hand_needs_a_person(lab: AnyLab) -> None:
    lab.submit(move(1, "rack", "mixer"))
    finish(lab)
    found = lab.inspect(move(7, "dispenser", "rack"))
    assert found.presence is Presence.UNKNOWN
    assert "mixer" in found.evidence


def test_a_cancelled_dose_is_told_as_failed_with_what_fell(lab: AnyLab) -> None:
    lab.submit(move(1, "rack", "dispenser"))
    finish(lab)
    lab.submit(DOSE)
    lab.advance(lab.world.now_s + 30.0)
    assert lab.cancel("c2")
    (told,) = finish(lab)
    assert not told.ok
    assert "stopped after 30 s" in str(told.error)
    assert 100.0 < told.result["balance_after_mg"] < 900.0
    assert not lab.cancel("c2")
    assert not lab.cancel("c99")


def test_a_cancelled_move_is_put_back(lab: AnyLab) -> None:
    lab.submit(move(1, "rack", "mixer"))
    lab.advance(10.0)
    assert lab.cancel("c1")
    (told,) = finish(lab)
    assert told.result == {"place": "rack"}
    assert lab.world.place("S1") == "rack"


def test_refusals_name_station_and_command(lab: AnyLab) -> None:
    with pytest.raises(DeviceError, match="cellar"):
        lab.submit(order(1, "cellar", Verb.MILL, ("S1",), mill_min=1.0))
    lab.submit(move(1, "rack", "mixer"))
    with pytest.raises(BusyError, match="c1"):
        lab.submit(move(2, "rack", "dispenser", "S2"))
    with pytest.raises(DeviceError, match=r"mixer.*c3"):
        lab.submit(order(3, "mixer", Verb.MILL, ("S1",), mill_min=600.0))
    assert len(finish(lab)) == 1


def test_another_command_under_the_same_id_needs_a_person(lab: AnyLab) -> None:
    lab.submit(move(1, "rack", "dispenser"))
    finish(lab)
    assert lab.inspect(move(1, "rack", "dispenser")).presence is Presence.STARTED
    found = lab.inspect(move(1, "rack", "mixer"))
    assert found.presence is Presence.UNKNOWN
    assert "destination dispenser, not mixer" in found.evidence
    found = lab.inspect(move(1, "rack", "dispenser", "S2"))
    assert found.presence is Presence.UNKNOWN
    assert "samples S1, not S2" in found.evidence
    lab.submit(DOSE)
    for running in (True, False):
        for change in ({"lot": "TiO2-rutile-fine"}, {"mass_mg": 900.0}, {"mass_mg": 1100.0}):
            other = DOSE.model_copy(update={"args": {**DOSE.args, **change}})
            found = lab.inspect(other)
            assert found.presence is Presence.UNKNOWN, running
            assert next(iter(change)) in found.evidence
        assert lab.inspect(DOSE).presence is Presence.STARTED
        finish(lab)


def test_every_argument_of_a_program_is_compared(lab: AnyLab) -> None:
    args = {"temperature_c": 900, "dwell_h": 2.0, "ramp_c_per_min": 10.0, "gas": "air"}
    anneal = order(2, "furnace_1", Verb.ANNEAL, ("S1",), **args, cooling="hold")
    lab.submit(move(1, "rack", "furnace_1"))
    finish(lab)
    lab.submit(anneal)
    lab.cancel("c2")
    assert lab.inspect(anneal).presence is Presence.STARTED
    other = order(2, "furnace_1", Verb.ANNEAL, ("S1",), **args, cooling="furnace")
    assert lab.inspect(other).presence is Presence.UNKNOWN
    mill = order(2, "furnace_1", Verb.MILL, ("S1",), mill_min=5.0)
    assert "verb anneal, not mill" in lab.inspect(mill).evidence


def test_the_move_of_a_vial_that_was_there_already_is_its_own(lab: AnyLab) -> None:
    lab.submit(move(1, "rack", "mixer"))
    finish(lab)
    lab.submit(move(2, "rack", "mixer"))
    assert lab.inspect(move(2, "rack", "mixer")).presence is Presence.STARTED
