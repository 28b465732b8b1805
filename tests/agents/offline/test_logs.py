"""Logged episodes: what is recorded, written as Minari, read again, and refused."""

import json
import sys
from typing import Any, cast

import numpy as np
import pytest
from minari import MinariDataset

from agents.learning.actor import Actor
from agents.learning.layout import layout_of
from agents.learning.network import make_actor
from agents.offline.behaviour import Mixture, record
from agents.offline.episodes import Episodes, minibatches
from agents.offline.minari_files import read_minari, write_minari
from sdl.core.errors import ConfigError, ModelError
from toy_batches import ToyBatch

FIELDS = ("observations", "final", "masks", "actions", "rewards", "log_prob", "starts")


def logs(rows=40, seed=0, **more):
    batch = ToyBatch(rows, **more)
    return record(
        batch, Mixture(None, batch.nvec, 1.0), seed=seed, name="toy", behaviour="chance", tasks={}
    )


def test_a_data_set_is_read_as_it_was_written_and_by_minari_itself(tmp_path):
    episodes = logs(slots=12)
    write_minari(episodes, tmp_path / "logs")
    found = read_minari(tmp_path / "logs")
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(episodes, name))
    assert found.hash == episodes.hash
    assert found.source == episodes.source
    plain = MinariDataset(tmp_path / "logs")
    assert plain.total_episodes == 40
    assert plain.total_steps == len(episodes)
    assert plain[3].observations.shape == (len(plain[3]) + 1, len(episodes.source.entries))
    assert plain[3].infos["action_mask"].dtype == np.bool_
    assert not plain[3].infos["action_mask"][-1].any()
    assert plain.action_space.nvec.tolist() == list(episodes.source.nvec)
    with pytest.raises(ConfigError, match="already"):
        write_minari(episodes, tmp_path / "logs")


def test_reading_needs_no_pickle_and_runs_no_code(tmp_path, monkeypatch):
    episodes, path = logs(), tmp_path / "logs"
    write_minari(episodes, path)

    def never(*_args, **_kwargs):
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(f"pickle.{name}", never)
    assert read_minari(path).hash == episodes.hash
    kinds = {p.name for p in path.rglob("*") if p.is_file()}
    assert kinds == {"metadata.json", "main_data.hdf5"}
    metadata = json.loads((path / "metadata.json").read_text())
    spec = {"id": "Evil-v0", "entry_point": "evil_module:Evil"}
    evil = metadata | {"env_spec": json.dumps(spec)}
    (path / "metadata.json").write_text(json.dumps(evil))
    with pytest.raises(ModelError, match="names code"):
        read_minari(path)
    assert "evil_module" not in sys.modules
    (path / "metadata.json").write_text(
        json.dumps({k: v for k, v in metadata.items() if k != "observation_space"})
    )
    with pytest.raises(ModelError, match="not read"):
        read_minari(path)
    with pytest.raises(ConfigError, match="no Minari"):
        read_minari(tmp_path / "nothing")


def test_logs_of_people_have_no_probabilities(tmp_path):
    episodes = logs()
    unknown = Episodes(
        **{name: getattr(episodes, name) for name in ("source", *FIELDS) if name != "log_prob"},
        log_prob=np.full(len(episodes), np.nan),
    )
    write_minari(unknown, tmp_path / "logs")
    assert np.isnan(read_minari(tmp_path / "logs").log_prob).all()


def test_what_no_environment_can_have_said_is_refused():
    episodes = logs()
    parts: dict[str, Any] = {name: getattr(episodes, name) for name in ("source", *FIELDS)}
    for name, value, message in (
        ("masks", np.zeros_like(episodes.masks), "forbids"),
        ("observations", episodes.observations * np.float32(np.nan), "out of bounds"),
        ("actions", episodes.actions + 9, "no head has"),
        ("rewards", episodes.rewards[1:], "wrong shape"),
        ("starts", episodes.starts[::-1].copy(), "share out"),
    ):
        with pytest.raises(ModelError, match=message):
            Episodes(**cast("dict[str, Any]", parts | {name: value}))


def test_probabilities_of_a_mixture_are_those_of_its_draws():
    batch = ToyBatch(6000, slots=12)
    layout = layout_of(batch, hidden=(16,))
    mixture = Mixture(Actor(layout, make_actor(layout)), batch.nvec, 0.3, sharpness=40.0)
    seen = np.repeat(batch.observations[:1], 6000, axis=0)
    masks = np.repeat(batch.action_masks()[:1], 6000, axis=0)
    logits = mixture.logits(seen)
    actions = mixture.draw(logits, masks, np.random.default_rng(0))
    told = np.exp(mixture.log_prob(logits, masks, actions))
    kinds, which, counts = np.unique(actions, axis=0, return_inverse=True, return_counts=True)
    assert len(kinds) > 5
    for k in range(len(kinds)):
        p = told[which == k][0]
        assert abs(counts[k] / 6000 - p) < 4.5 * np.sqrt(p * (1 - p) / 6000) + 1e-12


def test_parts_of_a_set_keep_whole_episodes():
    episodes = logs()
    assert episodes.count == 40
    best = episodes.best(0.25)
    assert best.count == 10
    assert best.returns.min() >= np.sort(episodes.returns)[-10]
    twice = episodes.take(np.array([3, 3]))
    np.testing.assert_array_equal(twice.returns, episodes.returns[[3, 3]])
    np.testing.assert_array_equal(twice.next_observations[-1], episodes.final[3])
    rng = np.random.default_rng(0)
    seen = np.concatenate(list(minibatches(10, 5, 4, rng)))
    np.testing.assert_array_equal(np.bincount(seen), np.full(10, 2))
