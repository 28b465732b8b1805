"""Learners from logs of chance: cloning stays chance, others do better; what they earn is told."""

import numpy as np
import pytest
import torch

from agents.learning.actor import Actor
from agents.learning.layout import layout_of
from agents.offline.behaviour import Mixture, mean_return, record
from agents.offline.judgement import Judge, Judging
from agents.offline.learners import learn
from agents.offline.settings import Learner, Offline
from sdl.core.errors import ConfigError
from toy_batches import ToyBatch

SMALL = Offline(updates=500, batch_size=256, learning_rate=3e-3, sharpness=4.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def logs():
    batch = ToyBatch(800)
    chance = Mixture(None, batch.nvec, 1.0)
    return record(batch, chance, seed=1, name="toy", behaviour="chance", tasks={})


@pytest.fixture(scope="module")
def policies(logs):
    layout = layout_of(ToyBatch(1), hidden=(32,))
    ways: dict[str, tuple[Learner, Offline]] = {
        "clone": ("clone", SMALL),
        "best": ("clone", SMALL.model_copy(update={"best": 0.2})),
        "iql": ("iql", SMALL),
        "cql": ("cql", SMALL),
    }
    actors = {k: learn(a, logs, layout, s, 0) for k, (a, s) in ways.items()}
    return {k: Mixture(Actor(layout, a), layout.nvec) for k, a in actors.items()}


def truth(policy):
    return mean_return(ToyBatch(3000), policy, seed=77)[0]


def test_learners_from_logs_are_above_their_behaviour(logs, policies):
    earned = {name: truth(policy) for name, policy in policies.items()}
    chance = truth(Mixture(None, policies["clone"].nvec, 1.0))
    assert earned["clone"] == pytest.approx(chance, abs=0.08)
    assert earned["best"] > chance + 0.1
    assert earned["iql"] > earned["best"] + 0.1
    assert earned["cql"] > earned["clone"] + 0.1


def test_equal_seeds_give_equal_actors(logs):
    layout = layout_of(ToyBatch(1), hidden=(8,))
    short = SMALL.model_copy(update={"updates": 5})
    first, again, other = (learn("iql", logs, layout, short, s).state_dict() for s in (0, 0, 1))
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)
    with pytest.raises(ConfigError, match="other spaces"):
        learn("iql", logs, layout_of(ToyBatch(1, slots=12)), short, 0)


def test_the_interval_holds_what_policies_earn(logs, policies):
    judge = Judge(
        logs,
        layout_of(ToyBatch(1), hidden=(32,)),
        Judging(first=100, rounds=1, updates=60, draws=2),
    )
    chance = Mixture(None, policies["clone"].nvec, 1.0)
    inside = 0
    for policy in (chance, policies["clone"], policies["best"], policies["iql"]):
        told, known = judge.judge(policy), truth(policy)
        assert told.width < 0.3
        inside += told.low <= known <= told.high
        assert told.value == pytest.approx(known, abs=0.15)
    assert inside >= 3
    own = judge.judge(chance)
    assert own.value == pytest.approx(logs.returns.mean(), abs=0.02)
    assert own.episodes == pytest.approx(logs.count)
    blind = type(logs)(
        **{k: v for k, v in vars(logs).items() if k != "log_prob"},
        log_prob=np.full(len(logs), np.nan),
    )
    with pytest.raises(ConfigError, match="how probable"):
        Judge(blind, layout_of(ToyBatch(1)))
