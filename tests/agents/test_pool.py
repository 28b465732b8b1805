import numpy as np
import pytest

from agents.pool import PoolDecider
from agents.pool_baselines import POOL_POLICIES, ForestUcb
from agents.pool_view import Pool
from sdl.core.errors import PolicyError
from sdl.core.material import Observation, PhaseAmount
from sdl.core.proposal import Budget, PendingSample, Request, Result, SampleView
from sdl.core.protocols import Policy
from sdl.core.recipe import Recipe, Stop
from sdl.tasks.routes import load_route_table
from sdl.tasks.task import load_task

TABLE = load_route_table()
TASK = TABLE.task()
RECIPES = TASK.laboratory.pool
POOL = Pool(TASK.laboratory)


def result(number: int, member: int, fraction: float | None = None) -> Result:
    value = TABLE.routes[member].target_wt_pct / 100 if fraction is None else fraction
    amount = PhaseAmount(weight_fraction=value, sigma=0.005)
    seen = Observation(sample=f"S{number}", name="a", time_s=0.0, phases={"YBCO": amount})
    return Result(
        sample=f"S{number}", proposal=f"P{number}", recipe=RECIPES[member], observation=seen
    )


def request(
    members: tuple[int, ...] = (), pending: tuple[int, ...] = (), slots: int = 1, key: str = "k"
) -> Request:
    return Request(
        targets=(TASK.target,),
        capabilities=TASK.laboratory,
        space=None,
        results=tuple(result(i + 1, m) for i, m in enumerate(members)),
        pending=tuple(PendingSample(sample=f"S{m}", recipe=RECIPES[m]) for m in pending),
        budget=Budget(experiments=188, furnace_hours=1e5),
        free_slots=slots,
        time_s=0.0,
        next_id=len(members) + len(pending) + 1,
        key=f"{key}/{len(members)}",
    )


def member(recipe: Recipe) -> int:
    return POOL.index[recipe]


MADE = (3, 40, 79, 100, 187)


@pytest.mark.parametrize("name", list(POOL_POLICIES))
def test_every_policy_is_one_and_proposes_each_recipe_once(name):
    policy = POOL_POLICIES[name]()
    assert isinstance(policy, Policy)
    assert policy.name == name
    for made in ((), MADE):
        asked = request(made, pending=(5, 6), slots=4)
        answer = policy.propose(asked)
        assert [p.id for p in answer] == [f"P{asked.next_id + i}" for i in range(4)]
        chosen = [member(p.recipe) for p in answer]
        assert len(set(chosen)) == 4
        assert not set(chosen) & {*made, 5, 6}
        assert all(p.policy == name and p.reason for p in answer)
    view = SampleView(
        sample="S1",
        proposal="P1",
        target=TASK.target,
        steps=(),
        observations=(),
        capabilities=TASK.laboratory,
        time_s=0.0,
        key="k",
    )
    assert policy.next(view) == Stop()


@pytest.mark.parametrize("name", list(POOL_POLICIES))
def test_the_answer_depends_on_the_question_alone(name):
    used = POOL_POLICIES[name]()
    for made in (MADE[:2], MADE[:4], (7, 9)):
        used.propose(request(made, pending=(50,), slots=2))
    asked = request(MADE, pending=(5,), slots=2)
    assert used.propose(asked) == POOL_POLICIES[name]().propose(asked)


@pytest.mark.parametrize("name", list(POOL_POLICIES))
def test_an_empty_shelf_of_ideas_means_wait(name):
    everything = tuple(range(188))
    assert list(POOL_POLICIES[name]().propose(request(everything[:-1], pending=(187,)))) == []


def test_hottest_stays_hottest_and_leaves_barium_carbonate_for_later():
    hot = [i for i in range(188) if POOL.temperature_c[i] == 900]
    first = POOL_POLICIES["hottest"]().propose(request(slots=47))
    assert sorted(member(p.recipe) for p in first) == hot
    clean = POOL_POLICIES["hottest_no_carbonate"]().propose(request(slots=47))
    with_carbonate = ["BaCO3" in TABLE.routes[member(p.recipe)].precursors for p in clean]
    assert with_carbonate == [False] * 34 + [True] * 13
    assert sorted(member(p.recipe) for p in clean) == hot


def test_forest_learns_that_heat_helps():
    cold = tuple(i for i in range(60) if POOL.temperature_c[i] < 800)[:12]
    hot = tuple(i for i in range(60) if POOL.temperature_c[i] == 900)[:8]
    (answer,) = ForestUcb(trees=20).propose(request(cold + hot))
    assert answer.prediction is not None
    assert POOL.temperature_c[member(answer.recipe)] >= 800


def test_default_predicts_and_says_why_in_a_chemists_words():
    (answer,) = PoolDecider().propose(request(MADE))
    assert answer.prediction is not None
    assert 0 <= answer.prediction.mean <= 1
    assert answer.prediction.sigma > 0
    assert "wt% YBCO" in answer.reason
    assert POOL.names(member(answer.recipe)) in answer.reason
    assert "random" in PoolDecider().propose(request())[0].reason


def test_default_knows_nothing_of_the_table():
    """Relabelled outcomes turn its choices around: what it prefers, it has learned."""
    decider = PoolDecider()
    cold_is_good = tuple(range(0, 48))
    asked = request(cold_is_good)
    relabelled = tuple(
        result(i + 1, m, 0.9 if POOL.temperature_c[m] == 600 else 0.1)
        for i, m in enumerate(cold_is_good)
    )
    (answer,) = decider.propose(asked.model_copy(update={"results": relabelled}))
    assert POOL.temperature_c[member(answer.recipe)] == 600


def test_failed_experiments_are_not_data_and_not_repeated():
    failed = Result(sample="S1", proposal="P1", recipe=RECIPES[0], observation=None)
    asked = request().model_copy(update={"results": (failed,)})
    for _ in range(3):
        assert member(PoolDecider().propose(asked)[0].recipe) != 0


def test_pending_picks_spread_out():
    def spread(batch):
        rows = [np.append(POOL.presence[m], POOL.temperature_c[m] / 100) for m in batch]
        return np.mean([np.abs(a - b).sum() for a in rows for b in rows])

    batch = [member(p.recipe) for p in PoolDecider().propose(request(MADE, slots=6))]
    (first,) = PoolDecider().propose(request(MADE))
    assert batch[0] == member(first.recipe)
    near = np.argsort(np.abs(POOL.presence - POOL.presence[batch[0]]).sum(1))[:6]
    assert spread(batch) > spread(near)


def test_a_laboratory_without_a_pool_is_refused():
    bare = load_task("ybco-routes").laboratory
    with pytest.raises(PolicyError, match="pool of recipes"):
        PoolDecider().propose(request().model_copy(update={"capabilities": bare}))
