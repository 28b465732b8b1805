"""A measured property: its history, what it depends on, how it was foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sdl.core.property import Quantity
from sdl.figures.best import Band
from sdl.figures.style import BLUE, GREY, ORANGE, VERMILLION, percent, plain, styled, wrapped

_TITLE_PX = 96


@dataclass(frozen=True)
class Sampled:
    """One experiment with a measured property."""

    label: str
    value: float
    sigma: float
    purity: float
    counts: bool
    """Whether it may be the best: a good measurement of a sample that is pure enough."""
    merit: float
    """Larger is better."""
    words: str = ""
    """Composition and recipe."""
    shares: dict[str, float] = field(default_factory=dict)
    """Mole fraction of each member of a solid solution, as charged."""
    predicted: tuple[float, float] | None = None
    """Mean and sigma foreseen before the experiment."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a property.

    Args:
        quantity: Words and unit.
        low: Lower end of the goal, ``None`` when it is open.
        high: Upper end.
        goal: The goal in words.
        least_purity: What a sample must have to count.
    """

    quantity: Quantity
    low: float | None
    high: float | None
    goal: str
    least_purity: float

    @property
    def axis(self) -> str:
        """Title of an axis."""
        return f"{self.quantity.title} ({self.quantity.shown})"


def history(samples: Sequence[Sampled], wanted: Wanted, band: Band | None = None) -> go.Figure:
    """Every measured value, the best so far, the goal, and the band of a random search.

    Args:
        samples: Finished experiments in the order of their ends.
        wanted: The property and its goal.
        band: Random search in the same laboratory, or ``None``.
    """
    figure = go.Figure()
    if band is not None:
        _add_band(figure, band)
    numbers = list(range(1, len(samples) + 1))
    best = _running_best(samples)
    figure.add_scatter(
        x=numbers,
        y=best,
        mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 3},
        name="best so far that counts",
        hovertemplate="best of the first %{x}: %{y:.1f}<extra></extra>",
    )
    for counts in (True, False):
        shown = [(n, s) for n, s in zip(numbers, samples, strict=True) if s.counts is counts]
        name = f"at least {wanted.least_purity:.0%} pure" if counts else "does not count"
        figure.add_scatter(
            x=[n for n, _ in shown],
            y=[s.value for _, s in shown],
            error_y={"array": [s.sigma for _, s in shown], "color": BLUE, "thickness": 1},
            mode="markers",
            marker={"color": BLUE, "size": 8, "symbol": "circle" if counts else "circle-open"},
            name=f"{name} (± 1σ)",
            customdata=[_hover(s, wanted) for _, s in shown],
            hovertemplate="%{customdata[0]}: %{customdata[1]}, %{customdata[2]} pure"
            "<br>%{customdata[3]}<extra></extra>",
        )
    _add_goal(figure, wanted)
    title = f"{wanted.quantity.title.capitalize()} of every sample"
    styled(figure, title, "experiment, in order of completion (number)", wanted.axis)
    last = max(len(samples), len(band.median) if band else 1)
    figure.update_xaxes(range=[0.5, last + 0.5], dtick=1 if last <= 12 else None)
    return figure


def _hover(sample: Sampled, wanted: Wanted) -> list[str]:
    value = wanted.quantity.words(sample.value, sample.sigma)
    return [plain(sample.label), value, percent(sample.purity), wrapped(sample.words)]


def _running_best(samples: Sequence[Sampled]) -> list[float | None]:
    found: list[float | None] = []
    best: Sampled | None = None
    for sample in samples:
        if sample.counts and (best is None or sample.merit > best.merit):
            best = sample
        found.append(None if best is None else best.value)
    return found


def _add_goal(figure: go.Figure, wanted: Wanted) -> None:
    for value in (wanted.low, wanted.high):
        if value is not None:
            figure.add_hline(y=value, line={"dash": "dot", "color": VERMILLION})
    value = wanted.low if wanted.high is None else wanted.high
    figure.add_annotation(
        x=1.0, xref="paper", y=value, text=f"goal {plain(wanted.goal)}", showarrow=False,
        xanchor="right", yanchor="bottom", font={"color": VERMILLION},
        bgcolor="rgba(255, 255, 255, 0.75)",
    )  # fmt: skip


def _add_band(figure: go.Figure, band: Band) -> None:
    numbers = list(range(1, len(band.median) + 1))
    for values, low in ((band.high, False), (band.low, True)):
        figure.add_scatter(
            x=numbers,
            y=list(values),
            mode="lines",
            line={"shape": "hv", "width": 0},
            fill="tonexty" if low else None,
            fillcolor="rgba(230, 159, 0, 0.22)",
            name="random search, middle half",
            showlegend=low,
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=numbers,
        y=list(band.median),
        mode="lines",
        line={"shape": "hv", "color": ORANGE, "width": 2, "dash": "dash"},
        name="random search, median",
        hovertemplate="random, best of %{x}: %{y:.1f}<extra></extra>",
    )


def against_composition(samples: Sequence[Sampled], wanted: Wanted) -> go.Figure:
    """The property against the fraction of each member of the solid solution, side by side."""
    members = list(samples[0].shares) if samples else []
    figure = make_subplots(rows=1, cols=max(len(members), 1), shared_yaxes=True)
    for column, member in enumerate(members, 1):
        figure.add_scatter(
            x=[s.shares[member] for s in samples],
            y=[s.value for s in samples],
            mode="markers",
            marker={
                "size": 8,
                "color": [100.0 * s.purity for s in samples],
                "coloraxis": "coloraxis",
                "line": {"width": 1, "color": "#333333"},
            },
            customdata=[_hover(s, wanted) for s in samples],
            hovertemplate="%{customdata[0]}: %{customdata[1]}<br>%{customdata[3]}<extra></extra>",
            showlegend=False,
            row=1,
            col=column,
        )
    title = f"{wanted.quantity.title.capitalize()} against the mole fraction of each member"
    styled(figure, title, "", "", height_px=360)
    for column, member in enumerate(members, 1):
        figure.update_xaxes(title_text=plain(member), range=[-0.05, 1.05], row=1, col=column)
    figure.update_yaxes(title_text="")
    figure.update_yaxes(title_text=plain(wanted.quantity.shown), row=1, col=1)
    figure.update_layout(
        coloraxis={"colorscale": "Cividis", "colorbar": {"title": {"text": "pure (wt%)"}}},
        margin={"t": _TITLE_PX - 40},
    )
    return figure


def foreseen(samples: Sequence[Sampled], wanted: Wanted) -> go.Figure:
    """Measured over predicted values with both sigmas; on the diagonal they agree."""
    pairs = [(s, s.predicted) for s in samples if s.predicted is not None]
    ends = [v for s, p in pairs for v in (s.value, p[0])]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    figure = go.Figure()
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", line={"color": GREY, "dash": "dash"},
        name="measured = predicted", hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[p[0] for _, p in pairs],
        y=[s.value for s, _ in pairs],
        error_x={"array": [p[1] for _, p in pairs], "color": "rgba(0, 114, 178, 0.45)"},
        error_y={"array": [s.sigma for s, _ in pairs], "color": "rgba(0, 114, 178, 0.45)"},
        mode="markers",
        marker={"color": BLUE, "size": 9},
        name="experiment (± 1σ)",
        customdata=[[plain(s.label), wanted.quantity.words(*p)] for s, p in pairs],
        hovertemplate="%{customdata[0]}<br>predicted %{customdata[1]}<br>measured %{y:.1f}"
        "<extra></extra>",
    )
    title = "Predicted and measured " + wanted.quantity.title
    unit = wanted.quantity.shown
    return styled(figure, title, f"predicted ({unit})", f"measured ({unit})", height_px=480)
