"""Policies against baselines, in the same judged laboratories with the same noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agents.baselines import PlanPlayer, RandomPlayer
from agents.reference import Reference, Settings, reference
from agents.score import Interval, Score, difference, score
from agents.trial import JUDGED, EnvironmentMaker, Outcomes, Player, Trial
from sdl.core.errors import ConfigError, PolicyError
from sdl.core.extras import require_extra
from sdl.tasks.task import Task, load_task
from simulators.network import IntArray

BASELINES = ("random", "sobol", "published", "ranked", "fixed", "bayes", "cem", "oracle")
"""``random``: every head even among what the mask allows. ``sobol``: recipes that fill the space.
``published``: the literature's median recipe. ``ranked``: its program with the precursors of the
largest driving force. ``fixed``: the best fixed recipe. ``bayes``: what Bayesian optimisation with
the twin proposes first. ``cem``: planning on the belief, again after each look at the sample.
``oracle``: planning on the truth, a yardstick."""


@dataclass(frozen=True)
class Entrant:
    """Somebody who is judged.

    Attributes:
        name: As it is shown.
        players: One per trained policy or draw.
        environment: Where they play; the physical environment if ``None``.
    """

    name: str
    players: tuple[Player, ...]
    environment: EnvironmentMaker | None = None

    def play(self, trial: Trial) -> list[Outcomes]:
        """One entry per player, each over all laboratories and samples."""
        return [trial.play(player, self.environment) for player in self.players]


@dataclass(frozen=True)
class Evaluation:
    """What ``evaluate`` found.

    Attributes:
        task: Name of the task.
        task_hash: Its hash.
        laboratories: Number of judged laboratories.
        samples: Samples that are made one after the other in each.
        scores: One per policy; the judged one first.
        above: Score of the judged policy minus that of each other, paired by laboratory.
        notes: Budgets and convergence of the yardstick.
    """

    task: str
    task_hash: str
    laboratories: int
    samples: int
    scores: tuple[Score, ...]
    above: dict[str, Interval]
    notes: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def evaluate(
    policy: str | Entrant,
    against: Sequence[str] = ("random", "published", "fixed"),
    *,
    task: Task | str = "batio3-coarse",
    laboratories: int = JUDGED,
    samples: int = 1,
    settings: Settings | None = None,
    threads: int | None = None,
) -> Evaluation:
    """Judges one policy.

    Args:
        policy: Name of a baseline, path of a trained artifact, or players at hand.
        against: Names of baselines; more paths are allowed too.
        task: A task with a space, or its name.
        laboratories: Number of judged laboratories, the first of the fixed ones.
        samples: Samples of each, one after the other: a policy may learn from the earlier ones.
        settings: Sizes of the searches behind the yardstick.
        threads: Threads to use; no figure depends on it.

    Raises:
        ConfigError: There is no such policy.
    """
    task = load_task(task) if isinstance(task, str) else task
    known = reference(task, laboratories, samples=samples, settings=settings, threads=threads)
    trial = Trial(task, "judge", laboratories, samples, threads=threads)
    others = [name for name in dict.fromkeys(against) if name != policy]
    entrants: list[str | Entrant] = [policy, *others]
    played = [
        (e.name, e.play(trial)) if isinstance(e, Entrant) else outcomes_of(e, trial, known)
        for e in entrants
    ]
    name, own = played[0]
    return Evaluation(
        task=task.name,
        task_hash=task.hash,
        laboratories=laboratories,
        samples=samples,
        scores=tuple(score(n, outcomes, known.yardstick) for n, outcomes in played),
        above={
            n: difference(f"{name} - {n}", own, outcomes, known.yardstick)
            for n, outcomes in played[1:]
        },
        notes={**known.notes, "oracle_return": float(known.oracle.returns.mean())},
    )


def outcomes_of(policy: str, trial: Trial, known: Reference) -> tuple[str, list[Outcomes]]:
    """Name and outcomes of a baseline or of a trained artifact.

    Args:
        policy: Name of a baseline or path.
        trial: The judged laboratories.
        known: Their reference figures.

    Raises:
        ConfigError: There is no such policy.
        PolicyError: The baseline needs what the task does not have.
    """
    if policy in ("random", "sobol", "published", "ranked", "fixed", "oracle"):
        found: Outcomes | None = getattr(known, policy)
        if found is None:
            raise PolicyError(
                f"no published recipe of the target of task {trial.task.name} is known",
                got=policy,
                do="add the key `published` to the task, or leave the policy out",
            )
        return policy, [found]
    if policy == "bayes":
        return policy, [trial.play_one(bayes_genes(trial))]
    if policy == "cem":
        return policy, [trial.play(belief_player(trial, known))]
    entrant = load_entrant(policy)
    return entrant.name, entrant.play(trial)


def player_of(policy: str, trial: Trial, known: Reference) -> Player:
    """A baseline or a trained artifact as a player, to look at single episodes.

    Raises:
        ConfigError: There is no such policy, or it is the oracle of another laboratory.
    """
    if policy == "random":
        return RandomPlayer(trial.batch(trial.laboratories[:1]).nvec)
    if policy in known.recipes:
        return PlanPlayer(policy, trial.plans.actions(known.recipe(policy)[None]))
    if policy == "bayes":
        return PlanPlayer(policy, trial.plans.actions(bayes_genes(trial)[None]))
    if policy == "cem":
        return belief_player(trial, known)
    if policy in BASELINES:
        raise ConfigError(
            f"the policy {policy} has another plan in every laboratory; it has no rollout",
            allowed=", ".join(n for n in BASELINES if n not in ("oracle", "sobol")),
        )
    return load_entrant(policy).players[0]


def bayes_genes(trial: Trial) -> IntArray:
    """What Bayesian optimisation with the twin proposes first, on the grid, ``(genes,)``.

    One plan for every sample of every laboratory: the belief is the twin's prior, and the recipe is
    the one with the largest expected purity, prices left out.
    """
    from agents.registry import make_policy
    from sdl.core.proposal import Budget, Request
    from sdl.tasks.space import TaskSpace

    task = trial.task
    request = Request(
        targets=(task.target,),
        capabilities=task.laboratory,
        space=TaskSpace(task),
        results=(),
        pending=(),
        budget=Budget(experiments=task.budget.experiments, furnace_hours=task.budget.furnace_hours),
        free_slots=1,
        time_s=0.0,
        next_id=1,
        key="evaluate/bayes",
    )
    return trial.plans.snap(make_policy("default", task=task).propose(request)[0].recipe)


def belief_player(trial: Trial, known: Reference) -> Player:
    """Cross-entropy planning on the belief, for the task of a trial."""
    from agents.belief_planner import BeliefPlanner

    return BeliefPlanner.of_task(
        trial.task,
        np.array(known.recipes["fixed"], dtype=np.int64),
        known.tables,
        max_decisions=trial.max_decisions,
        threads=trial.threads,
    )


def load_entrant(policy: str) -> Entrant:
    """A trained artifact, or all of them where a folder holds one per seed.

    Raises:
        ConfigError: It is neither a baseline nor a path, or trained players cannot be loaded here.
    """
    path = Path(policy)
    if not path.exists():
        raise ConfigError(
            "there is no such policy",
            got=repr(policy),
            allowed=", ".join(BASELINES) + ", or the path of a trained policy",
            do="train one with `sdl train`, or name a baseline",
        )
    require_extra("rl", "a trained policy", "torch", "safetensors", "gymnasium")
    from agents.trained import load_player

    folders = (
        sorted(p for p in path.iterdir() if p.name.startswith("seed-")) if path.is_dir() else []
    )
    loaded = [load_player(each) for each in (folders or [path])]
    return Entrant(path.name, tuple(player for player, _ in loaded), loaded[0][1])
