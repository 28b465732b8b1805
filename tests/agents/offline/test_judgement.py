"""Intervals of an evaluation from logs, on a process whose returns are known exactly."""

import numpy as np
import pytest
import torch

from agents.learning.layout import Layout
from agents.offline.behaviour import Mixture
from agents.offline.episodes import Episodes, Source
from agents.offline.judgement import Judge, Judging
from agents.offline.values import past_of, to_come, traced
from sdl.core.errors import ConfigError

LENGTH, STAYS = 4, 0.8
ENTRIES = ("one", "state", *(f"time.{t}" for t in range(LENGTH)))
LAYOUT = Layout(kind="mlp", entries=ENTRIES, limit=10.0, nvec=(2,), hidden=(16, 16))
SMALL = Judging(
    folds=4,
    first=60,
    rounds=1,
    updates=20,
    batch_size=256,
    learning_rate=1e-2,
    draws=2,
    resamples=100,
)


class Chain(Mixture):
    """Takes action 1 with a probability that depends on the state alone."""

    chance = (0.5, 0.5)

    def logits(self, observations):
        state = observations[:, 1].astype(int)
        found = np.zeros((len(observations), 2), dtype=np.float32)
        p = np.clip(np.array(self.chance)[state], 1e-6, 1.0 - 1e-6)
        found[:, 1] = np.log(p / (1.0 - p))
        return found


def chain(low, high):
    found = Chain(None, (2,))
    object.__setattr__(found, "chance", (low, high))
    return found


def earned(policy):
    """The exact mean return: reward 1 for action 1 in state 1; action 1 leads to state 1."""
    value = np.zeros(2)
    for _ in range(LENGTH):
        new = np.zeros(2)
        for s in (0, 1):
            for a, p in ((1, policy.chance[s]), (0, 1.0 - policy.chance[s])):
                ahead = STAYS * value[a] + (1.0 - STAYS) * value[1 - a]
                new[s] += p * (float(s == 1 and a == 1) + ahead)
        value = new
    return value.mean() / LENGTH  # rewards are given in parts of the length


def logs(policy, count, seed):
    rng = np.random.default_rng(seed)
    state = rng.integers(2, size=count)
    seen, actions, rewards, told = [], [], [], []
    masks = np.ones((count, 2), dtype=np.bool_)
    for t in range(LENGTH):
        now = np.zeros((count, len(ENTRIES)), dtype=np.float32)
        now[:, 0], now[:, 1], now[:, 2 + t] = 1.0, state, 1.0
        logits = policy.logits(now)
        action = policy.draw(logits, masks, rng)
        noise = 0.1 * rng.normal(size=count)
        seen.append(now)
        actions.append(action)
        rewards.append(((state == 1) & (action[:, 0] == 1)) / LENGTH + noise)
        told.append(policy.log_prob(logits, masks, action))
        kept = rng.random(count) < STAYS
        state = np.where(kept, action[:, 0], 1 - action[:, 0])
    order = np.arange(count * LENGTH).reshape(LENGTH, count).T.ravel()
    source = Source(name="chain", behaviour="even", entries=ENTRIES, limit=10.0, nvec=(2,))
    return Episodes(
        source,
        np.concatenate(seen)[order],
        np.zeros((count, len(ENTRIES)), dtype=np.float32),
        np.ones((count * LENGTH, 2), dtype=np.bool_),
        np.concatenate(actions)[order].astype(np.int64),
        np.concatenate(rewards)[order],
        np.concatenate(told)[order],
        np.arange(count + 1, dtype=np.int64) * LENGTH,
    )


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_intervals_hold_the_exact_return_as_often_as_they_say():
    behaviour = chain(0.5, 0.5)
    policies = [chain(0.9, 0.9), chain(0.1, 0.1), chain(0.5, 0.5), chain(0.05, 0.95)]
    truths = [earned(p) for p in policies]
    assert max(truths) - min(truths) > 0.5
    inside, widths = 0, []
    for seed in range(5):
        judge = Judge(logs(behaviour, 400, seed), LAYOUT, SMALL, seed)
        for told, truth in zip(judge.judge_all(policies), truths, strict=True):
            inside += told.low <= truth <= told.high
            widths.append(told.width)
            assert told.value == pytest.approx(truth, abs=0.15)
    assert inside >= 17  # of 20
    assert np.median(widths) < 0.25


def test_policies_that_are_told_together_are_told_alike():
    data = logs(chain(0.5, 0.5), 300, 0)
    judge = Judge(data, LAYOUT, SMALL)
    policies = [chain(0.5, 0.5), chain(0.8, 0.8)]
    own, other = judge.judge_all(policies)
    assert own.episodes == pytest.approx(300)
    assert other.episodes < own.episodes
    assert own.value == pytest.approx(data.returns.mean(), abs=0.02)
    assert own.reach == 1.0
    alone = judge.judge(policies[1])
    assert alone.value == pytest.approx(other.value, abs=0.03)
    again = judge.judge(policies[1])
    assert (again.low, again.high) == (alone.low, alone.high)


def test_far_from_the_logs_the_interval_is_wider():
    data = logs(chain(0.2, 0.2), 400, 1)
    near, far = Judge(data, LAYOUT, SMALL).judge_all([chain(0.2, 0.2), chain(0.98, 0.98)])
    assert far.episodes < 0.1 * near.episodes
    assert far.width > near.width


def test_logs_without_probabilities_and_too_few_are_refused():
    data = logs(chain(0.5, 0.5), 40, 0)
    blind = Episodes(
        **{k: v for k, v in vars(data).items() if k != "log_prob"},
        log_prob=np.full(len(data), np.nan),
    )
    with pytest.raises(ConfigError, match="how probable"):
        Judge(blind, LAYOUT)
    with pytest.raises(ConfigError, match="more episodes"):
        Judge(data.take(np.arange(3)), LAYOUT)


def test_targets_are_the_sums_where_the_policy_goes_along_and_one_step_where_it_does_not():
    data = logs(chain(0.5, 0.5), 20, 3)
    nothing = np.zeros((len(data), 1))
    along = traced(data, nothing, nothing, np.ones((len(data), 1)))
    np.testing.assert_allclose(along[:, 0], to_come(data))
    ahead = np.full((len(data), 1), 7.0)
    cut = traced(data, nothing, ahead, np.zeros((len(data), 1)))
    np.testing.assert_allclose(cut[:, 0], data.rewards + np.where(data.ends, 0.0, 7.0))


def test_the_past_of_a_decision_is_what_came_before_it_in_its_episode():
    data = logs(chain(0.5, 0.5), 7, 2)
    past = past_of(data, LAYOUT)
    assert past.shape == (len(data), 2 + len(ENTRIES))
    assert not past[data.starts[:-1]].any()
    last = data.starts[1:] - 1
    ones = np.add.reduceat(data.actions[:, 0], data.starts[:-1]) - data.actions[last, 0]
    np.testing.assert_allclose(past[last, 1], ones)
    np.testing.assert_allclose(past[last, 0], LENGTH - 1 - ones)
    np.testing.assert_allclose(past[last, 2], 1.0)
    states = data.observations[:, 1].reshape(7, LENGTH)[:, :-1].mean(axis=1)
    np.testing.assert_allclose(past[last, 3], states, rtol=1e-6)
