"""One policy for all targets, and policies that have never met some of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from agents.evaluate import Entrant
from agents.learning.artifact import read_policy
from agents.learning.bench import SAMPLES, SHIPPED, entrant_of
from agents.learning.config import Net, Ppo, TrainConfig
from agents.learning.runs import folder_of, train_all
from agents.learning.train import POLICY

TARGETS = (
    "batio3-coarse", "li2mno3", "licoo2", "limn2o4", "mgal2o4", "mgfe2o4", "mnfe2o4", "nife2o4",
    "znfe2o4", "sr2tio4", "srtio3", "y2bacuo5", "y2mn2o7", "ybco",
)  # fmt: skip
"""Tasks about the purity of one phase, over all eight chemical systems."""
FOLDS = (
    ("nife2o4", "srtio3", "ybco"),
    ("znfe2o4", "batio3-coarse", "licoo2"),
    ("mgfe2o4", "sr2tio4", "limn2o4"),
    ("mnfe2o4", "li2mno3", "y2bacuo5"),
    ("mgal2o4", "y2mn2o7"),
)
"""Targets that are left out together. Every target is judged by a policy that has met neither it
nor the others of its fold: harder than leaving out one at a time, for a third of the trainings."""
VARIANTS = 6
ROWS_PER_TASK = 48
JOINT, LEFT_OUT = "all-targets", "left-out"
"""Folders of the shipped policies, and names of the trainings."""
JOINT_STEPS, FOLD_STEPS, QUICK_STEPS = 4_000_000, 1_200_000, 120_000


def joint_config(*, quick: bool = False, seeds: int = 1) -> TrainConfig:
    """What trains one policy for all targets.

    Args:
        quick: A short training.
        seeds: Number of policies.
    """
    return _config(JOINT, TARGETS, QUICK_STEPS if quick else JOINT_STEPS, seeds)


def fold_config(fold: int, *, quick: bool = False) -> TrainConfig:
    """What trains a policy without the targets of a fold.

    Args:
        fold: Number of the fold, from 0.
        quick: A short training.
    """
    tasks = tuple(name for name in TARGETS if name not in FOLDS[fold])
    return _config(f"{LEFT_OUT}-{fold}", tasks, QUICK_STEPS if quick else FOLD_STEPS, 1)


def _config(name: str, tasks: Sequence[str], steps: int, seeds: int) -> TrainConfig:
    rows = ROWS_PER_TASK * len(tasks)
    return TrainConfig(
        name=name,
        tasks=tuple(tasks),
        variants=VARIANTS,
        steps=steps,
        rows=rows,
        samples_per_lab=SAMPLES,
        seeds=tuple(range(seeds)),
        workers=2,
        checkpoints=8,
        evaluation_episodes=64,
        net=Net(hidden=(192, 192)),
        # Three minibatches an epoch, whatever the number of tasks.
        ppo=Ppo(n_steps=16, batch_size=-(-16 * rows // 3), ent_coef=0.03),
    )


def train_targets(folder: Path, *, quick: bool = False, commit: str = "unknown") -> list[Path]:
    """Trains the policy for all targets and those of the folds; folders of their runs, in order.

    Args:
        folder: Where; what is done there already is not done again.
        quick: Short trainings.
        commit: Of the program, for the cards.
    """
    configs = [joint_config(quick=quick), *(fold_config(n, quick=quick) for n in range(len(FOLDS)))]
    for config in configs:
        train_all(config, folder / config.name, commit=commit)
    return [folder_of(folder / config.name, 0) for config in configs]


def stored_targets(name: str) -> list[Path]:
    """Files of the shipped policies of one kind.

    Args:
        name: ``JOINT`` or ``LEFT_OUT``.
    """
    with resources.as_file(resources.files("agents") / SHIPPED / name) as folder:
        return sorted(folder.glob("*.safetensors")) if folder.is_dir() else []


def left_out(paths: Sequence[Path]) -> dict[str, Entrant]:
    """For each target the policies that have never met it.

    Args:
        paths: Policy files or folders of runs; their cards say what they have met.
    """
    found: dict[str, Entrant] = {}
    for name in TARGETS:
        strangers = []
        for path in paths:
            file = path / POLICY if path.is_dir() else path
            if name not in read_policy(file).card.tasks:
                strangers.append(path)
        if strangers:
            found[name] = entrant_of(strangers)
    return found
