"""``sdl bench train``: trained policies on the judged laboratories, beside the baselines."""

from __future__ import annotations

import time
from itertools import pairwise

from agents.evaluate import Entrant, outcomes_of
from agents.reference import SMALL, reference
from agents.score import Interval, Score, difference, score
from agents.trial import JUDGED, Outcomes, Trial
from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.core.extras import require_extra
from sdl.core.model import content_hash
from sdl.tasks.task import Task, load_task

TASKS = ("batio3-coarse", "srtio3")
"""Systems of the gates; the first carries line 1."""
BASELINES = ("random", "published", "fixed", "oracle")
ALGORITHM = "maskable_ppo"
LEAST_SCORE = 0.90
SEEDS = 5
MINUTES = 40.0
"""Time for all seeds of the first task together."""
SAMPLES = (8, 1)
"""Samples of a laboratory, one after the other: the frozen figures are of the first; those of one
sample, which says nothing of its laboratory before it is made, stand beside them."""
LABORATORIES = {"batio3-coarse": JUDGED, "srtio3": JUDGED}
SLOW_LABORATORIES = 100
"""Judged laboratories of the other tasks, the first of the same 500: a plan takes milliseconds."""


def run(*, seeds: int | None = None, quick: bool = False, stored: bool = False) -> BenchReport:
    """Trains (or loads) policies and judges them.

    Args:
        seeds: Policies per task.
        quick: One task, two seeds of a shorter training, 40 laboratories.
        stored: Judge the shipped policies; nothing is trained.

    Raises:
        ConfigError: The packages that train policies are not installed.
    """
    require_extra("rl", "the bench train", "torch", "safetensors", "gymnasium")
    from agents.learning.bench import stored_policies, train_policies

    tasks = TASKS[:1] if quick else TASKS
    rows, gates = list[Row](), list[Gate]()
    for name in tasks:
        task = load_task(name)
        count = 40 if quick else LABORATORIES.get(name, SLOW_LABORATORIES)
        began = time.perf_counter()
        if stored:
            entrant = stored_policies(task)
        else:
            number = seeds or (2 if quick else SEEDS)
            entrant = train_policies(task, seeds=number, quick=quick, commit=commit())
        minutes = (time.perf_counter() - began) / 60.0
        for samples in SAMPLES:
            more, judged = judge(task, entrant, count, samples=samples, quick=quick)
            rows += more
            if samples == SAMPLES[0]:
                gates += judged
        if not stored:
            rows.append(Row(name=f"{name}.training", value=minutes, unit="min"))
            if name == TASKS[0] and not quick:
                gates.append(_below("train.minutes", minutes, MINUTES))
    return BenchReport(
        bench="train",
        commit=commit(),
        task=content_hash([load_task(name).hash for name in tasks]),
        machine=machine(),
        rows=tuple(rows),
        gates=tuple(gates),
    )


def judge(
    task: Task,
    entrant: Entrant | None,
    laboratories: int,
    *,
    samples: int = SAMPLES[0],
    quick: bool = False,
) -> tuple[list[Row], list[Gate]]:
    """Rows and gates of one task.

    Args:
        task: The task.
        entrant: Trained policies; ``None`` where there are none.
        laboratories: Number of judged laboratories.
        samples: Samples of each, one after the other.
        quick: Smaller searches behind the yardstick.
    """
    known = reference(task, laboratories, samples=samples, settings=SMALL if quick else None)
    trial = Trial(task, "judge", laboratories, samples)
    played: dict[str, list[Outcomes]] = {}
    for name in BASELINES:
        if name != "published" or known.published is not None:
            played[name] = outcomes_of(name, trial, known)[1]
    if entrant is not None:
        played[entrant.name] = entrant.play(trial)
    scores = {name: score(name, outcomes, known.yardstick) for name, outcomes in played.items()}
    first = "" if task.name == TASKS[0] else f"{task.name}."
    first += "" if samples == SAMPLES[0] else "one_sample."
    rows = [row for each in scores.values() for row in _rows(first, each)]
    rows.append(_plain(f"{first}oracle.budget", known.notes["oracle_budgets"][-1], "plans"))
    gates: list[Gate] = []
    if entrant is None:
        return rows, gates
    ours, agent = scores[entrant.name], played[entrant.name]
    beyond = difference(f"{task.name}.fixed", agent, played["fixed"], known.yardstick)
    rows.append(_row(f"{first}{entrant.name}_minus_fixed.score", beyond, "score", ours))
    above = Gate(
        id=f"train.{first}above_fixed",
        target="> 0 (lower end of the interval)",
        value=beyond.low,
        passed=beyond.low > 0,
    )
    gates.append(above)
    if task.name == TASKS[0]:
        gates.append(
            Gate(
                id="train.score",
                target=f">= {LEAST_SCORE:g}",
                value=ours.score.value,
                passed=ours.score.value >= LEAST_SCORE,
            )
        )
        gates += _order([scores[n] for n in ("random", "published") if n in scores] + [ours])
    return rows, gates


def _order(scores: list[Score]) -> list[Gate]:
    """Each policy above the one before, with intervals that do not meet."""
    return [
        Gate(
            id=f"train.{low.name}_below_{high.name}",
            target="> 0 (between the intervals of the returns)",
            value=high.returns.low - low.returns.high,
            passed=high.returns.low > low.returns.high,
        )
        for low, high in pairwise(scores)
    ]


def _rows(prefix: str, each: Score) -> list[Row]:
    name = prefix + each.name
    rising = each.by_sample if each.samples > 1 else ()
    return [
        *(_plain(f"{name}.sample_{n + 1}.score", by, "score") for n, by in enumerate(rising)),
        _row(f"{name}.score", each.score, "score", each),
        _row(f"{name}.interquartile", each.interquartile, "score", each),
        _row(f"{name}.return", each.returns, "reward", each),
        _row(f"{name}.cost_free", each.cost_free, "score", each),
        _plain(f"{name}.purity", each.purity, "weight fraction"),
        _plain(f"{name}.pure", each.pure, "share of samples"),
        _plain(f"{name}.cost", each.cost, "reward"),
    ]


def _row(name: str, interval: Interval, unit: str, of: Score) -> Row:
    return Row(
        name=name,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        unit=unit,
        n=of.laboratories * of.samples * of.seeds,
    )


def _plain(name: str, value: float, unit: str) -> Row:
    return Row(name=name, value=float(value), unit=unit)


def _below(gate: str, value: float, limit: float) -> Gate:
    return Gate(id=gate, target=f"<= {limit:g}", value=value, passed=value <= limit)
