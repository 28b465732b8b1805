"""Gate V7: the in-situ run, its fit on the odd scans, and the events on the even ones."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.gate_insitu import (
    EVENTS,
    event_figures,
    gate_v7,
    insitu_curves,
    interpolated,
    moment,
    odd_scans,
    out_of_order,
    rmse,
    without_carbonate,
)
from surrogates.insitu_fit import fit_insitu, members
from surrogates.insitu_twin import SEEN, InsituTwin, Seen, seen_of


@pytest.fixture(scope="module")
def twin() -> InsituTwin:
    return InsituTwin()


def test_matter_is_kept_along_the_run(twin: InsituTwin) -> None:
    scores = np.full(len(twin.parameters.parameters), 0.5)
    moles = twin.moles(scores, 0.2)
    for element in ("Y", "Mn", "Na", "Cl"):
        numbers = np.array(
            [twin.system.phase(n).composition.get(element, 0.0) for n in twin.network.solid_names]
        )
        amount = moles @ numbers
        assert np.abs(amount / amount[0] - 1.0).max() < 1e-9
    assert moles.min() >= 0.0


def test_hydrolysed_chloride_lacks_its_chlorine(twin: InsituTwin) -> None:
    nothing = np.zeros(len(twin.parameters.parameters))
    start = dict(zip(twin.network.solid_names, twin.moles(nothing, 0.25)[0], strict=True))
    assert start["YCl3"] == pytest.approx(1.5)
    assert start["YOCl"] == pytest.approx(0.5)
    assert start["Na2CO3"] == pytest.approx(3.0)


def test_prior_starts_from_what_was_weighed_in(twin: InsituTwin) -> None:
    start = dict(zip(twin.run.phases, twin.as_filed()[0], strict=True))
    assert start["YCl3"] == pytest.approx(0.4508, abs=2e-3)
    assert start["Mn2O3"] == pytest.approx(0.1822, abs=2e-3)


def test_the_diffractometer_sees_only_what_diffracts(twin: InsituTwin) -> None:
    nothing = np.zeros(len(twin.parameters.parameters))
    moles = twin.moles(nothing, 0.0)
    hidden = Seen(crystalline=0.1, middle_c=(2000.0, -1000.0, -1000.0))
    seen, full = twin.seen(moles, hidden), twin.seen(moles, Seen())
    assert seen[0, 0] < 0.25 * full[0, 0]
    assert seen[-1, twin.run.phases.index("NaCl")] < 1e-6
    assert full.sum(axis=1).max() <= 1.0 + 1e-12


def test_scores_of_zero_are_the_centres_of_the_priors(twin: InsituTwin) -> None:
    seen = seen_of(np.zeros(len(SEEN)))
    assert seen.hydrolysed == pytest.approx(1.0 / (1.0 + np.e))
    assert seen.middle_c == (380.0, 350.0, 500.0)
    assert len(twin.names) == len(set(twin.names)) == len(twin.parameters.names) + len(SEEN)


def test_events_are_found_by_their_thresholds(twin: InsituTwin) -> None:
    fractions = np.zeros_like(twin.measured)
    salt, chloride = twin.run.phases.index("NaCl"), twin.run.phases.index("YCl3")
    fractions[100:, salt], fractions[:150, chloride] = 0.5, 0.5
    every = np.ones(len(fractions), dtype=bool)
    assert moment(EVENTS[0], twin, fractions, every) == 100
    assert moment(EVENTS[1], twin, fractions, every) == 150
    assert moment(EVENTS[2], twin, fractions, every) is None
    assert moment(EVENTS[0], twin, fractions, np.arange(len(fractions)) % 2 == 1) == 101


def test_order_counts_neighbours() -> None:
    assert out_of_order([1, 2, 3]) == 0
    assert out_of_order([1, 3, 2]) == 1
    assert out_of_order([1, None, 3]) == 1
    assert out_of_order([None, None]) == 1


def test_the_measured_run_itself_meets_the_events(twin: InsituTwin) -> None:
    assert all(f.ok for f in event_figures(twin, twin.measured, ~odd_scans(twin)))


def test_strict_error_leaves_out_what_is_rightly_absent() -> None:
    measured = np.array([[0.5, np.nan, np.nan], [1.0, np.nan, 0.0]])
    simulated = np.array([[0.4, 0.1, 0.0], [1.0, 0.0, 0.0]])
    first = np.array([True, False])
    assert rmse(simulated, measured, first, strict=True) == pytest.approx(0.1)
    assert rmse(simulated, measured, first) == pytest.approx(0.1 * (2 / 3) ** 0.5)


def test_scans_without_carbonate_are_those_the_table_names(twin: InsituTwin) -> None:
    scans = [s.scan for s, out in zip(twin.run.scans, without_carbonate(twin), strict=True) if out]
    assert scans == [88, 89, *range(114, 121), *range(124, 130)]


def test_interpolation_keeps_fitted_scans(twin: InsituTwin) -> None:
    rows = np.arange(len(twin.time_min)) < 200
    straight = interpolated(twin, rows)
    assert np.array_equal(straight[:200], np.nan_to_num(twin.measured)[:200])
    assert np.array_equal(straight[-1], straight[199])


def test_what_is_held_stays_at_the_prior(twin: InsituTwin) -> None:
    free = np.zeros(len(twin.names), dtype=bool)
    free[[twin.names.index("crystalline"), twin.names.index("hydrolysed")]] = True
    fitted = fit_insitu(twin, odd_scans(twin), free=free, rounds=3)
    assert fitted.free == 2
    assert np.array_equal(fitted.scores != 0.0, free)
    drawn = members(fitted, 16, "test")
    assert np.abs(drawn[:, ~free]).max() < 1e-12
    assert drawn[:, free].std(axis=0).min() > 0.0
    assert np.array_equal(drawn, members(fitted, 16, "test"))


@pytest.mark.slow
def test_gate_v7_passes_and_beats_the_prior() -> None:
    figures = gate_v7(quick=True)
    assert all(f.ok for f in figures)
    value = {f.name: f.value for f in figures}
    assert value["rmse, even scans"] < 0.03
    assert value["rmse, even scans"] < 0.3 * value["rmse of the prior"]
    curves = insitu_curves(quick=True)
    shape = (len(curves.time_min), len(curves.phases))
    assert curves.measured.shape == curves.simulated.shape == curves.prior.shape == shape
