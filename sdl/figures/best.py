"""The highest measured purity so far, beside a random search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import plotly.graph_objects as go

from sdl.figures.style import (
    BLUE,
    ORANGE,
    VERMILLION,
    percent,
    plain,
    purity_zoom,
    styled,
    whole_percent,
    wrapped,
)

_TOP = 104.0


@dataclass(frozen=True)
class Attempt:
    """One finished experiment, in the order of the ends."""

    label: str
    purity: float | None
    """Measured weight fraction of the target; ``None`` for a failure."""
    sigma: float = 0.0
    recipe: str = ""
    counts: bool = True
    """Whether it may be the best: a good measurement with nothing unexplained."""


@dataclass(frozen=True)
class Band:
    """Best of the first n experiments of a random search, one entry per n, as fractions."""

    low: tuple[float, ...]
    """Lower quartile."""
    median: tuple[float, ...]
    high: tuple[float, ...]
    """Upper quartile."""
    experiments: int
    """Random experiments behind it."""


def running_best(attempts: Sequence[Attempt]) -> list[float]:
    """Highest purity after each experiment, as a fraction; 0 before the first measurement."""
    shares = (a.purity or 0.0 if a.counts else 0.0 for a in attempts)
    return list(accumulate(shares, max))


def best_so_far(
    attempts: Sequence[Attempt], target: str, goal: float, band: Band | None = None
) -> go.Figure:
    """Every measurement, the best so far, the goal, and the band of a random search.

    Args:
        attempts: Finished experiments in the order of their ends.
        target: Phase that is wanted.
        goal: Purity to reach, as a fraction.
        band: Random search in the same laboratory, or ``None``.
    """
    figure = go.Figure()
    if band is not None:
        _add_band(figure, band)
    numbers = list(range(1, len(attempts) + 1))
    best = running_best(attempts)
    figure.add_scatter(
        x=numbers,
        y=[100.0 * b for b in best],
        mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 3},
        name="best so far",
        hovertemplate="best of the first %{x}: %{y:.1f} wt%<extra></extra>",
    )
    shown = [(n, a) for n, a in zip(numbers, attempts, strict=True) if a.purity is not None]
    figure.add_scatter(
        x=[n for n, _ in shown],
        y=[100.0 * (a.purity or 0.0) for _, a in shown],
        error_y={"array": [100.0 * a.sigma for _, a in shown], "color": BLUE, "thickness": 1},
        mode="markers",
        marker={
            "color": BLUE,
            "size": 7,
            "symbol": ["circle" if a.counts else "circle-open" for _, a in shown],
        },
        name="measured (± 1σ)",
        customdata=[
            [plain(a.label), percent(a.purity, a.sigma), wrapped(a.recipe), _doubt(a)]
            for _, a in shown
        ],
        hovertemplate="%{customdata[0]}: %{customdata[1]}%{customdata[3]}"
        "<br>%{customdata[2]}<extra></extra>",
    )
    figure.add_hline(
        y=100.0 * goal,
        line={"dash": "dot", "color": VERMILLION},
        annotation={"text": f"goal {whole_percent(goal)}", "font": {"color": VERMILLION}},
        annotation_position="bottom right",
    )
    styled(
        figure,
        f"Best measured {target} so far",
        "experiment, in order of completion (number)",
        f"measured {target} (wt%)",
    )
    last = max(len(attempts), len(band.median) if band else 1)
    figure.update_xaxes(range=[0.5, last + 0.5], dtick=1 if last <= 12 else None)
    figure.update_yaxes(range=[0, _TOP])
    figure.update_layout(updatemenus=[purity_zoom(goal, _TOP)])
    return figure


def _doubt(attempt: Attempt) -> str:
    return "" if attempt.counts else ", not counted: poor fit or unexplained intensity"


def _add_band(figure: go.Figure, band: Band) -> None:
    numbers = list(range(1, len(band.median) + 1))
    for values, name in ((band.high, "high"), (band.low, "low")):
        figure.add_scatter(
            x=numbers,
            y=[100.0 * v for v in values],
            mode="lines",
            line={"shape": "hv", "width": 0},
            fill="tonexty" if name == "low" else None,
            fillcolor="rgba(230, 159, 0, 0.22)",
            name="random search, middle half",
            showlegend=name == "low",
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=numbers,
        y=[100.0 * v for v in band.median],
        mode="lines",
        line={"shape": "hv", "color": ORANGE, "width": 2, "dash": "dash"},
        name="random search, median",
        customdata=[
            [100.0 * low, 100.0 * high] for low, high in zip(band.low, band.high, strict=True)
        ],
        hovertemplate="random, best of %{x}: %{y:.1f} wt%, middle half %{customdata[0]:.1f} to "
        "%{customdata[1]:.1f} wt%<extra></extra>",
    )
