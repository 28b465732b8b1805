"""``sdl bench targets``: one policy for all targets, and targets that a policy has never met."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from agents.evaluate import Entrant, outcomes_of
from agents.reference import SMALL, reference
from agents.score import Score, difference, score
from agents.trial import Trial
from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.core.extras import require_extra
from sdl.core.model import content_hash
from sdl.tasks.task import load_task

LABORATORIES, QUICK_LABORATORIES = 100, 10
"""Judged laboratories of each target, the first of the 500."""
SAMPLES = 8
LEAST_MEAN, LEAST_EACH = 0.80, 0.50
LEAST_LEFT_OUT, LEAST_ABOVE = 0.50, 2.0 / 3.0
BASELINES = ("published", "fixed")
FOLDER = Path("runs/bench-targets")


def run(*, quick: bool = False, stored: bool = False) -> BenchReport:
    """Trains (or loads) the policies and judges them on every target.

    Args:
        quick: Short trainings, 10 laboratories, smaller searches behind the yardstick.
        stored: Judge the shipped policies; nothing is trained.

    Raises:
        ConfigError: The packages that train policies are not installed.
    """
    require_extra("rl", "the bench targets", "torch", "safetensors", "gymnasium")
    from agents.learning.bench import entrant_of
    from agents.learning.targets import (
        JOINT,
        LEFT_OUT,
        TARGETS,
        left_out,
        stored_targets,
        train_targets,
    )

    began = time.perf_counter()
    if stored:
        joint, strangers = stored_targets(JOINT), stored_targets(LEFT_OUT)
    else:
        # By commit: a run that was stopped goes on, and never with what another version trained.
        folder = FOLDER / f"{'quick' if quick else 'full'}-{commit()[:12]}"
        first, *strangers = train_targets(folder, quick=quick, commit=commit())
        joint = [first]
    minutes = (time.perf_counter() - began) / 60.0
    entrants = {name: {"one_policy": entrant_of(joint)} for name in TARGETS} if joint else {}
    for name, entrant in left_out(strangers).items():
        entrants.setdefault(name, {})["left_out"] = entrant
    rows = list[Row]()
    values: dict[str, list[float]] = {"one_policy": [], "left_out": [], "above": []}
    for name in entrants:
        rows += _judge(name, entrants[name], values, quick=quick)
    if not stored:
        rows.append(Row(name="training", value=minutes, unit="min"))
    return BenchReport(
        bench="targets",
        commit=commit(),
        task=content_hash([load_task(name).hash for name in TARGETS]),
        machine=machine(),
        rows=tuple(rows),
        gates=tuple(_gates(values, len(TARGETS))),
    )


def _judge(
    name: str, entrants: dict[str, Entrant], values: dict[str, list[float]], *, quick: bool
) -> list[Row]:
    """Rows of one target; adds its scores to ``values``."""
    task, count = load_task(name), QUICK_LABORATORIES if quick else LABORATORIES
    known = reference(task, count, samples=SAMPLES, settings=SMALL if quick else None)
    trial = Trial(task, "judge", count, SAMPLES)
    rows = list[Row]()
    played = {
        each: outcomes_of(each, trial, known)[1]
        for each in BASELINES
        if each != "published" or known.published is not None
    }
    for each, entrant in entrants.items():
        played[each] = entrant.play(trial)
    scores = {each: score(each, found, known.yardstick) for each, found in played.items()}
    rows += [_row(f"{name}.{each}.score", found) for each, found in scores.items()]
    rows += [
        Row(name=f"{name}.{each}.return", value=float(found.returns.mean()), unit="reward")
        for each, found in (("random", known.random), ("oracle", known.oracle))
    ]
    for each in entrants:
        values[each].append(scores[each].score.value)
    if "left_out" in entrants and "published" in played:
        gap = difference(name, played["left_out"], played["published"], known.yardstick)
        values["above"].append(float(gap.value > 0.0))
        rows.append(
            Row(
                name=f"{name}.left_out_minus_published.score",
                value=gap.value,
                low=gap.low,
                high=gap.high,
                unit="score",
                n=scores["left_out"].laboratories * SAMPLES,
            )
        )
    return rows


def _row(name: str, of: Score) -> Row:
    return Row(
        name=name,
        value=of.score.value,
        low=of.score.low,
        high=of.score.high,
        unit="score",
        n=of.laboratories * of.samples * of.seeds,
    )


def _gates(values: dict[str, list[float]], targets: int) -> list[Gate]:
    """One policy: mean and least; left out: mean and share above the published recipe."""
    gates = list[Gate]()
    for key, name, limit, figure in (
        ("one_policy", "mean", LEAST_MEAN, np.mean),
        ("one_policy", "least", LEAST_EACH, np.min),
        ("left_out", "mean", LEAST_LEFT_OUT, np.mean),
        ("above", "published", LEAST_ABOVE, np.mean),
    ):
        found = values[key]
        value = float(figure(found)) if found else float("nan")
        told = "left_out.above_published" if key == "above" else f"{key}.{name}"
        all_there = len(found) == targets or (key == "above" and len(found) > 0)
        gates.append(
            Gate(
                id=f"targets.{told}",
                target=f">= {limit:.3g}" + ("" if all_there else f" over {targets} targets"),
                value=value,
                passed=all_there and value >= limit,
            )
        )
    return gates
