"""How a policy answers: what it does against what the laboratory allows or what is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import plotly.graph_objects as go

from sdl.figures.style import OKABE_ITO, styled


@dataclass(frozen=True)
class Points:
    """One line of a panel: values with 95 % intervals."""

    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def response_figure(title: str, x: str, y: str, lines: Mapping[str, Points]) -> go.Figure:
    """What a policy does against one condition, a line per task.

    Args:
        title: What is shown.
        x: The condition with its unit.
        y: What the policy does, with its unit.
        lines: By name.
    """
    figure = go.Figure()
    for (name, points), colour in zip(lines.items(), cycle(OKABE_ITO), strict=False):
        up = [h - v for h, v in zip(points.high, points.y, strict=True)]
        down = [v - low for low, v in zip(points.low, points.y, strict=True)]
        figure.add_scatter(
            x=list(points.x),
            y=[round(v, 4) for v in points.y],
            error_y={"type": "data", "array": up, "arrayminus": down, "thickness": 1},
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 2},
        )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, title, x, y)
