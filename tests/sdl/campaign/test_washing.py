"""A wash in campaigns: salt is made with Y2Mn2O7, and only the washer takes it away."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sdl.campaign.acts import acts_of
from sdl.campaign.config import BudgetConfig, CampaignConfig
from sdl.campaign.labs.fast import FastLab
from sdl.campaign.loop import Campaign
from sdl.campaign.opening import begin, resume
from sdl.campaign.places import MEMORY
from sdl.campaign.words import doing
from sdl.core.command import Command, Effect, Verb
from sdl.core.errors import PolicyError
from sdl.core.event import Finished, Intended
from sdl.core.material import SampleState
from sdl.core.proposal import Proposal, Request
from sdl.core.recipe import Continue, Press, Recipe, Split, Step, Stop, describe_step
from sdl.figures.stations import Use, station_use
from sdl.journal.projection import projection
from sdl.report.page import write_page
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TASK = load_task("y2mn2o7")
SALT = "NaCl"
VALUES = {
    "ratio": 0.9, "temperature_c": 700, "dwell_h": 6, "ramp_c_per_min": 10, "mill_min": 30,
}  # fmt: skip
CHOICES = {"regrinds": 1, "gas": 1, "cooling": 1, "lot_0": 0, "lot_1": 1, "lot_2": 1}


def recipe(washes: int) -> Recipe:
    """The same sample with or without a wash before the last scan."""
    space, picks = TaskSpace(TASK), {**CHOICES, "washes": washes}
    point = [axis.unit(VALUES[axis.name]) for axis in space.axes]
    point += [(picks[name] + 0.5) / count for name, count in space.choices]
    return space.decode(np.array(point))


class Scripted:
    """Proposes given recipes."""

    name = "scripted"

    def __init__(self, *recipes: Recipe) -> None:
        self.recipes = list(recipes)

    def propose(self, request: Request) -> list[Proposal]:
        count = min(request.free_slots, len(self.recipes))
        taken, self.recipes = self.recipes[:count], self.recipes[count:]
        return [
            Proposal(
                id=f"P{request.next_id + i}",
                target=TASK.target,
                recipe=each,
                reason="scripted",
                policy=self.name,
            )
            for i, each in enumerate(taken)
        ]

    def next(self, view: object) -> Step:
        raise AssertionError(view)

    def ingest(self, event: object) -> None:
        pass


def config(experiments: int, **changes: object) -> CampaignConfig:
    fields = {"name": "t", "task": TASK.name, "lab": "fast", "policy": "random", "in_flight": 4}
    budget = BudgetConfig(experiments=experiments)
    return CampaignConfig.model_validate({**fields, "budget": budget, **changes})


def played(*recipes: Recipe, url: str = MEMORY, **changes: object) -> Campaign:
    """A campaign of these samples, to its end."""
    settings = config(len(recipes), **changes)
    plain = begin(settings, TASK, url)
    campaign = Campaign(settings, TASK, plain.journal, plain.lab, Scripted(*recipes))
    campaign.run()
    return campaign


def ends_of(campaign: Campaign) -> list[Finished]:
    return [e.payload for e in campaign.journal.events() if isinstance(e.payload, Finished)]


def washes_of(campaign: Campaign) -> list[Command]:
    sent = [e.payload.command for e in campaign.journal.events() if isinstance(e.payload, Intended)]
    return [command for command in sent if command.verb is Verb.WASH]


@pytest.fixture(scope="module")
def whole() -> Campaign:
    """One sample as it leaves the furnace, and two that are washed."""
    return played(recipe(0), recipe(1), recipe(1))


def test_a_washed_sample_is_far_purer_than_an_unwashed_one(whole: Campaign) -> None:
    salty, *washed = ends_of(whole)
    assert isinstance(whole.lab, FastLab)
    truth, reactor = whole.lab.world, whole.lab.world.effects.reactor
    weights = {e.sample: reactor.weight_fractions(truth.material(e.sample)) for e in ends_of(whole)}
    assert 0.4 < weights[salty.sample][SALT] < 0.5
    assert salty.purity is not None
    assert salty.purity < 0.6
    for end in washed:
        assert weights[end.sample][SALT] < 0.003
        assert end.purity is not None
        assert end.purity > max(0.93, salty.purity + 0.3)
        assert end.purity == pytest.approx(weights[end.sample][TASK.target.phase], abs=0.03)


def test_a_wash_is_one_irreversible_act_that_takes_its_minutes_and_drying(whole: Campaign) -> None:
    first, second = washes_of(whole)
    assert isinstance(whole.lab, FastLab)
    took_s = 30.0 * 60.0 + whole.lab.world.model.drying_s
    for command in (first, second):
        assert (command.station, command.effect) == ("washer", Effect.IRREVERSIBLE)
        assert command.args == {"solvent": "water", "duration_min": 30.0}
        assert whole.state.ended_s[command.id] - command.time_s == pytest.approx(took_s)
        assert whole.state.results[command.id] == {"energy_kwh": 0.0}
    assert first.samples != second.samples
    # Both shared the furnace, and the washer has room for both.
    assert second.time_s < first.time_s + took_s


def test_through_the_run_engine_it_is_the_same(whole: Campaign, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/campaign.db"
    campaign = played(recipe(0), recipe(1), recipe(1), url=url, lab="virtual")
    assert ends_of(campaign) == ends_of(whole)
    campaign.close()
    page = write_page(url, tmp_path / "page.html", with_random=False).read_text(encoding="utf-8")
    assert "wash in water 30 min" in page
    assert "30 min in water, then dried" in page


@pytest.fixture(scope="module")
def published() -> Campaign:
    campaign = begin(config(2, policy="published"), TASK, MEMORY)
    campaign.run()
    return campaign


def test_the_published_recipe_is_washed(published: Campaign) -> None:
    assert [c.samples for c in washes_of(published)] == [("S1",), ("S2",)]
    assert isinstance(published.lab, FastLab)
    world = published.lab.world
    for end in ends_of(published):
        weights = world.effects.reactor.weight_fractions(world.material(end.sample))
        assert end.purity is not None
        assert weights[SALT] < 0.01


def test_a_controller_that_vanishes_washes_nothing_twice(
    published: Campaign, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/campaign.db"
    campaign = begin(config(2, policy="published"), TASK, url)
    in_the_water = 0
    while campaign.state.stopped is None:
        for _ in range(5):
            if campaign.state.stopped is not None:
                break
            campaign.step()
        for command in campaign.state.open_commands.values():
            if command.verb is Verb.WASH:
                in_the_water += 1
                sample = campaign.state.active[command.samples[0]]
                assert doing(campaign.state, sample) == "is washed 30 min in water in washer"
        campaign.close()
        campaign = resume(url)
    assert in_the_water > 0
    assert projection(campaign.journal.events()) == projection(published.journal.events())
    assert isinstance(campaign.lab, FastLab)
    assert [a.verb for a in campaign.lab.world.acts()].count(Verb.WASH) == 2
    campaign.close()


def test_a_stopped_wash_fails_its_sample_only() -> None:
    settings = config(2, in_flight=1)
    plain = begin(settings, TASK, MEMORY)
    assert isinstance(plain.lab, FastLab)
    plain.lab.world.plant_stop("washer", 0.5)
    policy = Scripted(recipe(1), recipe(1))
    campaign = Campaign(settings, TASK, plain.journal, plain.lab, policy)
    campaign.run()
    assert [e.state for e in ends_of(campaign)] == [SampleState.FAILED, SampleState.FINISHED]


@pytest.mark.parametrize("step", [Press(pressure_mpa=100.0), Split(mass_mg=100.0)])
def test_a_step_without_a_station_is_refused_not_left_out(step: Step) -> None:
    steps = recipe(1).steps
    with pytest.raises(PolicyError, match=describe_step(step)):
        acts_of((*steps[:-1], step, steps[-1]))
    whole = acts_of((*steps, Stop()))
    assert whole == acts_of((*steps, Continue())) == acts_of(steps)
    assert [a.verb for a in whole[-2:]] == [Verb.WASH, Verb.SCAN]


def test_the_figure_of_stations_knows_every_verb() -> None:
    uses = [Use("washer", verb, ("S1",), 0.0, 1.0, "") for verb in Verb]
    bars = json.loads(str(station_use(uses, ["washer"], 2.0).to_json()))["data"]
    shown = {bar["name"] for bar in bars}
    assert shown == {verb.value for verb in Verb}
