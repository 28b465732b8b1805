"""The scheduler against every way a laboratory may answer: nothing overbooked, nobody forgotten."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from sdl.campaign.acts import acts_of
from sdl.campaign.scheduler import Scheduler
from sdl.campaign.state import RACK, CampaignState
from sdl.core.command import Verb
from sdl.core.event import (
    Accepted,
    Done,
    Event,
    Failed,
    Finished,
    Intended,
    Noted,
    Observed,
    Proposed,
    RunBooked,
    Topic,
)
from sdl.core.material import Observation, SampleState, Target
from sdl.core.proposal import Proposal
from sdl.core.recipe import Anneal, Characterise, Cooling, Dose, Gas, Mix, Quench, Recipe, Regrind
from sdl.tasks.task import load_task

LAB = load_task("batio3-coarse").laboratory
MIX = Mix(
    doses=(Dose(lot="BaCO3-coarse", mass_mg=900.0), Dose(lot="TiO2-rutile-fine", mass_mg=400.0))
)

anneals = st.builds(
    Anneal,
    temperature_c=st.sampled_from([700.0, 900.0]),
    dwell_h=st.sampled_from([1.0, 8.0]),
    gas=st.sampled_from([Gas.AIR, Gas.STEAM]),
)


@st.composite
def recipes(draw):
    steps = [MIX, draw(anneals)]
    for _ in range(draw(st.integers(0, 2))):
        steps += [*([Regrind()] if draw(st.booleans()) else []), draw(anneals)]
    if draw(st.booleans()):
        steps.append(Quench(cooling=Cooling.AIR))
    return Recipe(steps=(*steps, Characterise()))


def begin(recipes_):
    state = CampaignState()
    for i, recipe in enumerate(recipes_, start=1):
        proposal = Proposal(
            id=f"P{i}", target=Target(phase="BaTiO3"), recipe=recipe, reason="test", policy="test"
        )
        state.apply(Event.of(0.0, Proposed(proposal=proposal)))
        state.apply(Event.of(0.0, Accepted(proposal=f"P{i}", sample=f"S{i}")))
    return state


def check_capacities(state):
    for station in LAB.stations:
        inside = [s for s in state.active.values() if s.place == station.name]
        assert len(inside) <= station.capacity
        assert len(state.occupants(station.name)) <= station.capacity
        working = [c for c in state.open_commands.values() if c.station == station.name]
        assert len(working) <= station.capacity


def finish_ready(state, time_s):
    for sample in list(state.active.values()):
        if sample.unread is not None:
            seen = Observation(sample=sample.id, name=f"{sample.id}-a1", time_s=time_s, phases={})
            state.apply(Event.of(time_s, Observed(observation=seen)))
        idle = sample.open_command is None and sample.place == RACK
        if idle and (sample.next_act is None or sample.failure is not None):
            how = SampleState.FAILED if sample.failure else SampleState.FINISHED
            ended = Finished(sample=sample.id, proposal=sample.proposal.id, state=how)
            state.apply(Event.of(time_s, ended))


@settings(max_examples=60, deadline=None)
@given(st.lists(recipes(), min_size=1, max_size=5), st.randoms(use_true_random=False), st.data())
def test_every_sample_gets_through_whatever_ends_first(recipes_, order, data):
    state, scheduler = begin(recipes_), Scheduler(LAB)
    expected = {f"S{i}": len(acts_of(r.steps)) for i, r in enumerate(recipes_, start=1)}
    acted = Counter()
    failing = data.draw(st.sampled_from([None, *expected]))
    for time_s in range(3000):
        finish_ready(state, float(time_s))
        decision = scheduler.next(state)
        if decision is not None:
            state.apply(Event.of(float(time_s), decision))
            check_capacities(state)
            continue
        if not state.open_commands:
            break
        command = order.choice(list(state.open_commands.values()))
        lost = command.verb is Verb.MILL and failing in command.samples
        if lost:
            failing = None
            expected.pop(command.samples[0])
        ended = Failed(command=command.id, error="jammed") if lost else Done(command=command.id)
        if command.verb is not Verb.TRANSFER:
            acted.update(command.samples)
        state.apply(Event.of(float(time_s), ended))
        check_capacities(state)
    assert not state.active
    assert all(acted[name] == count for name, count in expected.items())


def test_samples_with_one_program_share_a_furnace_run():
    steps = (MIX, Anneal(temperature_c=900.0, dwell_h=2.0), Characterise())
    state, scheduler = begin([Recipe(steps=steps)] * 3), Scheduler(LAB)
    for sample in state.active.values():
        sample.acts_done = 3
    booked = scheduler.next(state)
    assert isinstance(booked, RunBooked)
    assert booked.station == "furnace_1"
    assert booked.samples == ("S1", "S2", "S3")


def test_a_sample_that_left_its_run_does_not_keep_the_others_waiting():
    recipe = Recipe(steps=(MIX, Anneal(temperature_c=850.0, dwell_h=4.0), Characterise()))
    state = begin([recipe, recipe])
    for sample in state.active.values():
        sample.acts_done = 3
    state.apply(Event.of(0.0, RunBooked(run="r1", station="furnace_1", samples=("S1", "S2"))))
    state.active["S1"].place = "furnace_1"
    stopped = ("furnace_1", "furnace_2", "transfer")
    for station in stopped:
        state.apply(Event.of(0.0, Noted(topic=Topic.QUARANTINE, station=station, message="drill")))
    assert state.active["S2"].run is None
    state.apply(Event.of(0.0, Noted(topic=Topic.RELEASE, station="furnace_1", message="by A")))
    decision = Scheduler(LAB).next(state)
    assert isinstance(decision, Intended)
    assert (decision.command.verb, decision.command.samples) == (Verb.ANNEAL, ("S1",))


def test_a_glowing_sample_goes_before_all_others():
    steps = (MIX, Anneal(temperature_c=900.0, dwell_h=2.0), Quench(), Characterise())
    state, scheduler = begin([Recipe(steps=steps)] * 2), Scheduler(LAB)
    first, second = state.active.values()
    second.acts_done, second.place = 4, "furnace_1"
    decision = scheduler.next(state)
    assert isinstance(decision, Intended)
    assert first.place == RACK
    assert decision.command.samples == ("S2",)
    assert decision.command.args["destination"] == "quench"
