"""Scores as points with intervals: best on top, both scores, names as they stand."""

from dataclasses import dataclass

from sdl.figures.scores import scores_figure


@dataclass(frozen=True)
class Bar:
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Shown:
    name: str
    laboratories: int
    score: Bar
    cost_free: Bar


def judged(name, value):
    bar = Bar(value, value - 0.1, value + 0.2)
    return Shown(name, 7, bar, bar)


def test_policies_are_ordered_and_intervals_are_drawn():
    figure = scores_figure([judged("b", 0.9), judged("<i>a", 0.1)], "task")
    data = figure.to_dict()["data"]
    assert [trace["name"] for trace in data] == ["score", "without prices"]
    assert list(data[0]["y"]) == ["&lt;i&gt;a", "b"]
    bars = data[0]["error_x"]
    assert bars["array"][0] > bars["arrayminus"][0]
    assert "7 judged laboratories" in figure.layout.title.text
