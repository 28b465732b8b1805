"""The plots behind the validation gates of ``sdl bench physics``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.figures.style import (
    BLUE,
    GREEN,
    GREY,
    OKABE_ITO,
    ORANGE,
    VERMILLION,
    phase_colours,
    plain,
    styled,
)

Array = NDArray[np.float64]

_SHOWN = 0.02
_LEAST = 1e-12


@dataclass(frozen=True)
class Line:
    """Rate constants of an isothermal series beside the published activation energy."""

    label: str
    temperature_c: Sequence[float]
    k_per_s: Sequence[float]
    fitted_kj_per_mol: float
    published_kj_per_mol: float


@dataclass(frozen=True)
class Range:
    """A simulated temperature beside a published range."""

    label: str
    low_c: float
    median_c: float
    high_c: float
    widened_c: float
    """Lower end of what counts as inside."""
    simulated_c: float
    """NaN where there is none."""
    inside: bool


def refinement(changes: Mapping[str, Array], gaps: Mapping[str, Array]) -> go.Figure:
    """V1: share of recipes against the largest change of a weight fraction, by system.

    Args:
        changes: Under 16 times finer steps, (recipes,), by system.
        gaps: To LSODA, (anneals,), by system.
    """
    figure = go.Figure()
    for colour, name in zip(_colours(len(changes)), changes, strict=True):
        for values, dash, what in ((changes[name], "solid", "finer steps"),
                                   (gaps.get(name, np.zeros(0)), "dot", "LSODA")):  # fmt: skip
            if values.size:
                figure.add_scatter(
                    x=np.maximum(np.sort(values), _LEAST),
                    y=100.0 * (np.arange(values.size) + 1) / values.size,
                    mode="lines",
                    line={"color": colour, "dash": dash, "shape": "hv"},
                    name=plain(f"{name}, {what}"),
                )
    for limit, dash in ((1e-3, "dash"), (1e-2, "solid")):
        figure.add_vline(x=limit, line={"color": GREY, "dash": dash})
    styled(
        figure,
        "V1: refinement and LSODA (grey: limits of p99 and of the maximum)",
        "largest change of a weight fraction",
        "share of recipes (%)",
        height_px=560,
    )
    return figure.update_xaxes(type="log", exponentformat="power")


def crossings(names: Sequence[str], found_c: Array, known_c: Array) -> go.Figure:
    """V2: found minus published temperature of each zero crossing, with the limit of 10 degC."""
    figure = go.Figure()
    figure.add_bar(
        y=[plain(n) for n in names],
        x=found_c - known_c,
        orientation="h",
        marker={"color": BLUE},
        hovertemplate="%{y}: %{x:.1f} °C<extra></extra>",
        showlegend=False,
    )
    for limit in (-10.0, 10.0):
        figure.add_vline(x=limit, line={"color": GREY, "dash": "dash"})
    styled(
        figure,
        "V2: zero crossings of the free energies",
        "found minus reference (°C)",
        "",
        height_px=160 + 26 * len(names),
    )
    return figure.update_yaxes(automargin=True)


def arrhenius(lines: Sequence[Line]) -> go.Figure:
    """V3: refitted rate constants and the slope that was published."""
    figure = go.Figure()
    for colour, line in zip(_colours(len(lines)), lines, strict=True):
        inverse = 1e4 / (np.array(line.temperature_c) + ZERO_CELSIUS_K)
        log = np.log10(np.array(line.k_per_s))
        label = (
            f"{line.label}: {line.fitted_kj_per_mol:.0f} kJ/mol, "
            f"published {line.published_kj_per_mol:g}"
        )
        figure.add_scatter(
            x=inverse, y=log, mode="markers", name=plain(label), legendgroup=line.label,
            marker={"color": colour, "size": 9}, customdata=list(line.temperature_c),
            hovertemplate="%{customdata:g} °C: 10^%{y:.2f} /s<extra></extra>",
        )  # fmt: skip
        slope = -line.published_kj_per_mol / (8.31446261815324e-3 * np.log(10.0)) / 1e4
        figure.add_scatter(
            x=inverse, y=log.mean() + slope * (inverse - inverse.mean()), mode="lines",
            line={"color": colour, "dash": "dash"}, legendgroup=line.label, showlegend=False,
            hoverinfo="skip",
        )  # fmt: skip
    return styled(
        figure,
        "V3: refitted rate constants (dashed: published slope)",
        "10⁴ / T (1/K)",
        "log₁₀ k (1/s)",
        height_px=560,
    )


def conversion_curves(
    temperature_c: Sequence[float],
    purity: Mapping[str, Sequence[float]],
    published: Sequence[tuple[float, float, str]],
) -> go.Figure:
    """V4: purity of BaTiO3 against temperature, with the published bounds.

    Args:
        temperature_c: Of the curves.
        purity: By label of the curve, as fractions.
        published: Temperature in degC, bound as a fraction, words.
    """
    figure = go.Figure()
    for colour, (label, made) in zip(_colours(len(purity)), purity.items(), strict=True):
        figure.add_scatter(
            x=list(temperature_c), y=[100.0 * m for m in made], mode="lines",
            line={"color": colour}, name=plain(label),
        )  # fmt: skip
    figure.add_scatter(
        x=[t for t, _, _ in published],
        y=[100.0 * bound for _, bound, _ in published],
        text=[plain(words) for _, _, words in published],
        mode="markers+text",
        textposition="bottom right",
        marker={"color": "#222222", "symbol": "diamond", "size": 10},
        name="bound",
    )
    return styled(
        figure, "V4: BaTiO3 from BaCO3 and TiO2", "temperature (°C)", "BaTiO3 (wt%)", height_px=480
    )


def predicted_measured(
    predicted: Array, measured: Array, group: Sequence[str], labels: Sequence[str], title: str
) -> go.Figure:
    """V5: predicted against measured yields, coloured by group.

    Args:
        predicted: Fractions, (cells,).
        measured: Fractions, (cells,).
        group: Group of each cell, as its temperature or barium source.
        labels: Of each cell.
        title: Says what was fitted to what.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": GREY, "dash": "dash"},
        name="measured = predicted", hoverinfo="skip",
    )  # fmt: skip
    names = sorted(set(group))
    for colour, name in zip(_colours(len(names)), names, strict=True):
        rows = [i for i, g in enumerate(group) if g == name]
        figure.add_scatter(
            x=100.0 * predicted[rows],
            y=100.0 * measured[rows],
            mode="markers",
            marker={"color": colour, "size": 8, "opacity": 0.8},
            name=plain(name),
            customdata=[plain(labels[i]) for i in rows],
            hovertemplate="%{customdata}<br>predicted %{x:.1f}, measured %{y:.1f}<extra></extra>",
        )
    return styled(figure, title, "predicted (wt%)", "measured (wt%)", height_px=520)


def phase_bars(
    phases: Sequence[str], hits: Sequence[int], missed: Sequence[int], false: Sequence[int]
) -> go.Figure:
    """V6: rows in which each phase was predicted rightly, missed, or predicted wrongly."""
    figure = go.Figure()
    parts = (
        ("predicted and present", hits, GREEN),
        ("missed", missed, ORANGE),
        ("predicted, absent", false, VERMILLION),
    )
    for name, values, colour in parts:
        figure.add_bar(
            x=[plain(p) for p in phases], y=list(values), name=name, marker={"color": colour}
        )
    figure.update_layout(barmode="stack")
    return styled(figure, "V6: phases present after firing", "phase", "rows", height_px=480)


def in_situ(
    time_min: Array, temperature_c: Array, phases: Sequence[str], measured: Array, simulated: Array
) -> go.Figure:
    """V7: phases of the in-situ run against time.

    Args:
        time_min: (scans,).
        temperature_c: (scans,), for the hover label.
        phases: Of the columns.
        measured: Fractions, (scans, phases), NaN where the phase was not looked for.
        simulated: Fractions, (scans, phases).
    """
    figure = go.Figure()
    colours = phase_colours(phases)
    for column, name in enumerate(phases):
        if max(np.nanmax(measured[:, column], initial=0.0), simulated[:, column].max()) < _SHOWN:
            continue
        figure.add_scatter(
            x=time_min, y=100.0 * measured[:, column], mode="markers", name=plain(name),
            legendgroup=name, marker={"color": colours[name], "size": 4},
            customdata=temperature_c,
            hovertemplate=f"{plain(name)} %{{y:.1f}} wt% at %{{customdata:.0f}} °C<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=time_min, y=100.0 * simulated[:, column], mode="lines", legendgroup=name,
            line={"color": colours[name]}, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    return styled(
        figure,
        "V7: Mn2O3 + 2 YCl3 + 3 Na2CO3 in oxygen (points measured, lines simulated)",
        "time (min)",
        "crystalline part (wt%)",
        height_px=600,
    )


def firing_ranges(ranges: Sequence[Range], title: str) -> go.Figure:
    """V8: coldest simulated firing beside the published quartiles."""
    figure = go.Figure()
    labels = [plain(r.label) for r in ranges]
    figure.add_bar(
        y=labels, x=[r.low_c - r.widened_c for r in ranges], base=[r.widened_c for r in ranges],
        orientation="h", marker={"color": "#dddddd"}, name="allowed below", hoverinfo="skip",
    )  # fmt: skip
    figure.add_bar(
        y=labels, x=[r.high_c - r.low_c for r in ranges], base=[r.low_c for r in ranges],
        orientation="h", marker={"color": "#56B4E9"}, name="published quartiles",
        customdata=[f"{r.low_c:g} / {r.median_c:g} / {r.high_c:g} °C" for r in ranges],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )  # fmt: skip
    for inside, colour, name in ((True, GREEN, "simulated, inside"),
                                 (False, VERMILLION, "simulated, outside")):  # fmt: skip
        rows = [r for r in ranges if r.inside == inside and np.isfinite(r.simulated_c)]
        figure.add_scatter(
            y=[plain(r.label) for r in rows], x=[r.simulated_c for r in rows], mode="markers",
            marker={"color": colour, "size": 11, "symbol": "diamond"}, name=name,
        )  # fmt: skip
    figure.update_layout(barmode="overlay")
    styled(
        figure, title, "temperature of the first firing (°C)", "", height_px=200 + 34 * len(ranges)
    )
    return figure.update_yaxes(automargin=True, categoryorder="array", categoryarray=labels[::-1])


def scan_errors(errors: Array, sigma: Array, minutes: Array, labels: Sequence[str]) -> go.Figure:
    """V9: error over sigma of every phase of every mixture, left out of the calibration.

    Args:
        errors: Estimated minus weighed-in weight fractions, (n,).
        sigma: (n,).
        minutes: Length of the scan, (n,).
        labels: Of each estimate.
    """
    figure = go.Figure()
    for colour, length in zip((BLUE, ORANGE), sorted(set(minutes.tolist())), strict=False):
        rows = np.flatnonzero(minutes == length)
        figure.add_scatter(
            x=100.0 * errors[rows], y=errors[rows] / sigma[rows], mode="markers",
            marker={"color": colour, "size": 8}, name=f"{length:g} min",
            customdata=[plain(labels[int(i)]) for i in rows],
            hovertemplate="%{customdata}<br>%{x:.1f} wt%, %{y:.2f} σ<extra></extra>",
        )  # fmt: skip
    figure.add_hrect(y0=-2.0, y1=2.0, fillcolor=GREY, opacity=0.15, line_width=0)
    return styled(
        figure,
        "V9: 20 known mixtures, each left out of the calibration (band: 2σ)",
        "estimated minus weighed in (wt%)",
        "error / σ",
        height_px=480,
    )


def _colours(count: int) -> list[str]:
    return [OKABE_ITO[i % len(OKABE_ITO)] for i in range(count)]
