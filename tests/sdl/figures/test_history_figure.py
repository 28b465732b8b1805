"""Phases against time: titles with units, two axes, labels that do not run into each other."""

import json

import numpy as np

from sdl.figures.history import Course, phases_against_time, shown_phases

HOSTILE = "<b>x</b>"
TIME = np.linspace(0.0, 10.0, 50)


def course(**more):
    rising = np.linspace(0.0, 1.0, 50)
    fractions = {"late": rising, HOSTILE: 1.0 - rising, "trace": np.full(50, 1e-4)}
    return Course(TIME, 25.0 + 800.0 * rising, fractions, [HOSTILE] * 50, **more)


def test_axes_have_titles_with_units():
    layout = json.loads(str(phases_against_time(course(), "Course").to_json()))["layout"]
    titles = [layout[axis]["title"]["text"] for axis in ("xaxis", "yaxis", "yaxis2")]
    assert titles == [
        "time, without waiting (h)", "weight fraction (wt%)", "temperature of the sample (°C)",
    ]  # fmt: skip
    assert layout["title"]["text"] == "Course"


def test_phases_come_in_the_order_of_their_maxima_and_traces_have_no_line():
    assert shown_phases(course().fractions) == [HOSTILE, "late"]
    assert shown_phases({}) == []


def test_text_of_files_is_no_markup():
    figure = phases_against_time(course(labels=[(1.0, HOSTILE)]), HOSTILE)
    text = json.dumps(json.loads(str(figure.to_json())), ensure_ascii=False)
    assert "<b>x" not in text.replace("\\u003c", "<").replace("\\u003e", ">")


def test_labels_close_together_are_told_once():
    figure = phases_against_time(course(labels=[(1.0, "a"), (1.1, "b"), (5.0, "c")]), "Course")
    words = [a["text"] for a in json.loads(str(figure.to_json()))["layout"]["annotations"]]
    assert words == ["a, b", "c"]
