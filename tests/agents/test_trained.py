"""Trained policies as players: the same episodes as in their own loop, whichever environment."""

import numpy as np
import pytest

from agents.evaluate import load_entrant
from agents.learning.artifact import read_policy
from agents.learning.config import TrainConfig
from agents.learning.play import deciding, play
from agents.learning.train import POLICY, train_seed
from agents.trained import load_player
from agents.trial import SEEDS, Trial
from envs.batched import BatchedSynthesis
from envs.cursor_batch import CursorSynthesis
from sdl.core.errors import ModelError

pytestmark = pytest.mark.timeout(600)  # the first run compiles

KINDS = {"plain": BatchedSynthesis, "cursor": CursorSynthesis}


def small(**more):
    return TrainConfig.model_validate(
        {
            "name": "small", "steps": 240, "rows": 30, "checkpoints": 1, "seeds": (0,),
            "workers": 1, "evaluation_episodes": 4,
            "net": {"hidden": (16,)}, "ppo": {"n_steps": 8, "batch_size": 120}, **more,
        }
    )  # fmt: skip


@pytest.mark.parametrize("environment", KINDS)
def test_a_stored_policy_plays_as_in_its_own_loop(environment, tmp_path):
    train_seed(small(environment=environment), 0, tmp_path / "seed-0")
    trial = Trial("batio3-coarse", "judge", 5, threads=1)
    entrant = load_entrant(str(tmp_path))
    assert len(entrant.players) == 1
    found = entrant.play(trial)[0]
    batch = KINDS[environment]("batio3-coarse", 5, seed=SEEDS["judge"], split="judge", threads=1)
    actor = read_policy(tmp_path / "seed-0" / POLICY).actor
    own = play(batch, deciding(actor, 5), seed=SEEDS["judge"])
    np.testing.assert_allclose(found.returns, own.returns[:, 0], atol=1e-12)
    np.testing.assert_array_equal(found.decisions, own.decisions[:, 0])
    if environment == "plain":
        player, make = load_player(tmp_path / "seed-0")
        with pytest.raises(ModelError, match="another observation"):
            Trial("ybco", "judge", 2, threads=1).play(player, make)


def test_a_stored_policy_makes_samples_one_after_the_other(tmp_path):
    """With the belief of its card, but never about the truth of a laboratory that judges it."""
    config = small(samples_per_lab=3, belief=(0.2, 0.4))
    train_seed(config, 0, tmp_path)
    player, make = load_player(tmp_path)
    trial = Trial("batio3-coarse", "tune", 4, 3, threads=1)
    found = trial.play(player, make)
    batch = CursorSynthesis(
        "batio3-coarse", 4, seed=SEEDS["tune"], split="tune", samples_per_lab=3,
        belief=(0.2, 0.4), threads=1,
    )  # fmt: skip
    actor = read_policy(tmp_path / POLICY).actor
    own = play(batch, deciding(actor, 4), 3, seed=SEEDS["tune"])
    np.testing.assert_allclose(found.returns, own.returns.ravel(), atol=1e-12)
    np.testing.assert_array_equal(found.decisions, own.decisions.ravel())
    environment = make(trial, trial.laboratories)
    assert isinstance(environment, CursorSynthesis)
    assert np.all(environment.belief.width < 0.5)
    judging = make(Trial("batio3-coarse", "judge", 4, 3, threads=1), trial.laboratories)
    assert isinstance(judging, CursorSynthesis)
    np.testing.assert_array_equal(judging.belief.width, 1.0)
    one = Trial("batio3-coarse", "tune", 4, threads=1).play(player, make)
    np.testing.assert_array_equal(one.returns, found.returns[::3])
