"""The history of a simulated sample as rows of a table, as CSV, and as a figure takes it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdl.core.recipe import Characterise, Mix, Press, Regrind, Wash, describe_step
from sdl.figures.history import Course
from simulators.history import History
from simulators.simulation import Simulation

STEP_FRACTION = 0.05
"""A row is told when a phase has changed by this since the last one."""
LEAST_FRACTION = 5e-4
"""Phases that never exceed this weight fraction have no column."""
COLUMNS = 7
"""Phases with a column of their own; the CSV holds all."""


@dataclass(frozen=True)
class CourseRow:
    """One line of the table."""

    time_h: float
    temperature_c: float
    words: str
    """What has just happened; empty on the way."""
    fractions: tuple[float, ...]
    """Of the phases with a column."""
    others: float
    """Of all other phases together."""


def table_phases(history: History) -> tuple[str, ...]:
    """Phases with a column, in file order: those with the largest fractions at any time."""
    largest = history.weight_fraction.max(axis=0, initial=0.0)
    order = [int(i) for i in np.argsort(-largest, kind="stable")[:COLUMNS]]
    return tuple(history.phases[i] for i in sorted(order) if largest[i] > LEAST_FRACTION)


def table_rows(history: History) -> list[CourseRow]:
    """Every moment with a name, and in between where a phase has changed."""
    named = {moment.row: moment.words for moment in history.moments}
    columns = [history.phases.index(name) for name in table_phases(history)]
    rows: list[CourseRow] = []
    told = np.full(len(history.phases), -1.0)
    for row in range(len(history.time_h)):
        values = history.weight_fraction[row]
        if row not in named and float(np.abs(values - told).max(initial=0.0)) < STEP_FRACTION:
            continue
        if row == 0 and row not in named:
            continue
        told = values
        shown = tuple(float(values[i]) for i in columns)
        rows.append(
            CourseRow(
                time_h=float(history.time_h[row]),
                temperature_c=float(history.temperature_c[row]),
                words=named.get(row, ""),
                fractions=shown,
                others=max(0.0, float(values.sum()) - sum(shown)),
            )
        )
    return rows


def has_others(rows: Sequence[CourseRow]) -> bool:
    """Whether phases without a column add up to anything worth telling."""
    return any(row.others >= LEAST_FRACTION for row in rows)


def csv_text(history: History) -> str:
    """The whole history as CSV, one column for each phase that is ever there."""
    largest = history.weight_fraction.max(axis=0, initial=0.0)
    kept = [i for i, value in enumerate(largest) if value > 0.0]
    named = {moment.row: moment.words for moment in history.moments}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["time_h", "temperature_c", "program_c", "gas", "step", "mass_mg"]
        + [f"{history.phases[i]}_wt_pct" for i in kept]
        + ["event"]
    )
    for row in range(len(history.time_h)):
        writer.writerow(
            [
                f"{history.time_h[row]:.6f}",
                f"{history.temperature_c[row]:.2f}",
                f"{history.program_c[row]:.2f}",
                history.gas[row],
                int(history.step[row]) + 1,
                f"{history.mass_mg[row]:.4f}",
                *(f"{100.0 * history.weight_fraction[row, i]:.5f}" for i in kept),
                named.get(row, ""),
            ]
        )
    return text.getvalue()


def course_of(simulation: Simulation) -> Course:
    """The history as the figure takes it."""
    history = simulation.history
    labels = [
        (float(history.time_h[moment.row]), describe_step(step))
        for moment in history.moments
        if isinstance(
            step := simulation.recipe.steps[moment.step],
            Regrind | Wash | Press | Characterise | Mix,
        )
        and moment.step > 0
        and float(history.time_h[moment.row]) < 0.999 * float(history.time_h[-1])
    ]
    return Course(
        time_h=history.time_h,
        temperature_c=history.temperature_c,
        fractions={name: history.weight_fraction[:, i] for i, name in enumerate(history.phases)},
        gas=history.gas,
        labels=labels,
    )
