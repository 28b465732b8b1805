"""``sdl bench offline``: policies from logs alone, and what is told of policies from logs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from agents.reference import SMALL, reference
from agents.score import Interval, Yardstick, difference, score
from agents.trial import Outcomes, Trial
from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.core.errors import ConfigError
from sdl.core.extras import require_extra
from sdl.tasks.task import Task, load_task

if TYPE_CHECKING:
    from agents.learning.actor import Actor
    from agents.offline.behaviour import Mixture
    from agents.offline.bench import Sizes
    from agents.offline.episodes import Episodes
    from agents.offline.judgement import Estimate

TASK = "batio3-coarse"
BEHAVIOUR_SCORE = (0.35, 0.5)
COVERED, OF = 17, 20
WIDTH = 0.2
"""Widest interval, in units of the return."""
WAYS = ("likeliest", "drawn")
"""How a policy chooses: its most probable choice, or a draw."""
ABOVE = ("clone", "best")
LEARNERS = ("iql", "cql")
BEGINNER = "beginner."
"""First part of the names of what was learned from a beginner's logs."""


def run(*, seeds: int | None = None, quick: bool = False) -> BenchReport:
    """Logs a behaviour, learns from it, judges what was learned, and tells policies from the logs.

    Args:
        seeds: Of each learner.
        quick: Tiny sizes, which show that it runs and nothing else.

    Raises:
        ConfigError: The packages that train policies are not installed, or no policy is shipped.
    """
    require_extra("rl", "the bench offline", "torch", "safetensors", "gymnasium")
    import torch

    from agents.offline.behaviour import GREEDY
    from agents.offline.bench import (
        QUICK,
        Sizes,
        beginner_of,
        behaviour_of,
        logs_of,
        shipped_actors,
    )

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        sizes = QUICK if quick else Sizes()
        task = load_task(TASK)
        actors = shipped_actors(task)
        if not actors:
            raise ConfigError("no policy of this task is shipped", got=task.name)
        shipped = behaviour_of(task, actors[0], sizes.tuning)
        beginner = beginner_of(task, sizes.beginner)
        weak = behaviour_of(task, beginner, sizes.tuning, share=None, sharpness=GREEDY)
        logs = logs_of(task, shipped, sizes.episodes, "shipped")
        number = seeds or sizes.seeds
        policies, rows = _learn(logs, actors[0], number, sizes, "")
        more, gates = _judged(task, shipped, policies, sizes, "", quick=quick)
        rows += more
        weak_logs = logs_of(task, weak, sizes.episodes, "beginner")
        others, more = _learn(weak_logs, beginner, number, sizes, BEGINNER)
        rows += more
        more, judged = _judged(task, weak, others, sizes, BEGINNER, quick=quick)
        rows += more
        gates += judged
        first = {name: each[0] for name, each in policies.items()}
        more, told = _told(task, actors, first, logs, sizes)
    finally:
        torch.set_num_threads(before)
    return BenchReport(
        bench="offline",
        commit=commit(),
        task=task.hash,
        machine=machine(),
        rows=(*rows, *more),
        gates=(*gates, *told),
    )


def _learn(
    logs: Episodes, actor: Actor, seeds: int, sizes: Sizes, first: str
) -> tuple[dict[str, list[Mixture]], list[Row]]:
    """Policies of every learner, one per seed, and the time they took."""
    from agents.offline.bench import BEGINNER_LEARNERS, SETTINGS, learned

    found: dict[str, list[Mixture]] = {}
    rows = [Row(name=f"{first}behaviour.episodes", value=logs.count, unit="episodes")]
    for name in BEGINNER_LEARNERS if first else SETTINGS:
        began = time.process_time()
        found[name] = [learned(logs, actor, name, seed, sizes) for seed in range(seeds)]
        seconds = (time.process_time() - began) / seeds
        rows.append(
            Row(name=f"{first}{name}.learning", value=seconds, unit="s of one core", n=seeds)
        )
    return found, rows


def _judged(
    task: Task,
    behaviour: Mixture,
    policies: dict[str, list[Mixture]],
    sizes: Sizes,
    first: str,
    *,
    quick: bool,
) -> tuple[list[Row], list[Gate]]:
    """Scores in judged laboratories, one sample in each, and differences paired by laboratory."""
    from agents.offline.bench import Cursor, MixturePlayer, greedy

    known = reference(task, sizes.laboratories, settings=SMALL if quick else None)
    trial, cursor = Trial(task, "judge", sizes.laboratories), Cursor()

    def play(name: str, entrants: Sequence[Mixture]) -> list[Outcomes]:
        players = [MixturePlayer(name, each, seed) for seed, each in enumerate(entrants)]
        return [trial.play(player, cursor) for player in players]

    own = score("behaviour", play("behaviour", [behaviour] * 2), known.yardstick)
    rows = [
        Row(name=f"{first}behaviour.even_choices", value=behaviour.epsilon, unit="share"),
        _row(f"{first}behaviour.score", own.score, "score", own.laboratories),
    ]
    low, high = BEHAVIOUR_SCORE
    gates = [
        Gate(
            id=f"offline.{first}behaviour",
            target=f"{low:g} to {high:g}",
            value=own.score.value,
            passed=low <= own.score.value <= high,
        )
    ]
    for way in WAYS:
        played = {
            name: play(name, [greedy(p) for p in each] if way == WAYS[0] else each)
            for name, each in policies.items()
        }
        for name, outcomes in played.items():
            each = score(f"{name}.{way}", outcomes, known.yardstick)
            count = each.laboratories * each.seeds
            rows.append(_row(f"{first}{name}.{way}.score", each.score, "score", count))
        more, judged = _compared(played, known.yardstick, first, way)
        rows += more
        gates += judged
    return rows, gates


def _compared(
    played: dict[str, list[Outcomes]], yardstick: Yardstick, first: str, way: str
) -> tuple[list[Row], list[Gate]]:
    """IQL and CQL minus the clones; a gate is passed by the better of the two."""
    rows, gates = list[Row](), list[Gate]()
    for other in ABOVE:
        lows: list[float] = []
        for name in (n for n in LEARNERS if n in played):
            label = f"{first}{name}_minus_{other}.{way}"
            found = difference(label, played[name], played[other], yardstick)
            count = len(played[name]) * len(played[name][0])
            rows.append(_row(f"{label}.score", found, "score", count))
            lows.append(found.low)
        gates.append(
            Gate(
                id=f"offline.{first}above_{other}.{way}",
                target="> 0 (lower end of the interval)",
                value=max(lows),
                passed=max(lows) > 0.0,
            )
        )
    return rows, gates


def _told(
    task: Task,
    actors: Sequence[Actor],
    policies: dict[str, Mixture],
    logs: Episodes,
    sizes: Sizes,
) -> tuple[list[Row], list[Gate]]:
    """What the logs say of twenty policies, beside what they earn."""
    from agents.offline.behaviour import mean_return
    from agents.offline.bench import panel, published_clone, rows_of
    from agents.offline.judgement import Judge

    judged = panel(actors, policies, published_clone(task, actors[0], sizes))
    began = time.process_time()
    judge = Judge(logs, actors[0].layout, sizes.judging)
    told = dict(zip(judged, judge.judge_all(list(judged.values())), strict=True))
    seconds = time.process_time() - began
    batch = rows_of(task, sizes.truth, "train", "truth")
    truths = {name: mean_return(batch, each, n)[0] for n, (name, each) in enumerate(judged.items())}
    batch.close()
    rows = [Row(name="told.time", value=seconds, unit="s of one core")]
    for name, each in told.items():
        rows += _told_rows(name, each, truths[name])
    # A policy that the logs do not tell counts as missed.
    inside = sum(e.told and e.low <= truths[n] <= e.high for n, e in told.items())
    widths = np.array([each.width for each in told.values() if each.told])
    errors = np.array([each.value - truths[n] for n, each in told.items()])
    rows += [
        Row(name="told.error", value=float(np.sqrt((errors**2).mean())), unit="return, rms"),
        Row(name="told.width", value=float(np.median(widths)), unit="return", n=len(widths)),
        Row(name="told.refused", value=len(told) - len(widths), unit="policies"),
    ]
    covered = Gate(
        id="offline.told",
        target=f">= {COVERED} of {OF} inside the 90 % interval",
        value=float(inside),
        passed=inside >= COVERED,
    )
    widest = float(widths.max()) if len(widths) else float("inf")
    narrow = Gate(
        id="offline.width",
        target=f"<= {WIDTH:g} (widest that is told)",
        value=widest,
        passed=widest <= WIDTH,
    )
    return rows, [covered, narrow]


def _told_rows(name: str, each: Estimate, truth: float) -> list[Row]:
    """What the logs say of one policy; the interval is one of 90 %."""
    return [
        Row(name=f"told.{name}", value=each.value, low=each.low, high=each.high, unit="return"),
        Row(name=f"told.{name}.truth", value=truth, unit="return"),
    ]


def _row(name: str, interval: Interval, unit: str, count: int) -> Row:
    return Row(
        name=name, value=interval.value, low=interval.low, high=interval.high, unit=unit, n=count
    )
