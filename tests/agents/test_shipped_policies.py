"""Shipped policies use the physics: stored files, a few tuning laboratories, the most probable."""

import numpy as np
import pytest

from agents.learning.artifact import read_policy
from agents.learning.targets import JOINT, LEFT_OUT, TARGETS, left_out, stored_targets
from agents.response import habits
from sdl.core.recipe import Gas
from sdl.tasks.task import load_task
from sdl.tasks.vary import limited

pytestmark = pytest.mark.timeout(600)  # the first run compiles


@pytest.fixture(scope="module")
def response():
    return read_policy(stored_targets("response")[0]).actor


@pytest.mark.parametrize(("name", "colder_c"), [("mgal2o4", 1200), ("srtio3", 800)])
def test_longer_where_it_may_not_be_hotter(response, name, colder_c):
    task = load_task(name)
    hot = habits(response, task, 16, 2)
    cold = habits(response, limited(task, hottest_c=colder_c), 16, 2)
    assert np.nanmax(cold.hottest_c) <= colder_c
    assert cold.dwell_h.mean() > 1.2 * hot.dwell_h.mean()


def test_steam_where_it_pays(response):
    task = load_task("batio3-coarse")
    both = habits(response, task, 16, 2)
    air = habits(response, limited(task, gases=(Gas.AIR,)), 16, 2)
    assert both.steam.sum() >= 0.5 * both.anneals.sum()
    assert air.steam.sum() == 0
    assert both.returns.mean() > air.returns.mean()
    assert both.dwell_h.mean() < air.dwell_h.mean()


def test_measured_where_the_belief_is_wide():
    actor = read_policy(stored_targets("mgal2o4-pilot")[0]).actor
    task = load_task("mgal2o4-pilot")
    narrow = habits(actor, task, 64, 1, belief=(0.05, 0.05))
    wide = habits(actor, task, 64, 1, belief=(1.0, 1.0))
    assert wide.scans.mean() > 0.8
    assert narrow.scans.mean() < wide.scans.mean() - 0.2
    # Who knows earns more, and dwells differ as laboratories do.
    assert narrow.returns.mean() > wide.returns.mean()
    assert narrow.dwell_h.std() > wide.dwell_h.std()


def test_every_target_has_a_policy_that_met_it_and_one_that_did_not():
    met = read_policy(stored_targets(JOINT)[0]).card.tasks
    assert set(met) == set(TARGETS)
    for name, found in met.items():
        assert found == load_task(name).hash
    assert set(left_out(stored_targets(LEFT_OUT))) == set(TARGETS)
