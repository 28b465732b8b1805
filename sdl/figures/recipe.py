"""A recipe as the temperature a sample is programmed to see."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import plotly.graph_objects as go

from sdl.core.recipe import (
    Anneal,
    Characterise,
    Cooling,
    Mix,
    Quench,
    Recipe,
    Regrind,
    Step,
    Wash,
    describe_step,
)
from sdl.figures.style import BLUE, SKY, plain, styled, wrapped

ROOM_C = 25.0
COOLING_C_PER_MIN = {Cooling.FURNACE: 2.0, Cooling.AIR: 100.0, Cooling.LIQUID: 1000.0}
"""Nominal rates, as ``sdl.core.recipe.Cooling`` states them."""


@dataclass(frozen=True)
class Corner:
    """A point at which the programmed temperature changes its slope."""

    time_h: float
    temperature_c: float
    words: str
    """What ends here."""


def temperature_curve(recipe: Recipe) -> list[Corner]:
    """Corners of the programmed temperature; waits between stations are left out."""
    corners = [Corner(0.0, ROOM_C, "start")]
    for index, step in enumerate(recipe.steps):
        following = recipe.steps[index + 1] if index + 1 < len(recipe.steps) else None
        _append(corners, step, following)
    return corners


def _append(corners: list[Corner], step: Step, following: Step | None) -> None:
    now = corners[-1]
    match step:
        case Anneal():
            rise_h = abs(step.temperature_c - now.temperature_c) / step.ramp_c_per_min / 60.0
            top_h = now.time_h + rise_h
            words = f"reached at {step.ramp_c_per_min:g} °C/min in {step.gas.value}"
            corners.append(Corner(top_h, step.temperature_c, words))
            end_h = top_h + step.dwell_h
            corners.append(Corner(end_h, step.temperature_c, f"after {step.dwell_h:.3g} h"))
            if not isinstance(following, Quench):
                corners.append(_cooled(corners[-1], Cooling.FURNACE))
        case Quench():
            corners.append(_cooled(now, step.cooling))
        case Mix() | Regrind():
            end_h = now.time_h + step.mill_min / 60.0
            corners.append(Corner(end_h, now.temperature_c, describe_step(step)))
        case Characterise():
            end_h = now.time_h + step.scan_min / 60.0
            corners.append(Corner(end_h, now.temperature_c, describe_step(step)))
        case Wash():
            end_h = now.time_h + step.duration_min / 60.0
            corners.append(Corner(end_h, now.temperature_c, describe_step(step)))
        case _:
            pass


def _cooled(start: Corner, cooling: Cooling) -> Corner:
    minutes = (start.temperature_c - ROOM_C) / COOLING_C_PER_MIN[cooling]
    words = "cooled in the furnace" if cooling is Cooling.FURNACE else f"cooled in {cooling.value}"
    return Corner(start.time_h + minutes / 60.0, ROOM_C, words)


def recipe_curve(recipe: Recipe, title: str) -> go.Figure:
    """Programmed temperature against time, with each soak named.

    Args:
        recipe: The recipe; its times and rates are the programmed ones.
        title: Whose recipe it is.
    """
    corners = temperature_curve(recipe)
    figure = go.Figure()
    figure.add_scatter(
        x=[c.time_h for c in corners],
        y=[c.temperature_c for c in corners],
        mode="lines+markers",
        line={"color": BLUE, "width": 3},
        marker={"size": 6},
        fill="tozeroy",
        fillcolor="rgba(86, 180, 233, 0.18)",
        name="programmed temperature",
        customdata=[wrapped(c.words) for c in corners],
        hovertemplate="%{x:.2f} h, %{y:.0f} °C<br>%{customdata}<extra></extra>",
        showlegend=False,
    )
    _name_soaks(figure, recipe, corners)
    styled(figure, title, "time, without waiting (h)", "temperature (°C)", height_px=380)
    figure.update_layout(margin={"t": 50})
    hottest = max(c.temperature_c for c in corners)
    figure.update_yaxes(range=[0, 1.22 * hottest])
    figure.update_xaxes(rangemode="tozero")
    return figure


def _name_soaks(figure: go.Figure, recipe: Recipe, corners: list[Corner]) -> None:
    soaks = [(a, b) for a, b in itertools.pairwise(corners) if b.words.startswith("after ")]
    for anneal, (start, end) in zip(recipe.anneals(), soaks, strict=True):
        figure.add_annotation(
            x=(start.time_h + end.time_h) / 2.0,
            y=end.temperature_c,
            text=plain(
                f"{anneal.temperature_c:.0f} °C, {anneal.dwell_h:.3g} h, {anneal.gas.value}"
            ),
            showarrow=False,
            yshift=14,
            font={"size": 13},
        )
    regrinds = [c for c in corners if c.words.startswith("regrind")]
    for corner in regrinds:
        figure.add_vline(x=corner.time_h, line={"color": SKY, "dash": "dot"})
        figure.add_annotation(
            x=corner.time_h,
            y=ROOM_C,
            text=plain(corner.words),
            showarrow=True,
            ax=0,
            ay=-36,
            font={"size": 12},
            bgcolor="white",
        )
