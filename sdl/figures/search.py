"""Where the campaign looked: measured purity against the hottest anneal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from sdl.core.recipe import Recipe
from sdl.figures.style import VERMILLION, percent, plain, styled, wrapped

_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")


@dataclass(frozen=True)
class Trial:
    """One measured experiment."""

    label: str
    recipe: Recipe
    purity: float
    sigma: float

    @property
    def temperature_c(self) -> float:
        """Highest programmed temperature; 25 °C without an anneal."""
        return max((a.temperature_c for a in self.recipe.anneals()), default=25.0)

    @property
    def soak_h(self) -> float:
        """Time at temperature over all anneals."""
        return sum(a.dwell_h for a in self.recipe.anneals())

    @property
    def gas(self) -> str:
        """Gases of the anneals, in order, each once."""
        return ", ".join(dict.fromkeys(a.gas.value for a in self.recipe.anneals())) or "no anneal"


def purity_by_temperature(trials: Sequence[Trial], target: str, goal: float) -> go.Figure:
    """Measured purity against temperature; the symbol is the gas and the colour the soak time.

    Args:
        trials: Measured experiments.
        target: Phase that is wanted.
        goal: Purity to reach, as a fraction.
    """
    figure = go.Figure()
    best = max(trials, key=lambda t: t.purity, default=None)
    soaks = [t.soak_h for t in trials]
    shaded = bool(soaks) and max(soaks) > min(soaks)
    for index, gas in enumerate(dict.fromkeys(t.gas for t in trials)):
        chosen = [t for t in trials if t.gas == gas]
        figure.add_scatter(
            x=[t.temperature_c for t in chosen],
            y=[100.0 * t.purity for t in chosen],
            error_y={
                "array": [100.0 * t.sigma for t in chosen],
                "color": "#888888",
                "thickness": 1,
            },
            mode="markers+text",
            text=[plain(t.label) if t is best else "" for t in chosen],
            textposition="top center",
            textfont={"size": 13},
            marker={
                "symbol": _SYMBOLS[index % len(_SYMBOLS)],
                "size": 12,
                "line": {"width": 1, "color": "#333333"},
                **(
                    {"color": [t.soak_h for t in chosen], "coloraxis": "coloraxis"}
                    if shaded
                    else {}
                ),
            },
            name=plain(gas),
            customdata=[
                [plain(t.label), percent(t.purity, t.sigma), wrapped(t.recipe.sentence())]
                for t in chosen
            ],
            hovertemplate="%{customdata[0]}: %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        )
    figure.add_hline(y=100.0 * goal, line={"dash": "dot", "color": VERMILLION})
    styled(
        figure,
        f"Where the campaign looked: {target} against temperature",
        "highest programmed temperature (°C)",
        f"measured {target} (wt%)",
        height_px=480,
    )
    if shaded:
        figure.update_layout(
            coloraxis={"colorscale": "Cividis", "colorbar": {"title": {"text": "soak (h)"}}}
        )
    figure.update_layout(showlegend=True)
    lowest = min((t.purity for t in trials), default=0.0)
    low = 10.0 * min(10.0 * lowest // 1.0, 9.0)
    figure.update_yaxes(range=[low - 0.04 * (100.0 - low), 100.0 + 0.1 * (100.0 - low)])
    return figure
