"""Published recipes as episodes: allowed choices, no reward, and a start for a learner."""

import numpy as np
import pytest

from agents.learning.actor import Actor
from agents.learning.layout import layout_of
from agents.offline.behaviour import Mixture
from agents.offline.learners import learn
from agents.offline.published import published_logs
from agents.offline.settings import Offline
from envs.choices import TEMPERATURES_C
from envs.cursor_batch import CursorSynthesis
from envs.cursor_tables import C_TEMPERATURE

pytestmark = pytest.mark.timeout(600)  # the first run compiles


def test_published_recipes_are_followed_and_cloned():
    logs = published_logs("batio3-coarse", 60)
    assert logs.count > 20
    assert not logs.rewards.any()
    assert np.isnan(logs.log_prob).all()
    live = logs.masks[:, -sum(logs.source.nvec[C_TEMPERATURE:]) :].sum(1) > 3
    fired = np.array(TEMPERATURES_C)[logs.actions[live, C_TEMPERATURE]]
    assert len(set(fired.tolist())) > 2
    assert 900 <= np.median(fired) <= 1250
    batch = CursorSynthesis("batio3-coarse", 1, threads=1)
    layout = layout_of(batch, hidden=(32,))
    actor = learn("clone", logs, layout, Offline(updates=150, batch_size=128), 0)
    policy = Mixture(Actor(layout, actor), layout.nvec)
    told = policy.log_prob(policy.logits(logs.observations), logs.masks, logs.actions)
    chance = Mixture(None, layout.nvec, 1.0)
    before = chance.log_prob(chance.logits(logs.observations), logs.masks, logs.actions)
    assert told.mean() > 0.5 * before.mean()
