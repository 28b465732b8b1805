"""Learning curves: the return against the steps, all seeds and what they have in common."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from sdl.figures.style import BLUE, GREY, ORANGE, styled

Array = npt.NDArray[np.float64]


def learning_curve(
    steps: Array,
    runs: Array,
    middle: Array,
    band: tuple[Array, Array],
    title: str,
    random: float | None = None,
) -> go.Figure:
    """Return per episode while learning, with the interquartile mean over the seeds.

    Args:
        steps: Decisions learned from, (points,).
        runs: Mean return of the episodes before each point, (seeds, points).
        middle: Interquartile mean over the seeds.
        band: Lower and upper end of its 95 % bootstrap interval.
        title: What is shown.
        random: Mean return of the random policy, or ``None``.
    """
    figure = go.Figure()
    x = steps / 1e6
    for n, run in enumerate(runs):
        figure.add_scatter(
            x=x,
            y=np.round(run, 4),
            mode="lines",
            line={"color": GREY, "width": 1},
            name="one seed",
            legendgroup="seeds",
            showlegend=n == 0,
            hoverinfo="skip",
        )
    if len(runs) > 1:
        figure.add_scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.round(np.concatenate([band[1], band[0][::-1]]), 4),
            fill="toself",
            fillcolor="rgba(0, 114, 178, 0.25)",
            line={"width": 0},
            name="95 % interval (bootstrap over seeds)",
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=x,
        y=np.round(middle, 4),
        mode="lines",
        line={"color": BLUE, "width": 3},
        name=f"interquartile mean of {len(runs)} seed{'s' if len(runs) > 1 else ''}",
    )
    if random is not None:
        figure.add_hline(
            y=random,
            line={"color": ORANGE, "width": 2, "dash": "dash"},
            annotation={"text": "random"},
        )
    return styled(figure, title, "decisions (millions)", "return per episode (reward units)")
