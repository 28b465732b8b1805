"""The batch behind Stable-Baselines3 and gymnasium.vector: the same numbers, nothing shared."""

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.vec_env import VecMonitor

from envs.batch import Together
from envs.batched import BatchedSynthesis
from envs.stable import StableVecEnv
from envs.vector import SynthesisVectorEnv
from sdl.core.errors import ConfigError
from toy_batches import ToyBatch

pytestmark = pytest.mark.timeout(600)  # the first run compiles

ROWS, STEPS = 6, 30


def synthesis(seed=4):
    return BatchedSynthesis(rows=ROWS, seed=seed, threads=1)


def masked(masks, nvec, rng):
    """Uniform over what is allowed."""
    draws = rng.random(masks.shape) * masks
    return np.stack(
        [part.argmax(1) for part in np.split(draws, np.cumsum(nvec)[:-1], axis=1)], axis=1
    )


def course(batch, step, masks, observations, nvec):
    """What a seeded random policy meets: observations, rewards, ends, masks."""
    rng, seen = np.random.default_rng(0), []
    for _ in range(STEPS):
        actions = masked(masks(), nvec, rng)
        observation, reward, ended = step(actions)
        seen.append((observation, np.float32(reward), ended, np.array(masks())))
    return [np.stack(each) for each in zip(*seen, strict=True)]


def plain(batch):
    def step(actions):
        observation, reward, ended, _, _ = batch.step(actions)
        return observation.copy(), reward.copy(), ended.copy()

    return course(batch, step, batch.action_masks, batch.observations, batch.nvec)


def test_stable_and_gymnasium_give_the_trajectories_of_the_batch():
    expected = plain(synthesis())
    stable = StableVecEnv(synthesis(seed=9))
    stable.seed(4)
    stable.reset()
    vector = SynthesisVectorEnv(synthesis(seed=9))
    vector.reset(seed=4)

    def stable_step(actions):
        return stable.step(actions)[:3]

    def vector_step(actions):
        return vector.step(actions)[:3]

    nvec = stable.batch.nvec
    ours = course(stable, stable_step, lambda: get_action_masks(stable), None, nvec)
    theirs = course(vector, vector_step, vector.action_masks, None, nvec)
    for one, two, three in zip(expected, ours, theirs, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_stable_tells_of_ended_rows_only_and_a_budget_is_no_truncation():
    env: Any = StableVecEnv(synthesis())
    env.seed(4)
    first = env.reset()
    assert first.shape == (ROWS, *env.observation_space.shape)
    rng, returns, ended = np.random.default_rng(0), np.zeros(ROWS), 0
    twin = synthesis()
    for _ in range(STEPS):
        actions = masked(get_action_masks(env), env.batch.nvec, rng)
        observation, reward, done, infos = env.step(actions)
        info = twin.step(actions)[4]
        returns += reward
        assert len(infos) == ROWS
        assert observation.dtype == reward.dtype == np.float32
        for n in range(ROWS):
            if not done[n]:
                assert infos[n] == {}
                continue
            ended += 1
            assert infos[n]["TimeLimit.truncated"] is False
            np.testing.assert_array_equal(
                infos[n]["terminal_observation"], info["final_observation"][n]
            )
            assert infos[n]["episode"]["r"] == pytest.approx(returns[n], abs=1e-6)
            assert infos[n]["purity"] == info["purity"][n]
            returns[n] = 0.0
    assert ended == env.finished > ROWS


def test_nothing_that_was_handed_out_changes_later():
    env, vector = StableVecEnv(ToyBatch(4)), SynthesisVectorEnv(ToyBatch(4))
    actions = np.ones((4, 3), dtype=np.int64)
    kept = [env.reset(), *env.step(actions)[:3], get_action_masks(env)]
    kept += [vector.reset(seed=1)[0], *vector.step(actions)[:4]]
    infos = env.step(actions)[3]
    kept += [i["terminal_observation"] for i in infos if i]
    info = vector.step(actions)[4]
    kept += [info["action_mask"], info["vetoed"], *info["final_info"].values()]
    before = [array.copy() for array in kept]
    env.step(actions)
    vector.step(actions)
    for array, copy in zip(kept, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_masks_reach_learners_and_wrappers_of_the_library():
    env: Any = StableVecEnv(ToyBatch(5))
    assert is_masking_supported(env)
    assert get_action_masks(env).shape == (5, 9)
    assert len(env.env_method("action_masks", indices=[0, 3])) == 2
    np.testing.assert_array_equal(env.get_attr("action_masks")[0](), env.batch.action_masks())
    monitored = VecMonitor(env)
    monitored.reset()
    assert is_masking_supported(monitored)
    for _ in range(4):
        infos = monitored.step(np.zeros((5, 3), dtype=np.int64))[3]
        assert all("episode" in i for i in infos if i)
    continuous = StableVecEnv(ToyBatch(5, size=2))
    assert not is_masking_supported(continuous)
    assert continuous.action_space.shape == (2,)
    assert env.env_is_wrapped(VecMonitor) == [False] * 5
    with pytest.raises(AttributeError):
        env.env_method("render")
    with pytest.raises(ConfigError, match="attributes of their own"):
        env.set_attr("limit", 3)
    with pytest.raises(ConfigError, match="step_async"):
        env.step_wait()


def test_masks_can_be_part_of_the_observation():
    env: Any = StableVecEnv(ToyBatch(5), masks_observed=True)
    seen = env.reset()
    assert env.observation_space.contains(seen[0])
    np.testing.assert_array_equal(seen[:, 3:], env.batch.action_masks())
    for _ in range(3):
        seen, _, done, infos = env.step(np.zeros((5, 3), dtype=np.int64))
        np.testing.assert_array_equal(seen[:, 3:], env.batch.action_masks())
        for n in np.flatnonzero(done):
            assert infos[n]["terminal_observation"].shape == seen[n].shape


def test_gymnasium_vector_keeps_to_its_mode():
    env: Any = SynthesisVectorEnv(ToyBatch(4, length=2))
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observation, info = env.reset(seed=3)
    assert env.observation_space.contains(observation)
    assert env.single_observation_space.contains(observation[0])
    env.action_space.seed(3)
    seen = False
    for _ in range(5):
        observation, reward, ended, truncated, info = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert reward.shape == ended.shape == truncated.shape == (4,)
        assert not truncated.any()
        assert info["_action_mask"].all()
        if ended.any():
            seen = True
            np.testing.assert_array_equal(info["_final_obs"], ended)
            for n in range(4):
                assert (info["final_obs"][n] is None) == (not ended[n])
            np.testing.assert_array_equal(info["final_info"]["_purity"], ended)
            assert not info["final_info"]["purity"][~ended].any()
    assert seen
    env.close()
    assert env.closed


def test_gymnasium_vector_is_deterministic_and_takes_wrappers():
    def run(seed):
        env = RecordEpisodeStatistics(SynthesisVectorEnv(synthesis(seed=1)))
        seen: list[Any] = [env.reset(seed=seed)]
        env.action_space.seed(seed)
        for _ in range(14):
            step = env.step(env.action_space.sample())
            step[4].pop("episode", None)  # holds times
            seen.append(step)
        return seen

    assert data_equivalence(run(5), run(5), exact=True)
    assert not data_equivalence(run(5), run(6), exact=True)


def test_batches_together_are_their_parts_side_by_side():
    one, two = BatchedSynthesis(rows=2, seed=1, threads=1), BatchedSynthesis(rows=3, seed=2)
    both = Together([BatchedSynthesis(rows=2, seed=1), BatchedSynthesis(rows=3, seed=2)])
    assert both.rows == 5
    assert both.parts[0].nvec == both.nvec
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        masks = both.action_masks()
        np.testing.assert_array_equal(masks, np.vstack([one.action_masks(), two.action_masks()]))
        actions = masked(masks, both.nvec, rng)
        seen, reward, ended, truncated, info = both.step(actions)
        parts = [part.step(a) for part, a in ((one, actions[:2]), (two, actions[2:]))]
        np.testing.assert_array_equal(seen, np.vstack([p[0] for p in parts]))
        np.testing.assert_array_equal(reward, np.concatenate([p[1] for p in parts]))
        np.testing.assert_array_equal(ended, np.concatenate([p[2] for p in parts]))
        assert not truncated.any()
        for name in ("final_observation", "purity", "vetoed"):
            np.testing.assert_array_equal(info[name], np.concatenate([p[4][name] for p in parts]))
    first = both.reset(7)[0].copy()
    np.testing.assert_array_equal(both.reset(7)[0], first)
    both.close()


def test_batches_of_other_spaces_are_refused():
    with pytest.raises(ConfigError, match="different spaces"):
        Together([ToyBatch(2), ToyBatch(2, slots=12)])
    with pytest.raises(ConfigError, match="there is none"):
        Together([])
