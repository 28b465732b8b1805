"""The plots of the gates show what they were given."""

from typing import Any

import numpy as np
import pytest

from sdl.figures.gates import (
    Line,
    Range,
    arrhenius,
    conversion_curves,
    crossings,
    firing_ranges,
    in_situ,
    phase_bars,
    predicted_measured,
    refinement,
    scan_errors,
)


def traces(figure: Any) -> Any:
    """The traces; plotly does not type them."""
    return figure.data


def test_refinement_ranks_the_changes():
    figure = refinement({"a-b": np.array([1e-4, 1e-6])}, {"a-b": np.array([2e-5])})
    assert list(traces(figure)[0].x) == [1e-6, 1e-4]
    assert list(traces(figure)[0].y) == [50.0, 100.0]
    assert traces(figure)[1].name == "a-b, LSODA"


def test_crossings_are_shown_as_differences():
    figure = crossings(["CaCO3"], np.array([891.0]), np.array([892.0]))
    assert list(traces(figure)[0].x) == [-1.0]


def test_published_slope_goes_through_the_middle():
    figure = arrhenius([Line("MgFe2O4", (800.0, 1000.0), (3e-6, 1.3e-3), 345.0, 335.0)])
    points, line = traces(figure)
    assert np.mean(line.y) == pytest.approx(np.mean(points.y))
    assert "345 kJ/mol, published 335" in points.name


def test_curves_and_bounds():
    figure = conversion_curves([700.0], {"air 2.5 h": [0.05]}, [(700.0, 0.2, "< 20 wt%")])
    assert list(traces(figure)[0].y) == [5.0]
    assert list(traces(figure)[1].y) == [20.0]
    assert traces(figure)[1].text == ("&lt; 20 wt%",)


def test_yields_are_grouped():
    figure = predicted_measured(
        np.array([0.5, 1.0]), np.array([0.4, 0.9]), ["900", "800"], ["a", "b"], "V5"
    )
    assert [trace.name for trace in traces(figure)] == ["measured = predicted", "800", "900"]
    assert list(traces(figure)[2].y) == [40.0]


def test_phases_are_stacked():
    figure = phase_bars(["BaCO3"], [39], [6], [0])
    assert [trace.y[0] for trace in traces(figure)] == [39, 6, 0]


def test_in_situ_leaves_out_phases_that_never_show():
    measured = np.array([[1.0, np.nan], [0.9, 0.0]])
    simulated = np.array([[1.0, 0.0], [1.0, 0.0]])
    figure = in_situ(np.arange(2.0), np.array([25.0, 50.0]), ["YCl3", "YMnO3"], measured, simulated)
    assert {trace.name for trace in traces(figure)} == {"YCl3", None}


def test_ranges_tell_inside_from_outside():
    rows = [
        Range("A", 900, 1000, 1100, 800, 850, True),
        Range("B", 900, 1000, 1100, 800, 700, False),
        Range("C", 900, 1000, 1100, 800, float("nan"), False),
    ]
    figure = firing_ranges(rows, "V8")
    assert [list(t.x) for t in traces(figure)[2:]] == [[850], [700]]


def test_scan_errors_are_in_sigmas():
    figure = scan_errors(
        np.array([0.02, -0.01]), np.array([0.01, 0.01]), np.array([2.0, 8.0]), ["a", "b"]
    )
    assert [list(t.y) for t in traces(figure)] == [[2.0], [-1.0]]
