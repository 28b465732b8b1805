"""Standardised learning: what comes out says the same of plain observations."""

import copy

import numpy as np
import pytest
import torch

from agents.learning.config import TrainConfig
from agents.learning.layout import layout_of
from agents.learning.network import Critic, make_actor
from agents.learning.standard import LARGEST, StandardRows, fold, measure
from agents.learning.train import POLICY, train_seed
from envs.batched import BatchedSynthesis
from envs.cursor_batch import CursorSynthesis

pytestmark = pytest.mark.timeout(600)  # the first run compiles


@pytest.fixture(scope="module", params=[CursorSynthesis, BatchedSynthesis])
def known(request):
    batch = request.param("batio3-coarse", 64, threads=1)
    layout = layout_of(batch, hidden=(16, 8), slot_size=8)
    return batch, layout, measure(batch, layout)


def test_numbers_have_one_spread_and_slots_share_theirs(known):
    batch, layout, standard = known
    assert np.isfinite(standard.shift).all()
    assert (standard.scale > 0).all()
    assert standard.scale.max() <= LARGEST
    seen = np.concatenate([standard(batch.observations)])
    assert np.abs(seen.mean(axis=0)).max() < 12.0
    for columns in np.array(layout.slots).T if layout.slots else []:
        assert len(set(standard.scale[columns])) == len(set(standard.shift[columns])) == 1
    assert StandardRows(batch, standard).observations == pytest.approx(seen)


def test_folding_is_exact_and_its_own_inverse(known):
    batch, layout, standard = known
    torch.manual_seed(1)
    seen = torch.from_numpy(batch.observations.copy())
    scaled = torch.from_numpy(standard(batch.observations))
    networks = [make_actor(layout)]
    if layout.kind != "pointer":
        networks.append(Critic(layout))
    for network in networks:
        plain = copy.deepcopy(network)
        fold(plain, layout, standard)
        torch.testing.assert_close(plain(seen), network(scaled), rtol=1e-4, atol=1e-5)
        fold(plain, layout, standard, back=True)
        for after, before in zip(plain.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def config(**more):
    net = {"hidden": (16,), "slot_size": 8} | more.pop("net", {})
    return TrainConfig.model_validate(
        {
            "name": "small", "steps": 960, "rows": 30, "checkpoints": 2, "seeds": (0,),
            "workers": 1, "evaluation_episodes": 4, "net": net,
            "ppo": {"n_steps": 8, "batch_size": 120}, **more,
        }
    )  # fmt: skip


def test_a_standardised_run_goes_on_and_begins_from_a_plain_policy(tmp_path):
    whole = train_seed(config(net={"standard": True}), 0, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_seed(config(net={"standard": True}), 0, tmp_path / "cut", stop_after=1)
    assert train_seed(config(net={"standard": True}), 0, tmp_path / "cut").policy == whole.policy
    train_seed(config(), 0, tmp_path / "plain")
    parent = str(tmp_path / "plain" / POLICY)
    # With a learning rate of next to nothing the child decides as its parent.
    child = config(
        net={"standard": True}, parent=parent, ppo={"n_steps": 8, "learning_rate": 1e-12}
    )
    after = train_seed(child, 0, tmp_path / "child")
    before = train_seed(config(), 0, tmp_path / "plain")
    assert after.return_mean == pytest.approx(before.return_mean)


def test_only_maskable_ppo_is_standardised():
    with pytest.raises(ValueError, match=r"net\.standard"):
        config(net={"standard": True}, algorithm="recurrent_ppo")
