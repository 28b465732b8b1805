"""The policies of ``sdl bench train``: trained now, or those that ship with the package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from agents.evaluate import Entrant
from agents.learning.config import Net, Ppo, TrainConfig
from agents.learning.runs import folder_of, train_all
from agents.trained import load_player
from sdl.tasks.task import Task

NAME = "maskable_ppo"
SAMPLES = 8
"""Samples of a laboratory, one after the other."""
STEPS = {"batio3-coarse": 1_000_000}
OTHER_STEPS = 800_000
"""Choices; fewer of the other tasks, whose steps take longer."""
ENTROPY = 0.03
"""Weight of the entropy: with 0.01 one seed of two never learned to use earlier samples."""
QUICK_STEPS = 200_000
SHIPPED = "policies"
"""Folder of this package's parent with the shipped policies, one folder per task."""


def bench_config(task: Task, seeds: int, *, quick: bool) -> TrainConfig:
    """What the bench trains on one task.

    Args:
        task: A shipped task.
        seeds: Number of policies.
        quick: A shorter training.
    """
    steps = QUICK_STEPS if quick else STEPS.get(task.name, OTHER_STEPS)
    return TrainConfig(
        name=f"bench-{task.name}",
        tasks=(task.name,),
        steps=steps,
        seeds=tuple(range(seeds)),
        workers=2,
        samples_per_lab=SAMPLES,
        net=Net(standard=True),
        ppo=Ppo(ent_coef=ENTROPY),
    )


def train_policies(
    task: Task,
    *,
    seeds: int,
    quick: bool,
    folder: Path = Path("runs/bench-train"),
    commit: str = "unknown",
) -> Entrant:
    """Trains one policy per seed, two at a time with one thread each.

    Args:
        task: A shipped task.
        seeds: Number of policies.
        quick: A shorter training.
        folder: Where a new folder of this training is made; earlier ones stay, and nothing of them
            is used.
        commit: Of the program, for the cards.
    """
    config = bench_config(task, seeds, quick=quick)
    out = _new_folder(folder, task.name)
    train_all(config, out, commit=commit)
    return entrant_of([folder_of(out, seed) for seed in config.seeds])


def stored_policies(task: Task) -> Entrant | None:
    """The shipped policies of a task, or ``None`` where none is shipped."""
    with resources.as_file(resources.files("agents") / SHIPPED / task.name) as folder:
        paths = sorted(folder.glob("seed-*.safetensors")) if folder.is_dir() else []
        return entrant_of(paths) if paths else None


def entrant_of(paths: Sequence[Path]) -> Entrant:
    """Trained policies of one environment as one entrant of the bench.

    Args:
        paths: Policy files or folders of runs, at least one.

    Raises:
        ConfigError: A file names no environment of this version.
        ModelError: A file is no policy.
    """
    loaded = [load_player(path) for path in paths]
    return Entrant(NAME, tuple(player for player, _ in loaded), loaded[0][1])


def _new_folder(parent: Path, name: str) -> Path:
    """A folder that was not there, ``NAME-1``, ``NAME-2``, ..."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    folder = parent / f"{name}-{number}"
    folder.mkdir(parents=True)
    return folder
