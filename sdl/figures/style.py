"""What all figures share: a palette for colour-blind readers, fonts, axes with units, safe text."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#999999"

OKABE_ITO = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, YELLOW, BLACK)
"""Colours that differ for every kind of colour vision (Okabe and Ito, 2008), most used first."""

_FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def styled(figure: go.Figure, title: str, x: str, y: str, *, height_px: int = 440) -> go.Figure:
    """Gives a figure its title, axis titles and the common look; returns the same figure.

    Args:
        figure: The figure to style.
        title: What it shows.
        x: Title of the horizontal axis with its unit.
        y: Title of the vertical axis with its unit.
        height_px: Height in pixels; the width follows the page.
    """
    figure.update_layout(
        template="plotly_white",
        title={
            "text": plain(title),
            "x": 0.0,
            "xanchor": "left",
            "y": 1.0,
            "yanchor": "top",
            "pad": {"t": 14},
            "font": {"size": 18},
        },
        font={"family": _FONT, "size": 14, "color": "#222222"},
        colorway=list(OKABE_ITO),
        height=height_px,
        margin={"l": 70, "r": 20, "t": 86, "b": 60},
        # Above the plot, where no axis title can run into it.
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.0,
            "x": 0.0,
            "traceorder": "normal",
        },
        hoverlabel={"align": "left", "font": {"size": 13}},
    )
    figure.update_xaxes(title_text=plain(x), showline=True, linecolor="#888888", ticks="outside")
    figure.update_yaxes(title_text=plain(y), showline=True, linecolor="#888888", ticks="outside")
    return figure


def plain(text: str) -> str:
    """Text from a file as it stands: Plotly would take ``<b>`` or ``<a>`` in it for markup."""
    return html.escape(text, quote=False)


def wrapped(text: str, width: int = 70) -> str:
    """Plain text for a hover label, broken into lines."""
    return "<br>".join(plain(line) for line in textwrap.wrap(text, width)) or ""


def percent(value: float | None, sigma: float | None = None) -> str:
    """A share as ``96.3 ± 0.8 %``, with one more digit where sigma is small; a dash for none."""
    if value is None:
        return "–"
    if sigma is None:
        return f"{100.0 * value:.1f} %"
    digits = 1 if sigma >= 0.0005 else 2
    return f"{100.0 * value:.{digits}f} ± {100.0 * sigma:.{digits}f} %"


def whole_percent(share: float) -> str:
    """A share without sigma and without needless digits: ``95 %``, ``99.5 %``."""
    return f"{round(100.0 * share, 3):g} %"


def zoom_buttons(choices: Sequence[tuple[str, Mapping[str, object]]]) -> dict[str, object]:
    """A row of buttons below the plot, at the right; each is a label and what it changes."""
    return {
        "type": "buttons",
        "direction": "right",
        "x": 1.0,
        "xanchor": "right",
        "y": 0.0,
        "yanchor": "top",
        # Beside the title of the axis, which stands in the middle.
        "pad": {"t": 34},
        "font": {"size": 12},
        "buttons": [
            {"label": label, "method": "relayout", "args": [change]} for label, change in choices
        ],
    }


def purity_zoom(goal: float, top: float) -> dict[str, object]:
    """Buttons to see all purities or those around the goal.

    Args:
        goal: Purity to reach, as a fraction.
        top: Upper end of the axis, wt%.
    """
    low = max(0.0, 5.0 * ((100.0 * goal - 5.0) // 5.0))
    near: list[float] = [low, 100.0 + (top - 100.0) * (1.0 - low / 100.0)]
    whole = ("0–100 wt%", {"yaxis.range": [0.0, top]})
    return zoom_buttons([whole, (f"{low:g}–100 wt%", {"yaxis.range": near})])


def phase_colours(phases: Sequence[str]) -> dict[str, str]:
    """One colour per phase, in order; grey when the palette is used up."""
    return {p: OKABE_ITO[i] if i < len(OKABE_ITO) else GREY for i, p in enumerate(phases)}
