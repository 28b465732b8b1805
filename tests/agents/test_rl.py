"""A trained policy in campaigns: step by step, safe, the same after a restart.

The actor here is not trained: what it decides is no good, but decided as by a good one.
"""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.learning.artifact import Card, dump
from agents.learning.layout import layout_of
from agents.learning.network import make_actor
from agents.registry import make_policy
from agents.rl import ALLOTTED, BAD_SCANS, TrainedPolicy
from envs.batched import BatchedSynthesis
from envs.cursor_batch import CursorSynthesis
from envs.mirror import Mirror
from envs.prospect import Prospect
from sdl.campaign.config import CampaignConfig
from sdl.campaign.loop import Standing
from sdl.campaign.opening import begin, read_config, resume
from sdl.campaign.places import MEMORY
from sdl.core.errors import ConfigError, ModelError, PolicyError
from sdl.core.event import Decided, EventKind, Finished, Proposed
from sdl.core.material import Observation, PhaseAmount, SampleState
from sdl.core.proposal import Budget, PendingSample, Request, SampleView
from sdl.core.recipe import Anneal, Characterise, Continue, Mix, Quench, Stop
from sdl.journal.projection import projection
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task

TASK = load_task("batio3-coarse")
DECISIONS, HOURS = 7, 30.0


def content(seed=3, *, recurrent=False, env=None, **config):
    batch = env or CursorSynthesis(TASK, threads=1)
    layout = layout_of(batch, recurrent=recurrent, hidden=(16, 16), slot_size=8, lstm_size=8)
    torch.manual_seed(seed)
    network = make_actor(layout)
    with torch.no_grad():  # the last layer begins so small that every choice is a near tie
        for value in network.parameters():
            value.add_(0.3 * torch.randn_like(value))
    words = {"environment": "cursor", "samples_per_lab": 8, "max_decisions": DECISIONS}
    card = Card(
        name="test",
        algorithm="maskable_ppo",
        layout=layout,
        tasks={TASK.name: TASK.hash},
        data="0" * 64,
        config={**words, "furnace_hours": HOURS, **config},
    )
    return dump(card, network)


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "policy.safetensors"
    path.write_bytes(content())
    return path


@pytest.fixture(scope="module")
def mirror():
    return Mirror(TASK, max_decisions=DECISIONS, furnace_hours=HOURS)


def config(path, **more):
    fields = {
        "name": "t",
        "task": TASK.name,
        "lab": "fast",
        "policy": "rl",
        "model": str(path),
        "budget": {"experiments": 3},
        "in_flight": 2,
        "laboratory": 4,
    }
    return CampaignConfig.model_validate({**fields, **more})


def events_of(campaign, model):
    return [e.payload for e in campaign.journal.events() if isinstance(e.payload, model)]


def request_of(**more):
    words = {
        "targets": (TASK.target,),
        "capabilities": TASK.laboratory,
        "space": TaskSpace(TASK),
        "results": (),
        "pending": (),
        "budget": Budget(experiments=9, furnace_hours=500.0),
        "free_slots": 3,
        "time_s": 0.0,
        "next_id": 1,
        "key": "k",
    }
    return Request(**{**words, **more})


def scan(purity, sample="S1", quality="good"):
    phases = {
        "BaTiO3": PhaseAmount(weight_fraction=purity, sigma=0.01),
        "BaCO3": PhaseAmount(weight_fraction=1.0 - purity, sigma=0.02),
    }
    return Observation(
        sample=sample, name=f"{sample}-a1", time_s=0.0, phases=phases, quality=quality
    )


def test_a_campaign_runs_to_its_end_without_a_veto(policy_file, mirror):
    campaign = begin(config(policy_file), TASK, MEMORY)
    assert campaign.run() is Standing.STOPPED
    kinds = [e.kind for e in campaign.journal.events()]
    assert EventKind.VETOED not in kinds
    assert not any(d.reason for d in events_of(campaign, Decided))
    finished = events_of(campaign, Finished)
    assert len(finished) == 3
    assert all(f.state is SampleState.FINISHED and f.furnace_hours <= HOURS for f in finished)
    proposals = [p.proposal for p in events_of(campaign, Proposed)]
    digest = hashlib.sha256(policy_file.read_bytes()).hexdigest()
    assert {p.model for p in proposals} == {digest}
    assert any(p.recipe.is_open for p in proposals)
    assert all((p.prediction is None) == p.recipe.is_open for p in proposals)
    for sample in campaign.state.finished.values():
        steps = sample.result.recipe.steps
        assert isinstance(steps[0], Mix)
        assert isinstance(steps[-1], Stop)
        mirror.begin(0, HOURS)
        for choice in mirror.spelling.actions(steps, mirror.order[0]):
            mirror.step(choice[None])
        assert mirror.ended
        assert tuple(mirror.executed_steps(0, finished=True)) == steps


def test_a_killed_campaign_goes_on_the_same_without_its_file(policy_file, tmp_path):
    copy = tmp_path / "policy.safetensors"
    copy.write_bytes(policy_file.read_bytes())
    settings = config(tmp_path, budget={"experiments": 2})  # the folder of the file
    whole = begin(settings, TASK, MEMORY)
    whole.run()
    url = f"sqlite:///{tmp_path}/campaign.db"
    campaign = begin(settings, TASK, url)
    copy.unlink()
    for _ in range(200):
        for _ in range(29):
            if campaign.state.stopped is None:
                campaign.step()
        if campaign.state.stopped is not None:
            break
        campaign.close()
        campaign = resume(url)
    assert projection(campaign.journal.events()) == projection(whole.journal.events())
    assert str(tmp_path) not in str(campaign.state.begun)
    campaign.close()


@pytest.mark.parametrize("recurrent", [False, True])
def test_going_on_after_a_scan_is_what_the_mirror_would_do(recurrent):
    """The real scan equal to the mirror's: then asking in pieces changes nothing."""
    made = (TrainedPolicy(TASK, content(seed, recurrent=recurrent)) for seed in range(20))
    policy = next(p for p in made if p.propose(request_of(free_slots=1))[0].recipe.is_open)
    other = Mirror(TASK, max_decisions=DECISIONS, furnace_hours=HOURS)
    proposal = policy.propose(request_of(free_slots=1))[0]
    steps: list[Any] = [s for s in proposal.recipe.steps if not isinstance(s, Continue)]
    observations = []
    while not isinstance(steps[-1], Stop):
        other.begin(0, HOURS)
        for choice in other.spelling.actions(steps, other.order[0]):
            other.step(choice[None])
        names = other.problem.network.solid_names
        own = other._state.estimate[0]
        amounts = {
            name: PhaseAmount(weight_fraction=w, sigma=s)
            for name, w, s in zip(names, own[0], own[1], strict=True)
            if w > 0.0
        }
        observations.append(scan(0.5).model_copy(update={"phases": amounts}))
        answer = policy.next(
            SampleView(
                sample="S1",
                proposal="P1",
                target=TASK.target,
                steps=tuple(steps),
                observations=tuple(observations),
                capabilities=TASK.laboratory,
                time_s=0.0,
                key="n",
            )
        )
        assert isinstance(answer, tuple)
        steps += answer
    assert observations
    actor = policy._actor
    memory = actor.memory(1)
    other.begin(0, HOURS)
    while True:
        other.step(actor.act(other.observations, other.action_masks(), None, memory))
        if other.ended:
            break
    alone = other.executed_steps(0, finished=True)
    # A stop scans for 8 minutes, unless the scan before it says this already.
    assert steps in (alone, [*alone[:-2], Stop()])


def test_samples_of_one_request_differ_and_depend_on_its_key(policy_file):
    policy = make_policy("rl", task=TASK, model=policy_file.read_bytes())
    first, *drawn = policy.propose(request_of())
    assert len({p.recipe.model_dump_json() for p in (first, *drawn)}) == 3
    assert [p.details["drawn"] for p in (first, *drawn)] == [False, True, True]
    assert policy.propose(request_of())[1:] == drawn
    other = policy.propose(request_of(key="other"))
    assert other[0].recipe == first.recipe
    assert [p.recipe for p in other[1:]] != [p.recipe for p in drawn]
    beside = request_of(pending=(PendingSample(sample="P1", recipe=first.recipe),), free_slots=1)
    assert policy.propose(beside)[0].recipe != first.recipe


def test_furnace_time_and_bottles_that_are_left_are_kept_to(policy_file):
    policy = make_policy("rl", task=TASK, model=policy_file.read_bytes())
    few = policy.propose(request_of(budget=Budget(experiments=9, furnace_hours=45.0)))
    assert [p.details[ALLOTTED] for p in few] == [HOURS, 15.0] or len(few) == 1
    assert policy.propose(request_of(budget=Budget(experiments=9, furnace_hours=5.0))) == []
    shelf = [
        lot.model_copy(update={"stock_mg": 10.0}) if lot.name != "BaCO3-coarse" else lot
        for lot in TASK.laboratory.shelf
        if lot.phase == "BaCO3"
    ]
    rest = [lot for lot in TASK.laboratory.shelf if lot.phase != "BaCO3"]
    poor = TASK.laboratory.model_copy(update={"shelf": (*shelf, *rest)})
    for proposal in policy.propose(request_of(capabilities=poor)):
        assert "BaCO3-coarse" in {dose.lot for dose in proposal.recipe.doses()}
    empty = [lot.model_copy(update={"stock_mg": 10.0}) for lot in shelf]
    none = TASK.laboratory.model_copy(update={"shelf": (*empty, *rest)})
    assert policy.propose(request_of(capabilities=none)) == []


def test_a_sample_whose_scans_are_useless_is_given_up(policy_file):
    policy = make_policy("rl", task=TASK, model=policy_file.read_bytes())
    steps = [s for s in policy.propose(request_of())[0].recipe.steps if s.kind == "mix"]
    bad = scan(0.4, quality="suspect")
    view = SampleView(
        sample="S1",
        proposal="P1",
        target=TASK.target,
        steps=(*steps, *[Characterise(scan_min=2.0)] * BAD_SCANS),
        observations=(bad,) * BAD_SCANS,
        capabilities=TASK.laboratory,
        time_s=0.0,
        key="n",
    )
    assert tuple(policy.next(view)) == (Stop(),)
    with pytest.raises(PolicyError, match="not scanned as often"):
        policy.next(view.model_copy(update={"observations": ()}))


def test_mirror_shows_a_real_scan_in_the_place_of_its_own(mirror):
    entries = [e.name for e in mirror.entries]
    at = entries.index("scan.phase_0.fraction")
    mirror.begin(0, HOURS)
    mix = Mix(doses=mirror.problem.choices.doses(3, [0, 0]), mill_min=10.0)
    for step in (mix, Anneal(temperature_c=900.0, dwell_h=1.0), Quench(), Characterise()):
        for choice in mirror.replay(step):
            mirror.step(choice[None])
    assert mirror.asked()
    before = mirror.observations[0].copy()
    mirror.see(scan(0.7))
    after = mirror.observations[0]
    assert after[at : at + 3] == pytest.approx([0.7, 0.01, 1.0])
    assert after[at + 6 : at + 8] == pytest.approx([0.3, 0.02])
    scans = np.array([name.startswith("scan.phase_") for name in entries])
    np.testing.assert_array_equal(after[~scans], before[~scans])
    mirror.see(None)
    assert mirror.observations[0, entries.index("scan.fresh")] == 0.0


def test_mirror_starts_with_what_earlier_scans_say(mirror):
    entries = [e.name for e in mirror.entries]
    mix = Mix(doses=mirror.problem.choices.doses(3, [0, 0]), mill_min=10.0)
    lot = mix.doses[0].lot
    mirror.forget()
    wide = mirror.known()[lot]
    mirror.begin(0, HOURS)
    fresh = mirror.observations[0].copy()
    titania = {
        "BaTiO3": PhaseAmount(weight_fraction=0.97, sigma=0.005),
        "TiO2": PhaseAmount(weight_fraction=0.03, sigma=0.005),
    }
    mirror.learn(mix, scan(0.5).model_copy(update={"phases": titania}))
    weak = mirror.known()[lot]
    assert weak[0] < -0.005
    assert weak[1] < wide[1]
    mirror.begin(3, HOURS)
    known = [mirror.observations[0, entries.index(f"shelf.{s}.known")] for s in range(12)]
    assert min(known) == pytest.approx(20.0 * weak[0], rel=1e-5)
    assert mirror.observations[0, entries.index("laboratory.samples")] == pytest.approx(3 / 8)
    mirror.forget()
    mirror.begin(0, HOURS)
    np.testing.assert_array_equal(mirror.observations[0], fresh)


def test_prospect_is_wide_and_knows_bottles(mirror):
    prospect = Prospect(TASK, 8)
    choices = mirror.problem.choices
    steps = [
        Mix(doses=choices.doses(3, [0, 0]), mill_min=30.0),
        Anneal(temperature_c=900.0, dwell_h=10.0),
        Characterise(),
        Stop(),
    ]
    mirror.forget()
    mean, sigma = prospect.purity(choices.actions(steps), mirror.bottle)
    assert 0.0 < mean < 1.0
    assert 0.0 < sigma < 0.5
    assert prospect.purity(choices.actions(steps), mirror.bottle) == (mean, sigma)
    weak = mirror.bottle.copy()
    weak[0, 0] = -0.3
    assert prospect.purity(choices.actions(steps), weak)[0] != mean


CAMPAIGN = "name: t\ntask: batio3-coarse\nlab: fast\npolicy: {policy}\n"


def written(folder, policy="rl", model=None):
    text = CAMPAIGN.format(policy=policy) + ("" if model is None else f"model: {model}\n")
    path = folder / "campaign.yaml"
    path.write_text(text)
    return path


def test_path_of_the_model_is_relative_to_the_campaign_file(policy_file, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "policy.safetensors").write_bytes(policy_file.read_bytes())
    settings, _ = read_config(written(tmp_path, model="m"))
    assert settings.model == str(tmp_path / "m")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps({"a": 1}), "pickle"),
        (None, "cannot be read"),
        (b"", "safetensors"),
    ],
)
def test_what_is_no_policy_file_is_refused(tmp_path, data, message):
    if data is not None:
        (tmp_path / "p.safetensors").write_bytes(data)
    with pytest.raises(ConfigError, match=message) as error:
        read_config(written(tmp_path, model="p.safetensors"))
    assert error.value.where is not None
    assert error.value.where.endswith("campaign.yaml:5")


def test_policies_of_other_spaces_are_refused(tmp_path):
    plain = content(env=BatchedSynthesis(TASK, threads=1))
    with pytest.raises(ModelError, match="another observation"):
        TrainedPolicy(TASK, plain)
    with pytest.raises(PolicyError, match="environment plain"):
        TrainedPolicy(TASK, content(environment="plain"))


def test_a_model_belongs_to_rl_and_rl_needs_one(policy_file, tmp_path):
    with pytest.raises(ConfigError, match="has no policy file"):
        read_config(written(tmp_path, policy="random", model=str(policy_file)))
    with pytest.raises(ConfigError, match="`model`"):
        read_config(written(tmp_path))
