"""Ways to compute the same faster: they must be the same."""

from typing import Any

import numpy as np
import torch
from sb3_contrib import MaskablePPO

from agents.learning import ppo
from agents.learning.distribution import MaskedHeads
from agents.learning.layout import layout_of
from agents.learning.pointer import fits, logits_and_values
from agents.learning.policy import SynthesisPolicy
from agents.learning.ppo import PiecewisePPO
from agents.learning.tanh import Tanh
from envs.batch import action_space, observation_space
from envs.stable import StableVecEnv
from toy_batches import ToyBatch


def policy_of(batch: Any) -> Any:
    torch.manual_seed(0)
    layout = layout_of(batch, hidden=(32, 32), slot_size=6)
    spaces = observation_space(batch), action_space(batch)
    policy = SynthesisPolicy(*spaces, lambda _: 1e-3, layout=layout)
    with torch.no_grad():
        for parameter in policy.parameters():  # no layer is near 0, as the heads are at first
            parameter += 0.1 * torch.randn_like(parameter)
    return policy


def test_one_pass_has_the_numbers_and_gradients_of_the_networks():
    policy = policy_of(ToyBatch(2, slots=12))
    actor, critic = policy.actor, policy.critic
    assert fits(actor, critic)
    observation = torch.randn(70, len(policy.layout.entries))
    ours = logits_and_values(actor, critic, observation)
    features, slots = actor.shelf(observation)
    theirs = actor.point(features, slots), critic(features)
    weight = torch.randn_like(ours[0])
    found = []
    for logits, values in (ours, theirs):
        total = (logits * weight).sum() + values.square().sum()
        found.append(torch.autograd.grad(total, list(policy.parameters())))
    for one, other in zip((*ours, *found[0]), (*theirs, *found[1]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(logits_and_values(actor, critic, observation)[0], theirs[0])


def test_compiled_heads_are_those_of_torch():
    nvec = (3, 12, 2, 5)
    torch.manual_seed(2)
    logits = (3.0 * torch.randn(200, 22)).requires_grad_(True)
    masks = torch.rand(200, 22) < 0.4
    masks[:50, :3] = False  # nothing allowed: everything is
    masks[50:100, 3:15] = torch.arange(12) == 4  # certain
    heads = MaskedHeads(nvec).proba_distribution(logits, masks)
    actions = torch.stack([torch.randint(n, (200,)) for n in nvec], 1)  # forbidden ones too
    ours, theirs = heads.scores(actions), (heads.log_prob(actions), heads.entropy())
    weights = torch.randn(2, 200)
    pulls = [
        torch.autograd.grad((weights * torch.stack(each)).sum(), logits, retain_graph=True)[0]
        for each in (ours, theirs)
    ]
    torch.testing.assert_close(torch.stack(ours), torch.stack(theirs), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*pulls, rtol=1e-4, atol=1e-5)


def test_tanh_is_that_of_torch():
    x = torch.linspace(-30.0, 30.0, 10_001, requires_grad=True)
    ours, theirs = Tanh()(x), torch.tanh(x)
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=3e-7)
    pulls = [torch.autograd.grad(each.sum(), x)[0] for each in (ours, theirs)]
    torch.testing.assert_close(*pulls, rtol=0.0, atol=1e-6)


def test_pieces_learn_what_the_library_learns(monkeypatch):
    monkeypatch.setattr(ppo, "PIECE", 24)  # 64 rows: the last piece is shorter
    weights, logged = [], []
    for kind in (PiecewisePPO, MaskablePPO):
        env = StableVecEnv(ToyBatch(16, slots=12))
        layout = layout_of(env.batch, hidden=(32, 32))
        learner = kind(
            SynthesisPolicy, env, n_steps=8, batch_size=64, n_epochs=3, ent_coef=0.03, gamma=1.0,
            target_kl=0.02, seed=5, device="cpu", policy_kwargs={"layout": layout},
        )  # fmt: skip
        learner.learn(8 * 16 * 3)
        weights.append([p.detach().clone() for p in learner.policy.parameters()])
        names = ("approx_kl", "clip_fraction", "value_loss", "entropy_loss", "loss", "n_updates")
        logged.append([learner.logger.name_to_value[f"train/{name}"] for name in names])
    for ours, theirs in zip(*weights, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-5)
    np.testing.assert_allclose(*logged, rtol=1e-3, atol=1e-5)
