"""A measured powder pattern with its fitted phases, reference lines and difference curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sdl.core.material import PhaseAmount
from sdl.figures.style import (
    BLACK,
    GREY,
    OKABE_ITO,
    VERMILLION,
    percent,
    plain,
    styled,
    zoom_buttons,
)

Array = npt.NDArray[np.float64]

_PHASE_COLOURS = tuple(c for c in OKABE_ITO if c not in (BLACK, VERMILLION))
"""Black is the measurement and vermillion the fit."""

_SCALES = zoom_buttons(
    [("linear", {"yaxis.type": "linear"}), ("logarithmic", {"yaxis.type": "log"})]
)
"""Small impurities show on a logarithmic scale."""


@dataclass(frozen=True)
class FittedPattern:
    """One scan and what was fitted to it; every array has shape ``(points,)``."""

    two_theta_deg: Array
    counts: Array
    fitted: Array
    background: Array
    contributions: Mapping[str, Array]
    """Fitted counts of each phase to show, without background."""
    amounts: Mapping[str, PhaseAmount]
    ticks_deg: Mapping[str, Sequence[float]]
    """Angles of the reference lines of each phase to show, degrees 2theta."""


def pattern_with_fit(pattern: FittedPattern, title: str) -> go.Figure:
    """Counts and fit above, reference ticks in the middle, measured minus fitted below.

    Args:
        pattern: The scan and its fit.
        title: What was measured.
    """
    figure = make_subplots(
        rows=3,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.03,
        row_heights=[0.66, 0.05 + 0.03 * len(pattern.ticks_deg), 0.2],
    )
    _add_counts(figure, pattern)
    _add_ticks(figure, pattern)
    figure.add_scatter(
        x=pattern.two_theta_deg,
        y=np.round(pattern.counts - pattern.fitted, 1),
        mode="lines",
        line={"color": GREY, "width": 1},
        name="difference",
        hovertemplate="%{x:.2f}°: %{y:.0f} counts<extra>measured − fitted</extra>",
        row=3,
        col=1,
    )
    styled(figure, title, "", "", height_px=620 + 18 * len(pattern.ticks_deg))
    figure.update_layout(margin={"l": 90}, updatemenus=[_SCALES])
    figure.update_xaxes(title_text="scattering angle 2θ (degrees, Cu Kα)", row=3, col=1)
    figure.update_yaxes(title_text="intensity (counts)", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(
        row=2,
        col=1,
        showgrid=False,
        zeroline=False,
        ticks="",
        showline=False,
        tickfont={"size": 12},
        autorange="reversed",
    )
    figure.update_yaxes(title_text="difference<br>(counts)", row=3, col=1)
    return figure


def _colours(pattern: FittedPattern) -> dict[str, str]:
    count = len(_PHASE_COLOURS)
    return {p: _PHASE_COLOURS[i % count] for i, p in enumerate(pattern.contributions)}


def _add_counts(figure: go.Figure, pattern: FittedPattern) -> None:
    x = pattern.two_theta_deg
    for phase, colour in _colours(pattern).items():
        amount = pattern.amounts[phase]
        figure.add_scatter(
            x=x,
            y=np.round(pattern.background + pattern.contributions[phase], 1),
            mode="lines",
            line={"color": colour, "width": 1.6},
            name=f"{plain(phase)} {percent(amount.weight_fraction, amount.sigma)}",
            hovertemplate=f"%{{x:.2f}}°: %{{y:.0f}} counts<extra>{plain(phase)}</extra>",
            row=1,
            col=1,
        )
    figure.add_scatter(
        x=x,
        y=np.round(pattern.counts),
        mode="markers",
        marker={"color": BLACK, "size": 3.2},
        name="measured",
        hovertemplate="%{x:.2f}°: %{y:.0f} counts<extra>measured</extra>",
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=x,
        y=np.round(pattern.fitted, 1),
        mode="lines",
        line={"color": VERMILLION, "width": 1},
        name="fit",
        hovertemplate="%{x:.2f}°: %{y:.0f} counts<extra>fit</extra>",
        row=1,
        col=1,
    )


def _add_ticks(figure: go.Figure, pattern: FittedPattern) -> None:
    colours = _colours(pattern)
    for phase, angles in pattern.ticks_deg.items():
        figure.add_scatter(
            x=list(angles),
            y=[plain(phase)] * len(angles),
            mode="markers",
            marker={
                "symbol": "line-ns",
                "size": 9,
                "line": {"width": 1.4, "color": colours.get(phase, BLACK)},
            },
            name=plain(phase),
            showlegend=False,
            hovertemplate=f"%{{x:.2f}}°<extra>{plain(phase)} reference line</extra>",
            row=2,
            col=1,
        )
