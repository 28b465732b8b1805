"""One run: a config and a seed to a policy file, its ONNX graph and its learning curve."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure

from agents.learning.actor import Actor
from agents.learning.algorithm import (
    Falling,
    begin_from,
    make_learner,
    network_layout,
    networks_of,
)
from agents.learning.artifact import Card, Lineage, dump, read_policy
from agents.learning.checkpoint import (
    lines_until,
    read_counters,
    restore_checkpoint,
    write_checkpoint,
)
from agents.learning.config import TrainConfig
from agents.learning.layout import Layout
from agents.learning.onnx_graph import to_onnx
from agents.learning.play import Decide, deciding, play, random_deciding
from agents.learning.recorder import Recorder
from agents.learning.rows import make_rows
from agents.learning.standard import Standard, StandardRows, measure
from envs.stable import StableVecEnv
from sdl.core.errors import ConfigError
from sdl.core.extras import require_extra
from sdl.core.model import content_hash
from sdl.core.seeds import generator, seed_of
from sdl.tasks.task import load_task

if TYPE_CHECKING:
    from agents.offline.settings import Learner

POLICY, GRAPH = "policy.safetensors", "policy.onnx"
CURVE, CHECKPOINT, RESULT = "curve.jsonl", "checkpoint.safetensors", "result.json"
BOARD = "tensorboard"


@dataclass(frozen=True)
class Learned:
    """What a learner leaves."""

    actor: Actor
    critic: torch.nn.Module | None
    steps: int
    """Decisions it learned from."""
    seconds: float
    parents: tuple[str, ...]
    """SHA-256 of the policies it began with, or whose logs it learned from."""
    data: str | None = None
    """Hash of the logs."""


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    seed: int
    steps: int
    seconds: float
    """Of learning; time is reported, never a budget."""
    return_mean: float
    """Of the most probable decisions in tuning laboratories."""
    return_sampled: float
    """The same when decisions are drawn from the policy."""
    return_random: float
    """Of the random policy in the same laboratories."""
    purity: float
    bonus: float
    """Share of episodes that earned it."""
    episodes: int
    policy: str
    """SHA-256 of the policy file."""


def train_seed(
    config: TrainConfig, seed: int, folder: Path, commit: str = "unknown", *, stop_after: int = 0
) -> Result:
    """Learns with one seed; goes on from the checkpoint in the folder where there is one.

    Args:
        config: The training file.
        seed: One seed.
        folder: Where everything is written.
        commit: Of the program, for the card.
        stop_after: Ends after so many pieces as a killed run would, for tests; 0 never.

    Raises:
        ConfigError: The folder holds a run of another config.
    """
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / RESULT).is_file():
        return _finished(folder, config)
    if config.data is not None:
        return _finish(config, seed, folder, _from_logs(config, seed, config.data), commit)
    run = _begin(config, seed)
    learner, env = run.learner, run.env
    done, seconds = _take_up(config, learner, folder)
    learner.set_logger(configure(str(folder / BOARD), ["tensorboard"]))
    recorder = Recorder(
        folder / CURVE,
        steps=sum(config.pieces),
        every=min(config.rollout * 16, 16 * config.rows),
        falling=run.falling,
        seconds=seconds,
    )
    recorder.init_callback(learner)
    recorder.go_on(learner.num_timesteps)
    for n, steps in enumerate(config.pieces):
        if n < done:
            continue
        # Every piece begins with new episodes: nothing of the environment has to be saved.
        env.seed(seed_of("piece", seed, n))
        learner.set_env(env)
        learner.learn(steps, callback=recorder, reset_num_timesteps=False)
        recorder.end_piece()
        if config.algorithm != "crossq":
            _save(config, learner, folder, n + 1, recorder.seconds)
        if n + 1 == stop_after:
            raise KeyboardInterrupt
    env.close()
    learner.logger.close()
    actor, critic = networks_of(learner, run.layout, run.standard)
    learned = Learned(
        Actor(run.layout, actor), critic, sum(config.pieces), recorder.seconds, run.parents
    )
    return _finish(config, seed, folder, learned, commit)


@dataclass(frozen=True)
class _Run:
    """A run before its first step."""

    learner: BaseAlgorithm
    env: StableVecEnv
    layout: Layout
    standard: Standard | None
    falling: tuple[Falling, Falling]
    """Learning rate and weight of the entropy."""
    parents: tuple[str, ...]


def _begin(config: TrainConfig, seed: int) -> _Run:
    """Rows, networks and learner, with the weights of the parent where there is one."""
    observed = config.algorithm == "recurrent_ppo"
    rows = make_rows(config, seed=seed_of("train", seed), variants=True)
    layout = network_layout(config, rows)
    standard = measure(rows, layout) if config.net.standard else None
    env = StableVecEnv(
        rows if standard is None else StandardRows(rows, standard), masks_observed=observed
    )
    falling = (
        Falling(config.ppo.learning_rate, config.ppo.anneal),
        Falling(config.ppo.ent_coef, config.ppo.anneal),
    )
    if config.algorithm == "crossq":
        falling = (Falling(config.crossq.learning_rate, False), falling[1])
    learner = make_learner(config, env, layout, falling[0], seed)
    parents: tuple[str, ...] = ()
    if config.parent is not None:
        path = Path(config.parent)
        begin_from(learner, read_policy(path), layout, standard)
        parents = (hashlib.sha256(path.read_bytes()).hexdigest(),)
    return _Run(learner, env, layout, standard, falling, parents)


def _from_logs(config: TrainConfig, seed: int, data: str) -> Learned:
    """An actor learned from a data set; laboratories only judge it.

    Raises:
        ConfigError: The logs are of other spaces, or of another version of a task.
    """
    require_extra("rl", "learning from logs", "minari", "h5py")
    # Minari takes a second to import, and only logs need it.
    from agents.offline.learners import learn
    from agents.offline.minari_files import read_minari

    episodes = read_minari(Path(data))
    for name, found in episodes.source.tasks.items():
        if name in config.tasks and found != load_task(name).hash:
            raise ConfigError(
                "the logs are of another version of the task",
                got=f"{name} {found[:12]}",
                allowed=load_task(name).hash[:12],
                do="log episodes of the present one",
            )
    batch = make_rows(config, seed=seed, rows=len(config.tasks))
    layout = network_layout(config, batch)
    batch.close()
    began = time.perf_counter()
    way = cast("Learner", config.algorithm)
    actor = learn(way, episodes, layout, config.offline, seed)
    seconds = time.perf_counter() - began
    return Learned(
        Actor(layout, actor), None, len(episodes), seconds, episodes.source.parents, episodes.hash
    )


def _take_up(config: TrainConfig, learner: BaseAlgorithm, folder: Path) -> tuple[int, float]:
    """Pieces that are done and the time they took; the learner stands where they ended."""
    path, curve = folder / CHECKPOINT, folder / CURVE
    if not path.is_file():
        curve.unlink(missing_ok=True)
        return 0, 0.0
    content = path.read_bytes()
    _check_same(read_counters(content)["config"], config, folder)
    policy: Any = learner.policy
    counters = restore_checkpoint(content, policy, policy.optimizer)
    model: Any = learner
    model.num_timesteps = int(counters["steps"])
    # The library counts updates in a field of its own; figures of TensorBoard go on with it.
    model.__dict__["_n_updates"] = int(counters["updates"])
    lines = lines_until(curve, learner.num_timesteps)
    curve.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return int(counters["pieces"]), float(counters["seconds"])


def _save(
    config: TrainConfig, learner: BaseAlgorithm, folder: Path, pieces: int, seconds: float
) -> None:
    policy: Any = learner.policy
    counters = {
        "config": config.hash,
        "steps": learner.num_timesteps,
        "updates": learner.__dict__["_n_updates"],
        "pieces": pieces,
        "seconds": seconds,
    }
    write_checkpoint(folder / CHECKPOINT, policy, policy.optimizer, counters)


def _check_same(found: str, config: TrainConfig, folder: Path) -> None:
    if found != config.hash:
        raise ConfigError(
            "the folder holds a run of another training file",
            got=found[:12],
            allowed=config.hash[:12],
            do="choose another folder with --out, or start anew with --fresh",
            where=folder,
        )


def _finished(folder: Path, config: TrainConfig) -> Result:
    stored = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    _check_same(stored.pop("config"), config, folder)
    return Result(**stored)


def _finish(
    config: TrainConfig,
    seed: int,
    folder: Path,
    learned: Learned,
    commit: str,
) -> Result:
    """Judges the actor, writes its file and its graph, and the result last."""
    actor = learned.actor
    metrics = judge(config, actor, seed)
    tasks = {name: load_task(name).hash for name in config.tasks}
    card = Card(
        name=config.name,
        algorithm=config.algorithm,
        layout=actor.layout,
        tasks=tasks,
        data=learned.data or content_hash({"tasks": tasks, "split": config.split, "seed": seed}),
        config=config.model_dump(mode="json"),
        metrics=metrics,
        lineage=Lineage(
            parents=learned.parents, seed=seed, steps=learned.steps, config=config.hash
        ),
        commit=commit,
    )
    content = dump(card, actor.network, learned.critic)
    (folder / POLICY).write_bytes(content)
    (folder / GRAPH).write_bytes(to_onnx(actor))
    result = Result(
        seed=seed,
        steps=learned.steps,
        seconds=learned.seconds,
        policy=hashlib.sha256(content).hexdigest(),
        episodes=int(metrics["episodes"]),
        return_mean=metrics["return_mean"],
        return_sampled=metrics["return_sampled"],
        return_random=metrics["return_random"],
        purity=metrics.get("purity", float("nan")),
        bonus=metrics.get("bonus", float("nan")),
    )
    stored = asdict(result) | {"config": config.hash}
    (folder / RESULT).write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
    return result


def judge(config: TrainConfig, actor: Actor, seed: int) -> dict[str, float]:
    """Mean figures in tuning laboratories: the actor's choice, its draws, and the random policy.

    Every way to decide meets the same laboratories and noise, and makes as many samples in each one
    as in training.

    Args:
        config: Environment and number of episodes.
        actor: What is judged.
        seed: Of the draws; the laboratories are the same for all seeds.
    """
    samples = config.samples_per_lab
    rows = max(1, config.evaluation_episodes // samples) * len(config.tasks)
    batch = make_rows(config, seed=seed_of("judge"), rows=rows, split="tune")
    actor.check_spaces(batch)
    ways: dict[str, Decide] = {
        "mean": deciding(actor, rows),
        "sampled": deciding(actor, rows, generator("judge", seed)),
        "random": random_deciding(batch, seed),
    }
    metrics: dict[str, float] = {"episodes": float(rows * samples)}
    for name, decide in ways.items():
        played = play(batch, decide, samples, seed=seed_of("judge"))
        returns = played.returns.mean(axis=1)
        metrics[f"return_{name}"] = float(returns.mean())
        metrics[f"return_{name}_se"] = (
            float(returns.std(ddof=1) / np.sqrt(rows)) if rows > 1 else 0.0
        )
        if name == "mean":
            metrics |= {score: float(values.mean()) for score, values in played.scores.items()}
            metrics["decisions"] = float(played.decisions.mean())
    batch.close()
    return metrics
