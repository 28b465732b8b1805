"""The registered environment as Gymnasium sees it."""

import pickle
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs.batched import BatchedSynthesis
from envs.synthesis import DecisionEnv

pytestmark = pytest.mark.timeout(600)  # the first run compiles


def episode(env, seed, steps=12):
    observation, info = env.reset(seed=seed)
    env.action_space.seed(seed)
    seen = [np.append(observation, 0.0)]
    for _ in range(steps):
        mask = tuple(
            np.split(info["action_mask"].astype(np.int8), np.cumsum(env.action_space.nvec)[:-1])
        )
        observation, reward, terminated, _, info = env.step(env.action_space.sample(mask=mask))
        seen.append(np.append(observation, reward))
        if terminated:
            observation, info = env.reset()
            seen.append(np.append(observation, 0.0))
    return np.stack(seen)


@pytest.mark.parametrize("name", envs.IDS)
def test_gymnasium_accepts_the_environment(name):
    check_env(gymnasium.make(name).unwrapped)


def test_same_seed_same_trajectory_and_other_seed_other():
    one, two = gymnasium.make(envs.ENVIRONMENT_ID), gymnasium.make("envs:" + envs.ENVIRONMENT_ID)
    first = episode(one.unwrapped, 5)
    np.testing.assert_array_equal(first, episode(two.unwrapped, 5))
    np.testing.assert_array_equal(first, episode(one.unwrapped, 5))
    other = episode(one.unwrapped, 6)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_single_environment_is_the_batch_with_one_row():
    env, batch = DecisionEnv(), BatchedSynthesis(rows=4, seed=9, threads=1)
    env.reset(seed=9)
    rng = np.random.default_rng(1)
    for _ in range(25):
        actions = rng.integers(0, batch.nvec, size=(4, len(batch.nvec)))
        seen, reward, terminated, _, info = batch.step(actions)
        observation, own, ended, _, _ = env.step(actions[0])
        assert own == reward[0]
        assert ended == terminated[0]
        expected = info["final_observation"] if ended else seen
        np.testing.assert_array_equal(observation, expected[0])
        if ended:
            np.testing.assert_array_equal(env.reset()[0], seen[0])


def test_environment_is_pickled_in_the_middle_of_an_episode():
    env = DecisionEnv(render_mode="ansi")
    env.reset(seed=3)
    mix = np.zeros(len(env.batch.nvec), dtype=np.int64)
    env.step(mix)
    copy = pickle.loads(pickle.dumps(env))
    anneal = mix.copy()
    anneal[:4] = (1, 5, 3, 1)
    ours, theirs = env.step(anneal), copy.step(anneal)
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert ours[1] == theirs[1]
    assert copy.render() == env.render()
    assert "for 2 h in air" in str(env.render())


def test_end_shows_the_truth_and_keeps_the_steps_until_the_reset():
    env = DecisionEnv()
    env.reset(seed=1)
    action = np.zeros(len(env.batch.nvec), dtype=np.int64)
    env.step(action)
    action[0] = 5
    _, _, terminated, truncated, info = env.step(action)
    assert terminated
    assert not truncated
    assert set(info) == {"action_mask", "vetoed", "purity", "yield", "bonus", "cost"}
    assert [s.kind for s in env.executed_steps()] == ["mix", "characterise", "stop"]
    assert len(env.executed_actions()) == 2
    env.reset()
    assert env.executed_steps() == []


def test_import_registers_and_loads_nothing_heavy():
    program = (
        "import sys, envs, gymnasium\n"
        "assert envs.ENVIRONMENT_ID in gymnasium.registry\n"
        "heavy = {'numba', 'torch', 'scipy', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
