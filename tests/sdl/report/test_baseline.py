from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdl.analysis.references import load_references
from sdl.journal.journal import Journal
from sdl.report.baseline import best_of_n
from sdl.report.record import read_record, total_cost, total_furnace_hours
from sdl.report.scan import fitted_scan
from sdl.report.scan_fit import line_angles


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=7),
    st.sampled_from([0.25, 0.5, 0.75]),
    st.data(),
)
def test_best_of_n_is_the_quantile_over_all_subsets(
    shares: list[float], quantile: float, data: st.DataObject
) -> None:
    n = data.draw(st.integers(1, len(shares)))
    best = sorted(max(subset) for subset in combinations(shares, n))
    needed = int(np.ceil(quantile * len(best) - 1e-9))
    assert best_of_n(shares, n, quantile)[-1] == best[max(needed, 1) - 1]


def test_best_of_n_grows() -> None:
    values = [0.1, 0.9, 0.3, 0.3, 0.0, 0.7]
    curve = best_of_n(values, 6, 0.5)
    assert list(curve) == sorted(curve)
    assert curve[-1] == 0.9


def test_record_arranges_by_experiment(finished_url: str) -> None:
    with Journal.open(finished_url, owner=False) as journal:
        record = read_record(journal)
        best = record.best
        assert best is not None
        assert best.sample == "S2"
        assert [e.sample for e in record.repeats(best)] == ["S3"]
        assert [e.failed for e in record.experiments] == [False, False, False, True]
        assert total_cost(record.finished) == pytest.approx(4 * 0.31)
        assert total_furnace_hours(record.finished) == pytest.approx(80.0)
        pattern = fitted_scan(record, best, journal.blobs)
    assert pattern is not None
    assert list(pattern.contributions) == ["BaTiO3", "BaCO3"]
    assert pattern.amounts["BaTiO3"].weight_fraction == pytest.approx(0.97, abs=0.02)
    assert pattern.counts.shape == pattern.fitted.shape


def test_ticks_stand_at_the_lines() -> None:
    angles = line_angles(load_references("ba-ti-c-o")["BaTiO3"])
    # The 110 line of BaTiO3 lies at 31.5 degrees with Cu radiation.
    assert min(abs(a - 31.5) for a in angles) < 0.15
