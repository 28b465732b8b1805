"""What ``sdl run`` and ``sdl resume`` say when they end: where it stands, and who must do what."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sdl.campaign.controls import is_due
from sdl.campaign.design import needs_approval
from sdl.campaign.goal import amount_words
from sdl.campaign.loop import Campaign, Standing
from sdl.campaign.words import doing
from sdl.core.protocols import WatchedLab
from sdl.core.recipe import Recipe
from sdl.tasks.task import Task


def closing_words(campaign: Campaign, standing: Standing, run: Path | str) -> str:
    """What is told when ``sdl run`` ends.

    Args:
        campaign: Still open.
        standing: How it was left.
        run: The campaign's folder, or its URL where it has none.
    """
    state = campaign.state
    best = state.best()
    words = f"no {_subject(campaign.task)} was measured"
    if best is not None:
        words = f"best {campaign.task.target.label} {amount_words(campaign.task, best.event)}"
        words += f" ({best.event.sample}: {best.result.recipe.sentence()})"
    where = f" in {run}"
    if standing is Standing.STOPPED and state.stopped is not None:
        return f"{len(state.finished)} experiments{where}: {words}. {state.stopped.reason}."
    if standing is Standing.PAUSED:
        done = f"paused{where} after {len(state.finished)} experiments"
        return f"{done}: {words}. Go on with `sdl resume {run}`."
    if standing is Standing.LEFT:
        return _left_words(campaign, where, run)
    if not state.undecided and isinstance(campaign.lab, WatchedLab):
        return _waiting_words(campaign, campaign.lab, where, run)
    asked = [
        p
        for p in state.undecided.values()
        if needs_approval(p, campaign.config) and p.id not in state.approved
    ]
    lines = [f"waiting for a person{where}:"]
    for proposal in asked:
        lines.append(f"  {proposal.id}: {proposal.recipe.sentence()}; {proposal.reason}")
        lines += [f"      {hazard}" for hazard in _hazards(proposal.recipe, campaign)]
    behind = [p for p in state.undecided if p not in {a.id for a in asked}]
    if behind:
        lines.append(f"  behind it: {', '.join(behind)}")
    names = " ".join(f"--approve {p.id}" for p in asked)
    lines.append(f"Go on with `sdl resume {run} {names} --by NAME` or `--reject`.")
    return "\n".join(lines)


def _waiting_words(campaign: Campaign, lab: WatchedLab, where: str, run: Path | str) -> str:
    """What only a person can do now: requests of human stations, stations in quarantine."""
    lines = [f"waiting for a person{where}:"]
    lines += _asked(campaign, lab, run)
    lines.append(f"Go on with `sdl resume {run}`.")
    return "\n".join(lines)


def _asked(campaign: Campaign, lab: WatchedLab, run: Path | str) -> list[str]:
    state = campaign.state
    owed = {c.station: c.name for c in lab.controls() if is_due(state, c)}
    lines = [f"  {request}" for request in lab.waiting_for()]
    for station, why in state.quarantined.items():
        lines.append(f"  {station} is quarantined: {why}")
        if station in owed:
            how = f"`sdl control {run} {owed[station]} VALUE --by NAME`"
        else:
            how = f"`sdl release {run} {station} --by NAME`"
        lines.append(f"      {how} puts it back to work")
    return lines


def _left_words(campaign: Campaign, where: str, run: Path | str) -> str:
    """When to come back to a machine that works by itself."""
    left_s, state = campaign.left_s or 0.0, campaign.state
    back = (datetime.now() + timedelta(seconds=left_s)).strftime("%d %B, %H:%M")
    lines = [f"left{where} while a machine works by itself for {left_s / 60.0:.0f} min more:"]
    lines += [f"  {sample.id}: {doing(state, sample)}" for sample in state.active.values()]
    if isinstance(campaign.lab, WatchedLab):
        lines += _asked(campaign, campaign.lab, run)
    lines.append("  until then no interlock is watched and nothing else is begun")
    lines.append(f"Come back on {back}, with `sdl resume {run}`.")
    return "\n".join(lines)


def _hazards(recipe: Recipe, campaign: Campaign) -> list[str]:
    """What a person should know before letting a recipe through."""
    lots = [campaign.capabilities.lot(dose.lot) for dose in recipe.doses()]
    return [f"{lot.name}: {', '.join(lot.hazards)}" for lot in lots if lot and lot.hazards]


def _subject(task: Task) -> str:
    return "purity" if task.objective is None else task.objective.quantity().title
