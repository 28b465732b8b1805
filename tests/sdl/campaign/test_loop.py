"""The loop on the fast laboratory: real world, real journal, real policies."""

import pytest

import sdl.api
from agents.registry import make_policy
from sdl.campaign.config import BudgetConfig, CampaignConfig, StopConfig
from sdl.campaign.labs.fast import FastLab
from sdl.campaign.loop import Campaign, Standing
from sdl.campaign.opening import begin, resume
from sdl.campaign.places import MEMORY
from sdl.core.errors import JournalError, LabError, PolicyError
from sdl.core.event import (
    Approved,
    Decided,
    Event,
    EventKind,
    Finished,
    Intended,
    Observed,
    Proposed,
    Rejected,
    RunBooked,
    Vetoed,
)
from sdl.core.material import SampleState
from sdl.core.proposal import Proposal
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Continue,
    Dose,
    Mix,
    Quench,
    Recipe,
    Regrind,
    Stop,
)
from sdl.journal.journal import Journal
from sdl.journal.projection import projection
from sdl.tasks.task import load_task

TASK = load_task("batio3-coarse")


def config(**changes):
    fields = {"name": "t", "task": TASK.name, "lab": "fast", "policy": "random", "in_flight": 3}
    fields["budget"] = BudgetConfig(experiments=4)
    return CampaignConfig(**{**fields, **changes})


def events_of(campaign, model):
    return [e.payload for e in campaign.journal.events() if isinstance(e.payload, model)]


class Scripted:
    """A policy that proposes given recipes and continues samples by a given rule."""

    name = "scripted"

    def __init__(self, recipes, continue_with=lambda view: Stop()):
        self.recipes = list(recipes)
        self.continue_with = continue_with

    def propose(self, request):
        count = min(request.free_slots, len(self.recipes))
        taken, self.recipes = self.recipes[:count], self.recipes[count:]
        return [
            Proposal(
                id=f"P{request.next_id + i}",
                target=TASK.target,
                recipe=recipe,
                reason="scripted",
                policy=self.name,
            )
            for i, recipe in enumerate(taken)
        ]

    def next(self, view):
        return self.continue_with(view)

    def ingest(self, event):
        pass


def scripted(policy, **changes):
    settings = config(**changes)
    journal = begin(settings, TASK, MEMORY).journal
    lab = FastLab.create(TASK, seed=0, blobs=journal.blobs)
    return Campaign(settings, TASK, journal, lab, policy)


def doses(factor=1.0):
    assert TASK.space is not None
    return (
        Dose(lot=TASK.space.cation_lots[0][0], mass_mg=round(1200.0 * factor, 1)),
        Dose(lot=TASK.space.cation_lots[1][0], mass_mg=515.0),
    )


def hot(*more, temperature_c=900.0, dwell_h=10.0):
    fire = Anneal(temperature_c=temperature_c, dwell_h=dwell_h)
    return Recipe(steps=(Mix(doses=doses(), mill_min=30.0), fire, *more))


def test_a_campaign_spends_its_budget_and_measures_every_sample():
    campaign = begin(config(), TASK, MEMORY)
    assert campaign.run() is Standing.STOPPED
    finished = events_of(campaign, Finished)
    assert len(finished) == 4
    assert all(f.state is SampleState.FINISHED and 0 <= (f.purity or 0) <= 1 for f in finished)
    assert all(f.cost > TASK.prices.sample and f.furnace_hours > 0 for f in finished)
    assert len(events_of(campaign, Observed)) == 4


def test_several_samples_are_in_flight_and_no_command_is_given_twice():
    campaign = begin(config(), TASK, MEMORY)
    most = 0
    while campaign.state.stopped is None and campaign.step():
        most = max(most, len(campaign.state.active))
    commands = [i.command.id for i in events_of(campaign, Intended)]
    assert most == 3
    assert commands == [f"c{n}" for n in range(1, len(commands) + 1)]


@pytest.mark.parametrize(("step", "experiments"), [(3, 1), (11, 2), (37, 3), (71, 3)])
def test_a_controller_that_vanishes_anywhere_is_not_noticed(tmp_path, step, experiments):
    settings = config(budget=BudgetConfig(experiments=experiments))
    whole = begin(settings, TASK, MEMORY)
    whole.run()
    url = f"sqlite:///{tmp_path}/campaign.db"
    campaign = begin(settings, TASK, url)
    while campaign.state.stopped is None:
        for _ in range(step):
            if campaign.state.stopped is not None:
                break
            campaign.step()
        campaign.lab.close()
        campaign.journal.close()
        campaign = resume(url)
    assert projection(campaign.journal.events()) == projection(whole.journal.events())
    campaign.lab.close()
    campaign.journal.close()


def test_a_proposal_beyond_the_limits_is_vetoed_by_rule_and_the_campaign_goes_on():
    campaign = scripted(Scripted([hot(Characterise(), temperature_c=1400.0), hot(Characterise())]))
    campaign.run()
    (veto,) = events_of(campaign, Vetoed)
    assert veto.proposal == "P1"
    assert "furnace-temperature" in {v.rule for v in veto.violations}
    assert [f.proposal for f in events_of(campaign, Finished)] == ["P2"]


def test_a_policy_that_never_stays_within_limits_is_given_up():
    campaign = scripted(Scripted([hot(temperature_c=1400.0)] * 99))
    campaign.run()
    ended = campaign.state.stopped
    assert ended is not None
    assert not ended.success
    assert "refused" in ended.reason


def test_an_open_recipe_asks_the_policy_step_by_step():
    def once(view):
        last = view.steps[-1]
        if isinstance(last, Characterise):
            return Regrind(mill_min=20.0) if len(view.observations) == 1 else Stop()
        hotter = Anneal(temperature_c=900.0, dwell_h=8.0)
        return hotter if isinstance(last, Regrind) else Characterise()

    recipe = hot(Characterise(), Continue(), temperature_c=800.0, dwell_h=1.0)
    campaign = scripted(Scripted([recipe], once))
    campaign.run()
    first, second = (o.observation.purity("BaTiO3") for o in events_of(campaign, Observed))
    assert [d.step.kind for d in events_of(campaign, Decided)] == [
        "regrind",
        "anneal",
        "characterise",
        "stop",
    ]
    assert second.weight_fraction > first.weight_fraction + 3 * first.sigma


def test_an_answer_of_several_steps_quenches_what_was_annealed():
    def answer(view):
        if len(view.observations) == 1:
            hotter = Anneal(temperature_c=900.0, dwell_h=8.0)
            return (Regrind(mill_min=20.0), hotter, Quench(), Characterise())
        return (Stop(),)

    recipe = hot(Characterise(), Continue(), temperature_c=800.0, dwell_h=1.0)
    campaign = scripted(Scripted([recipe], answer))
    campaign.run()
    decided = events_of(campaign, Decided)
    kinds = [[step.kind for step in d.steps] for d in decided]
    assert kinds == [["regrind", "anneal", "quench", "characterise"], ["stop"]]
    anneals = [i.command.args for i in events_of(campaign, Intended) if "dwell_h" in i.command.args]
    assert [a["cooling"] for a in anneals] == ["furnace", "hold"]
    finished = events_of(campaign, Finished)
    assert [f.state for f in finished] == [SampleState.FINISHED]


@pytest.mark.parametrize("bad", [(), (Quench(),), (Stop(), Characterise())])
def test_an_answer_that_breaks_the_order_of_steps_ends_the_sample_with_the_reason(bad):
    recipe = hot(Characterise(), Continue(), temperature_c=800.0, dwell_h=1.0)
    campaign = scripted(Scripted([recipe], lambda view: bad))
    campaign.run()
    (decided,) = events_of(campaign, Decided)
    assert decided.step.kind == "stop"
    assert "vetoed, step-order" in decided.reason


def test_samples_with_the_same_program_share_a_furnace_run_and_its_price():
    many = BudgetConfig(experiments=6)
    campaign = scripted(Scripted([hot(Characterise())] * 6), in_flight=6, budget=many)
    campaign.run()
    shared = [r for r in events_of(campaign, RunBooked) if len(r.samples) > 1]
    assert shared
    hours = {f.sample: f.furnace_hours for f in events_of(campaign, Finished)}
    for run in shared:
        assert len({round(hours[s], 6) for s in run.samples}) == 1


def test_a_claim_is_repeated_before_the_campaign_stops():
    stop = StopConfig(purity=0.3, repeats=1)
    campaign = scripted(Scripted([hot(Characterise(), dwell_h=24.0)] * 9), stop=stop, in_flight=1)
    campaign.run()
    proposed = [p.proposal.policy for p in events_of(campaign, Proposed)]
    assert proposed == ["scripted", "campaign"]
    assert campaign.state.stopped is not None
    assert campaign.state.stopped.success


def test_a_person_approves_or_rejects_what_is_hot():
    recipes = [hot(Characterise(), temperature_c=850.0), hot(Characterise(), temperature_c=700.0)]
    campaign = scripted(Scripted(recipes), approve={"above_c": 800.0})
    assert campaign.run() is Standing.WAITING
    assert list(campaign.state.undecided) == ["P1"]
    assert [f.proposal for f in events_of(campaign, Finished)] == ["P2"]
    campaign.record(Event.of(campaign.state.time_s, Approved(proposal="P1", by="A. Chemist")))
    assert campaign.run() is Standing.STOPPED
    assert [f.proposal for f in events_of(campaign, Finished)] == ["P2", "P1"]


def test_a_rejected_proposal_is_never_made():
    campaign = scripted(Scripted([hot(Characterise())]), approve="all")
    campaign.run()
    campaign.record(Event.of(campaign.state.time_s, Rejected(proposal="P1", by="A. Chemist")))
    assert campaign.run() is Standing.STOPPED
    assert not events_of(campaign, Intended)


def test_a_jam_fails_its_sample_only():
    campaign = scripted(Scripted([hot(Characterise())] * 2), in_flight=1)
    assert isinstance(campaign.lab, FastLab)
    campaign.lab.world.plant_stop("mixer", 0.5)
    campaign.run()
    states = [f.state for f in events_of(campaign, Finished)]
    assert states == [SampleState.FAILED, SampleState.FINISHED]
    assert campaign.state.policy_results()[0].observation is None


def test_powder_that_is_not_left_is_not_promised():
    shelf = tuple(lot.model_copy(update={"stock_mg": 2500.0}) for lot in TASK.laboratory.shelf)
    task = TASK.model_copy(
        update={"laboratory": TASK.laboratory.model_copy(update={"shelf": shelf})}
    )
    settings = config(in_flight=3)
    journal = begin(settings, TASK, MEMORY).journal
    lab = FastLab.create(task, seed=0, blobs=journal.blobs)
    campaign = Campaign(settings, task, journal, lab, Scripted([hot(Characterise())] * 3))
    campaign.run()
    assert len(events_of(campaign, Finished)) == 2
    (veto,) = events_of(campaign, Vetoed)
    assert veto.violations[0].rule == "lot-stock"


def test_furnace_hours_are_a_limit_before_they_are_spent():
    short = BudgetConfig(experiments=4, furnace_hours=45.0)
    campaign = scripted(Scripted([hot(Characterise())] * 4), budget=short)
    campaign.run()
    spent = sum(f.furnace_hours for f in events_of(campaign, Finished))
    assert 0 < spent <= 45.0
    assert {v.violations[0].rule for v in events_of(campaign, Vetoed)} == {"furnace-hours"}


def test_a_policy_does_not_learn_which_laboratory_was_drawn():
    class Curious(Scripted):
        def ingest(self, event):
            if event.kind is EventKind.CAMPAIGN:
                shown.update(event.payload.config)

    shown = {}
    scripted(Curious([]), laboratory=7)
    assert shown["task"] == TASK.name
    assert "laboratory" not in shown


def test_wrong_numbers_of_proposals_are_refused():
    class Greedy(Scripted):
        def propose(self, request):
            return super().propose(request) * 2

    campaign = scripted(Greedy([hot(Characterise())] * 4))
    with pytest.raises(PolicyError, match="scripted"):
        campaign.run()


def test_iterating_yields_each_experiment_as_it_finishes():
    campaign = begin(config(), TASK, MEMORY)
    assert [f.sample for f in campaign] == [
        e.read(Finished).sample for e in campaign.journal.events() if e.kind is EventKind.FINISHED
    ]


def test_the_journal_of_a_campaign_can_be_read_while_it_runs(tmp_path):
    url = f"sqlite:///{tmp_path}/campaign.db"
    campaign = begin(config(), TASK, url)
    for _ in range(10):
        campaign.step()
    with Journal.open(url, owner=False) as reader:
        assert len(reader.events()) == len(campaign.journal.events())
    campaign.lab.close()
    campaign.journal.close()


def test_the_published_recipe_never_changes():
    campaign = begin(config(policy="published"), TASK, MEMORY)
    campaign.run()
    assert len({p.proposal.recipe.sentence() for p in events_of(campaign, Proposed)}) == 1
    assert make_policy("published", task=TASK).name == "published"


def test_nothing_is_made_before_the_first_proposals_are_approved():
    campaign = scripted(Scripted([hot(Characterise())] * 3), approve={"first": 1})
    assert campaign.run() is Standing.WAITING
    assert not events_of(campaign, Intended)
    campaign.record(Event.of(campaign.state.time_s, Approved(proposal="P1", by="A. Chemist")))
    assert campaign.run() is Standing.STOPPED
    assert len(events_of(campaign, Finished)) == 3


def test_proposals_that_wait_are_withdrawn_once_the_goal_is_confirmed():
    good, cold = hot(Characterise(), dwell_h=24.0), hot(Characterise(), temperature_c=850.0)
    other = hot(Characterise(), temperature_c=899.0, dwell_h=24.0)
    stop = StopConfig(purity=0.3, repeats=1)
    rules = {"approve": {"above_c": 899.5}, "stop": stop, "in_flight": 2}
    campaign = scripted(Scripted([good, other, cold]), **rules)
    assert campaign.run() is Standing.STOPPED
    assert campaign.state.stopped is not None
    assert campaign.state.stopped.success
    (veto,) = events_of(campaign, Vetoed)
    assert veto.proposal == "P1"
    assert veto.violations[0].rule == "goal-reached"


@pytest.fixture
def half_done(tmp_path):
    """Begins campaigns in folders of their own and leaves them after 20 actions."""

    def make(name, **changes):
        url = f"sqlite:///{tmp_path}/{name}/campaign.db"
        campaign = begin(config(**changes), TASK, url)
        for _ in range(20):
            campaign.step()
        campaign.close()
        return url, tmp_path / name / "world.db"

    return make


def test_a_lost_world_is_not_replaced_by_an_empty_one(half_done):
    url, world = half_done("a")
    world.unlink()
    with pytest.raises(LabError, match=r"world\.db"):
        resume(url)
    with Journal.open(url, owner=False) as journal:
        assert not [e for e in journal.events() if e.kind is EventKind.FAILED]


def test_the_world_of_another_campaign_is_refused(half_done):
    (url, world), (_, other) = half_done("a"), half_done("b")
    world.write_bytes(other.read_bytes())
    with pytest.raises(LabError, match="another campaign"):
        resume(url)


def test_a_new_campaign_does_not_begin_in_an_old_world(half_done):
    url, world = half_done("a")
    world.with_name("campaign.db").unlink()
    with pytest.raises(JournalError, match="whose journal is gone"):
        begin(config(), TASK, url)


def test_two_journals_in_one_folder_have_worlds_of_their_own(tmp_path):
    for name in ("a.db", "b.db"):
        begin(config(), TASK, f"sqlite:///{tmp_path}/{name}").close()
    assert {p.name for p in tmp_path.glob("*world.db")} == {"a.world.db", "b.world.db"}


@pytest.mark.parametrize("name", ["a?b", "a%20b", "ä ö"])
def test_a_folder_of_any_name_holds_journal_and_world(tmp_path, name):
    campaign = sdl.api.start_campaign(TASK.name, policy="random", folder=tmp_path / name)
    campaign.step()
    campaign.close()
    names = {p.name for p in (tmp_path / name).glob("*.db")}
    assert names == {"campaign.db", "world.db"}
    sdl.api.resume_campaign(tmp_path / name).close()
