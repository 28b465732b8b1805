"""What is kept of a policy's habits is what it did."""

import numpy as np
import pytest

from agents.learning.actor import Actor
from agents.learning.layout import layout_of
from agents.learning.network import make_actor
from agents.response import habits
from envs.cursor_batch import CursorSynthesis
from sdl.core.errors import ConfigError
from sdl.core.recipe import Anneal, Characterise, Gas
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(600)  # the first run compiles


@pytest.fixture(scope="module")
def actor():
    import torch

    torch.manual_seed(3)
    batch = CursorSynthesis("batio3-coarse", 1, threads=1)
    layout = layout_of(batch, hidden=(16,))
    network = make_actor(layout)
    # Large random weights: an untrained actor that is not the same everywhere.
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return Actor(layout, network)


def test_habits_are_those_of_the_steps(actor):
    found = habits(actor, load_task("batio3-coarse"), 12, 2)
    batch = CursorSynthesis(
        "batio3-coarse", 12, split="tune", samples_per_lab=2, threads=1, seed=2_000_003
    )
    kept = [[] for _ in range(12)]
    returns = np.zeros((12, 2))
    for _ in range(4000):
        actions = actor.act(batch.observations, batch.action_masks())
        _, reward, ended, _, _ = batch.step(actions)
        for i in range(12):
            if len(kept[i]) < 2:
                returns[i, len(kept[i])] += reward[i]
                if ended[i]:
                    kept[i].append(batch.executed_steps(i, finished=True))
        if all(len(k) == 2 for k in kept):
            break
    for i in range(12):
        for k in range(2):
            anneals = [s for s in kept[i][k] if isinstance(s, Anneal)]
            scans = [s for s in kept[i][k] if isinstance(s, Characterise)]
            assert found.anneals[i, k] == len(anneals)
            assert found.dwell_h[i, k] == pytest.approx(sum(a.dwell_h for a in anneals))
            assert found.steam[i, k] == sum(a.gas is Gas.STEAM for a in anneals)
            if anneals:
                assert found.hottest_c[i, k] == max(a.temperature_c for a in anneals)
            # A stop appends a scan of its own.
            assert found.scans[i, k] == len(scans) - 1
    np.testing.assert_allclose(found.returns, returns)
    assert found.anneals.sum() > 0


def test_a_narrow_belief_about_judged_laboratories_is_refused(actor):
    with pytest.raises(ConfigError, match="as wide as the prior"):
        habits(actor, load_task("batio3-coarse"), 2, 1, split="judge", belief=(0.1, 0.1))
