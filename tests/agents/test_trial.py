"""Plans and trials: the grid, the same draws for all, players and rollouts."""

import numpy as np
import pytest

from agents.baselines import (
    PlanPlayer,
    RandomPlayer,
    driving_force,
    published_genes,
    published_steps,
    ranked_lots,
    sobol_genes,
)
from agents.plans import STOP, Plans
from agents.rollout import rollout
from agents.trial import JUDGED, SEEDS, TOLERANCE, Outcomes, Trial, mean_of
from envs.batched import BatchedSynthesis
from envs.choices import Choices
from sdl.chemistry.system import load_system
from sdl.core.errors import ConfigError, PolicyError
from sdl.core.recipe import Anneal, Gas, Mix, Quench, Recipe, Regrind, Stop
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TASK = load_task("batio3-coarse")
PLANS = Plans(Choices(TASK, 1000.0))


FIRST_JUDGED = [2036364, 2035915, 2054306, 2047847]


def some(count, seed=0, plans=PLANS):
    rng = np.random.default_rng(seed)
    return (rng.random((count, len(plans.genes))) * plans.sizes).astype(np.int64)


def test_plans_are_steps_on_the_grid_and_end_with_a_stop():
    genes = some(40)
    for row, actions in zip(genes, PLANS.actions(genes), strict=True):
        steps = PLANS.choices.steps(actions[: int(np.argmax(actions[:, 0] == STOP)) + 1])
        assert isinstance(steps[0], Mix)
        assert isinstance(steps[-1], Stop)
        assert sum(isinstance(s, Anneal) for s in steps) == row[0] + 1
        again = PLANS.actions(PLANS.snap(steps)[None])[0]
        meant = PLANS.choices.actions(steps)
        np.testing.assert_array_equal(PLANS.choices.actions(PLANS.choices.steps(meant)), meant)
        assert PLANS.choices.steps(again[: len(meant)]) == steps


def test_short_episodes_have_short_plans():
    assert Plans(PLANS.choices, 4).anneals == 1
    assert Plans(PLANS.choices, 4).actions(some(3, plans=Plans(PLANS.choices, 4))).shape[1] == 4


def test_a_recipe_snaps_to_the_nearest_values():
    space = TaskSpace(TASK)
    for point in np.random.default_rng(1).random((20, space.dimension)):
        recipe = space.decode(point)
        anneal = recipe.anneals()[0]
        actions = PLANS.actions(PLANS.snap(recipe)[None])[0]
        found = PLANS.choices.steps(actions[: int(np.argmax(actions[:, 0] == STOP))])
        near = next(s for s in found if isinstance(s, Anneal))
        assert abs(near.temperature_c - anneal.temperature_c) <= 12.5
        assert near.gas is anneal.gas
        kinds = (Anneal, Regrind, Quench)
        for kind in kinds:
            assert sum(isinstance(s, kind) for s in found) == sum(
                isinstance(s, kind) for s in recipe.steps
            )
        assert [d.lot for d in Recipe(steps=tuple(found)).doses()] == [
            d.lot for d in recipe.doses()
        ]


def test_what_is_no_plan_is_refused():
    with pytest.raises(PolicyError, match="begins with a mix"):
        PLANS.snap([Stop()])
    mix = next(s for s in published_steps(TASK) if isinstance(s, Mix))
    with pytest.raises(PolicyError, match="anneals"):
        PLANS.snap([mix])


def test_plans_meet_the_same_draws_whatever_is_played_with_them():
    trial = Trial(TASK, "tune", 3, threads=1)
    genes = some(2, 3)
    every = np.repeat(genes, 3, axis=0)
    rows = np.tile(np.arange(3), 2)
    together = trial.play_genes(every, rows)
    backwards = trial.play_genes(every[::-1], rows[::-1])
    np.testing.assert_array_equal(together.returns, backwards.returns[::-1])
    alone = Trial(TASK, "tune", 1, first=2, threads=2).play_genes(genes[1:])
    assert alone.returns[0] == together.returns[5]
    np.testing.assert_allclose(together.value, together.returns + together.cost)


def test_a_plan_is_worth_what_the_environment_pays():
    trial = Trial(TASK, "judge", 1, threads=1)
    genes = published_genes(trial)
    batch = BatchedSynthesis(TASK, 1, seed=SEEDS["judge"], split="judge", threads=1)
    total, info = 0.0, {}
    for action in trial.plans.actions(genes[None])[0]:
        _, reward, ended, _, info = batch.step(action[None])
        total += float(reward[0])
        if ended[0]:
            break
    found = trial.play_one(genes)
    assert found.returns[0] == pytest.approx(total, abs=1e-12)
    assert found.purity[0] == info["purity"][0]
    assert found.decisions[0] == 3


def test_the_judged_laboratories_are_frozen():
    trial = Trial(TASK, "judge", JUDGED, threads=1)
    numbers = trial.batch(trial.identities).laboratory_numbers
    assert JUDGED == 500
    assert numbers[:4].tolist() == FIRST_JUDGED
    assert numbers.min() >= 2_000_000
    assert len({*numbers.tolist()}) > 490


def test_a_loose_solver_is_close():
    trial = Trial(TASK, "tune", 4, threads=1)
    genes = some(4, 5)
    exact = trial.play_genes(genes)
    rough = trial.with_tolerance(TOLERANCE).play_genes(genes)
    np.testing.assert_allclose(rough.purity, exact.purity, atol=0.02)


def test_the_samples_of_a_laboratory_are_the_same_alone_and_one_after_the_other():
    trial = Trial(TASK, "tune", 3, 4, threads=1)
    assert len(trial) == 12
    assert trial.identities.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    genes = some(3, 7)
    player = PlanPlayer("three", trial.plans.actions(genes))
    played = trial.play(player)
    plans = trial.play_genes(np.repeat(genes, 4, axis=0))
    np.testing.assert_array_equal(played.returns, plans.returns)
    np.testing.assert_array_equal(played.decisions, plans.decisions)
    np.testing.assert_array_equal(played.pure, plans.pure)
    backwards = trial.play_genes(np.repeat(genes, 4, axis=0)[::-1], np.arange(12)[::-1])
    np.testing.assert_array_equal(backwards.returns[::-1], plans.returns)
    # One laboratory, other errors: the samples of a plan differ a little, and the first is that of
    # a trial of one sample.
    spread = plans.purity.reshape(3, 4).std(axis=1)
    assert np.all(spread < 0.05)
    assert np.any(spread > 0.0)
    alone = Trial(TASK, "tune", 3, threads=1).play_genes(genes)
    np.testing.assert_array_equal(alone.returns, plans.returns[::4])
    numbers = trial.batch(trial.identities, trial.numbers).laboratory_numbers
    assert np.all(numbers.reshape(3, 4) == numbers[::4, None])
    assert trial.with_tolerance(TOLERANCE).samples == 4


def test_random_samples_depend_on_identity_and_number_alone():
    trial = Trial(TASK, "tune", 3, 2, threads=1)
    options = trial.batch(trial.laboratories[:1]).nvec
    every = trial.play(RandomPlayer(options, seed=2))
    alone = Trial(TASK, "tune", 1, 2, first=2, threads=1).play(RandomPlayer(options, seed=2))
    np.testing.assert_array_equal(alone.returns, every.returns[4:])
    first = Trial(TASK, "tune", 3, threads=1).play(RandomPlayer(options, seed=2))
    np.testing.assert_array_equal(first.returns, every.returns[::2])
    assert np.all(every.returns[::2] != every.returns[1::2])


def test_the_random_player_is_even_among_what_the_mask_allows():
    options = (3, 4)
    mask = np.zeros((4000, 7), dtype=np.bool_)
    mask[:, [0, 2, 3, 5, 6]] = True
    player = RandomPlayer(options, seed=1)
    player.begin(np.arange(4000))
    actions = player.act(np.zeros((4000, 1), dtype=np.float32), mask)
    counts = [np.bincount(actions[:, h], minlength=n) for h, n in enumerate(options)]
    assert counts[0][1] == 0
    assert counts[1][1] == 0
    assert np.all(np.abs(counts[0][[0, 2]] / 4000 - 1 / 2) < 0.04)
    assert np.all(np.abs(counts[1][[0, 2, 3]] / 4000 - 1 / 3) < 0.04)


def test_a_random_episode_depends_on_its_identity_alone():
    trial = Trial(TASK, "tune", 5, threads=1)
    options = trial.batch(trial.identities[:1]).nvec
    every = trial.play(RandomPlayer(options, seed=2))
    alone = Trial(TASK, "tune", 1, first=3, threads=1).play(RandomPlayer(options, seed=2))
    assert alone.returns[0] == every.returns[3]
    other = trial.play(RandomPlayer(options, seed=3))
    assert not np.array_equal(other.returns, every.returns)
    both = mean_of([every, other])
    np.testing.assert_allclose(both.returns, (every.returns + other.returns) / 2)
    half = Outcomes.empty(2)
    half.pure[:] = [True, False]
    assert mean_of([half, Outcomes.empty(2)]).pure.tolist() == [0.5, 0.0]


def test_a_rollout_is_the_episode_step_by_step():
    trial = Trial(TASK, "tune", 2, threads=1)
    genes = published_genes(trial)
    player = PlanPlayer("published", trial.plans.actions(genes[None]))
    moves = rollout(trial, player, 1)
    assert [m.decision for m in moves] == [0, 1, 2]
    assert moves[-1].total == pytest.approx(trial.play_one(genes).returns[1], abs=1e-12)
    assert moves[1].words.startswith("900 °C")
    assert moves[0].seen["spent.total"] == 0.0
    assert moves[2].seen["spent.total"] > 0.0
    two = Trial(TASK, "tune", 2, 2, threads=1)
    moves = rollout(two, player, 1)
    assert [(m.sample, m.decision) for m in moves] == [(n, d) for n in (0, 1) for d in range(3)]
    found = two.play_one(genes).returns[2:]
    assert [m.total for m in moves if m.decision == 2] == pytest.approx(found, abs=1e-12)


def test_an_endless_game_is_refused():
    class Idle:
        name = "idle"

        def begin(self, identities):
            pass

        def renew(self, rows):
            pass

        def act(self, observation, mask):
            return np.zeros((1, 9), dtype=np.int64)

    class Endless:
        def reset(self, seed=None):
            return np.zeros((1, 1)), {}

        def action_masks(self):
            return np.ones((1, 1), dtype=np.bool_)

        def step(self, actions):
            return np.zeros((1, 1)), np.zeros(1), np.zeros(1, dtype=np.bool_), None, BLANK

    with pytest.raises(ConfigError, match="does not end"):
        Trial(TASK, "tune", 1, threads=1).play(Idle(), lambda trial, identities: Endless())
    with pytest.raises(ConfigError, match="needs a laboratory"):
        Trial(TASK, "tune", 0)
    with pytest.raises(ConfigError, match="needs a laboratory and a sample"):
        Trial(TASK, "tune", 1, 0)


BLANK = {name: np.zeros(1) for name in ("purity", "yield", "cost", "bonus")}


def test_outcomes_are_taken_and_put():
    whole = Outcomes.empty(4)
    part = Outcomes.empty(2)
    part.returns[:] = [1.0, 2.0]
    whole.put(np.array([3, 0]), part)
    assert whole.returns.tolist() == [2.0, 0.0, 0.0, 1.0]
    assert whole.take(slice(3, 4)).returns.tolist() == [1.0]


def test_sobol_recipes_fill_the_space():
    trial = Trial(TASK, "tune", 64, threads=1)
    genes = sobol_genes(trial)
    places = [gene.name for gene in trial.plans.genes]
    hottest = genes[:, places.index("temperature_0")]
    assert hottest.min() == 0
    assert hottest.max() == len(trial.plans.choices.temperatures_c) - 1
    assert not np.array_equal(genes, sobol_genes(trial, draw=1))


def test_published_recipes_come_from_the_task_or_from_the_firings():
    own = next(s for s in published_steps(TASK) if isinstance(s, Anneal))
    assert own.temperature_c == 900.0  # 1100 degC, but the furnaces stop here
    lots = [d.lot for d in Recipe(steps=published_steps(TASK)).doses()]
    assert lots == ["BaCO3-fine", "TiO2-rutile-fine"]  # the purer bottles
    steps = published_steps(load_task("ybco"))
    anneal = next(s for s in steps if isinstance(s, Anneal))
    assert anneal.temperature_c == 927.5
    assert [d.lot for d in Recipe(steps=steps).doses()] == ["BaCO3-a", "Y2O3-a", "CuO-a"]


def test_the_driving_force_is_that_of_the_balanced_reaction():
    system = load_system("ba-ti-c-o")
    kelvin = 1100.0
    tables = {p.name: p.gibbs.kj_per_mol(kelvin) for p in system.phases}
    plain = tables["BaTiO3"] + tables["CO2"] - tables["BaCO3"] - tables["TiO2"]
    gas = 8.31446261815324e-3 * kelvin * np.log(system.gases[Gas.AIR].p_bar["CO2"])
    found = driving_force(system, "BaTiO3", ["BaCO3", "TiO2"], kelvin, Gas.AIR)
    assert found == pytest.approx((plain + gas) / 96.48533212 / 5, abs=1e-6)
    with pytest.raises(PolicyError, match="cannot make"):
        driving_force(system, "BaTiO3", ["BaCO3"], kelvin, Gas.AIR)


def test_lots_are_ranked_by_driving_force_then_price():
    forces = [force for force, _ in ranked_lots(TASK)]
    assert forces == sorted(forces)
    assert ranked_lots(TASK)[0][1] == ("BaCO3-coarse", "TiO2-rutile-coarse")
    ybco = ranked_lots(load_task("ybco"))
    assert len(ybco) == 18
    assert ybco[0][0] < ybco[-1][0] < 0.0
    one = {names: force for force, names in ybco}
    # 1/2 Y2O3 + 2 BaO + 3 CuO + 1/4 O2: about -142 kJ/mol for 13 atoms by the file at 1200 K.
    assert one["BaO-a", "Y2O3-a", "CuO-a"] == pytest.approx(-0.11, abs=0.01)
