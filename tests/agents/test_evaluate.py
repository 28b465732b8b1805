"""Scores, reference figures and the comparison of policies, in miniature."""

import json

import numpy as np
import pytest

import agents.reference
from agents.baselines import PlanPlayer
from agents.cross_entropy import Search
from agents.evaluate import Entrant, evaluate
from agents.planners import FixedSettings, OracleSettings
from agents.reference import Settings, cache_folder, code_hash, reference
from agents.score import Yardstick, difference, score
from agents.trial import Outcomes, Trial
from sdl.bench.train import judge
from sdl.core.errors import ConfigError, ModelError
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TASK = load_task("batio3-coarse")
TINY = Settings(
    FixedSettings(search=Search(8, 2, 4), laboratories=3, finalists=2, final=4, starts=1),
    OracleSettings(search=Search(8, 2, 4), doublings=1, finalists=1),
    random_draws=2,
    sobol_draws=1,
)


@pytest.fixture
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SDL_CACHE", str(tmp_path))
    monkeypatch.setattr(agents.reference, "STANDARD", TINY)


def outcomes(returns, cost=0.2):
    found = Outcomes.empty(len(returns))
    found.returns[:] = returns
    found.cost[:] = cost
    return found


RNG = np.random.default_rng(0)
LOW, HIGH = RNG.normal(-0.1, 0.05, 200), RNG.normal(1.0, 0.05, 200)
YARD = Yardstick(LOW, HIGH, LOW + 0.2, HIGH + 0.2)


def test_scores_are_zero_for_random_and_one_for_the_oracle():
    assert score("random", [outcomes(LOW)], YARD).score.value == pytest.approx(0.0)
    best = score("oracle", [outcomes(HIGH)], YARD)
    for figure in (best.score, best.interquartile, best.cost_free):
        assert (figure.value, figure.low, figure.high) == pytest.approx((1.0, 1.0, 1.0))
    half = score("half", [outcomes(0.5 * (LOW + HIGH))] * 3, YARD)
    assert half.score.value == pytest.approx(0.5)
    assert (half.seeds, half.laboratories) == (3, 200)
    assert half.above_oracle == 0.0


def test_intervals_hold_seeds_and_laboratories():
    noisy = [outcomes(LOW + 0.8 * (HIGH - LOW) + shift) for shift in (-0.1, 0.0, 0.1)]
    wide, narrow = score("a", noisy, YARD), score("a", noisy[1:2], YARD)
    assert wide.score.low < narrow.score.low < 0.8 < narrow.score.high < wide.score.high


def test_a_paired_difference_is_sharper_than_its_parts():
    scatter = RNG.normal(0.0, 0.3, 200)
    ours, theirs = [outcomes(HIGH + scatter)], [outcomes(HIGH + scatter - 0.05)]
    gap = difference("a-b", ours, theirs, YARD)
    assert gap.low > 0.0
    assert gap.high - gap.low < 0.01
    one = score("a", ours, YARD).score
    assert one.high - one.low > 0.05


def test_samples_of_a_laboratory_are_resampled_together():
    """Four equal samples of 50 laboratories say no more than one of each."""
    low, high = np.repeat(LOW[:50], 4), np.repeat(HIGH[:50], 4)
    scatter = RNG.normal(0.0, 0.3, 50)
    four = Yardstick(low, high, low, high, samples=4)
    many = score("x", [outcomes(high + np.repeat(scatter, 4))], four)
    one = score(
        "x", [outcomes(HIGH[:50] + scatter)], Yardstick(low[::4], high[::4], low[::4], high[::4])
    )
    assert (many.laboratories, many.samples) == (50, 4)
    for figure in ("score", "interquartile", "returns"):
        ours, theirs = getattr(many, figure), getattr(one, figure)
        assert (ours.value, ours.low, ours.high) == pytest.approx(
            (theirs.value, theirs.low, theirs.high)
        )
    assert many.by_sample == pytest.approx([many.score.value] * 4)
    wide = difference("d", [outcomes(high + np.repeat(scatter, 4))], [outcomes(high)], four)
    assert wide.high - wide.low > 0.1
    with pytest.raises(ModelError, match="lacks samples"):
        score("x", [outcomes(LOW)], Yardstick(LOW, HIGH, LOW, HIGH, samples=3))


def test_who_learns_from_earlier_samples_rises():
    gain = np.tile([0.2, 0.6], 100)
    found = score("x", [outcomes(LOW + gain * (HIGH - LOW))], Yardstick(LOW, HIGH, LOW, HIGH, 2))
    assert found.by_sample == pytest.approx((0.2, 0.6), abs=0.01)


def test_a_laboratory_without_a_gap_leaves_the_interquartile_mean():
    high = HIGH.copy()
    high[0] = LOW[0]
    yard = Yardstick(LOW, high, LOW, high)
    found = score("x", [outcomes(0.5 * (LOW + HIGH))], yard)
    assert found.interquartile.value == pytest.approx(0.5, abs=1e-3)


def test_other_laboratories_are_refused():
    with pytest.raises(ModelError, match="same laboratories"):
        score("x", [outcomes(LOW[:5])], YARD)


@pytest.mark.usefixtures("_cache")
def test_reference_figures_are_kept_and_cut():
    made = reference(TASK, 4, threads=1)
    file = next(cache_folder().iterdir())
    before = file.stat().st_mtime_ns
    again = reference(TASK, 3, threads=1)
    assert file.stat().st_mtime_ns == before
    np.testing.assert_array_equal(again.oracle.returns, made.oracle.returns[:3])
    assert len(again) == 3
    assert again.recipes == made.recipes
    larger = reference(TASK, 5, threads=1)
    np.testing.assert_array_equal(larger.random.returns[:4], made.random.returns)
    np.testing.assert_array_equal(larger.fixed.returns[:4], made.fixed.returns)
    assert len(list(cache_folder().iterdir())) == 1
    for name in ("published", "ranked", "fixed"):
        played = getattr(made, name)
        assert np.all(made.oracle.returns >= played.returns)
    two = reference(TASK, 4, samples=2, threads=1)
    assert (len(two), two.samples, len(two.oracle)) == (4, 2, 8)
    assert two.recipes == made.recipes
    np.testing.assert_array_equal(two.fixed.returns[::2], made.fixed.returns)
    assert np.all(two.oracle.returns[::2] >= made.oracle.returns)
    assert np.all(two.oracle.returns >= two.fixed.returns)
    np.testing.assert_array_equal(reference(TASK, 3, samples=2, threads=1).plans, two.plans[:6])
    assert len(list(cache_folder().iterdir())) == 2
    broken = json.loads(file.read_text())
    broken["outcomes_fixed"] = None
    file.write_text(json.dumps(broken))
    with pytest.raises(ModelError, match="not whole"):
        reference(TASK, 3, threads=1)


def test_the_key_follows_the_physics_of_the_system():
    assert code_hash("ba-ti-c-o") != code_hash("y-ba-cu-c-o")


@pytest.mark.usefixtures("_cache")
def test_an_evaluation_pairs_policies_by_laboratory():
    found = evaluate("fixed", ("random", "published"), task=TASK, laboratories=4, threads=1)
    assert [s.name for s in found.scores] == ["fixed", "random", "published"]
    assert set(found.above) == {"random", "published"}
    assert json.dumps(found.to_json())
    trial = Trial(TASK, "judge", 4, threads=1)
    known = reference(TASK, 4)
    plan = trial.plans.actions(known.recipe("fixed")[None])
    own = Entrant("mine", (PlanPlayer("mine", plan), PlanPlayer("mine", plan)))
    mine = evaluate(own, ("fixed",), task=TASK, laboratories=4, threads=1)
    assert mine.scores[0].score.value == pytest.approx(mine.scores[1].score.value)
    assert mine.scores[0].seeds == 2
    assert mine.above["fixed"].value == pytest.approx(0.0)
    with pytest.raises(ConfigError, match="no such policy"):
        evaluate("best", task=TASK, laboratories=4, threads=1)


@pytest.mark.usefixtures("_cache")
def test_the_bench_judges_players():
    trial = Trial(TASK, "judge", 4, threads=1)
    known = reference(TASK, 4)
    plan = trial.plans.actions(known.recipe("fixed")[None])
    entrant = Entrant("maskable_ppo", (PlanPlayer("x", plan),))
    alone, _ = judge(TASK, entrant, 4, samples=1)
    assert "one_sample.maskable_ppo.score" in {row.name for row in alone}
    rows, gates = judge(TASK, entrant, 4)
    named = {row.name: row for row in rows}
    assert named["maskable_ppo.score"].n == 32
    assert "maskable_ppo.sample_8.score" in named
    assert named["maskable_ppo.score"].value == pytest.approx(named["fixed.score"].value)
    assert named["oracle.score"].value == pytest.approx(1.0)
    assert {gate.id for gate in gates} == {
        "train.above_fixed", "train.score", "train.random_below_published",
        "train.published_below_maskable_ppo",
    }  # fmt: skip
    assert not next(g for g in gates if g.id == "train.above_fixed").passed
