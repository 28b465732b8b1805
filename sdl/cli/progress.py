"""Live progress of a campaign: a table on a terminal, a line per experiment elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sdl.campaign.goal import amount_words
from sdl.campaign.loop import Campaign
from sdl.campaign.state import FinishedSample
from sdl.campaign.words import doing
from sdl.tasks.task import Task

REFRESH_S = 0.1
"""Shortest time between two drawings of the table, s of wall time."""

SHOWN = 8
"""Finished experiments in the table."""


@contextmanager
def watching(campaign: Campaign) -> Iterator[Callable[[Campaign], None]]:
    """Yields the function that shows progress after each action."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        yield _Lines(campaign)
        return
    with Live(_screen(campaign), console=console, auto_refresh=False) as live:
        drawn = [0.0]

        def watch(present: Campaign) -> None:
            now = time.monotonic()
            if now - drawn[0] >= REFRESH_S:
                drawn[0] = now
                live.update(_screen(present), refresh=True)

        yield watch
        live.update(_screen(campaign), refresh=True)


class _Lines:
    """One line per finished experiment."""

    def __init__(self, campaign: Campaign) -> None:
        self._told = len(campaign.state.finished)

    def __call__(self, campaign: Campaign) -> None:
        finished = list(campaign.state.finished.values())
        for entry in finished[self._told :]:
            budget = campaign.config.budget.experiments or campaign.task.budget.experiments
            self._told += 1
            sys.stdout.write(
                f"[{self._told:>3}/{budget}] {entry.time_s / 3600:7.1f} h  "
                f"{entry.event.sample:<4} {amount_words(campaign.task, entry.event):>14}  "
                f"best {_best(campaign)}  "
                f"{entry.result.recipe.sentence()}\n"
            )
            sys.stdout.flush()


def _best(campaign: Campaign) -> str:
    """The best so far without its sigma."""
    best, objective = campaign.state.best(), campaign.task.objective
    if objective is None:
        return f"{0.0 if best is None else best.event.purity or 0.0:6.1%}"
    reading = None if best is None else best.event.reading
    return objective.quantity().words(None if reading is None else reading.value)


def _screen(campaign: Campaign) -> Group:
    state = campaign.state
    budget = campaign.config.budget.experiments or campaign.task.budget.experiments
    finished = list(state.finished.values())
    best = state.best()
    head = Text.assemble(
        (f"{campaign.config.name}  ", "bold"),
        f"{len(finished)}/{budget} experiments, {len(state.active)} in flight, "
        f"laboratory time {state.time_s / 3600:.1f} h",
    )
    goal = Text(f"best {campaign.task.target.label}: ")
    words = "" if best is None else amount_words(campaign.task, best.event)
    goal.append("none yet" if best is None else f"{words} ({best.event.sample})", "bold")
    return Group(head, goal, _flight_table(campaign), _finished_table(campaign.task, finished))


def _flight_table(campaign: Campaign) -> Table:
    table = Table(title="in flight", title_justify="left", expand=False)
    for column in ("sample", "now", "why it was chosen"):
        table.add_column(column)
    for sample in campaign.state.active.values():
        table.add_row(sample.id, doing(campaign.state, sample), sample.proposal.reason)
    if not campaign.state.active:
        table.add_row("none", "choosing the first recipes", "")
    return table


def _finished_table(task: Task, finished: list[FinishedSample]) -> Table:
    table = Table(title=f"last {SHOWN} finished", title_justify="left", expand=False)
    for column in ("sample", "measured", "furnace h", "cost", "recipe"):
        table.add_column(column)
    for entry in finished[-SHOWN:]:
        table.add_row(
            entry.event.sample,
            amount_words(task, entry.event),
            f"{entry.event.furnace_hours:.1f}",
            f"{entry.event.cost:.2f}",
            entry.result.recipe.sentence(),
        )
    return table
