"""Phase fractions of every experiment, stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from sdl.core.material import Observation
from sdl.figures.style import (
    GREY,
    OKABE_ITO,
    percent,
    phase_colours,
    plain,
    purity_zoom,
    styled,
    whole_percent,
)

SHOWN_ABOVE = 0.005
"""Phases that never exceed this weight fraction share one colour."""

_LEAST_REST = 0.002
_TOP = 101.0


@dataclass(frozen=True)
class Composition:
    """What one experiment gave."""

    label: str
    observation: Observation


def phase_order(observations: Sequence[Observation], target: str) -> list[str]:
    """Target first, then the phases by their largest fraction; small ones left out."""
    largest: dict[str, float] = {}
    for observation in observations:
        for phase, amount in observation.phases.items():
            largest[phase] = max(largest.get(phase, 0.0), amount.weight_fraction)
    others = sorted((p for p in largest if p != target), key=lambda p: (-largest[p], p))
    seen = [p for p in others if largest[p] > SHOWN_ABOVE]
    return [target, *seen[: len(OKABE_ITO) - 1]]


def phase_fractions(compositions: Sequence[Composition], target: str, goal: float) -> go.Figure:
    """Stacked bars of weight fractions, one bar per experiment, with sigma in the hover.

    Args:
        compositions: Last measurement of each experiment, in the order of the bars.
        target: Phase that is wanted; the lowest of each stack.
        goal: Purity to reach, as a fraction.
    """
    phases = phase_order([c.observation for c in compositions], target)
    colours = phase_colours(phases)
    labels = [plain(c.label) for c in compositions]
    figure = go.Figure()
    for phase in phases:
        amounts = [c.observation.purity(phase) for c in compositions]
        figure.add_bar(
            x=labels,
            y=[100.0 * a.weight_fraction for a in amounts],
            name=plain(phase),
            marker={"color": colours[phase], "line": {"color": "white", "width": 0.5}},
            customdata=[
                [percent(a.weight_fraction, a.sigma), percent(c.observation.unexplained)]
                for a, c in zip(amounts, compositions, strict=True)
            ],
            hovertemplate=f"%{{x}}: {plain(phase)} %{{customdata[0]}}"
            "<br>unexplained intensity %{customdata[1]}<extra></extra>",
        )
    rest = [_rest(c.observation, phases) for c in compositions]
    if max((share for share, _ in rest), default=0.0) > _LEAST_REST:
        figure.add_bar(
            x=labels,
            y=[100.0 * share for share, _ in rest],
            name="others",
            marker={"color": GREY},
            customdata=[words for _, words in rest],
            hovertemplate="%{x}: others %{y:.1f} wt%<br>%{customdata}<extra></extra>",
        )
    figure.add_hline(y=100.0 * goal, line={"dash": "dot", "color": "#222222", "width": 1.5})
    figure.update_layout(barmode="stack", bargap=0.15)
    styled(
        figure,
        f"Phases of every experiment (dotted: goal of {whole_percent(goal)} {target})",
        "experiment (sample number)",
        "weight fraction (wt%)",
        height_px=470,
    )
    crowded = len(labels) > 30
    figure.update_xaxes(
        type="category",
        tickangle=-90 if crowded else 0,
        tickfont={"size": 11},
        dtick=1 + len(labels) // 60,
    )
    figure.update_yaxes(range=[0, _TOP])
    figure.update_layout(updatemenus=[purity_zoom(goal, _TOP)])
    return figure


def _rest(observation: Observation, shown: Sequence[str]) -> tuple[float, str]:
    """Fraction of the phases without a colour of their own, and what they are."""
    rest = {
        p: a for p, a in observation.phases.items() if p not in shown and a.weight_fraction > 1e-4
    }
    words = "<br>".join(
        f"{plain(p)} {percent(a.weight_fraction, a.sigma)}" for p, a in rest.items()
    )
    return sum(a.weight_fraction for a in rest.values()), words
