"""The search of settings: reproducible, goes on where it was stopped, judged apart."""

import json

import pytest

from agents.learning.config import TrainConfig
from agents.learning.train import RESULT
from agents.learning.tuning import TRIALS, tune
from sdl.core.errors import ConfigError

pytestmark = pytest.mark.timeout(600)  # the first run compiles


def small(**more):
    return TrainConfig.model_validate(
        {
            "name": "small", "steps": 480, "rows": 8, "evaluation_episodes": 4, "checkpoints": 1,
            "net": {"hidden": (8,)}, "ppo": {"n_steps": 16, "batch_size": 128, "epochs": 2},
            **more,
        }
    )  # fmt: skip


def test_a_search_begins_with_the_config_and_goes_on(tmp_path):
    first = tune(small(), 2, tmp_path)
    assert [line["trial"] for line in first["trials"]] == [0, 1]
    assert first["trials"][0]["learning_rate"] == pytest.approx(1e-3)
    assert first["return"] == max(line["return"] for line in first["trials"])
    stored = (tmp_path / "trial-1" / RESULT).stat().st_mtime_ns
    again = tune(small(), 3, tmp_path)
    assert again["trials"][:2] == first["trials"]
    assert (tmp_path / "trial-1" / RESULT).stat().st_mtime_ns == stored
    lines = (tmp_path / TRIALS).read_text().splitlines()
    assert [json.loads(line) for line in lines] == again["trials"]


def test_only_maskable_ppo_is_searched(tmp_path):
    with pytest.raises(ConfigError, match="maskable_ppo"):
        tune(small(algorithm="recurrent_ppo"), 1, tmp_path)
