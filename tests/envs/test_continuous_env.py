"""Actions from a box: always allowed, the same samples as the batch makes."""

import numpy as np
import pytest

from envs.batched import BatchedSynthesis
from envs.continuous import ACTION, ContinuousSynthesis
from envs.cursor_tables import CURSOR_VERBS
from sdl.core.errors import ConfigError
from sdl.core.recipe import Anneal, Mix

pytestmark = pytest.mark.timeout(600)  # the first run compiles


@pytest.mark.parametrize("task", ["batio3-coarse", "ybco"])
def test_any_action_is_a_decision_that_the_batch_accepts(task):
    box = ContinuousSynthesis(task, 8, seed=3, threads=1)
    batch, rng = BatchedSynthesis(task, 8, seed=3, threads=1), np.random.default_rng(4)
    ends = 0
    for _ in range(40):
        _, reward, ended, _, info = box.step(rng.uniform(-1.2, 1.2, size=(8, ACTION)))
        assert not info["vetoed"].any()
        _, paid, over, _, _ = batch.step(box.acting)
        np.testing.assert_array_equal(reward, paid)
        np.testing.assert_array_equal(ended, over)
        ends += ended.sum()
    assert ends > 8


def test_numbers_reach_both_ends_of_each_value_and_the_best_bottles():
    box = ContinuousSynthesis("batio3-coarse", 2, seed=3, threads=1)
    choices = box.problem.choices
    action = np.full((2, ACTION), -1.0)
    action[:, CURSOR_VERBS.index("add")] = 1.0
    wanted = [1, 2]  # fine carbonate and coarse rutile among the four bottles
    for row in range(2):
        slots = [int(np.flatnonzero(box.order[row] == lot)[0]) for lot in wanted]
        action[row, len(CURSOR_VERBS) + np.array(slots)] = 0.5
    action[1, -5:] = 1.0
    box.step(action)
    low, high = (box.executed_steps(row)[0] for row in range(2))
    assert isinstance(low, Mix)
    assert isinstance(high, Mix)
    assert [d.lot for d in low.doses] == ["BaCO3-fine", "TiO2-rutile-coarse"]
    assert low.mill_min == choices.mill_min[0]
    assert high.mill_min == choices.mill_min[-1]
    assert high.doses[0].mass_mg > low.doses[0].mass_mg
    action[:] = -1.0
    action[:, CURSOR_VERBS.index("heat_steam")] = 1.0
    action[1, -5:] = 1.0
    box.step(action)
    low, high = (box.executed_steps(row)[1] for row in range(2))
    assert isinstance(low, Anneal)
    assert isinstance(high, Anneal)
    assert (low.temperature_c, low.dwell_h) == (choices.temperatures_c[0], choices.dwells_h[0])
    assert high.temperature_c == choices.temperatures_c[-1]
    assert low.gas.value == "steam"


def test_what_is_no_number_is_refused():
    box = ContinuousSynthesis("batio3-coarse", 1, threads=1)
    with pytest.raises(ConfigError, match="finite"):
        box.step(np.full((1, ACTION), np.nan))
    with pytest.raises(ConfigError, match="shape"):
        box.step(np.zeros((1, 3)))
