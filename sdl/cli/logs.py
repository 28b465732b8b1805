"""What stands behind ``sdl export`` and ``sdl eval --logs``: data sets of logged episodes."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any, Literal

from agents.learning.artifact import Artifact, read_policy
from agents.learning.layout import layout_of
from agents.offline.behaviour import GREEDY, Mixture, record
from agents.offline.campaigns import campaign_logs
from agents.offline.episodes import Episodes
from agents.offline.judgement import Judge
from agents.offline.minari_files import read_minari, write_minari
from agents.offline.published import published_logs
from agents.trained import FILE
from envs.cursor_batch import CursorSynthesis
from sdl.bench.report import commit
from sdl.campaign.opening import described
from sdl.campaign.places import JOURNAL_NAME, url_of
from sdl.core.errors import ConfigError
from sdl.core.seeds import seed_of
from sdl.journal.journal import Journal
from sdl.tasks.task import Task, load_task

PLAIN = ("random", "published")
"""Sources that are no file."""
SPLITS = ("train", "tune")
MOST = 100_000
"""Episodes of one export: they are held in memory."""


def export_logs(
    source: str, out: Path, *, task: str, episodes: int, epsilon: float, split: str, seed: int
) -> dict[str, Any]:
    """Writes a data set and returns what is in it.

    Args:
        source: Folder of a campaign, a policy file or its folder, ``random`` or ``published``.
        out: New folder.
        task: Name or path; of a campaign its own.
        episodes: Of simulations and published recipes.
        epsilon: Share of even choices mixed into a policy.
        split: Laboratories of simulations.
        seed: Of simulations and published recipes.

    Raises:
        ConfigError: The source or an option is wrong, or something is at ``out``.
        JournalError: The journal is damaged.
    """
    if out.exists():
        raise ConfigError("the data set is there already", got=out, do="choose another --out")
    if split not in SPLITS:
        raise ConfigError(
            "these laboratories are not for logs",
            got=repr(split),
            allowed=", ".join(SPLITS),
            do="correct --split; laboratories that judge are never offered",
        )
    notes: dict[str, Any] = {}
    path = Path(source)
    if source in PLAIN or _policy_file(path) is not None:
        logs = _simulated(source, load_task(task), episodes, epsilon, split, seed)
    elif path.is_file() or (path / JOURNAL_NAME).is_file():
        logs, notes = _campaign(path)
    else:
        raise ConfigError(
            "there is nothing to export",
            got=repr(source),
            allowed=f"the folder of a campaign or of a policy, {', '.join(PLAIN)}",
            do="check the path",
        )
    write_minari(logs, out)
    known = bool((logs.log_prob == logs.log_prob).all())
    return {
        "data": str(out),
        "name": logs.source.name,
        "episodes": logs.count,
        "choices": len(logs),
        "mean_return": float(logs.returns.mean()),
        "probabilities": known,
        "hash": logs.hash,
        **notes,
    }


def _policy_file(path: Path) -> Path | None:
    """The policy file that a path names, if it names one."""
    if path.is_dir() and (path / FILE).is_file():
        return path / FILE
    return path if path.suffix == ".safetensors" and path.is_file() else None


def _simulated(
    source: str, task: Task, episodes: int, epsilon: float, split: str, seed: int
) -> Episodes:
    """Simulated episodes of a policy, or published recipes."""
    if not 1 <= episodes <= MOST:
        raise ConfigError("so many episodes are not exported", got=episodes, allowed=f"1 to {MOST}")
    if source == "published":
        return published_logs(task, episodes, seed)
    artifact, parents = None, ()
    file = _policy_file(Path(source))
    if file is not None:
        artifact = _cursor_policy(file)
        parents = (hashlib.sha256(file.read_bytes()).hexdigest(),)
    place: Literal["train", "tune"] = "train" if split == "train" else "tune"
    key = seed_of("export", split, seed)
    batch = CursorSynthesis(task, episodes, seed=key, split=place, threads=1)
    if artifact is not None:
        artifact.actor.check_spaces(batch)
    policy = Mixture(
        None if artifact is None else artifact.actor,
        batch.nvec,
        1.0 if artifact is None else epsilon,
    )
    words = "even choices" if artifact is None else f"{artifact.card.name}, {epsilon:g} even"
    logs = record(
        batch,
        policy,
        seed=key,
        name=f"{task.name}-{'random' if artifact is None else artifact.card.name}",
        behaviour=words,
        tasks={task.name: task.hash},
        parents=parents,
    )
    batch.close()
    return logs


def _campaign(path: Path) -> tuple[Episodes, dict[str, Any]]:
    with Journal.open(url_of(path), owner=False) as journal:
        config, task = described(journal)
        events = journal.events()
    words = f"policy {config.policy} in the laboratory {config.lab}"
    found = campaign_logs(events, task, name=config.name, policy=words)
    return found.episodes, {
        "snapped": list(found.snapped),
        "left_out": found.left_out,
        "commit": commit(),
    }


def _cursor_policy(file: Path) -> Artifact:
    """A policy that decides choice by choice.

    Raises:
        ModelError: The file is no policy.
        ConfigError: It is for another environment, or remembers.
    """
    artifact = read_policy(file)
    layout = artifact.card.layout
    environment = str(artifact.card.config.get("environment", "cursor"))
    if environment != "cursor" or layout.kind not in ("mlp", "pointer"):
        raise ConfigError(
            "this policy cannot be logged or judged from logs",
            got=f"environment {environment}, network {layout.kind}",
            allowed="environment cursor, a network with heads and without memory",
            do="choose a policy of `sdl train` with `environment: cursor`",
        )
    return artifact


def judge_from_logs(
    policy: str, data: Path | None, *, drawn: bool, seed: int = 0
) -> dict[str, Any]:
    """What a policy would earn, told from logs alone.

    Args:
        policy: A policy file, its folder, or ``random``.
        data: A data set with the probabilities of its behaviour; ``None`` is refused.
        drawn: Whether choices are drawn from the policy; else the most probable ones are taken.
        seed: Of the fits.

    Raises:
        ConfigError: There is no such policy or data set, or the logs hold no probabilities.
        ModelError: Policy or data set are damaged, or for other spaces.
    """
    if data is None:
        raise ConfigError(
            "--drawn belongs to --logs",
            allowed="sdl eval POLICY --logs DATA --drawn",
            do="leave it out, or add --logs",
        )
    logs = read_minari(data)
    mixture, layout = _asked_about(policy, logs, drawn=drawn)
    judge = Judge(logs, layout, seed=seed)  # refuses first what cannot be judged
    sys.stderr.write(f"fitting values to {logs.count} episodes: about three minutes of one core\n")
    found = judge.judge(mixture)
    return {
        "policy": policy,
        "choices": "drawn" if drawn or policy == "random" else "most probable",
        "data": logs.source.name,
        "behaviour": logs.source.behaviour,
        "logged_return": float(logs.returns.mean()),
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "level": found.level,
        "episodes": logs.count,
        "effective_episodes": found.episodes,
        "model": found.model,
        "told": found.told,
        "reach": found.reach,
    }


def _asked_about(policy: str, logs: Episodes, *, drawn: bool) -> tuple[Mixture, Any]:
    """The policy that is to be judged, and the layout of its networks."""
    file = _policy_file(Path(policy))
    if policy == "random":
        return Mixture(None, logs.source.nvec, 1.0), _layout(logs)
    if file is None:
        raise ConfigError(
            "there is no such policy",
            got=repr(policy),
            allowed="the path of a trained policy, or random",
            do="train one with `sdl train`",
        )
    artifact = _cursor_policy(file)
    layout = artifact.card.layout
    if (layout.nvec, layout.entries) != (logs.source.nvec, logs.source.entries):
        raise ConfigError(
            "the logs are of other spaces than the policy",
            got=f"{len(logs.source.entries)} numbers, heads {logs.source.nvec}",
            allowed=f"{len(layout.entries)} numbers, heads {layout.nvec}",
            do="use logs of the environment that the policy is for",
        )
    return Mixture(artifact.actor, layout.nvec, 0.0, 1.0 if drawn else GREEDY), layout


def _layout(logs: Episodes) -> Any:
    """A layout for logs without a policy."""
    if len(logs.source.tasks) == 1:
        batch = CursorSynthesis(next(iter(logs.source.tasks)), threads=1)
        layout = layout_of(batch)
        batch.close()
        if (layout.nvec, layout.entries) == (logs.source.nvec, logs.source.entries):
            return layout
    raise ConfigError(
        "the logs are not of this version's environment",
        got=", ".join(logs.source.tasks) or "no task",
        allowed="one shipped task, played choice by choice",
    )


def show_export(found: dict[str, Any]) -> None:
    """Prints what was written."""
    known = "with" if found["probabilities"] else "without"
    sys.stdout.write(
        f"wrote {found['data']}: {found['episodes']} episodes of {found['name']}, "
        f"{found['choices']} choices, mean return {found['mean_return']:.3f}, "
        f"{known} the probabilities of the choices\n"
    )
    if found.get("snapped"):
        names = ", ".join(found["snapped"])
        sys.stdout.write(f"moved to the nearest choices: {names}\n")
    for name, reason in found.get("left_out", {}).items():
        sys.stdout.write(f"left out {name}: {reason}\n")


def show_judgement(found: dict[str, Any]) -> None:
    """Prints the estimate and what it rests on."""
    sys.stdout.write(
        f"{found['policy']} ({found['choices']} choices): return {found['value']:.3f} "
        f"[{found['low']:.3f}, {found['high']:.3f}] at {found['level']:.0%}, from "
        f"{found['episodes']} episodes of {found['behaviour']} (mean {found['logged_return']:.3f})"
        f"\nfitted values alone {found['model']:.3f}, corrected by the logs in the first "
        f"{found['reach']:.0%} of the decisions; the logs hold as much of whole episodes as "
        f"{found['effective_episodes']:.1f} of its own\n"
    )
    if not found["told"]:
        sys.stdout.write(
            "the logs say too little about this policy: judge it in the twin (`sdl eval` without "
            "--logs), or log more\n"
        )
