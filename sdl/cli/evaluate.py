"""What stands behind ``sdl eval``."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.evaluate import Evaluation, evaluate, player_of
from agents.reference import reference
from agents.rollout import Move, rollout
from agents.trial import JUDGED, Trial
from sdl.core.errors import ConfigError
from sdl.figures.scores import scores_figure

WIDTH = 150
"""Columns where nobody looks at a terminal."""
ROLLOUTS = 20
"""Laboratories of the table of rollouts."""


def evaluate_policy(
    policy: str,
    against: str,
    task: str,
    laboratories: int | None,
    out: Path | None,
    samples: int = 1,
) -> tuple[Evaluation, tuple[Path, ...]]:
    """Judges a policy; writes the figure and the rollouts where a folder is given.

    Args:
        policy: Name of a baseline or path of a trained policy.
        against: Names, separated by commas.
        task: Name or path of a task.
        laboratories: Number of judged laboratories; all if ``None``.
        out: Folder for the figure and the table.
        samples: Samples of each laboratory, one after the other.

    Raises:
        ConfigError: An option is wrong.
    """
    count = JUDGED if laboratories is None else laboratories
    if count > JUDGED:
        raise ConfigError(
            "there are not so many judged laboratories", got=count, allowed=f"1 to {JUDGED}"
        )
    names = tuple(name.strip() for name in against.split(",") if name.strip())
    found = evaluate(policy, names, task=task, laboratories=count, samples=samples)
    return found, () if out is None else _write(found, policy, task, out)


def _write(found: Evaluation, policy: str, task: str, out: Path) -> tuple[Path, ...]:
    out.mkdir(parents=True, exist_ok=True)
    page = out / "scores.html"
    scores_figure(found.scores, found.task).write_html(page, include_plotlyjs=True)
    if policy in ("oracle", "sobol"):
        return (page,)
    trial = Trial(task, "judge", found.laboratories, found.samples)
    known = reference(task, found.laboratories, samples=found.samples)
    player = player_of(policy, trial, known)
    table, shown = out / "rollouts.csv", min(ROLLOUTS, found.laboratories)
    write_rollouts([m for n in range(shown) for m in rollout(trial, player, n)], table)
    return page, table


def write_rollouts(moves: list[Move], path: Path) -> None:
    """One line per step: laboratory, sample, decision, what was seen, done and paid."""
    seen = list(moves[0].seen) if moves else []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["identity", "sample", "decision", *seen, "action", "step", "reward", "return"]
        )
        for move in moves:
            action = " ".join(str(n) for n in move.action)
            paid = [f"{move.reward:.6f}", f"{move.total:.6f}"]
            values = [f"{move.seen[name]:.6g}" for name in seen]
            place = [move.identity, move.sample, move.decision]
            writer.writerow([*place, *values, action, move.words, *paid])


def to_json(found: Evaluation, files: tuple[Path, ...]) -> dict[str, Any]:
    """The evaluation as JSON values."""
    return {**found.to_json(), "files": [str(file) for file in files]}


def show(found: Evaluation, files: tuple[Path, ...]) -> None:
    """Prints the table of scores and what the judged policy is above."""
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, highlight=False, width=WIDTH)
    each_makes = f", {found.samples} samples in each" if found.samples > 1 else ""
    where = f"{found.laboratories} judged laboratories{each_makes}"
    console.print(Text(f"{found.task} ({found.task_hash[:12]}), {where}"))
    table = Table(box=box.SIMPLE)
    columns = ("policy", "score", "interquartile", "return", "cost-free", "purity", "pure", "cost")
    for column in columns:
        table.add_column(column, justify="left" if column == "policy" else "right")
    for each in found.scores:
        table.add_row(
            each.name + (f" ({each.seeds} seeds)" if each.seeds > 1 else ""),
            each.score.words(),
            each.interquartile.words(),
            each.returns.words(),
            each.cost_free.words(),
            f"{each.purity:.3f}",
            f"{each.pure:.2f}",
            f"{each.cost:.3f}",
        )
    console.print(table)
    if found.samples > 1:
        for each in found.scores:
            rising = " ".join(f"{value:.3f}" for value in each.by_sample)
            console.print(Text(f"{each.name}, sample by sample: {rising}"))
    first = found.scores[0].name
    for name, interval in found.above.items():
        console.print(Text(f"{first} above {name} by {interval.words()} of the score"))
    notes = found.notes
    console.print(
        Text(
            f"oracle: {notes['oracle_budgets'][-1]} plans per sample, mean returns "
            + " -> ".join(f"{mean:.4f}" for mean in notes["oracle_means"])
            + ("" if notes["oracle_converged"] else "; NOT within 1 % at the last doubling")
        )
    )
    beyond = [s for s in found.scores if s.returns.value > notes["oracle_return"] + 1e-9]
    for each in beyond:
        console.print(Text(f"warning: {each.name} is above the oracle; its search is too short"))
    for file in files:
        console.print(Text(f"wrote {file}"), soft_wrap=True)
