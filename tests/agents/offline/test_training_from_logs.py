"""Training files that learn from logs: the same policy files, and a start for on-line learning."""

import pytest
from pydantic import ValidationError

from agents.learning import train as training
from agents.learning.artifact import read_policy
from agents.learning.config import TrainConfig
from agents.learning.play import deciding, play
from agents.learning.train import POLICY, train_seed
from agents.offline.behaviour import Mixture, record
from agents.offline.minari_files import write_minari
from sdl.core.errors import ConfigError
from toy_batches import ToyBatch

WORDS = {"seed": 1, "name": "toy", "behaviour": "chance", "parents": ("ab",)}


def config(data, **more):
    values = {
        "name": "toy",
        "algorithm": "iql",
        "environment": "plain",
        "data": str(data),
        "evaluation_episodes": 60,
        "net": {"hidden": (16,)},
        "offline": {"updates": 150, "learning_rate": "3e-3", "sharpness": 4.0},
    }
    return TrainConfig.model_validate(values | more)


@pytest.fixture
def data(tmp_path, monkeypatch):
    def make(config, *, seed, rows=None, split=None, variants=False):
        return ToyBatch(rows or config.rows, seed=seed)

    monkeypatch.setattr(training, "make_rows", make)
    batch = ToyBatch(150)
    episodes = record(batch, Mixture(None, batch.nvec, 1.0), tasks={}, **WORDS)
    write_minari(episodes, tmp_path / "data")
    return tmp_path / "data", episodes


def test_a_policy_learned_from_logs_is_a_policy_file(data, tmp_path):
    path, episodes = data
    result = train_seed(config(path), 0, tmp_path / "iql")
    assert result.return_mean > result.return_random + 0.1
    artifact = read_policy(tmp_path / "iql" / POLICY)
    assert artifact.card.algorithm == "iql"
    assert artifact.card.data == episodes.hash
    assert artifact.card.lineage.parents == ("ab",)
    assert result.steps == artifact.card.lineage.steps == len(episodes)
    played = play(ToyBatch(60), deciding(artifact.actor, 60), seed=training.seed_of("judge"))
    assert played.returns.mean() == pytest.approx(result.return_mean, abs=1e-9)
    assert train_seed(config(path), 0, tmp_path / "iql") == result


def test_a_clone_is_a_start_for_learning_in_the_twin(data, tmp_path):
    train_seed(config(data[0], algorithm="clone"), 0, tmp_path / "clone")
    ppo = {
        "algorithm": "maskable_ppo",
        "data": None,
        "parent": str(tmp_path / "clone" / POLICY),
        "steps": 240,
        "rows": 30,
        "checkpoints": 1,
        "ppo": {"n_steps": 8, "batch_size": 120, "learning_rate": 1e-9},
    }
    wanted = TrainConfig.model_validate(config(data[0]).model_dump() | ppo)
    result = train_seed(wanted, 0, tmp_path / "ppo")
    cloned = read_policy(tmp_path / "clone" / POLICY).card.metrics["return_mean"]
    assert result.return_mean == pytest.approx(cloned, abs=0.05)


def test_logs_and_algorithms_have_to_fit(data, tmp_path):
    path, _ = data
    known = config(path).model_dump()
    for more in ({"data": None}, {"algorithm": "maskable_ppo"}, {"parent": "x"}):
        with pytest.raises(ValidationError, match="data"):
            TrainConfig.model_validate(known | more)
    batch = ToyBatch(8)
    tasks = {"batio3-coarse": "0" * 64}
    old = record(batch, Mixture(None, batch.nvec, 1.0), tasks=tasks, **WORDS)
    write_minari(old, tmp_path / "old")
    with pytest.raises(ConfigError, match="another version"):
        train_seed(config(tmp_path / "old"), 0, tmp_path / "runs")
    plain = TrainConfig.model_validate({"name": "x"})
    assert plain.hash == plain.model_copy(update={"offline": config(path).offline}).hash
