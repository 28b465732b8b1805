"""The environments in a second chemical system: 15 phases, a whole network, three cations."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs.batched import BatchedSynthesis
from sdl.bench.env import MaskedUniform
from sdl.core.recipe import Recipe
from sdl.safety.limits import check_recipe
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TASK = load_task("ybco")


def test_gymnasium_accepts_the_environment():
    check_env(gymnasium.make(envs.ENVIRONMENT_ID, task="ybco").unwrapped)


def test_samples_are_made_scanned_and_handed_in():
    batch = BatchedSynthesis("ybco", 8, seed=2, threads=1)
    choices, network = batch.problem.choices, batch.problem.network
    policy = MaskedUniform(batch.nvec, choices.verbs, len(choices.gases), 4)
    at = {entry.name: k for k, entry in enumerate(batch.entries)}
    slots = [at[f"scan.phase_{k}.fraction"] for k in range(6)]
    elements = network.system.elements
    table = np.array(
        [
            [network.system.phase(name).composition.get(e, 0.0) for e in elements]
            for name in (*network.solid_names, *network.vapour_names)
        ]
    )
    solids, ended, scanned = len(network.solid_names), 0, 0
    charged = np.zeros((8, len(elements)))
    for _ in range(24):
        fresh = batch.decisions == 0
        seen, _, terminated, _, info = batch.step(
            policy.actions(batch.action_masks(), batch.decisions)
        )
        assert np.isfinite(seen).all()
        assert np.abs(seen).max() <= batch.limit
        assert not info["vetoed"].any()
        vector = batch.vectors
        moles = np.hstack(
            [vector[:, :solids] + vector[:, solids : 2 * solids], vector[:, 4 * solids : -1]]
        )
        now = moles @ table
        charged[fresh] = now[fresh]
        np.testing.assert_allclose(now[~terminated], charged[~terminated], rtol=1e-9, atol=1e-12)
        has = seen[:, at["scan.length"]] > 0
        assert (seen[has][:, slots].sum(axis=1) <= 1.0 + 1e-5).all()
        assert (seen[has][:, slots].sum(axis=1) > 0.5).all()
        scanned += int(has.sum())
        for row in np.flatnonzero(terminated).tolist():
            steps = batch.executed_steps(row, finished=True)
            assert check_recipe(Recipe(steps=tuple(steps)), TASK.laboratory) == ()
            assert 0.0 <= info["purity"][row] <= 1.0
            ended += 1
    assert ended > 8
    assert scanned > 20


def test_a_row_does_not_depend_on_the_batch():
    def trajectory(rows, first, threads):
        numbers = range(first, first + rows)
        batch = BatchedSynthesis("ybco", rows, seed=3, identities=numbers, threads=threads)
        plan = np.random.default_rng(5).integers(0, batch.nvec, size=(4, 6, len(batch.nvec)))
        plan[:, 0, 0], plan[:, 2, 0], plan[:, 4, 0] = 0, 3, 4
        seen = []
        for k in range(6):
            observation, reward, *_ = batch.step(plan[first : first + rows, k])
            seen.append(np.column_stack([observation, reward]))
        batch.close()
        return np.stack(seen)

    whole = trajectory(4, 0, 2)
    np.testing.assert_array_equal(trajectory(1, 2, 1), whole[:, 2:3])
