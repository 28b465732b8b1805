"""Trained policies as players of trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.learning.actor import Actor
from agents.learning.artifact import read_policy
from agents.learning.play import Decide, deciding
from agents.learning.rows import ENVIRONMENTS
from agents.trial import Environment, EnvironmentMaker, Player, Trial
from envs.tables import BoolArray
from sdl.core.errors import ConfigError
from simulators.network import IntArray

FILE = "policy.safetensors"
"""The policy in the folder of a run."""


class TrainedPlayer:
    """Takes the most probable action of a trained actor.

    Args:
        name: As it is shown.
        actor: The actor; a recurrent one forgets before every sample, as in its training.
    """

    def __init__(self, name: str, actor: Actor) -> None:
        self.name, self._actor = name, actor
        self._decide: Decide | None = None
        self._began = np.zeros(0, dtype=np.bool_)

    def begin(self, identities: IntArray) -> None:
        """Forgets what was before."""
        self._decide = deciding(self._actor, len(identities))
        self._began = np.ones(len(identities), dtype=np.bool_)

    def renew(self, rows: BoolArray) -> None:
        """Forgets the sample before; what it says of the laboratory is in the observation."""
        self._began |= rows

    def act(self, observation: NDArray[np.float32], mask: BoolArray) -> NDArray[Any]:
        """One action per row."""
        if self._decide is None:
            raise ConfigError("a player begins before it acts", do="call `begin`")
        actions = self._decide(observation, mask, self._began)
        self._began = np.zeros_like(self._began)
        return actions


def load_player(path: Path) -> tuple[Player, EnvironmentMaker]:
    """The policy of a file, or of the folder of a run, and the environment it was trained in.

    The environment is that of the policy's card: kind, furnace time, width of the belief - but in
    laboratories that judge the belief is as wide as the prior, for a narrower one is drawn about
    the truth. How many samples a laboratory makes is the trial's affair where it plays more than
    one, for all players must meet the same laboratories; else the card's, of which the first sample
    is played.

    Args:
        path: ``policy.safetensors`` or its folder.

    Raises:
        ConfigError: The file names no environment of this version.
        ModelError: It is no policy, or one for other spaces.
    """
    found = read_policy(path / FILE if path.is_dir() else path)
    config = found.card.config
    name = str(config.get("environment", "plain"))
    if name not in ENVIRONMENTS:
        raise ConfigError(
            "this version has no such environment", got=name, allowed=", ".join(ENVIRONMENTS)
        )
    hours, samples = config.get("furnace_hours"), int(config.get("samples_per_lab") or 1)
    belief = config.get("belief")

    def make(trial: Trial, identities: IntArray) -> Environment:
        more: dict[str, Any] = {}
        if belief is not None and trial.split != "judge":
            more["belief"] = (belief[0], belief[1])
        batch = ENVIRONMENTS[name](
            trial.task,
            len(identities),
            seed=trial.seed,
            identities=identities,
            split=trial.split,
            samples_per_lab=trial.samples if trial.samples > 1 else samples,
            max_decisions=trial.max_decisions,
            furnace_hours=hours,
            threads=trial.threads,
            **more,
        )
        found.actor.check_spaces(batch)
        return batch

    return TrainedPlayer(found.card.algorithm, found.actor), make
