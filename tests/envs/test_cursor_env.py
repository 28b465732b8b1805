"""The cursor: exact masks, the same samples as the batch, spaces without ids, beliefs."""

import itertools
import pickle

import numpy as np
import pytest

from envs.batched import BatchedSynthesis
from envs.choices import DWELLS_H
from envs.cursor_batch import CursorSynthesis
from envs.cursor_tables import (
    CURSOR_VERBS,
    NVEC,
    SHELF_AT,
    SLOT_FEATURES,
    SLOTS,
)
from sdl.chemistry.system import load_system
from sdl.core.errors import ConfigError
from sdl.core.recipe import Recipe
from sdl.safety.limits import check_recipe
from sdl.tasks.task import load_task
from simulators.laboratory import draw_laboratory, laboratory_key

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TASKS = ("batio3-coarse", "ybco")
STARTS = np.concatenate([[0], np.cumsum(NVEC)])


def masked(mask, rng):
    """One allowed option of every head, uniform, shape (rows, heads)."""
    heads = [
        (mask[:, a:b] * rng.random((len(mask), b - a))).argmax(axis=1)
        for a, b in itertools.pairwise(STARTS)
    ]
    return np.stack(heads, axis=1)


@pytest.mark.parametrize("task", TASKS)
def test_what_the_mask_allows_is_never_vetoed_and_passes_the_limits_of_safety(task):
    batch, rng = CursorSynthesis(task, 32, seed=4, threads=1), np.random.default_rng(1)
    laboratory, seen = load_task(task).laboratory, 0
    for _ in range(60):
        actions = masked(batch.action_masks(), rng)
        _, reward, ended, _, info = batch.step(actions)
        assert not info["vetoed"].any()
        assert (reward[~batch.decided] == 0.0).all()
        for row in np.flatnonzero(ended).tolist():
            steps = batch.executed_steps(row, finished=True)
            if steps:
                assert not check_recipe(Recipe(steps=tuple(steps)), laboratory)
                seen += 1
    assert seen > 20


def test_every_option_that_the_mask_forbids_is_vetoed():
    rng = np.random.default_rng(5)
    batch = CursorSynthesis("batio3-coarse", 1, seed=4, threads=1)
    tried = 0
    for _ in range(40):
        mask = batch.action_masks()[0].copy()
        good = masked(mask[None], rng)[0]
        live = [h for h in range(7) if mask[STARTS[h] : STARTS[h + 1]].sum() > 1]
        for head in live[:2]:
            forbidden = np.flatnonzero(~mask[STARTS[head] : STARTS[head + 1]])
            for option in rng.permutation(forbidden)[:3]:
                copy, bad = pickle.loads(pickle.dumps(batch)), good.copy()
                bad[head] = option
                *_, info = copy.step(bad[None])
                assert info["vetoed"][0]
                tried += 1
        batch.step(good[None])
    assert tried > 60


@pytest.mark.parametrize("task", TASKS)
def test_a_spelled_out_decision_does_what_the_batch_does(task):
    """Same laboratory, same noise: rewards and the numbers about the sample are equal."""
    cursor = CursorSynthesis(task, 4, seed=11, threads=1)
    batch, rng = BatchedSynthesis(task, 4, seed=11, threads=1), np.random.default_rng(2)
    own = next(n for n, e in enumerate(cursor.entries) if e.name == "sample.mixed")
    theirs = next(n for n, e in enumerate(batch.entries) if e.name == "sample.mixed")
    ends = 0
    for _ in range(80):
        seen, reward, ended, _, _ = cursor.step(masked(cursor.action_masks(), rng))
        expected, paid, over, _, _ = batch.step(cursor.acting)
        np.testing.assert_array_equal(seen[:, own:], expected[:, theirs:])
        np.testing.assert_array_equal(reward, paid)
        np.testing.assert_array_equal(ended, over)
        ends += ended.sum()
    assert ends > 5


def test_choices_and_steps_are_inverses():
    batch, rng = CursorSynthesis("ybco", 16, seed=6, threads=1), np.random.default_rng(3)
    made = [[] for _ in range(16)]
    checked = 0
    for _ in range(60):
        actions, order = masked(batch.action_masks(), rng), batch.order.copy()
        _, _, ended, _, _ = batch.step(actions)
        for row in range(16):
            made[row].append(actions[row])
            if not ended[row]:
                continue
            steps = batch.executed_steps(row, finished=True)
            if steps:
                assert batch.spelling.steps(made[row], order[row]) == steps
                spelled = batch.spelling.actions(steps, order[row])
                np.testing.assert_array_equal(spelled[:, 0], np.array(made[row])[:, 0])
                assert batch.spelling.steps(spelled, order[row]) == steps
                checked += 1
            made[row] = []
    assert checked > 10


def test_results_do_not_depend_on_size_or_threads_of_the_batch():
    def run(rows, numbers, threads):
        batch = CursorSynthesis(
            "batio3-coarse", rows, seed=3, identities=numbers, threads=threads, belief=(0.2, 1.0)
        )
        plan = np.random.default_rng(8).integers(0, NVEC, size=(130, 30, 7))
        plan[:, 0, 0] = 0
        seen = []
        for k in range(30):
            observation, reward, *_ = batch.step(plan[numbers, k])
            seen.append(np.column_stack([observation, reward, batch.action_masks()]))
        batch.close()
        return np.stack(seen)

    whole = run(130, range(130), 2)
    np.testing.assert_array_equal(run(3, [5, 127, 64], 1), whole[:, [5, 127, 64]])


def test_shuffled_shelf_shows_the_same_bottles_in_another_order():
    batch = CursorSynthesis("ybco", 40, seed=1, threads=1)
    shelf = batch.observations[:, SHELF_AT : SHELF_AT + SLOTS * SLOT_FEATURES]
    shelf = shelf.reshape(40, SLOTS, SLOT_FEATURES)
    assert len({tuple(order) for order in batch.order}) > 30
    back = np.argsort(np.where(batch.order < 0, SLOTS, batch.order), axis=1, kind="stable")
    sorted_shelf = np.take_along_axis(shelf, back[:, :, None], axis=1)
    np.testing.assert_array_equal(sorted_shelf[:, :8], np.repeat(sorted_shelf[:1, :8], 40, axis=0))
    assert (sorted_shelf[:, 8:] == 0).all()


def column(batch, name):
    return next(n for n, entry in enumerate(batch.entries) if entry.name == name)


def test_outlook_of_the_prior_follows_arrhenius_and_knows_that_steam_is_faster():
    batch = CursorSynthesis("batio3-coarse", 1, seed=1, threads=1)
    seen = batch.observations[0]
    times = [seen[column(batch, f"outlook.{c}.time")] for c in (600, 700, 800, 900, 1000)]
    assert (np.diff(times) < 0).all()
    air, steam = seen[column(batch, "outlook.air")], seen[column(batch, "outlook.steam")]
    assert steam < 1e-6 < 0.1 < air
    assert seen[column(batch, "outlook.oxygen")] == 3.0


def test_a_narrow_belief_is_close_to_the_truth_and_a_wide_one_is_calibrated():
    """Truth minus mean, over the width times the prior's sd, is standard normal."""
    for low, high in ((0.05, 0.05), (0.6, 0.6), (1.0, 1.0)):
        batch = CursorSynthesis("batio3-coarse", 2000, seed=7, threads=1, belief=(low, high))
        labs, belief = batch.laboratories, batch.belief
        sd = batch.problem.rules.chance.ln_k_sd
        z = ((labs.ln_k - belief.ln_k) / (sd * low)).ravel()
        assert abs(z.std() - 1.0) < 0.03
        assert abs(z.mean()) < 0.03
        # The mean itself varies as much as the prior leaves room for.
        centre = (belief.ln_k - batch.problem.rules.nominal.ln_k) / sd
        assert abs(centre.std() - np.sqrt(1.0 - low * low)) < 0.03


def test_samples_of_one_laboratory_share_it_and_narrow_the_belief():
    batch = CursorSynthesis("batio3-coarse", 1, seed=7, threads=1, samples_per_lab=3, gain=0.5)
    labs, widths, stop = [], [], CURSOR_VERBS.index("stop")
    for sample in range(6):
        labs.append(int(batch.laboratory_numbers[0]))
        widths.append(float(batch.belief.width[0]))
        ended = np.array([False])
        while not ended[0]:  # weighed in and handed in
            mask = batch.action_masks()
            actions = masked(mask, np.random.default_rng(sample))
            if mask[0, stop]:
                actions[0, 0] = stop
            *_, ended, _, _ = batch.step(actions)
    assert labs[0] == labs[1] == labs[2] != labs[3] == labs[4] == labs[5]
    assert 1.0 == widths[0] > widths[1] > widths[2]
    assert widths[3:] == widths[:3]


def test_given_laboratories_are_played():
    task = load_task("batio3-coarse")
    names = [s.name for s in task.laboratory.stations if s.kind.value == "furnace"]
    lab = draw_laboratory(
        load_system(task.system), task.hidden, task.laboratory.shelf, names,
        *laboratory_key("tune", 3),
    )  # fmt: skip
    batch = CursorSynthesis(task, 2, laboratories=[lab], threads=1)
    assert batch.laboratories.mixing[0] == lab.mixing
    assert (batch.laboratory_numbers == 0).all()


def test_bad_beliefs_and_shapes_are_refused():
    with pytest.raises(ConfigError, match="belief"):
        CursorSynthesis("batio3-coarse", 1, belief=(0.5, 2.0))
    with pytest.raises(ConfigError, match="shape"):
        CursorSynthesis("batio3-coarse", 1).step(np.zeros((1, 3)))
    with pytest.raises(ConfigError, match="samples_per_lab"):
        CursorSynthesis("batio3-coarse", 1, samples_per_lab=0)


def test_grid_is_one_of_values_that_a_chemist_would_set():
    batch = CursorSynthesis("batio3-coarse", 1)
    assert set(batch.problem.choices.dwells_h) < set(DWELLS_H)
    assert all(t % 25.0 == 0.0 for t in batch.problem.choices.temperatures_c)
