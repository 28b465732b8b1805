import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdl.bench.report import (
    BenchReport,
    Gate,
    Row,
    commit,
    machine,
    mean_row,
    median_row,
    paired_row,
)


def report() -> BenchReport:
    return BenchReport(
        bench="routes",
        commit="0" * 40,
        task="1" * 64,
        machine=machine(),
        rows=(Row(name="default.all", value=28.0, unit="experiments", low=24, high=33, n=100),),
        gates=(Gate(id="routes.all", target="<= 30", value=28.0, passed=True),),
    )


def test_json_has_the_shape_of_the_design_and_reads_back():
    data = json.loads(report().to_json())
    assert list(data) == ["bench", "commit", "task", "machine", "rows", "gates"]
    assert list(data["machine"]) == ["cpu", "cores", "gpu"]
    assert list(data["rows"][0]) == ["name", "value", "unit", "low", "high", "n"]
    assert data["gates"] == [{"id": "routes.all", "target": "<= 30", "value": 28.0, "pass": True}]
    assert BenchReport.model_validate(data) == report()


def test_row_is_found_by_name():
    assert report().row("default.all").value == 28.0
    with pytest.raises(KeyError):
        report().row("default.first")


def test_machine_and_commit_are_named():
    assert machine().cpu
    assert machine().cores >= 1
    assert commit() == "unknown" or len(commit().rstrip("+")) == 40


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=40))
def test_interval_holds_the_median_and_is_reproducible(values):
    row = median_row("random.first", values, "experiments")
    assert row.low is not None
    assert row.high is not None
    assert row.low <= row.value <= row.high
    assert row == median_row("random.first", values, "experiments")


def test_interval_of_the_mean_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    rows = [mean_row(f"m{i}", rng.normal(3.0, 1.0, 30).tolist(), "1") for i in range(100)]
    covered = sum(r.low is not None and r.high is not None and r.low <= 3 <= r.high for r in rows)
    assert 86 <= covered <= 100


def test_paired_difference_removes_what_pairs_share():
    rng = np.random.default_rng(6)
    shared = rng.normal(0, 100, 30)
    row = paired_row("d", (shared + 1 + 0.1 * rng.normal(size=30)).tolist(), shared.tolist(), "1")
    assert row.value == pytest.approx(1.0, abs=0.1)
    assert row.low is not None
    assert row.low > 0.9
    with pytest.raises(ValueError, match="equal lengths"):
        paired_row("d", [1.0], [1.0, 2.0], "1")
