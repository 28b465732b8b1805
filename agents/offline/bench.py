"""What ``sdl bench offline`` learns and judges: behaviours, their logs, learners, a panel.

The settings of the learners were chosen on tuning laboratories, from logs of another behaviour (the
other shipped policy): see ``SETTINGS``. The interval's constants were fixed there too
(``agents.offline.judgement``). Nothing here looks at judged laboratories before the end.

Two behaviours, for two questions. Mixed with even choices, the *shipped* policy still has its own
choice as the most probable one: whoever clones it and takes the most probable choice has the
shipped policy back, and there is next to nothing above it in the first sample of a laboratory. A
*beginner*, the same training stopped early, errs by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.learning.actor import Actor
from agents.learning.artifact import read_policy
from agents.learning.bench import ENTROPY, SHIPPED
from agents.learning.config import Ppo, TrainConfig
from agents.learning.train import POLICY, train_seed
from agents.offline.behaviour import GREEDY, Mixture, mean_return, record
from agents.offline.episodes import Episodes
from agents.offline.judgement import Judging
from agents.offline.learners import learn
from agents.offline.published import published_logs
from agents.offline.settings import Learner, Offline
from agents.trial import Environment, Trial
from envs.cursor_batch import CursorSynthesis
from envs.tables import BoolArray
from sdl.core.seeds import generator, seed_of
from sdl.tasks.task import Task
from simulators.laboratory import Split
from simulators.network import IntArray

SHARE = 0.47
"""Return of the behaviour between random (0) and the shipped policy (1) in tuning laboratories: of
a policy whose score is 0.9 it makes one of 0.42."""
BEGINNER_STEPS = 60_000
"""Decisions after which the training of a beginner stops."""
BEGINNER_LEARNERS = ("clone", "best", "iql")
RETURN = 0.385
"""Mean return of the beginner's logs in tuning laboratories: a score of about 0.42."""
HALVINGS = 7
"""Of the interval in which the share of even choices is looked for."""
ALGORITHMS: dict[str, Learner] = {"clone": "clone", "best": "clone", "iql": "iql", "cql": "cql"}
"""Learner of each name; ``best`` clones the best fifth of the episodes."""
SETTINGS: dict[str, Offline] = {
    "clone": Offline(updates=1000),
    "best": Offline(updates=2000, best=0.2),
    "iql": Offline(updates=800, sharpness=60.0),
    "cql": Offline(updates=800, caution=0.3),
}
PUBLISHED = Offline(updates=300)
"""Of the clone of published recipes."""


@dataclass(frozen=True)
class Sizes:
    """How much is played and learned.

    Attributes:
        episodes: Logged.
        tuning: Episodes that set the share of even choices.
        truth: Episodes that tell what a policy of the panel earns.
        laboratories: Judged.
        seeds: Of each learner.
        updates: Of every learner; its own settings if ``None``.
        recipes: Published, to clone.
        beginner: Decisions that the beginner learns from.
        judging: Sizes of the evaluation from logs.
    """

    episodes: int = 2000
    tuning: int = 1000
    truth: int = 2000
    laboratories: int = 500
    seeds: int = 3
    updates: int | None = None
    recipes: int = 400
    beginner: int = BEGINNER_STEPS
    judging: Judging = field(default_factory=Judging)


QUICK = Sizes(
    episodes=160,
    tuning=64,
    truth=128,
    laboratories=24,
    seeds=1,
    updates=30,
    recipes=40,
    beginner=2048,
    judging=Judging(folds=2, first=20, rounds=1, updates=10, draws=1, resamples=100),
)


def rows_of(task: Task, count: int, split: Split, name: str) -> CursorSynthesis:
    """New laboratories of a split, one sample in each.

    Args:
        task: The task.
        count: How many.
        split: Which.
        name: What for; laboratories of other names are others.
    """
    return CursorSynthesis(task, count, seed=_seed(name), split=split, threads=1)


def _seed(name: str) -> int:
    return seed_of("bench-offline", name) % 2**31


def shipped_actors(task: Task) -> tuple[Actor, ...]:
    """Actors of the shipped policies of a task."""
    with resources.as_file(resources.files("agents") / SHIPPED / task.name) as folder:
        paths: Sequence[Path] = sorted(folder.glob("seed-*.safetensors"))
        return tuple(read_policy(path).actor for path in paths)


def beginner_of(task: Task, steps: int) -> Actor:
    """A policy whose training was stopped early; trained now, in half a minute."""
    config = TrainConfig(
        name="beginner",
        tasks=(task.name,),
        steps=steps,
        rows=min(512, steps // 16),
        seeds=(0,),
        checkpoints=1,
        evaluation_episodes=64,
        ppo=Ppo(ent_coef=ENTROPY),
    )
    with TemporaryDirectory() as folder:
        train_seed(config, 0, Path(folder))
        return read_policy(Path(folder) / POLICY).actor


def behaviour_of(
    task: Task,
    actor: Actor,
    episodes: int,
    share: float | None = SHARE,
    sharpness: float = 1.0,
) -> Mixture:
    """A policy mixed with even choices until it earns what it should.

    Args:
        task: The task.
        actor: The policy.
        episodes: Played in tuning laboratories at each look.
        share: What it should earn, between random (0) and the policy (1); ``RETURN`` if ``None``.
        sharpness: Of the policy's own choices.
    """
    batch, nvec = rows_of(task, episodes, "tune", "behaviour"), actor.layout.nvec

    def mixed(epsilon: float) -> Mixture:
        return Mixture(actor, nvec, epsilon, sharpness)

    def earns(epsilon: float) -> float:
        return mean_return(batch, mixed(epsilon), _seed("behaviour"))[0]

    wanted = RETURN
    if share is not None:
        top, bottom = earns(0.0), earns(1.0)
        wanted = bottom + share * (top - bottom)
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if earns(middle) > wanted else (low, middle)
    batch.close()
    return mixed(0.5 * (low + high))


def logs_of(task: Task, behaviour: Mixture, episodes: int, name: str) -> Episodes:
    """What a behaviour of some name did in training laboratories."""
    batch = rows_of(task, episodes, "train", "logs")
    logs = record(
        batch,
        behaviour,
        seed=_seed("logs"),
        name=f"{task.name}-{name}",
        behaviour=f"{name}, {behaviour.epsilon:.3f} even choices",
        tasks={task.name: task.hash},
    )
    batch.close()
    return logs


def learned(logs: Episodes, actor: Actor, name: str, seed: int, sizes: Sizes) -> Mixture:
    """The policy of one learner and seed.

    Args:
        logs: The logs.
        actor: Whose layout the learner's has.
        name: Of ``SETTINGS``.
        seed: Of weights and minibatches.
        sizes: For a shorter training.
    """
    settings = SETTINGS[name]
    if sizes.updates is not None:
        settings = settings.model_copy(update={"updates": sizes.updates})
    network = learn(ALGORITHMS[name], logs, actor.layout, settings, seed)
    return Mixture(Actor(actor.layout, network), actor.layout.nvec)


def greedy(policy: Mixture) -> Mixture:
    """The same policy with its most probable choices."""
    return Mixture(policy.actor, policy.nvec, 0.0, GREEDY)


def published_clone(task: Task, actor: Actor, sizes: Sizes) -> Mixture:
    """What published recipes alone teach."""
    logs = published_logs(task, sizes.recipes, _seed("published"))
    settings = PUBLISHED.model_copy(update={"updates": sizes.updates or PUBLISHED.updates})
    network = learn("clone", logs, actor.layout, settings, 0)
    return Mixture(Actor(actor.layout, network), actor.layout.nvec)


def panel(
    actors: Sequence[Actor], policies: dict[str, Mixture], published: Mixture
) -> dict[str, Mixture]:
    """Twenty policies of very different quality, to be told from logs.

    Args:
        actors: The shipped ones; the first made the logs.
        policies: The learners' of one seed, by name.
        published: The clone of published recipes.
    """
    first, other = actors[0], actors[-1]
    nvec = first.layout.nvec
    found = {"random": Mixture(None, nvec, 1.0)}
    for epsilon in (0.0, 0.1, 0.25, 0.4, 0.7):
        found[f"shipped.{epsilon:g}"] = Mixture(first, nvec, epsilon)
    found["shipped.greedy"] = greedy(Mixture(first, nvec))
    for sharpness in (0.4, 0.2):
        found[f"shipped.soft_{sharpness:g}"] = Mixture(first, nvec, 0.0, sharpness)
    for epsilon in (0.0, 0.2, 0.5):
        found[f"other.{epsilon:g}"] = Mixture(other, nvec, epsilon)
    clone = policies["clone"]
    found |= {"clone": clone, "clone.sharp": Mixture(clone.actor, nvec, 0.0, 3.0)}
    found |= {"best": policies["best"], "best.greedy": greedy(policies["best"])}
    found |= {"iql": policies["iql"], "iql.greedy": greedy(policies["iql"])}
    return found | {"cql.greedy": greedy(policies["cql"]), "published": published}


class MixturePlayer:
    """Draws from a mixture in trials.

    Args:
        name: As it is shown.
        policy: The mixture.
        seed: Of the draws.
    """

    def __init__(self, name: str, policy: Mixture, seed: int) -> None:
        self.name, self._policy, self._seed = name, policy, seed
        self._rng = generator("mixture-player", name, seed)

    def begin(self, identities: IntArray) -> None:
        """Takes up its dice from the start."""
        self._rng = generator("mixture-player", self.name, self._seed)

    def renew(self, rows: BoolArray) -> None:
        """Remembers nothing."""

    def act(self, observation: NDArray[np.float32], mask: BoolArray) -> NDArray[Any]:
        """One choice per row."""
        return self._policy.draw(self._policy.logits(observation), mask, self._rng)


class Cursor:
    """Makes the environment of the logs for trials; laboratories met before are kept."""

    def __init__(self) -> None:
        self._kept: dict[bytes, CursorSynthesis] = {}

    def __call__(self, trial: Trial, identities: IntArray) -> Environment:
        """The laboratories of some identities of a trial."""
        key = identities.tobytes()
        if key not in self._kept:
            self._kept[key] = CursorSynthesis(
                trial.task,
                len(identities),
                seed=trial.seed,
                identities=identities,
                split=trial.split,
                samples_per_lab=trial.samples,
                max_decisions=trial.max_decisions,
                threads=trial.threads,
            )
        return self._kept[key]
