"""Scores as points with intervals: best on top, both scores, names as they stand."""

from types import SimpleNamespace

from sdl.figures.scores import scores_figure


def judged(name, value):
    figure = SimpleNamespace(value=value, low=value - 0.1, high=value + 0.2)
    return SimpleNamespace(name=name, laboratories=7, score=figure, cost_free=figure)


def test_policies_are_ordered_and_intervals_are_drawn():
    figure = scores_figure([judged("b", 0.9), judged("<i>a", 0.1)], "task")
    data = figure.to_dict()["data"]
    assert [trace["name"] for trace in data] == ["score", "without prices"]
    assert list(data[0]["y"]) == ["&lt;i&gt;a", "b"]
    bars = data[0]["error_x"]
    assert bars["array"][0] > bars["arrayminus"][0]
    assert "7 judged laboratories" in figure.layout.title.text
