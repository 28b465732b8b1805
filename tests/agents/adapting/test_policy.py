"""The adapting policy in a campaign: closed recipes of the grid, a function of the results."""

from __future__ import annotations

import numpy as np
import pytest

from adapt_tiny import POLICY, TASK
from agents.adapting.adaptive import Library, prospects
from agents.adapting.policy import AdaptingPolicy
from agents.adapting.twin import Twin
from agents.cross_entropy import draw, uniform_tables
from agents.registry import make_policy
from sdl.core.errors import PolicyError
from sdl.core.material import Observation, PhaseAmount
from sdl.core.proposal import Budget, Request, Result
from sdl.core.seeds import generator
from sdl.safety.limits import check_recipe
from sdl.tasks.space import TaskSpace


@pytest.fixture(scope="module")
def ready() -> tuple[Twin, Library]:
    twin = Twin(TASK, rows=128, threads=1)
    genes = draw(twin.plans, uniform_tables(twin.plans, 1), 6, generator("test-policy"))[0]
    return twin, Library(genes, genes[0])


def request_of(results: tuple[Result, ...], slots: int = 1) -> Request:
    return Request(
        targets=(TASK.target,),
        capabilities=TASK.laboratory,
        space=TaskSpace(TASK),
        results=results,
        pending=(),
        budget=Budget(experiments=8, furnace_hours=500.0),
        free_slots=slots,
        time_s=0.0,
        next_id=1 + len(results),
        key="test",
    )


def result_of(recipe, purity: float) -> Result:
    phases = {
        TASK.target.phase: PhaseAmount(weight_fraction=purity, sigma=0.01),
        "MgO": PhaseAmount(weight_fraction=1.0 - purity, sigma=0.01),
    }
    scan = Observation(sample="S1", name="S1-a1", time_s=1.0, phases=phases)
    return Result(sample="S1", proposal="P1", recipe=recipe, observation=scan, cost=0.2)


def test_it_proposes_what_the_laboratory_allows_and_repeats_itself(ready) -> None:
    policy = AdaptingPolicy(TASK, ready, POLICY)
    first = policy.propose(request_of((), slots=2))
    assert len({p.recipe.model_dump_json() for p in first}) == 2
    for proposal in first:
        assert not check_recipe(proposal.recipe, TASK.laboratory)
        assert not proposal.recipe.is_open
    results = (result_of(first[0].recipe, 0.7),)
    (second,) = policy.propose(request_of(results))
    (again,) = AdaptingPolicy(TASK, ready, POLICY).propose(request_of(results))
    assert second == again
    assert second.details["samples_learned"] == 1
    assert second.prediction is not None
    assert 0.0 <= second.prediction.mean <= 1.0


def test_it_needs_a_space() -> None:
    assert make_policy("adaptive", task=TASK).name == "adaptive"
    with pytest.raises(PolicyError, match="recipe space"):
        make_policy("adaptive")


def test_what_the_members_disagree_about_is_worth_a_trial() -> None:
    sure = np.array([0.6, 0.6, 0.6, 0.6])
    doubtful = np.array([0.1, 0.1, 0.9, 0.9])
    worse = np.full(4, 0.3)
    gain = prospects(np.stack([sure, doubtful, worse], axis=1), 1e-3)
    assert gain[0] == pytest.approx(0.0, abs=1e-3)
    assert gain[1] == pytest.approx(0.15, abs=1e-3)
    assert gain[2] == pytest.approx(0.0, abs=1e-6)
    # Doubt beside the members counts too.
    assert prospects(np.stack([sure, worse], axis=1), 0.3)[1] > 0.02
