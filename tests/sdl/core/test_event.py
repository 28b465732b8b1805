"""Events and recipes come back from JSON as they were, of every kind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sdl.core.command import Command, Effect, Verb
from sdl.core.event import (
    PAYLOADS,
    VERSIONS,
    Decided,
    Done,
    Event,
    EventKind,
    Finished,
    Intended,
    Observed,
    Proposed,
    Vetoed,
    Violation,
)
from sdl.core.material import Observation, PhaseAmount, SampleState, Target
from sdl.core.model import Frozen, canonical_json, content_hash
from sdl.core.proposal import Prediction, Proposal
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Continue,
    Cooling,
    Dose,
    Gas,
    Mix,
    Press,
    Quench,
    Recipe,
    Regrind,
    Split,
    Stop,
    Wash,
)

ids = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.\-]{0,10}\Z")
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
shares = st.floats(0, 1)
doses = st.builds(Dose, lot=ids, mass_mg=st.floats(0.1, 5000))
steps = st.one_of(
    st.builds(Mix, doses=st.lists(doses, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Anneal,
        temperature_c=st.floats(25, 1500),
        dwell_h=st.floats(0.01, 100),
        gas=st.sampled_from(Gas),
    ),
    st.builds(Quench, cooling=st.sampled_from(Cooling)),
    st.builds(Regrind, mill_min=st.floats(0, 60)),
    st.builds(Press, pressure_mpa=st.floats(1, 500)),
    st.builds(Wash, solvent=st.sampled_from(["water", "ethanol"])),
    st.builds(Split, mass_mg=st.floats(1, 100)),
    st.builds(Characterise, scan_min=st.floats(0.5, 60)),
    st.just(Stop()),
    st.just(Continue()),
)
recipes = st.builds(Recipe, steps=st.lists(steps, min_size=1, max_size=6).map(tuple))
proposals = st.builds(
    Proposal,
    id=ids,
    target=st.builds(Target, phase=words),
    recipe=recipes,
    prediction=st.none() | st.builds(Prediction, mean=shares, sigma=shares),
    reason=words,
    policy=words,
    details=st.dictionaries(words, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
)
commands = st.builds(
    Command,
    id=ids,
    station=ids,
    verb=st.sampled_from(Verb),
    samples=st.lists(ids, min_size=1, max_size=3).map(tuple),
    effect=st.sampled_from(Effect),
    args=st.dictionaries(words, words | st.integers() | shares, max_size=3),
    time_s=st.floats(0, 1e9),
)
observations = st.builds(
    Observation,
    sample=ids,
    name=ids,
    time_s=st.floats(0, 1e9),
    phases=st.dictionaries(
        words, st.builds(PhaseAmount, weight_fraction=shares, sigma=shares), max_size=3
    ),
    unexplained=shares,
)
payloads: st.SearchStrategy[Frozen] = st.one_of(
    st.builds(Proposed, proposal=proposals),
    st.builds(
        Vetoed,
        proposal=ids,
        violations=st.lists(st.builds(Violation, rule=words, message=words)).map(tuple),
    ),
    st.builds(Intended, command=commands),
    st.builds(Done, command=ids, result=st.dictionaries(words, shares, max_size=3)),
    st.builds(Observed, observation=observations),
    st.builds(Decided, sample=ids, step=steps, reason=words),
    st.builds(
        Finished,
        sample=ids,
        proposal=ids,
        state=st.sampled_from(SampleState),
        purity=st.none() | shares,
    ),
)


@given(payloads, st.floats(0, 1e9))
@settings(max_examples=150, deadline=None)
def test_payloads_come_back_from_canonical_json(payload: Frozen, time_s: float) -> None:
    event = Event.of(time_s, payload)
    text = canonical_json(event.payload)
    back = PAYLOADS[event.kind].model_validate_json(text)
    assert back == payload
    assert canonical_json(back) == text
    assert event.read(type(payload)) is payload


@given(recipes)
@settings(deadline=None)
def test_recipes_are_told_in_one_line(recipe: Recipe) -> None:
    assert recipe.sentence().strip()
    assert "\n" not in recipe.sentence()
    assert recipe.is_open == isinstance(recipe.steps[-1], Continue)
    assert content_hash(recipe) == content_hash(Recipe.model_validate(recipe.model_dump()))


def test_every_kind_has_a_payload_and_a_version() -> None:
    assert set(PAYLOADS) == set(VERSIONS) == set(EventKind)
    assert len(set(PAYLOADS.values())) == len(EventKind)


def test_an_event_is_read_as_its_own_kind_only() -> None:
    with pytest.raises(TypeError, match="is DONE, not Decided"):
        Event.of(0.0, Done(command="c1")).read(Decided)


@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "a b", "-x", "x" * 65, "é", "a\n"])
def test_unsafe_identifiers_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Done(command=name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0, {"x": float("-inf")}]])
def test_numbers_that_are_none_never_become_json(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(Done(command="c1", result={"mass_mg": value}))
    with pytest.raises(ValidationError):
        Event.of(float("nan"), Done(command="c1"))


def test_models_cannot_change_and_refuse_unknown_keys() -> None:
    done = Done(command="c1")
    with pytest.raises(ValidationError):
        done.command = "c2"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError):
        Done.model_validate({"command": "c1", "colour": "red"})
