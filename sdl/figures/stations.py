"""What the stations did, over laboratory time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from sdl.core.command import Verb
from sdl.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    plain,
    styled,
    wrapped,
)

_COLOURS = {
    Verb.ANNEAL: VERMILLION,
    Verb.MILL: ORANGE,
    Verb.DISPENSE: BLUE,
    Verb.SCAN: GREEN,
    Verb.QUENCH: SKY,
    Verb.WASH: YELLOW,
    Verb.MEASURE: BLACK,
    Verb.TRANSFER: GREY,
    Verb.REPLAY: PURPLE,
}


_LABEL_SHARE = 0.025
"""Share of the width that one sample number needs."""


@dataclass(frozen=True)
class Use:
    """One command at one station."""

    station: str
    verb: Verb
    samples: tuple[str, ...]
    start_h: float
    end_h: float
    words: str
    """What was done, for the hover."""
    ended: bool = True
    """False for a command that still runs; ``end_h`` is then the present time."""


def share_in_use(uses: Sequence[Use], station: str, total_h: float) -> float:
    """Share of the laboratory time in which the station worked; overlapping uses count once."""
    spans = sorted((u.start_h, u.end_h) for u in uses if u.station == station)
    busy, reached = 0.0, 0.0
    for start, end in spans:
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return busy / total_h if total_h > 0 else 0.0


def station_use(uses: Sequence[Use], stations: Sequence[str], total_h: float) -> go.Figure:
    """A Gantt chart: one row per station, one bar per command; transfers are thin.

    Args:
        uses: Every command, in any order.
        stations: Rows from top to bottom.
        total_h: Laboratory time so far, h.
    """
    rows = {name: f"{plain(name)} ({share_in_use(uses, name, total_h):.0%})" for name in stations}
    figure = go.Figure()
    for verb, colour in _COLOURS.items():
        chosen = [u for u in uses if u.verb is verb and u.station in rows]
        if not chosen:
            continue
        figure.add_bar(
            orientation="h",
            y=[rows[u.station] for u in chosen],
            base=[u.start_h for u in chosen],
            x=[max(u.end_h - u.start_h, 0.0) for u in chosen],
            width=0.25 if verb is Verb.TRANSFER else 0.72,
            name=verb.value,
            marker={
                "color": colour,
                # A border in the same colour keeps a ten-minute act visible over weeks.
                "line": {"color": "white" if verb is Verb.ANNEAL else colour, "width": 0.8},
                "pattern": {"shape": ["" if u.ended else "/" for u in chosen]},
            },
            text=[_label(u, total_h) for u in chosen],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": "white", "size": 11},
            constraintext="none",
            customdata=[_hover(u) for u in chosen],
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.add_vline(x=total_h, line={"color": BLACK, "width": 1, "dash": "dot"})
    figure.update_layout(barmode="overlay", bargap=0.1)
    styled(
        figure,
        "Station use (share of the laboratory time in brackets)",
        "laboratory time (h)",
        "station (name)",
        height_px=170 + 46 * len(stations),
    )
    figure.update_layout(margin={"l": 20})
    figure.update_xaxes(range=[0, 1.01 * total_h if total_h > 0 else 1.0])
    figure.update_yaxes(
        automargin=True, categoryorder="array", categoryarray=[*rows.values()][::-1]
    )
    return figure


def _label(use: Use, total_h: float) -> str:
    """The samples of an anneal, where the bar is wide enough for them."""
    needed_h = _LABEL_SHARE * len(use.samples) * total_h
    if use.verb is not Verb.ANNEAL or use.end_h - use.start_h < needed_h:
        return ""
    return plain(" ".join(use.samples))


def _hover(use: Use) -> str:
    span = f"{use.start_h:.2f} to {use.end_h:.2f} h" if use.ended else f"since {use.start_h:.2f} h"
    who = plain(", ".join(use.samples))
    return f"{plain(use.station)}: {use.verb.value} {who}<br>{span}<br>{wrapped(use.words)}"
