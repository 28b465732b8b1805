"""Campaigns as data sets: what was done and measured, followed choice by choice, and read again."""

from pathlib import Path

import numpy as np
import pytest

from agents.learning.layout import layout_of
from agents.offline.campaigns import campaign_logs, measured_worth
from agents.offline.learners import learn
from agents.offline.minari_files import read_minari, write_minari
from agents.offline.settings import Offline
from envs.cursor_batch import CursorSynthesis
from sdl.campaign.config import CampaignConfig
from sdl.campaign.loop import Standing
from sdl.campaign.opening import begin
from sdl.campaign.places import MEMORY
from sdl.chemistry.system import load_system
from sdl.core.errors import ConfigError
from sdl.core.material import Observation, PhaseAmount
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TASK = load_task("batio3-coarse")
SYSTEM = load_system(TASK.system)


@pytest.fixture(scope="module")
def campaign():
    words = {"name": "t", "task": TASK.name, "lab": "fast", "policy": "random", "seed": 3}
    config = CampaignConfig.model_validate({**words, "budget": {"experiments": 4}, "in_flight": 2})
    made = begin(config, TASK, MEMORY)
    assert made.run() is Standing.STOPPED
    return made


def test_a_campaign_makes_a_round_trip(campaign, tmp_path: Path):
    events = campaign.journal.events()
    found = campaign_logs(events, TASK, name="t", policy="policy random")
    logs = found.episodes
    assert logs.count + len(found.left_out) == 4
    assert logs.source.tasks == {TASK.name: TASK.hash}
    assert np.isnan(logs.log_prob).all()
    results = {f.result.sample: f.result for f in campaign.state.finished.values()}
    told = [r for name, r in results.items() if name not in found.left_out]
    worth = [measured_worth(r.observation, TASK, SYSTEM) - r.cost for r in told]
    np.testing.assert_allclose(logs.returns, worth)
    batch = CursorSynthesis(TASK, 1, threads=1)
    layout = layout_of(batch, hidden=(8,))
    assert (layout.entries, layout.nvec) == (logs.source.entries, logs.source.nvec)
    write_minari(logs, tmp_path / "logs")
    again = read_minari(tmp_path / "logs")
    assert again.hash == logs.hash
    learn("clone", again, layout, Offline(updates=2, batch_size=8), 0)
    later = campaign_logs(events, TASK, name="t", policy="policy random")
    assert later.episodes.hash == logs.hash


def test_a_campaign_without_samples_is_refused(campaign):
    with pytest.raises(ConfigError, match="no sample"):
        campaign_logs(campaign.journal.events()[:3], TASK, name="t", policy="random")
    with pytest.raises(ConfigError, match="no episodes"):
        campaign_logs([], load_task("ferrite-curie-point"), name="t", policy="random")


def scan(**shares):
    phases = {n: PhaseAmount(weight_fraction=v, sigma=0.01) for n, v in shares.items()}
    return Observation(sample="S1", name="a", time_s=0.0, phases=phases)


def test_worth_is_what_was_measured():
    assert measured_worth(scan(BaTiO3=1.0), TASK, SYSTEM) == pytest.approx(1.25)
    assert measured_worth(scan(BaCO3=1.0), TASK, SYSTEM) == 0.0
    half = measured_worth(scan(BaTiO3=0.5, BaCO3=0.5), TASK, SYSTEM)
    barium = (0.5 / 233.19) / (0.5 / 233.19 + 0.5 / 197.34)
    assert half == pytest.approx(barium * 0.25, rel=1e-3)
    almost = measured_worth(scan(BaTiO3=0.96, Ba2TiO4=0.04), TASK, SYSTEM)
    assert almost < 1.0  # an impurity of 4 % earns no bonus
