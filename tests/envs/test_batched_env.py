"""The batched environment: independence, conservation, masks, rewards, the same physics."""

import pickle

import numpy as np
import pytest

from envs.batched import BatchedSynthesis
from sdl.bench.env import MaskedUniform
from sdl.core.errors import ConfigError, PolicyError
from sdl.core.recipe import Mix, Recipe, Stop
from sdl.safety.limits import check_recipe
from sdl.tasks.task import load_task
from simulators.batch import purities
from simulators.laboratory import draw_laboratory, laboratory_key
from simulators.stations import StationModel

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TASK = load_task("batio3-coarse")


def policy(batch, seed=0):
    choices = batch.problem.choices
    return MaskedUniform(batch.nvec, choices.verbs, len(choices.gases), seed)


def plan_of(seed, rows, steps, nvec):
    """Actions by row, the same for a row in a batch of any size."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, nvec, size=(64, steps, len(nvec)))
    actions[:, 0, 0] = 0
    return actions[:rows]


def trajectory(rows, first=0, seed=3, threads=1, steps=20):
    numbers = range(first, first + rows)
    batch = BatchedSynthesis(TASK, rows, seed=seed, identities=numbers, threads=threads)
    plan = plan_of(5, 64, steps, batch.nvec)[first : first + rows]
    seen = []
    for k in range(steps):
        observation, reward, terminated, _, info = batch.step(plan[:, k])
        seen.append(
            np.column_stack(
                [observation, reward, terminated, info["action_mask"], info["vetoed"], info["cost"]]
            )
        )
    batch.close()
    return np.stack(seen), batch.vectors.copy()


def test_results_do_not_depend_on_size_order_or_threads_of_the_batch():
    whole, matter = trajectory(64)
    for rows, first, threads in ((1, 0, 1), (8, 0, 1), (8, 8, 1), (64, 0, 2)):
        part, own = trajectory(rows, first, threads=threads)
        np.testing.assert_array_equal(part, whole[:, first : first + rows])
        np.testing.assert_array_equal(own, matter[first : first + rows])


def test_rows_of_one_identity_meet_the_same_laboratory_and_noise():
    actions = plan_of(5, 2, 12, BatchedSynthesis(TASK, 1).nvec)
    batch = BatchedSynthesis(TASK, 4, seed=3, identities=[7, 2, 7, 7], threads=1)
    for k in range(11):
        batch.step(actions[[0, 0, 0, 1], k])
    observation, reward, *_ = batch.step(actions[[0, 0, 0, 1], 11])
    np.testing.assert_array_equal(observation[0], observation[2])
    assert reward[0] == reward[2]
    numbers = batch.laboratory_numbers
    assert numbers[0] == numbers[2] != numbers[1]
    with pytest.raises(ConfigError, match="identity"):
        BatchedSynthesis(TASK, 4, identities=[1, 2])


def test_a_batch_may_start_with_a_later_sample_of_the_same_laboratory():
    options = {"seed": 3, "identities": [5, 6], "samples_per_lab": 3, "threads": 1}
    whole = BatchedSynthesis(TASK, 2, **options)
    later = BatchedSynthesis(TASK, 2, **options, first_episode=[2, 2])
    stop = np.zeros((2, len(whole.nvec)), dtype=np.int64)
    stop[:, 0] = whole.problem.choices.verbs.index("stop")
    for _ in range(2):
        whole.step(np.zeros_like(stop))
        whole.step(stop)
    np.testing.assert_array_equal(whole.laboratory_numbers, later.laboratory_numbers)
    for actions in (np.zeros_like(stop), stop):
        seen, reward, *_ = whole.step(actions)
        others, paid, *_ = later.step(actions)
        np.testing.assert_array_equal(seen, others)
        np.testing.assert_array_equal(reward, paid)
    later.reset(3)
    np.testing.assert_array_equal(
        later.laboratory_numbers,
        BatchedSynthesis(TASK, 2, **options).laboratory_numbers,
    )


def test_threads_give_the_same_when_the_batch_is_cut_into_pieces():
    def rewards(threads):
        batch = BatchedSynthesis(TASK, 130, seed=2, threads=threads)
        draw, seen = policy(batch), []
        for _ in range(9):
            reward = batch.step(draw.actions(batch.action_masks(), batch.decisions))[1]
            seen.append(reward.copy())
        batch.close()
        return np.stack(seen)

    np.testing.assert_array_equal(rewards(1), rewards(2))


def test_seeds_and_episodes_differ_and_come_back():
    batch = BatchedSynthesis(TASK, 4, seed=1)
    first = batch.laboratory_numbers.copy()
    assert len(set(first)) == 4
    assert batch.reset(2)[0].shape == (4, len(batch.entries))
    assert not np.any(batch.laboratory_numbers == first)
    batch.reset(1)
    np.testing.assert_array_equal(batch.laboratory_numbers, first)


def elements(batch):
    """Moles of each element per row, what left as gas included."""
    network = batch.problem.network
    system, solids = network.system, len(network.solid_names)
    vector = batch.vectors
    moles = np.hstack(
        [vector[:, :solids] + vector[:, solids : 2 * solids], vector[:, 4 * solids : -1]]
    )
    names = [*network.solid_names, *network.vapour_names]
    table = [[system.phase(n).composition.get(e, 0.0) for e in system.elements] for n in names]
    return moles @ np.array(table)


def test_elements_are_conserved_and_no_target_comes_from_nowhere():
    batch = BatchedSynthesis(TASK, 32, seed=7, threads=1)
    draw = policy(batch)
    network = batch.problem.network
    target = network.solid_names.index("BaTiO3")
    charged = np.zeros((32, len(network.system.elements)))
    for _ in range(40):
        fresh = batch.decisions == 0
        _, _, terminated, _, _ = batch.step(draw.actions(batch.action_masks(), batch.decisions))
        now = elements(batch)
        charged[fresh] = now[fresh]
        alive = ~terminated
        np.testing.assert_allclose(now[alive], charged[alive], rtol=1e-9, atol=1e-12)
        solids = len(network.solid_names)
        made = batch.vectors[:, target] + batch.vectors[:, solids + target]
        assert np.all(made[alive] <= batch.charged[alive].min(axis=1) * (1 + 1e-9))
    assert batch.anneals > 300


def test_masks_allow_only_what_safety_allows_and_steps_are_inverse_to_actions():
    batch = BatchedSynthesis(TASK, 48, seed=11, threads=1)
    draw, checked, verbs = policy(batch), 0, set()
    choices = batch.problem.choices
    taken = [[] for _ in range(48)]
    for _ in range(36):
        actions = draw.actions(batch.action_masks(), batch.decisions)
        for row, action in enumerate(actions):
            taken[row].append(action)
        _, _, terminated, _, info = batch.step(actions)
        assert not info["vetoed"].any()
        for row in np.flatnonzero(terminated).tolist():
            steps = batch.executed_steps(row, finished=True)
            assert check_recipe(Recipe(steps=tuple(steps)), TASK.laboratory) == ()
            assert isinstance(steps[0], Mix)
            assert isinstance(steps[-1], Stop)
            again = choices.actions(steps)
            np.testing.assert_array_equal(again, batch.executed_actions(row, finished=True))
            np.testing.assert_array_equal(again[:, 0], np.array(taken[row])[:, 0])
            assert choices.steps(again) == steps
            verbs |= {choices.verbs[v] for v in again[:, 0]}
            taken[row] = []
            checked += 1
    assert checked > 100
    assert verbs == set(choices.verbs) - {"wash"}  # nothing of this system is soluble


def test_rewards_are_bounded_and_add_up_to_the_score_less_the_cost():
    batch = BatchedSynthesis(TASK, 64, seed=13, threads=1)
    draw, total = policy(batch), np.zeros(64)
    ended = bonuses = 0
    for _ in range(60):
        actions = draw.actions(batch.action_masks(), batch.decisions)
        _, reward, terminated, truncated, info = batch.step(actions)
        assert not truncated.any()
        assert np.all(reward[~terminated] <= 0.0)
        total += reward
        share, purity, cost = info["yield"], info["purity"], info["cost"]
        score = share * purity**2 + 0.25 * info["bonus"] - cost
        np.testing.assert_allclose(total[terminated], score[terminated], atol=1e-9)
        assert np.all((share >= 0) & (share <= 1) & (purity >= 0) & (purity <= 1 + 1e-12))
        assert np.all(purity[info["bonus"]] >= 0.95)
        assert np.all(total > -3.0)
        assert np.all(total < 1.25)
        total[terminated] = 0.0
        ended += int(terminated.sum())
        bonuses += int(info["bonus"][terminated].sum())
    assert ended > 300
    assert bonuses >= 0


def test_matter_is_that_of_the_reactor_for_the_executed_steps():
    shelf = TASK.laboratory.shelf
    system = BatchedSynthesis(TASK).problem.network.system
    names = [s.name for s in TASK.laboratory.stations if s.kind == "furnace"]
    # Gases take different furnaces here; one offset for both makes `purities` comparable.
    hidden = TASK.hidden.model_copy(update={"thermocouple_sd_c": 0.0})
    labs = [
        draw_laboratory(system, hidden, shelf, names, *laboratory_key("train", i)) for i in range(4)
    ]
    batch = BatchedSynthesis(
        TASK, 4, laboratories=labs, stations=StationModel(dosing_sd=0.0), threads=1
    )
    draw, done, purest = policy(batch, 3), 0, 0.0
    for _ in range(40):
        number = batch.laboratory_numbers.copy()
        actions = draw.actions(batch.action_masks(), batch.decisions)
        _, _, terminated, _, info = batch.step(actions)
        for row in np.flatnonzero(terminated).tolist():
            recipe = Recipe(steps=tuple(batch.executed_steps(row, finished=True)))
            truth = purities(system, [recipe], [labs[number[row]]], shelf, "BaTiO3", threads=1)
            assert info["purity"][row] == pytest.approx(truth[0, 0], abs=1e-9)
            purest = max(purest, truth[0, 0])
            done += 1
    assert done > 10
    assert purest > 0.3


def test_what_the_mask_forbids_is_vetoed_and_the_last_decision_hands_in():
    batch = BatchedSynthesis(TASK, 1, max_decisions=4)
    verbs, heads = batch.problem.choices.verbs, len(batch.nvec)

    def act(verb):
        action = np.zeros((1, heads), dtype=np.int64)
        action[0, 0] = verbs.index(verb)
        _, reward, terminated, _, info = batch.step(action)
        return float(reward[0]), bool(terminated[0]), bool(info["vetoed"][0])

    assert act("anneal") == (0.0, False, True)
    assert act("mix")[1:] == (False, False)
    reward, terminated, vetoed = act("mix")
    assert (reward, terminated, vetoed) == (0.0, False, True)
    assert list(np.flatnonzero(batch.action_masks()[0, : len(verbs)])) == [verbs.index("stop")]
    assert act("anneal")[1:] == (True, True)
    kinds = [step.kind for step in batch.executed_steps(0, finished=True)]
    assert kinds == ["mix", "characterise", "stop"]
    batch.step(np.full((1, heads), 99))
    batch.step(np.full((1, heads), -1))
    assert batch.executed_steps(0) == []


def test_furnace_time_is_never_exceeded():
    batch = BatchedSynthesis(TASK, 64, seed=5, furnace_hours=40.0, threads=1)
    draw = policy(batch)
    left = [entry.name for entry in batch.entries].index("left.furnace")
    dwell = sum(batch.nvec[:2])
    narrowed = False
    for _ in range(24):
        observation = batch.step(draw.actions(batch.action_masks(), batch.decisions))[0]
        assert observation[:, left].min() >= -1e-6
        narrowed = narrowed or not batch.action_masks()[:, dwell : dwell + batch.nvec[2]].all()
    assert narrowed


def test_hidden_laboratories_have_the_widths_of_the_task_and_splits_do_not_meet():
    train = BatchedSynthesis(TASK, 2000, seed=1, threads=1)
    judge = BatchedSynthesis(TASK, 2000, seed=1, split="judge", threads=1)
    assert train.laboratory_numbers.max() < 1_000_000
    assert judge.laboratory_numbers.min() >= 2_000_000
    labs, nominal = train.laboratories, train.problem.rules.nominal
    hidden = TASK.hidden
    shift = labs.ln_k - nominal.ln_k
    assert np.std(shift[:, 0]) == pytest.approx(hidden.ln_k_sd, rel=0.05)
    assert abs(np.mean(shift)) < 0.05
    size = np.log(labs.particle_um / nominal.particle_um)
    assert np.std(size) == pytest.approx(hidden.particle_ln_sd, rel=0.05)
    assert np.std(labs.offset_c) == pytest.approx(hidden.thermocouple_sd_c, rel=0.05)
    assert np.std(np.log(labs.mixing)) == pytest.approx(hidden.mixing_sd, rel=0.06)
    assert np.all((labs.assay > 0) & (labs.assay <= 1))
    # Energies are drawn per phase: decarbonation + oxide_titania = carbonate_titania, always.
    names = [r.name for r in train.problem.network.system.reactions]
    energy = {n: labs.shift[:, names.index(n)] for n in names}
    cycle = energy["decarbonation"] + energy["oxide_titania"] - energy["carbonate_titania"]
    assert np.ptp(cycle) < 1e-9


def test_observation_is_bounded_named_and_free_of_ids():
    batch = BatchedSynthesis(TASK, 32, seed=3, threads=1)
    draw = policy(batch)
    names = [entry.name for entry in batch.entries]
    assert len(set(names)) == len(names)
    assert not any("Ba" in name or "Ti" in name for name in names)
    at = {name: k for k, name in enumerate(names)}
    scanned = False
    for _ in range(20):
        seen = batch.step(draw.actions(batch.action_masks(), batch.decisions))[0]
        assert seen.dtype == np.float32
        assert np.all(np.isfinite(seen))
        assert np.abs(seen).max() <= batch.limit
        slots = seen[:, [at[f"scan.phase_{k}.fraction"] for k in range(6)]]
        assert np.all(np.diff(slots, axis=1) <= 0)
        has = seen[:, at["scan.length"]] > 0
        np.testing.assert_allclose(slots[has].sum(axis=1), 1.0, atol=1e-5)
        mixed = seen[:, at["sample.mixed"]] == 1
        assert np.all(seen[mixed, at["sample.mass"]] > 0.7)
        scanned = scanned or bool(has.any())
    assert scanned


def test_pickled_batch_goes_on_as_if_nothing_happened():
    batch = BatchedSynthesis(TASK, 3, seed=4, threads=1)
    plan = plan_of(9, 3, 12, batch.nvec)
    for k in range(5):
        batch.step(plan[:, k])
    copy = pickle.loads(pickle.dumps(batch))
    for k in range(5, 12):
        ours, theirs = batch.step(plan[:, k]), copy.step(plan[:, k])
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
        np.testing.assert_array_equal(ours[4]["cost"], theirs[4]["cost"])


def test_wrong_input_is_refused_in_words():
    with pytest.raises(ConfigError, match="needs a row"):
        BatchedSynthesis(TASK, 0)
    with pytest.raises(ConfigError, match="mixes, fires and stops"):
        BatchedSynthesis(TASK, max_decisions=2)
    with pytest.raises(ConfigError, match="no search space"):
        BatchedSynthesis(TASK.model_copy(update={"space": None}))
    narrow = TASK.laboratory.model_copy(update={"vial_capacity_mg": 1000.0})
    with pytest.raises(ConfigError, match="forbids"):
        BatchedSynthesis(TASK.model_copy(update={"laboratory": narrow}))
    batch = BatchedSynthesis(TASK)
    with pytest.raises(ConfigError, match="wrong shape"):
        batch.step(np.zeros((2, 3)))
    with pytest.raises(PolicyError, match="no action"):
        batch.problem.choices.actions([Mix(doses=({"lot": "BaCO3-fine", "mass_mg": 1.0},))])  # pyright: ignore[reportArgumentType]
