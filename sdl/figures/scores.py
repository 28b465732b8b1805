"""Scores of policies with their intervals, and how they come about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import plotly.graph_objects as go

from sdl.figures.style import BLUE, GREY, ORANGE, plain, styled


class Figure(Protocol):
    """A figure with its interval."""

    @property
    def value(self) -> float:
        """The figure."""
        ...

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        ...

    @property
    def high(self) -> float:
        """Upper end."""
        ...


class Judged(Protocol):
    """What is shown of a policy; ``agents.score.Score`` has it."""

    @property
    def name(self) -> str:
        """The policy."""
        ...

    @property
    def laboratories(self) -> int:
        """Number of judged laboratories."""
        ...

    @property
    def score(self) -> Figure:
        """(A - random) / (oracle - random)."""
        ...

    @property
    def cost_free(self) -> Figure:
        """The same without prices."""
        ...


def scores_figure(scores: Sequence[Judged], task: str) -> go.Figure:
    """One line per policy, best on top: the score and the cost-free score with 95 % intervals.

    Args:
        scores: Policies in any order.
        task: Name of the task.
    """
    ordered = sorted(scores, key=lambda each: each.score.value)
    figure = go.Figure()
    figure.add_vline(x=0.0, line={"color": GREY, "dash": "dot"})
    figure.add_vline(x=1.0, line={"color": GREY, "dash": "dot"})
    for label, colour, symbol, pick in (
        ("score", BLUE, "circle", lambda s: s.score),
        ("without prices", ORANGE, "diamond-open", lambda s: s.cost_free),
    ):
        shown = [pick(each) for each in ordered]
        figure.add_scatter(
            x=[s.value for s in shown],
            y=[plain(each.name) for each in ordered],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [s.high - s.value for s in shown],
                "arrayminus": [s.value - s.low for s in shown],
            },
            mode="markers",
            marker={"color": colour, "size": 10, "symbol": symbol},
            name=label,
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    count = ordered[0].laboratories if ordered else 0
    return styled(
        figure,
        f"{task}: policies in the same {count} judged laboratories",
        "(A − random) / (oracle − random), 95 % intervals",
        "",
        height_px=160 + 44 * len(ordered),
    )
