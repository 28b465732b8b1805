"""The raw curve of a magnetometer with what its analysis found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from sdl.figures.style import BLUE, VERMILLION, plain, styled

Array = npt.NDArray[np.float64]


def against_field(points: Array, fitted: Array, mass_mg: float, title: str) -> go.Figure:
    """Magnetisation against field with the law of approach to saturation.

    Args:
        points: Field, T, and moment, A m2, shape ``(n, 2)``.
        fitted: Moments of the fitted law, NaN outside the fit, shape ``(n,)``.
        mass_mg: Mass of the aliquot, mg.
        title: What is shown.
    """
    figure = _curve(points, mass_mg)
    use = np.isfinite(fitted)
    figure.add_scatter(
        x=points[use, 0],
        y=np.round(1e6 * fitted[use] / mass_mg, 3),
        mode="lines",
        line={"color": VERMILLION, "width": 2},
        name="law of approach to saturation",
    )
    return styled(figure, title, "field (T)", "magnetisation (A m²/kg)")


def against_temperature(
    points: Array, value_c: float, sigma_c: float, mass_mg: float, title: str
) -> go.Figure:
    """Magnetisation in a small field against temperature, with the Curie point.

    Args:
        points: Temperature, degC, and moment, A m2, shape ``(n, 2)``.
        value_c: Curie point, degC.
        sigma_c: Its standard deviation, degC.
        mass_mg: Mass of the aliquot, mg.
        title: What is shown.
    """
    figure = _curve(points, mass_mg)
    figure.add_vrect(
        x0=value_c - sigma_c, x1=value_c + sigma_c, fillcolor=VERMILLION, opacity=0.3, line_width=0
    )
    figure.add_vline(
        x=value_c,
        line={"color": VERMILLION, "width": 2},
        annotation={"text": plain(f"Curie point {value_c:.0f} ± {sigma_c:.0f} °C")},
    )
    return styled(figure, title, "temperature (°C)", "magnetisation in a small field (A m²/kg)")


def _curve(points: Array, mass_mg: float) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(
        x=points[:, 0],
        y=np.round(1e6 * points[:, 1] / mass_mg, 3),
        mode="markers",
        marker={"color": BLUE, "size": 5},
        name="measured",
    )
    return figure
