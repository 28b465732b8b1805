"""Policy files: the same actions from memory, file and ONNX; nothing that could run code."""

import io
import pickle
import zipfile
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from agents.learning.actor import Actor
from agents.learning.artifact import Card, Lineage, dump, read_card, read_policy, restore
from agents.learning.layout import layout_of
from agents.learning.network import Critic, make_actor
from agents.learning.onnx_graph import to_onnx
from sdl.core.errors import ModelError
from toy_batches import ToyBatch

STATES = 1000
BATCHES = {
    "mlp": (ToyBatch(STATES), False),
    "pointer": (ToyBatch(STATES, slots=12), False),
    "lstm": (ToyBatch(STATES), True),
    "gaussian": (ToyBatch(STATES, size=3), False),
}


def made(kind):
    batch, recurrent = BATCHES[kind]
    layout = layout_of(batch, recurrent=recurrent, hidden=(24, 16), lstm_size=10)
    assert layout.kind == kind
    torch.manual_seed(5)
    network = make_actor(layout)
    with torch.no_grad():  # the last layer begins so small that every choice is a near tie
        for value in network.parameters():
            value.add_(0.6 * torch.randn_like(value))
    return batch, Actor(layout, network)


def content(actor, critic=None, **more):
    card = Card(
        name="test",
        algorithm="maskable_ppo",
        layout=actor.layout,
        tasks={"toy": "0" * 64},
        data="1" * 64,
        metrics={"return_mean": 0.5},
        lineage=Lineage(parents=("2" * 64,), seed=3, steps=99),
        commit="abc",
        **more,
    )
    return dump(card, actor.network, critic)


def masks_of(batch):
    return batch.action_masks() if batch.nvec else None


def by_onnx(actor, batch, states):
    """Actions and the new state of the graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        to_onnx(actor), options, providers=["CPUExecutionProvider"]
    )
    feed = {"observation": batch.observations} | states
    if batch.nvec:
        feed["mask"] = batch.action_masks()
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


@pytest.mark.parametrize("kind", BATCHES)
def test_saved_loaded_and_onnx_actors_take_the_same_actions(kind, tmp_path):
    batch, actor = made(kind)
    path = tmp_path / "policy.safetensors"
    path.write_bytes(content(actor))
    loaded = read_policy(path).actor
    loaded.check_spaces(batch)
    memories = [each.memory(STATES) for each in (actor, loaded)]
    states = {n: np.zeros((1, STATES, 10), dtype=np.float32) for n in "hc"} if memories[0] else {}
    for step in range(3):
        batch.reset(step)
        first = actor.act(batch.observations, masks_of(batch), memory=memories[0])
        second = loaded.act(batch.observations, masks_of(batch), memory=memories[1])
        third = by_onnx(actor, batch, states)
        np.testing.assert_array_equal(first, second)
        if kind == "gaussian":
            np.testing.assert_allclose(np.asarray(third["action"]), first, atol=1e-6)
        else:
            np.testing.assert_array_equal(third["action"], first)
            assert len(np.unique(first, axis=0)) > 3  # not one action for all
        states = {n: third[f"{n}_next"] for n in states}
    draws: Any = [
        each.act(batch.observations, masks_of(batch), np.random.default_rng(1), each.memory(STATES))
        for each in (actor, loaded)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    if batch.nvec:
        at = np.cumsum([0, *batch.nvec[:-1]]) + draws[0]
        assert np.take_along_axis(batch.action_masks(), at, axis=1).all()


def test_file_is_the_same_every_time_and_keeps_its_card_and_critic():
    _, actor = made("pointer")
    critic = Critic(actor.layout)
    one = content(actor, critic)
    assert one == content(actor, critic)
    found = restore(one)
    assert found.card.metrics == {"return_mean": 0.5}
    assert found.card.lineage == Lineage(parents=("2" * 64,), seed=3, steps=99)
    assert found.card.layout == actor.layout
    assert set(found.critic) == set(critic.state_dict())
    assert dump(read_card(one), found.actor.network, critic) == one


def test_memory_of_a_row_ends_with_its_episode():
    batch, actor = made("lstm")
    memory, fresh = actor.memory(STATES), actor.memory(STATES)
    assert memory is not None
    actor.logits(batch.observations, memory)
    ended = np.arange(STATES) % 2 == 0
    memory.forget(ended)
    logits = actor.logits(batch.observations, memory)
    first = actor.logits(batch.observations, fresh)
    np.testing.assert_array_equal(logits[ended], first[ended])
    assert np.abs(logits[~ended] - first[~ended]).max(1).min() > 0.0
    with pytest.raises(ModelError, match="memory"):
        actor.logits(batch.observations)


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a policy file was unpickled",))


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data", pickle.dumps(Trap()))
    return stream.getvalue()


def torch_file():
    stream = io.BytesIO()
    torch.save({"weights": torch.zeros(2)}, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("bytes_of", "words"),
    [
        (lambda: pickle.dumps(Trap()), "a pickle, which runs code"),
        (lambda: pickle.dumps(Trap(), protocol=2), "a pickle, which runs code"),
        (zipped, "zip archive, as Stable-Baselines3"),
        (torch_file, "zip archive"),
        (lambda: b"", "this is not a policy file"),
        (lambda: b"\x10" + bytes(7) + b"{}", "this is not a policy file"),
    ],
)
def test_pickles_zips_and_rubbish_are_refused_with_a_clear_message(bytes_of, words, tmp_path):
    path = tmp_path / "policy.safetensors"
    path.write_bytes(bytes_of())
    with pytest.raises(ModelError, match=words) as caught:
        read_policy(path)
    assert "sdl train" in str(caught.value)


def test_absent_damaged_and_foreign_files_are_refused(tmp_path):
    _, actor = made("mlp")
    whole = content(actor)
    with pytest.raises(ModelError, match="cannot be read"):
        read_policy(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match=r"damaged|not a policy"):
        restore(whole[:-40])
    with pytest.raises(ModelError, match="another format"):
        restore(content(actor, format="solid-state-sdl/policy/9"))
    _, pointer = made("pointer")
    mixed = Card.model_validate(read_card(whole).model_dump() | {"layout": pointer.layout})
    with pytest.raises(ModelError, match="other weights"):
        restore(dump(mixed, actor.network))
    with torch.no_grad():
        next(actor.network.parameters())[0, 0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        restore(content(actor))


def test_other_spaces_are_refused():
    batch, actor = made("mlp")
    actor.check_spaces(batch)
    for other, words in (
        (ToyBatch(2, slots=12), "another observation"),
        (ToyBatch(2, size=3), "other actions"),
    ):
        with pytest.raises(ModelError, match=words):
            actor.check_spaces(other)
    batch = ToyBatch(2)
    batch.limit = 5.0
    with pytest.raises(ModelError, match="another observation"):
        actor.check_spaces(batch)
    with pytest.raises(ModelError, match="masks"):
        actor.act(batch.observations)
