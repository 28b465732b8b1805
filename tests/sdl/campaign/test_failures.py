"""What a failed command means for its sample, its station and the rest of the laboratory."""

from __future__ import annotations

from sdl.campaign.controls import failing, left_behind
from sdl.campaign.scheduler import Scheduler
from sdl.campaign.state import CampaignState
from sdl.core.command import Command
from sdl.core.event import Accepted, Done, Event, Failed, Intended, Noted, Proposed, Topic
from sdl.core.material import Target
from sdl.core.model import Frozen
from sdl.core.proposal import Proposal
from sdl.core.recipe import Characterise, Recipe
from sdl.tasks.task import load_task

SCHEDULER = Scheduler(load_task("batio3-coarse").laboratory)


def state_of_one() -> CampaignState:
    proposal = Proposal(
        id="P1",
        target=Target(phase="BaTiO3"),
        recipe=Recipe(steps=(Characterise(),)),
        reason="test",
        policy="test",
    )
    state = CampaignState()
    take(state, Proposed(proposal=proposal), Accepted(proposal="P1", sample="S1"))
    return state


def take(state: CampaignState, *payloads: Frozen) -> None:
    for payload in payloads:
        state.apply(Event.of(state.time_s, payload))


def next_command(state: CampaignState) -> Command:
    decision = SCHEDULER.next(state)
    assert isinstance(decision, Intended)
    take(state, decision)
    return decision.command


def fail(state: CampaignState) -> None:
    take(state, Failed(command=next_command(state).id, error="jammed"))


def test_a_sample_that_was_not_moved_is_moved_again_once() -> None:
    state = state_of_one()
    fail(state)
    assert state.active["S1"].failure is None
    fail(state)
    assert state.active["S1"].failure == "jammed"
    assert SCHEDULER.next(state) is None


def test_a_move_that_works_forgets_the_one_that_failed() -> None:
    state = state_of_one()
    fail(state)
    take(state, Done(command=next_command(state).id))
    assert state.active["S1"].moves_failed == 0
    assert not state.failures


def test_a_sample_that_cannot_be_taken_out_leaves_a_quarantined_station() -> None:
    state = state_of_one()
    take(state, Done(command=next_command(state).id))  # into the diffractometer
    fail(state)  # the scan
    fail(state)
    assert not state.active["S1"].is_stuck
    fail(state)
    assert SCHEDULER.next(state) is None
    (note,) = left_behind(state, state.active["S1"])
    assert (note.topic, note.station) == (Topic.QUARANTINE, "diffractometer")
    take(state, note)
    assert left_behind(state, state.active["S1"]) == []


def test_a_station_that_fails_twice_in_a_row_waits_for_a_person() -> None:
    state = state_of_one()
    fail(state)
    assert failing(state) == []
    fail(state)
    (note,) = failing(state)
    assert (note.topic, note.station) == (Topic.QUARANTINE, "transfer")
    assert "the last time: jammed" in note.message
    take(state, note)
    assert failing(state) == []
    take(state, Noted(topic=Topic.RELEASE, station="transfer", message="mended"))
    assert failing(state) == []


def test_the_arm_is_not_blamed_for_a_door() -> None:
    state = state_of_one()
    for _ in range(2):
        command = next_command(state)
        stuck = Noted(
            topic=Topic.QUARANTINE,
            station="furnace_1",
            message="its door sticks",
            values={"command": command.id},
        )
        take(state, Failed(command=command.id, error="its door sticks"), stuck)
    assert failing(state) == []
