"""A search for settings of MaskablePPO: many short trainings, judged in tuning laboratories."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from agents.learning.config import Ppo, TrainConfig
from agents.learning.train import train_seed
from sdl.core.errors import ConfigError

TRIALS = "trials.jsonl"
RATES, ENTROPIES = (2e-4, 3e-3), (3e-3, 0.1)
CLIPS, TRACES = (0.1, 0.3), (0.8, 1.0)
N_STEPS, EPOCHS, MINIBATCHES = (8, 16, 32), (2, 8), (1, 2, 4)
"""Ranges that are searched; a minibatch is a whole part of a rollout."""


def suggest(trial: optuna.Trial, config: TrainConfig) -> TrainConfig:
    """A config with settings that a trial draws.

    Args:
        trial: Of a study.
        config: Everything else.
    """
    n_steps = int(trial.suggest_categorical("n_steps", N_STEPS))
    parts = int(trial.suggest_categorical("minibatches", MINIBATCHES))
    ppo = Ppo(
        n_steps=n_steps,
        batch_size=max(2, config.rows * n_steps // parts),
        epochs=trial.suggest_int("epochs", *EPOCHS),
        learning_rate=trial.suggest_float("learning_rate", *RATES, log=True),
        ent_coef=trial.suggest_float("ent_coef", *ENTROPIES, log=True),
        clip_range=trial.suggest_float("clip_range", *CLIPS),
        gae_lambda=trial.suggest_float("gae_lambda", *TRACES),
    )
    return config.model_copy(update={"ppo": ppo, "checkpoints": 1, "seeds": (0,)})


def tune(
    config: TrainConfig,
    trials: int,
    folder: Path,
    *,
    commit: str = "unknown",
    watch: Callable[[dict[str, Any]], None] = lambda line: None,
) -> dict[str, Any]:
    """Searches settings; the first trial is the config as it is.

    Args:
        config: Tasks, steps and network; algorithm ``maskable_ppo``.
        trials: Number of trainings; those in the folder already count.
        folder: Where each training and the table of trials is written.
        commit: Of the program, for the cards.
        watch: Called with each finished trial.

    Returns:
        Of the best trial ``settings`` and ``return``; and ``trials``, all of them in order.

    Raises:
        ConfigError: Another algorithm.
    """
    if config.algorithm != "maskable_ppo":
        raise ConfigError(
            "settings are searched for one algorithm only",
            got=config.algorithm,
            allowed="maskable_ppo",
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=6)
    )
    study.enqueue_trial(_present(config))
    folder.mkdir(parents=True, exist_ok=True)
    told: list[dict[str, Any]] = []

    def objective(trial: optuna.Trial) -> float:
        drawn = suggest(trial, config)
        # A trial that an earlier process has finished is read from its folder, not trained again.
        result = train_seed(drawn, 0, folder / f"trial-{trial.number}", commit)
        line = {
            "trial": trial.number,
            "return": result.return_mean,
            "drawn": result.return_sampled,
            "seconds": round(result.seconds, 1),
            **trial.params,
        }
        told.append(line)
        table = "".join(json.dumps(each) + "\n" for each in told)
        (folder / TRIALS).write_text(table, encoding="utf-8")
        watch(line)
        return result.return_mean

    study.optimize(objective, n_trials=trials)
    return {"settings": study.best_params, "return": study.best_value, "trials": told}


def _present(config: TrainConfig) -> dict[str, Any]:
    """The config's own settings, moved into the ranges."""
    ppo = config.ppo
    parts = config.rows * ppo.n_steps / ppo.batch_size
    return {
        "n_steps": min(N_STEPS, key=lambda n: abs(n - ppo.n_steps)),
        "minibatches": min(MINIBATCHES, key=lambda n: abs(n - parts)),
        "epochs": min(max(ppo.epochs, EPOCHS[0]), EPOCHS[1]),
        "learning_rate": min(max(ppo.learning_rate, RATES[0]), RATES[1]),
        "ent_coef": min(max(ppo.ent_coef, ENTROPIES[0]), ENTROPIES[1]),
        "clip_range": min(max(ppo.clip_range, CLIPS[0]), CLIPS[1]),
        "gae_lambda": min(max(ppo.gae_lambda, TRACES[0]), TRACES[1]),
    }
