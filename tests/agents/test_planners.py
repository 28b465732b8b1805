"""Searches in miniature: cross-entropy, the best fixed recipe, the oracle, the belief."""

import numpy as np
import pytest

from agents.belief_planner import BeliefPlanner, BeliefSettings
from agents.cross_entropy import Search, draw, search, step_from, uniform_tables
from agents.ensemble import diverse, weigh
from agents.planners import FixedSettings, OracleSettings, best_fixed, oracle, oracle_again
from agents.plans import Plans
from agents.trial import TOLERANCE, Trial
from envs.choices import Choices
from sdl.core.errors import ConfigError
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TASK = load_task("batio3-coarse")
PLANS = Plans(Choices(TASK, 1000.0))
GOALS = (np.random.default_rng(3).random((3, len(PLANS.genes))) * PLANS.sizes).astype(np.int64)


def near_goal(genes):
    apart = np.abs(genes - GOALS[: len(genes), None]) / PLANS.sizes
    return -apart.sum(axis=2)


def test_the_search_finds_a_goal_of_its_own_in_each_problem():
    tables = uniform_tables(PLANS, 3)
    found = search(PLANS, near_goal, tables, np.random.default_rng(1), Search(64, 30, 8))
    assert np.all(found.values[:, 0] > -0.25)
    first = search(PLANS, near_goal, tables, np.random.default_rng(1), Search(64, 1, 8))
    assert np.all(found.values[:, 0] > first.values[:, 0] + 1.0)
    np.testing.assert_allclose(found.tables.sum(axis=2), 1.0)
    assert np.all(np.diff(found.values, axis=1) <= 0.0)
    for problem in found.genes:
        assert len(np.unique(problem, axis=0)) == len(problem)


def test_given_plans_are_tried():
    settings = Search(8, 1, 4)
    found = search(
        PLANS, near_goal, uniform_tables(PLANS, 3), np.random.default_rng(1), settings,
        GOALS[:, None],
    )  # fmt: skip
    assert np.all(found.values[:, 0] == 0.0)


def test_draws_follow_the_tables_and_steps_stay_on_the_grid():
    tables = uniform_tables(PLANS, 1)
    drawn = draw(PLANS, tables, 2000, np.random.default_rng(2))[0]
    for g, size in enumerate(PLANS.sizes):
        shares = np.bincount(drawn[:, g], minlength=size) / len(drawn)
        assert len(shares) == size
        assert np.all(np.abs(shares - 1.0 / size) < 0.05)
    moved = step_from(PLANS, drawn[None, :4], 500, np.random.default_rng(3))[0]
    assert moved.min() >= 0
    assert np.all(moved < PLANS.sizes)
    changed = (moved[:, None] != drawn[None, :4]).sum(axis=2).min(axis=1)
    assert 1.0 < changed.mean() < 4.0


SMALL = FixedSettings(search=Search(12, 3, 4), laboratories=4, finalists=3, final=6, starts=1)


def test_the_best_fixed_recipe_is_found_on_other_laboratories():
    train = Trial(TASK, "train", 4, tolerance=TOLERANCE, threads=1)
    tune = Trial(TASK, "tune", 6, tolerance=TOLERANCE, threads=1)
    found = best_fixed(train, tune, SMALL)
    assert best_fixed(train, tune, SMALL).genes.tolist() == found.genes.tolist()
    assert found.mean == pytest.approx(tune.play_one(found.genes).returns.mean())
    assert all(tune.play_one(g).returns.mean() <= found.mean + 1e-12 for g in found.finalists)
    judge = Trial(TASK, "judge", 4, threads=1)
    with pytest.raises(ConfigError, match="not chosen in the laboratories that judge"):
        best_fixed(train, judge, SMALL)


def test_the_oracle_is_nowhere_below_what_it_was_given():
    judged = Trial(TASK, "judge", 5, threads=1)
    given = np.random.default_rng(0).random((2, len(judged.plans.genes))) * judged.plans.sizes
    given = given.astype(np.int64)
    settings = OracleSettings(search=Search(8, 3, 4), doublings=1, finalists=2)
    found = oracle(judged, given, settings=settings)
    for plan in given:
        assert np.all(found.outcomes.returns >= judged.play_one(plan).returns)
    again = judged.play_genes(found.genes)
    np.testing.assert_array_equal(again.returns, found.outcomes.returns)
    assert found.means[0] <= found.means[-1]
    assert found.budgets == (2 + 24, 2 + 24 + 48)
    assert found.converged == (found.means[1] - found.means[0] < 0.01 * abs(found.means[1]))


def test_further_samples_begin_with_the_plans_of_the_first():
    one, judged = Trial(TASK, "judge", 3, threads=1), Trial(TASK, "judge", 3, 2, threads=1)
    given = (np.random.default_rng(0).random((2, len(one.plans.genes))) * one.plans.sizes).astype(
        np.int64
    )
    settings = OracleSettings(
        search=Search(8, 3, 4), warm=Search(4, 2, 4), doublings=1, finalists=2, warm_finalists=1
    )
    first = oracle(one, given, settings=settings)
    found = oracle_again(judged, first.genes, given, settings=settings)
    assert np.all(found.outcomes.returns[::2] >= first.outcomes.returns)
    for plan in [*given, *first.genes]:
        own = judged.play_one(plan).returns
        same = np.repeat((first.genes == plan).all(axis=1), 2)
        assert np.all(found.outcomes.returns[same] >= own[same])
    np.testing.assert_array_equal(judged.play_genes(found.genes).returns, found.outcomes.returns)
    assert found.budgets == (3, 3 + 8, 3 + 8 + 16)
    assert list(found.means) == sorted(found.means)


def test_weights_follow_the_readings_and_are_tempered():
    members = np.linspace(0.0, 1.0, 200)[:, None]
    seen = np.array([[0.2], [0.9]])
    weights = weigh(seen, members, np.array([0.05]), 5.0)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights @ members, seen, atol=0.02)
    sharp = weigh(seen, members, np.array([1e-4]), 20.0)
    assert np.median(1.0 / (sharp**2).sum(axis=1)) == pytest.approx(20.0, rel=0.1)
    others = weigh(members, members, np.array([0.05]), 5.0, itself=False)
    assert np.all(np.diag(others) == 0.0)
    nothing = weigh(np.zeros((2, 0)), np.zeros((4, 0)), np.zeros(0), 2.0)
    np.testing.assert_allclose(nothing, 0.25)


def test_ways_are_kept_for_the_members_they_serve():
    returns = np.array([[0.5, 0.9, 0.8, 0.0], [0.5, 0.0, 0.1, 0.6], [0.5, 0.0, 0.1, 0.6]])
    assert diverse(returns, 3).tolist() == [0, 1, 3]


def test_the_belief_planner_plays_from_observations_alone():
    start = np.zeros(len(PLANS.genes), dtype=np.int64)
    names = [gene.name for gene in PLANS.genes]
    for name, value in {"mill": 4, "lot_0": 1, "lot_1": 1, "cooling_0": 1}.items():
        start[names.index(name)] = value
    for name in ("temperature_0", "dwell_0", "gas_0", "ramp_0"):
        start[names.index(name)] = PLANS.sizes[names.index(name)] // 2
    settings = BeliefSettings(members=24, scouts=6, ways=8, kept=4, effective=6.0, nodes=6)
    tables = uniform_tables(PLANS, 1)[0]
    judged = Trial(TASK, "judge", 6, threads=1)
    planner = BeliefPlanner.of_task(TASK, start, tables, settings=settings, threads=1)
    found = judged.play(planner)
    assert np.all(found.decisions >= 3)
    assert found.returns.mean() > judged.play_one(start).returns.mean() - 0.05
    again = BeliefPlanner.of_task(TASK, start, tables, settings=settings, threads=1)
    np.testing.assert_array_equal(judged.play(again).returns, found.returns)
    assert planner._prior.split == "train"
