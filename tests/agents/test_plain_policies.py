"""Random and published: what they propose, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from agents.ledger import text_of
from agents.published import PublishedPolicy
from agents.random_policy import RandomPolicy
from policy_bench import SPACE, TASK, events, request, result
from sdl.core.errors import PolicyError
from sdl.core.event import Event, Vetoed
from sdl.core.recipe import Cooling, Gas, Quench, Regrind
from sdl.core.seeds import generator

POOL = tuple(SPACE.decode(p) for p in generator("pool").random((6, SPACE.dimension)))
WITH_POOL = TASK.laboratory.model_copy(update={"pool": POOL})


def test_random_is_uniform_over_the_space() -> None:
    policy = RandomPolicy()
    drawn = [p for i in range(50) for p in policy.propose(request(slots=4, key=f"k{i}"))]
    points = np.array([SPACE.encode(p.recipe) for p in drawn])
    np.testing.assert_allclose(points.mean(0), 0.5, atol=0.1)
    assert points[:, 0].min() < 0.05
    assert points[:, 0].max() > 0.95


def test_random_depends_on_the_key_alone() -> None:
    one, other = RandomPolicy(), RandomPolicy()
    other.propose(request(key="before"))
    assert one.propose(request(key="a")) == other.propose(request(key="a"))
    assert one.propose(request(key="a")) != one.propose(request(key="b"))


def test_random_takes_each_recipe_of_a_pool_once() -> None:
    policy, results, seen = RandomPolicy(), [], []
    for _ in range(6):
        asked = request(results).model_copy(update={"capabilities": WITH_POOL, "free_slots": 1})
        proposal = policy.propose(asked)[0]
        seen.append(text_of(proposal.recipe))
        results.append(result(proposal, 0.5))
    assert sorted(seen) == sorted(text_of(r) for r in POOL)
    asked = request(results).model_copy(update={"capabilities": WITH_POOL})
    assert list(policy.propose(asked)) == []


def test_random_leaves_refused_and_pending_recipes_of_a_pool_alone() -> None:
    policy = RandomPolicy()
    asked = request(slots=9).model_copy(update={"capabilities": WITH_POOL})
    first = policy.propose(asked)[0]
    policy.ingest(events(first, result(first, 0.5))[0])
    policy.ingest(Event.of(0.0, Vetoed(proposal=first.id, violations=())))
    pending = request(pending=POOL[:2], slots=9).model_copy(update={"capabilities": WITH_POOL})
    left = {text_of(p.recipe) for p in policy.propose(pending)}
    assert left == {text_of(r) for r in POOL[2:]} - {text_of(first.recipe)}


def test_random_without_space_or_pool_says_so() -> None:
    with pytest.raises(PolicyError, match="space or a pool"):
        RandomPolicy().propose(request().model_copy(update={"space": None}))


def test_published_is_the_clipped_median_every_time() -> None:
    policy = PublishedPolicy(TASK)
    batch = policy.propose(request(slots=3))
    assert len({text_of(p.recipe) for p in batch}) == 1
    recipe = batch[0].recipe
    anneal = recipe.anneals()[0]
    assert TASK.published is not None
    assert TASK.space is not None
    hottest = min(TASK.space.temperature_c.high, 900.0)
    assert anneal.temperature_c == min(TASK.published.temperature_c, hottest)
    assert anneal.dwell_h == pytest.approx(TASK.published.dwell_h, abs=0.1)
    assert anneal.gas is TASK.published.gas
    assert not any(isinstance(step, Quench | Regrind) for step in recipe.steps)
    assert recipe == SPACE.decode(SPACE.encode(recipe))
    assert "1100 °C" in batch[0].reason
    labels = {lot.name: lot.assay for lot in TASK.laboratory.shelf}
    assert [labels[dose.lot] for dose in recipe.doses()] == [
        max(labels[name] for name in group) for group in TASK.space.cation_lots
    ]


def test_published_follows_the_laboratory() -> None:
    cooler = [
        s.model_copy(update={"max_temperature_c": 750.0}) if s.max_temperature_c else s
        for s in TASK.laboratory.stations
    ]
    laboratory = TASK.laboratory.model_copy(update={"stations": tuple(cooler)})
    assert PublishedPolicy(TASK).recipe(laboratory).anneals()[0].temperature_c == 750.0


def test_published_cannot_choose_from_a_pool() -> None:
    asked = request().model_copy(update={"capabilities": WITH_POOL})
    with pytest.raises(PolicyError, match="pool"):
        PublishedPolicy(TASK).propose(asked)


def test_published_needs_its_gas() -> None:
    assert TASK.published is not None
    argon = TASK.published.model_copy(update={"gas": Gas.NITROGEN})
    policy = PublishedPolicy(TASK.model_copy(update={"published": argon}))
    with pytest.raises(PolicyError, match="gas"):
        policy.propose(request())


def test_cooling_of_the_published_recipe_is_the_tasks_first() -> None:
    assert TASK.space is not None
    assert TASK.space.coolings[0] is Cooling.FURNACE
