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

from sdl.campaign.loop import Campaign
from sdl.campaign.state import FinishedSample
from sdl.campaign.words import doing

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
        self._best = max((_purity(f) for f in campaign.state.finished.values()), default=0.0)

    def __call__(self, campaign: Campaign) -> None:
        finished = list(campaign.state.finished.values())
        for entry in finished[self._told :]:
            self._best = max(self._best, _purity(entry))
            budget = campaign.config.budget.experiments or campaign.task.budget.experiments
            self._told += 1
            sys.stdout.write(
                f"[{self._told:>3}/{budget}] {entry.time_s / 3600:7.1f} h  "
                f"{entry.event.sample:<4} {_amount(entry):>14}  best {self._best:6.1%}  "
                f"{entry.result.recipe.sentence()}\n"
            )
            sys.stdout.flush()


def _purity(entry: FinishedSample) -> float:
    return entry.event.purity or 0.0


def _amount(entry: FinishedSample) -> str:
    event = entry.event
    if event.purity is None or event.sigma is None:
        return event.state.value
    return f"{event.purity:.1%} ± {event.sigma:.1%}"


def _screen(campaign: Campaign) -> Group:
    state = campaign.state
    budget = campaign.config.budget.experiments or campaign.task.budget.experiments
    finished = list(state.finished.values())
    best = max(finished, key=_purity, default=None)
    head = Text.assemble(
        (f"{campaign.config.name}  ", "bold"),
        f"{len(finished)}/{budget} experiments, {len(state.active)} in flight, "
        f"laboratory time {state.time_s / 3600:.1f} h",
    )
    goal = Text(f"best {campaign.task.target.phase}: ")
    goal.append("none yet" if best is None else f"{_amount(best)} ({best.event.sample})", "bold")
    return Group(head, goal, _flight_table(campaign), _finished_table(finished))


def _flight_table(campaign: Campaign) -> Table:
    table = Table(title="in flight", title_justify="left", expand=False)
    for column in ("sample", "now", "why it was chosen"):
        table.add_column(column)
    for sample in campaign.state.active.values():
        table.add_row(sample.id, doing(campaign.state, sample), sample.proposal.reason)
    if not campaign.state.active:
        table.add_row("none", "choosing the first recipes", "")
    return table


def _finished_table(finished: list[FinishedSample]) -> Table:
    table = Table(title=f"last {SHOWN} finished", title_justify="left", expand=False)
    for column in ("sample", "purity", "furnace h", "cost", "recipe"):
        table.add_column(column)
    for entry in finished[-SHOWN:]:
        table.add_row(
            entry.event.sample,
            _amount(entry),
            f"{entry.event.furnace_hours:.1f}",
            f"{entry.event.cost:.2f}",
            entry.result.recipe.sentence(),
        )
    return table
