"""Predicted against measured purity: does the model know what it knows?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from sdl.figures.style import BLUE, GREY, percent, plain, styled


@dataclass(frozen=True)
class Forecast:
    """One prediction made before the experiment, and what came; all as fractions."""

    label: str
    predicted: float
    predicted_sigma: float
    measured: float
    measured_sigma: float


def share_within(forecasts: Sequence[Forecast], sigmas: float) -> float:
    """Share of the measurements within ``sigmas`` predicted standard deviations; 0 for none.

    The prediction is of the measured value, so its sigma already holds the measurement's.
    """
    inside = [abs(f.measured - f.predicted) <= sigmas * f.predicted_sigma for f in forecasts]
    return sum(inside) / len(inside) if inside else 0.0


def parity(forecasts: Sequence[Forecast], target: str) -> go.Figure:
    """Measured purity over predicted purity with both sigmas; on the diagonal they agree.

    Args:
        forecasts: Experiments that had a prediction and were measured.
        target: Phase that is wanted.
    """
    low = _floor(forecasts)
    figure = go.Figure()
    figure.add_scatter(
        x=[low, 100],
        y=[low, 100],
        mode="lines",
        line={"color": GREY, "dash": "dash"},
        name="measured = predicted",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[100.0 * f.predicted for f in forecasts],
        y=[100.0 * f.measured for f in forecasts],
        error_x=_bars([f.predicted_sigma for f in forecasts]),
        error_y=_bars([f.measured_sigma for f in forecasts]),
        mode="markers",
        marker={"color": BLUE, "size": 9},
        name="experiment (± 1σ)",
        customdata=[
            [
                plain(f.label),
                percent(f.predicted, f.predicted_sigma),
                percent(f.measured, f.measured_sigma),
            ]
            for f in forecasts
        ],
        hovertemplate="%{customdata[0]}<br>predicted %{customdata[1]}"
        "<br>measured %{customdata[2]}<extra></extra>",
    )
    within = f"{share_within(forecasts, 1.0):.0%} within 1σ, {share_within(forecasts, 2.0):.0%}"
    styled(
        figure,
        f"Predicted and measured {target}: {within} within 2σ",
        f"predicted {target} (wt%)",
        f"measured {target} (wt%)",
        height_px=480,
    )
    margin = 0.05 * (100.0 - low)
    figure.update_xaxes(range=[low - margin, 100.0 + 2.0 * margin])
    figure.update_yaxes(range=[low - margin, 100.0 + margin])
    return figure


def _floor(forecasts: Sequence[Forecast]) -> float:
    """Lower end of both axes, a multiple of 10 wt% below all points."""
    lowest = min((min(f.predicted - f.predicted_sigma, f.measured) for f in forecasts), default=0.0)
    return 10.0 * min(max(10.0 * lowest, 0.0) // 1.0, 9.0)


def _bars(sigmas: Sequence[float]) -> dict[str, object]:
    return {"array": [100.0 * s for s in sigmas], "color": "rgba(0, 114, 178, 0.45)"}
