"""Masked heads as sb3_contrib has them; a pointer that does not see the order of the slots."""

from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib.common.maskable.distributions import MaskableMultiCategoricalDistribution

from agents.learning.distribution import MaskedHeads, choose
from agents.learning.layout import Layout, layout_of, shelf_columns
from agents.learning.network import Critic, make_actor
from sdl.core.errors import ConfigError
from toy_batches import FEATURES, ToyBatch

NVEC = (3, 12, 2, 5)


def drawn(rows=64, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(rows, sum(NVEC), generator=generator)
    masks = torch.rand(rows, sum(NVEC), generator=generator) < 0.6
    masks[:, [0, 3, 15, 17]] = True
    return logits, masks.numpy()


def both(logits, masks):
    theirs = MaskableMultiCategoricalDistribution(list(NVEC)).proba_distribution(logits)
    theirs.apply_masking(masks)
    ours = MaskedHeads(NVEC).proba_distribution(logits)
    ours.apply_masking(masks)
    return ours, theirs


def test_masked_heads_are_the_distribution_of_the_library():
    logits, masks = drawn()
    logits.requires_grad_(True)
    ours, theirs = both(logits, masks)
    torch.manual_seed(1)
    actions = theirs.sample()
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    torch.testing.assert_close(ours.mode(), theirs.mode())
    gradients = []
    for each in (ours, theirs):
        total = (each.log_prob(actions) * torch.arange(64)).sum() + each.entropy().sum()
        gradients.append(torch.autograd.grad(total, logits, retain_graph=True)[0])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
    unmasked = both(logits, None)
    torch.testing.assert_close(unmasked[0].log_prob(actions), unmasked[1].log_prob(actions))


def test_heads_far_apart_and_certain_ones_stay_exact():
    logits, masks = drawn(8)
    logits[:, :3] -= 500.0  # another head is not drowned by this one
    masks[:, 3:15] = False
    masks[:, 5] = True  # one option: certain
    ours, theirs = both(logits, masks)
    actions = theirs.mode()
    assert (actions[:, 1] == 2).all()
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    only = np.zeros_like(masks)
    only[:, [1, 4, 15, 18]] = True
    ours.apply_masking(only)
    certain = torch.tensor([1, 1, 0, 1]).expand(8, 4)
    assert (ours.log_prob(certain) == 0.0).all()
    assert (ours.entropy() == 0.0).all()
    assert (ours.sample() == certain).all()
    ours.apply_masking(np.zeros_like(masks))  # padded rows of a recurrent policy: no NaN
    theirs.apply_masking(None)
    torch.testing.assert_close(ours.entropy(), theirs.entropy())


def test_draws_follow_the_probabilities_and_never_the_forbidden():
    logits, masks = drawn(1, seed=3, scale=1.0)
    rows = 20_000
    ours, theirs = both(logits.expand(rows, -1), np.repeat(masks, rows, axis=0))
    torch.manual_seed(0)
    actions = ours.sample()
    rng = np.random.default_rng(0)
    many = choose(logits.expand(rows, -1).numpy(), np.repeat(masks, rows, 0), NVEC, rng)
    for head, (count, part) in enumerate(zip(NVEC, theirs.distributions, strict=True)):
        expected = part.probs[0].numpy()
        for sample in (actions[:, head].numpy(), many[:, head]):
            share = np.bincount(sample, minlength=count) / rows
            assert share[expected < 1e-7].sum() == 0.0
            np.testing.assert_allclose(share, expected, atol=0.015)
    top = choose(logits.numpy(), masks, NVEC)
    np.testing.assert_array_equal(top, theirs.mode()[:1].numpy())


def permuted(layout, observation, order):
    """The same shelf with its slots in another order."""
    moved = observation.clone()
    for place, slot in enumerate(order):
        moved[:, list(layout.slots[place])] = observation[:, list(layout.slots[slot])]
    return moved


def test_slots_that_change_places_move_their_logits_and_nothing_else():
    layout = layout_of(ToyBatch(2, slots=12), hidden=(32, 32))
    assert layout.kind == "pointer"
    assert len(layout.slots) == 12
    assert len(layout.slots[0]) == len(FEATURES) == 14
    assert layout.others == (0, 1, 170)
    torch.manual_seed(0)
    actor: Any = make_actor(layout)
    critic = Critic(layout, actor.shelf.size)
    observation = torch.randn(50, len(layout.entries))
    order = np.random.default_rng(2).permutation(12)
    moved = permuted(layout, observation, order)
    before, after = actor(observation), actor(moved)
    torch.testing.assert_close(after[:, 3:15], before[:, 3:15][:, order], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(after[:, :3], before[:, :3], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(after[:, 15:], before[:, 15:], rtol=1e-4, atol=1e-6)
    values = [critic(actor.shelf(each)[0]) for each in (moved, observation)]
    torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=1e-6)
    assert (before[:, 3:15].std(1) > 1e-3).all()  # the slots do differ


def test_layout_finds_the_shelf_by_names_and_refuses_uneven_slots():
    assert layout_of(ToyBatch(2)).kind == "mlp"
    assert layout_of(ToyBatch(2, size=3)).kind == "gaussian"
    assert layout_of(ToyBatch(2, slots=12), recurrent=True).kind == "lstm"
    assert shelf_columns(["a", "shelf.0.0.x", "shelf.1.2.x"]) == ()
    assert shelf_columns(["shelf.1.x", "b", "shelf.0.x"]) == ((2,), (0,))
    for names in (["shelf.0.x", "shelf.1.y"], ["shelf.0.x", "shelf.2.x"]):
        with pytest.raises(ConfigError, match="slots of the shelf"):
            shelf_columns(names)
    with pytest.raises(ConfigError, match="discrete"):
        layout_of(ToyBatch(2, size=3), recurrent=True)
    common = {"entries": ("a", "b"), "limit": 1.0}
    for wrong in (
        {"kind": "pointer", "nvec": (2, 3), "slots": ((0,), (1,))},
        {"kind": "mlp", "nvec": ()},
        {"kind": "mlp", "nvec": (2,), "hidden": ()},
        {"kind": "mlp", "nvec": (2,), "slots": ((7,),)},
    ):
        with pytest.raises(ValueError, match=r"slot|heads|width"):
            Layout.model_validate(common | wrong)
