"""Learners of Stable-Baselines3 and sb3-contrib, made from a config; their actors taken out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sb3_contrib import CrossQ, RecurrentPPO
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from agents.learning.artifact import Artifact, fill
from agents.learning.config import TrainConfig
from agents.learning.layout import Layout, layout_of
from agents.learning.network import make_actor
from agents.learning.policy import RecurrentSynthesisPolicy, SynthesisPolicy
from agents.learning.ppo import PiecewisePPO
from agents.learning.standard import Standard, fold
from envs.batch import Batch
from envs.stable import StableVecEnv
from sdl.core.errors import ConfigError


class Falling:
    """A figure that falls to 0 on a straight line over the whole run, however it is cut.

    Args:
        first: At the beginning.
        falls: Whether it falls at all.
    """

    def __init__(self, first: float, falls: bool) -> None:
        self.first, self.falls = first, falls
        self.left = 1.0
        """Share of the run that is left."""

    def __call__(self, progress: float) -> float:
        """The figure now; what the learner thinks of its progress is about one piece only."""
        return self.first * (self.left if self.falls else 1.0)


def network_layout(config: TrainConfig, batch: Batch) -> Layout:
    """The layout of the actor that a config asks for."""
    return layout_of(
        batch,
        recurrent=config.algorithm == "recurrent_ppo",
        hidden=config.net.hidden,
        slot_size=config.net.slot_size,
        lstm_size=config.net.lstm_size,
    )


def make_learner(
    config: TrainConfig, env: StableVecEnv, layout: Layout, rate: Falling, seed: int
) -> BaseAlgorithm:
    """The learner of a config.

    Args:
        config: Algorithm and settings.
        env: What it learns in.
        layout: Of the networks.
        rate: Learning rate.
        seed: Of weights, draws and minibatches.
    """
    if config.algorithm == "crossq":
        return _crossq(config, env, rate, seed)
    ppo = config.ppo
    settings: dict[str, Any] = {
        "learning_rate": rate,
        "n_steps": ppo.n_steps,
        "batch_size": min(ppo.batch_size, config.rollout),
        "n_epochs": ppo.epochs,
        "gamma": 1.0,
        "gae_lambda": ppo.gae_lambda,
        "clip_range": ppo.clip_range,
        "ent_coef": ppo.ent_coef,
        "vf_coef": ppo.vf_coef,
        "max_grad_norm": ppo.max_grad_norm,
        "target_kl": ppo.target_kl,
        "policy_kwargs": {"layout": layout},
        "stats_window_size": 4 * config.rows,
        "seed": seed,
        "device": config.device,
    }
    if config.algorithm == "recurrent_ppo":
        return RecurrentPPO(RecurrentSynthesisPolicy, env, **settings)
    return PiecewisePPO(SynthesisPolicy, env, **settings)


def _crossq(config: TrainConfig, env: StableVecEnv, rate: Falling, seed: int) -> CrossQ:
    crossq = config.crossq
    return CrossQ(
        "MlpPolicy",
        env,
        learning_rate=rate,
        buffer_size=crossq.buffer,
        learning_starts=crossq.first,
        batch_size=crossq.batch_size,
        gamma=1.0,
        train_freq=1,
        gradient_steps=max(1, round(config.rows * crossq.updates_per_step)),
        policy_kwargs={
            "net_arch": {"pi": list(config.net.hidden), "qf": [256, 256]},
        },
        stats_window_size=4 * config.rows,
        seed=seed,
        device=config.device,
    )


def begin_from(
    learner: BaseAlgorithm, parent: Artifact, layout: Layout, standard: Standard | None = None
) -> None:
    """Gives a learner the weights of a policy file.

    Args:
        learner: As from ``make_learner``.
        parent: The file.
        layout: Of the learner's networks.
        standard: What the learner's observations are standardised with.

    Raises:
        ConfigError: The file is of other networks, or the algorithm cannot begin so.
    """
    policy: Any = learner.policy
    if not isinstance(policy, SynthesisPolicy) or parent.card.layout != layout:
        raise ConfigError(
            "the parent does not fit what is to be trained",
            got=f"{parent.card.algorithm}, {parent.card.layout.kind}",
            allowed=f"maskable_ppo with a layout of kind {layout.kind} and the same sizes",
            do="correct the key `parent` or `net`",
        )
    parts = {f"actor.{k}": v for k, v in _numpy(parent.actor.network).items()}
    critic = {f"critic.{k}": v for k, v in parent.critic.items()}
    own = {f"critic.{k}": v for k, v in _numpy(policy.critic).items()}
    fill(policy, parts | (critic or own), "the parent")
    if standard is not None:
        for network in (policy.actor, policy.critic):
            fold(network, layout, standard, back=True)


def networks_of(
    learner: BaseAlgorithm, layout: Layout, standard: Standard | None = None
) -> tuple[nn.Module, nn.Module | None]:
    """Actor and critic of a learner for plain observations, the actor as ``make_actor`` builds it.

    Args:
        learner: Any of ``make_learner``; not used any more.
        layout: Of its actor.
        standard: What the learner's observations were standardised with.
    """
    policy: Any = learner.policy
    if isinstance(policy, SynthesisPolicy):
        if standard is not None:
            for network in (policy.actor, policy.critic):
                fold(network, layout, standard)
        return policy.actor, policy.critic
    actor = make_actor(layout)
    if isinstance(policy, RecurrentSynthesisPolicy):
        parts = {
            "lstm": policy.lstm_actor,
            "trunk": policy.mlp_extractor.policy_net,
            "head": policy.action_net,
        }
        weights = {f"{k}.{n}": v for k, part in parts.items() for n, v in _numpy(part).items()}
    else:
        weights = _folded(policy.actor)
    fill(actor, weights, "the learner")
    return actor, None


def _numpy(module: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
    return {k: v.detach().cpu().numpy() for k, v in module.state_dict().items()}


def _folded(actor: Any) -> dict[str, np.ndarray[Any, Any]]:
    """CrossQ's actor with each batch renormalisation folded into the linear layer after it."""
    weights: dict[str, np.ndarray[Any, Any]] = {}
    scale = shift = torch.zeros(0)
    with torch.no_grad():
        for layer in actor.latent_pi:
            if isinstance(layer, nn.Linear):
                name = f"trunk.{len(weights)}"
                weights |= _affine(name, layer.weight, layer.bias, scale, shift)
            elif not isinstance(layer, nn.ReLU):
                scale = layer.scale / (layer.ra_var + layer.eps).sqrt()
                shift = layer.bias - layer.ra_mean * scale
        weight = torch.cat([actor.mu.weight, actor.log_std.weight])
        bias = torch.cat([actor.mu.bias, actor.log_std.bias])
        return weights | _affine("head", weight, bias, scale, shift)


def _affine(name: str, weight: Any, bias: Any, scale: Any, shift: Any) -> dict[str, Any]:
    return {
        f"{name}.weight": (weight * scale).cpu().numpy(),
        f"{name}.bias": (bias + weight @ shift).cpu().numpy(),
    }
