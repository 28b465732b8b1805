"""Phases of a sample against time, with the temperature on a second axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from sdl.figures.style import GREY, OKABE_ITO, SKY, YELLOW, plain, styled

Array = npt.NDArray[np.float64]

SHOWN_ABOVE = 0.005
"""Phases that never exceed this weight fraction have no line."""
NEAR = 0.03
"""Labels closer than this share of the whole time are put together."""
_COLOURS = tuple(colour for colour in OKABE_ITO if colour != YELLOW)
"""Yellow is hard to see as a line on white."""
_LEGEND_ROW = 6
"""Names of phases in a row of the legend, at least."""
_DASHES = ("solid", "dash", "dot")
_TOP_WT_PCT = 104.0


@dataclass(frozen=True)
class Course:
    """Phases and temperature of one sample; every array has shape ``(n,)``."""

    time_h: Array
    temperature_c: Array
    fractions: Mapping[str, Array]
    """Weight fractions by phase, 0 to 1."""
    gas: Sequence[str]
    """Around the sample; empty where it is cold."""
    labels: Sequence[tuple[float, str]] = ()
    """Times, h, at which something is done to the cold sample, with words."""


def shown_phases(fractions: Mapping[str, Array]) -> list[str]:
    """Phases that get a line, in the order in which they reach their largest fraction."""
    largest = {name: float(values.max(initial=0.0)) for name, values in fractions.items()}
    seen = [name for name, value in largest.items() if value > SHOWN_ABOVE]
    kept = sorted(seen, key=lambda n: -largest[n])[: len(_COLOURS) * len(_DASHES)]
    return sorted(kept, key=lambda n: int(np.argmax(fractions[n])))


def phases_against_time(course: Course, title: str) -> go.Figure:
    """Weight fractions against time; the temperature is a grey area behind them.

    Args:
        course: What became of the sample.
        title: Whose course it is.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=course.time_h,
        y=np.round(course.temperature_c, 1),
        yaxis="y2",
        mode="lines",
        line={"color": GREY, "width": 1.5},
        fill="tozeroy",
        fillcolor="rgba(153, 153, 153, 0.13)",
        name="temperature",
        customdata=[f" in {plain(gas)}" if gas else "" for gas in course.gas],
        hovertemplate="%{y:.0f} °C%{customdata}<extra>temperature</extra>",
    )
    shown = shown_phases(course.fractions)
    for number, phase in enumerate(shown):
        figure.add_scatter(
            x=course.time_h,
            y=np.round(100.0 * course.fractions[phase], 3),
            mode="lines",
            line={
                "color": _COLOURS[number % len(_COLOURS)],
                "width": 2.5,
                "dash": _DASHES[number // len(_COLOURS)],
            },
            name=plain(phase),
            hovertemplate=f"%{{y:.1f}} wt%<extra>{plain(phase)}</extra>",
        )
    for time_h, words in _merged(course.labels, NEAR * float(course.time_h.max(initial=0.0))):
        figure.add_vline(x=time_h, line={"color": SKY, "dash": "dot", "width": 1.5})
        figure.add_annotation(
            x=time_h,
            y=1.0,
            yref="paper",
            yanchor="top",
            textangle=-90,
            xshift=-9,
            text=plain(words),
            showarrow=False,
            bgcolor="rgba(255, 255, 255, 0.75)",
            font={"size": 12, "color": "#555555"},
        )
    styled(figure, title, "time, without waiting (h)", "weight fraction (wt%)", height_px=500)
    rows = 1 + len(shown) // _LEGEND_ROW
    figure.update_layout(margin={"t": 64 + 22 * rows}, height=456 + 22 * rows)
    _second_axis(figure, float(course.temperature_c.max(initial=25.0)))
    figure.update_xaxes(range=[0.0, float(course.time_h.max(initial=1e-3))], hoverformat=".2f")
    return figure


def _merged(labels: Sequence[tuple[float, str]], near_h: float) -> list[tuple[float, str]]:
    """Labels that would run into each other in one, at the time of the last of them."""
    merged: list[tuple[float, str]] = []
    for time_h, words in sorted(labels):
        if merged and time_h - merged[-1][0] < near_h:
            merged[-1] = (time_h, f"{merged[-1][1]}, {words}")
        else:
            merged.append((time_h, words))
    return merged


def _second_axis(figure: go.Figure, hottest_c: float) -> None:
    """Temperature on the right, behind the phases, with a grid of its own left out."""
    figure.update_layout(
        hovermode="x unified",
        margin={"r": 76},
        yaxis={
            "range": [0.0, _TOP_WT_PCT],
            "overlaying": "y2",
            "side": "left",
            "tickmode": "linear",
            "dtick": 20,
        },
        yaxis2={
            "title": {"text": "temperature of the sample (°C)"},
            "range": [0.0, 1.3 * hottest_c],
            "side": "right",
            "showgrid": False,
            "showline": True,
            "linecolor": "#888888",
            "ticks": "outside",
        },
    )
