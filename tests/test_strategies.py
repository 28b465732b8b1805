"""Every noun survives JSON unchanged, over everything the strategies draw."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import strategies
from sdl.core.model import Frozen, canonical_json, content_hash

NOUNS: dict[str, st.SearchStrategy[Frozen]] = {
    "target": strategies.targets,
    "lot": strategies.lots,
    "recipe": strategies.recipes(),
    "observation": strategies.observations,
    "proposal": strategies.proposals,
    "result": strategies.results,
    "budget": strategies.budgets,
    "model version": strategies.model_versions,
    "capabilities": strategies.capabilities,
    "command": strategies.commands,
    "lab event": strategies.lab_events,
    "payload": strategies.payloads,
}


@pytest.mark.parametrize("noun", NOUNS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_json_round_trip_is_exact(noun: str, data: st.DataObject) -> None:
    value = data.draw(NOUNS[noun])
    again = type(value).model_validate(json.loads(canonical_json(value)))
    assert again == value
    assert content_hash(again) == content_hash(value)


@given(recipe=strategies.recipes())
def test_a_recipe_says_every_step(recipe: strategies.Recipe) -> None:
    sentence = recipe.sentence()
    assert all(dose.lot in sentence for dose in recipe.doses())
    assert recipe.is_open == sentence.endswith("then decide")


@given(event=strategies.events)
def test_an_event_is_read_as_what_it_is(event: strategies.Event) -> None:
    assert event.read(type(event.payload)) is event.payload
    with pytest.raises(TypeError, match="is"):
        event.read(strategies.Recipe)


@given(value=st.one_of(*NOUNS.values()))
def test_nothing_changes_later_and_no_key_is_unknown(value: Frozen) -> None:
    field = next(iter(type(value).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, field, None)
    with pytest.raises(ValidationError, match="Extra inputs"):
        type(value).model_validate({**value.model_dump(), "no_such_key": 1})
