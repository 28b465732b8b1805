"""Controls fall due, are made by a person, and keep a drifting station out of work."""

import pytest

from sdl.campaign.controls import control_of, due, judge
from sdl.campaign.state import CampaignState
from sdl.core.errors import ConfigError
from sdl.core.event import Event, Topic
from sdl.core.lab import Control

WEIGHT = Control(
    name="weight", station="dispenser", kind="check-weight", every=3, expect=1000.0, tolerance=0.5
)


def take(state, *notes):
    for note in notes:
        state.apply(Event.of(0.0, note))


def test_a_control_is_due_after_its_uses_and_once():
    state = CampaignState()
    state.uses["dispenser"] = 2
    assert due(state, [WEIGHT]) == []
    state.uses["dispenser"] = 3
    notes = due(state, [WEIGHT])
    assert [n.topic for n in notes] == [Topic.QUARANTINE]
    assert "check-weight" in notes[0].message
    take(state, *notes)
    assert due(state, [WEIGHT]) == []


def test_a_good_result_releases_and_starts_the_count_again():
    state = CampaignState()
    state.uses["dispenser"] = 3
    take(state, *due(state, [WEIGHT]))
    take(state, *judge(WEIGHT, 1000.4, "A"))
    assert state.quarantined == {}
    state.uses["dispenser"] = 5
    assert due(state, [WEIGHT]) == []
    state.uses["dispenser"] = 6
    assert len(due(state, [WEIGHT])) == 1


def test_drift_keeps_the_station_quarantined():
    state = CampaignState()
    take(state, *judge(WEIGHT, 1000.6, "A"))
    assert "drift" in state.quarantined["dispenser"]


def test_an_unknown_control_is_refused():
    with pytest.raises(ConfigError, match="weight"):
        control_of({"weight": WEIGHT}, "length")
