"""The policies that Stable-Baselines3 trains, around the networks of a layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Space
from numpy.typing import NDArray
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from agents.learning.distribution import MaskedHeads
from agents.learning.layout import Layout
from agents.learning.network import Critic, PointerActor, make_actor
from agents.learning.pointer import fits, logits_and_values

Masks = NDArray[np.bool_] | Tensor | None


class SynthesisPolicy(MaskableActorCriticPolicy):
    """Actor and critic of a layout for ``MaskablePPO``; a pointer's critic sees through its shelf.

    Args:
        observation_space: Of one row.
        action_space: Of one row.
        lr_schedule: Learning rate against what is left of the training.
        layout: What the networks are.
        kwargs: Of the base class.
    """

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        lr_schedule: Schedule,
        *,
        layout: Layout,
        **kwargs: Any,
    ) -> None:
        self.layout = layout
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        """Networks and optimizer."""
        self.action_dist = MaskedHeads(self.layout.nvec)
        self.actor = make_actor(self.layout)
        shelf = self.actor.shelf if isinstance(self.actor, PointerActor) else None
        self.critic = Critic(self.layout, None if shelf is None else shelf.size)
        rate: Any = lr_schedule
        optimizer: Any = self.optimizer_class
        kwargs = {"fused": True, **self.optimizer_kwargs}
        self.optimizer = optimizer(self.parameters(), lr=rate(1.0), **kwargs)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, obs: Tensor, deterministic: bool = False, action_masks: Masks = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (rows, heads), values (rows, 1), logarithm of the probabilities (rows,)."""
        logits, values = self._both(obs)
        distribution = self._masked(logits, action_masks)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, values, distribution.scores(actions)[0]

    def evaluate_actions(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, obs: Tensor, actions: Tensor, action_masks: Masks = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values, logarithm of the probabilities, entropies."""
        logits, values = self._both(obs)
        distribution = self._masked(logits, action_masks)
        return values, *distribution.scores(actions)

    def get_distribution(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, obs: Tensor, action_masks: Masks = None
    ) -> MaskedHeads:
        """The distribution of actions."""
        return self._masked(self.actor(obs), action_masks)

    def predict_values(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, obs: Tensor
    ) -> Tensor:
        """Values, (rows, 1)."""
        if isinstance(self.actor, PointerActor):
            return self.critic(self.actor.shelf(obs)[0])
        return self.critic(obs)

    def _both(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and values; what the shelf makes of an observation is computed once."""
        if isinstance(self.actor, PointerActor):
            if fits(self.actor, self.critic):
                return logits_and_values(self.actor, self.critic, obs)
            features, slots = self.actor.shelf(obs)
            return self.actor.point(features, slots), self.critic(features)
        return self.actor(obs), self.critic(obs)

    def _masked(self, logits: Tensor, masks: Masks) -> MaskedHeads:
        distribution: Any = self.action_dist
        return distribution.proba_distribution(logits, masks)


class Front(BaseFeaturesExtractor):
    """The first numbers of an observation.

    Args:
        observation_space: Of one row.
        numbers: How many.
    """

    def __init__(self, observation_space: Any, numbers: int) -> None:
        super().__init__(observation_space, numbers)

    def forward(self, observations: Tensor) -> Tensor:
        """(rows, numbers)."""
        return observations[:, : self.features_dim]


class RecurrentSynthesisPolicy(RecurrentActorCriticPolicy):
    """A policy for ``RecurrentPPO`` that obeys masks: they are the last numbers it observes.

    ``RecurrentPPO`` hands no masks around. ``StableVecEnv(masks_observed=True)`` appends them to
    the observation; the networks see the numbers before them.

    Args:
        observation_space: Of one row, masks included.
        action_space: Of one row.
        lr_schedule: Learning rate against what is left of the training.
        layout: What the networks are; kind ``lstm``.
        kwargs: Of the base class.
    """

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        lr_schedule: Schedule,
        *,
        layout: Layout,
        **kwargs: Any,
    ) -> None:
        self.layout = layout
        self._masks = torch.zeros(0)
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            net_arch={"pi": list(layout.hidden), "vf": list(layout.hidden)},
            activation_fn=nn.Tanh,
            lstm_hidden_size=layout.lstm_size,
            features_extractor_class=Front,
            features_extractor_kwargs={"numbers": len(layout.entries)},
            **kwargs,
        )
        self.action_dist: Any = MaskedHeads(layout.nvec)

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        """The numbers before the masks; keeps the masks for the distribution that follows."""
        self._masks = obs[:, len(self.layout.entries) :]
        return super().extract_features(obs, features_extractor)

    def get_distribution(self, obs: Tensor, lstm_states: Any, episode_starts: Tensor) -> Any:
        """The distribution of actions and the new state."""
        # The base class skips extract_features here.
        self._masks = obs[:, len(self.layout.entries) :]
        return super().get_distribution(obs, lstm_states, episode_starts)

    def _get_action_dist_from_latent(self, latent_pi: Tensor) -> Any:
        return self.action_dist.proba_distribution(self.action_net(latent_pi), self._masks)
