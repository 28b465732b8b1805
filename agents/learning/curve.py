"""Learning curves of several seeds as one: interquartile mean and its bootstrap interval."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdl.core.seeds import generator

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Curve:
    """Returns of S runs against the steps, with what they have in common."""

    steps: NDArray[np.float64]
    """(points,)."""
    runs: NDArray[np.float64]
    """(S, points)."""
    mean: NDArray[np.float64]
    """Interquartile mean over the runs."""
    low: NDArray[np.float64]
    """Lower end of its 95 % bootstrap interval."""
    high: NDArray[np.float64]


def interquartile_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean without the lowest and the highest quarter (rounded down), over the first axis."""
    cut = len(values) // 4
    ordered = np.sort(values, axis=0)
    return ordered[cut : len(values) - cut].mean(axis=0)


def interval(
    values: NDArray[np.float64], *key: str | int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % percentile bootstrap interval of the interquartile mean over the first axis.

    Args:
        values: (runs, ...).
        key: Of the resampling.
    """
    picks = generator("bootstrap", *key).integers(0, len(values), (RESAMPLES, len(values)))
    means = np.stack([interquartile_mean(values[pick]) for pick in picks])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a learning curve; none where there is no file yet."""
    if not path.is_file():
        return []
    texts = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(text) for text in texts if text.endswith("\n")]  # one may be half written


def join(paths: Sequence[Path], figure: str = "return") -> Curve | None:
    """The curves of several runs on the steps of the first, as far as the shortest goes.

    Args:
        paths: Their files.
        figure: Which number of the lines.

    Returns:
        ``None`` where a run has no line yet.
    """
    every = [read_lines(path) for path in paths]
    if not every or not all(every):
        return None
    last = min(lines[-1]["steps"] for lines in every)
    steps = np.array([line["steps"] for line in every[0] if line["steps"] <= last], dtype=float)
    runs = np.stack(
        [
            np.interp(steps, [line["steps"] for line in lines], [line[figure] for line in lines])
            for lines in every
        ]
    )
    low, high = interval(runs, "curve", figure)
    return Curve(steps, runs, interquartile_mean(runs), low, high)
