"""Fits of the YBCO twin and its gates in their quick form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from sdl.core.errors import ModelError
from sdl.tasks.ybco import BARIUM_SOURCES, TARGET, load_cells, load_onsets
from surrogates import ybco_calibration
from surrogates.gate_ybco import f1, gate_line9, gate_v5, gate_v6
from surrogates.ybco_calibration import (
    MEMBERS,
    PHASES,
    downhill,
    fit_names,
    fitted_cells,
    left_out,
    load_fits,
    tempered,
    ybco_twin,
)
from surrogates.ybco_fit import gauss_newton
from surrogates.ybco_onsets import Onsets, simulate_onsets
from surrogates.ybco_parameters import ybco_parameters
from surrogates.ybco_predictions import baselines
from surrogates.ybco_protocol import (
    FIRED_UM,
    PARTICLE_UM,
    experiments,
    furnace_system,
    scanned,
    without_twins,
)


def test_gauss_newton_finds_the_posterior_of_a_linear_problem() -> None:
    slope = np.array([[2.0, 0.5], [0.0, 3.0], [1.0, -1.0]])
    data = np.array([1.0, 2.0, 0.5])
    fit = gauss_newton(lambda z: z @ slope.T - data, np.zeros(2), 12)
    precision = slope.T @ slope + np.eye(2)
    assert fit.scaled == pytest.approx(np.linalg.solve(precision, slope.T @ data), abs=0.02)
    assert fit.precision == pytest.approx(precision)
    assert list(fit.costs) == sorted(fit.costs, reverse=True)


def test_the_best_end_of_several_starts_is_kept() -> None:
    def two_valleys(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.hstack([2.0 * (z**2 - 4.0), z - 2.0])

    draws = np.array([[-2.3], [2.6], [-2.5], [9.0]])
    fit = downhill(two_valleys, draws, np.array([0.0, 1.0, 0.5, 9.0]))
    assert fit.scaled[0] > 1.5


def test_draws_start_with_the_optimum_and_have_its_width() -> None:
    fit = gauss_newton(lambda z: 3.0 * z - 1.0, np.zeros(1), 12)
    draws = fit.draws(4000, "test")
    assert draws[0] == pytest.approx(fit.scaled)
    assert draws.std() == pytest.approx(1 / np.sqrt(10.0), rel=0.05)


def test_a_fit_without_a_source_sees_no_set_that_has_it_nor_its_twin() -> None:
    for source in BARIUM_SOURCES:
        seen = fitted_cells(left_out(f"without/{source}"))
        assert seen
        assert not any(source in c.precursors for c in seen)
    half = left_out("half/0")
    groups = {c.group for c in load_cells()}
    assert len(half) == len(groups) // 2
    assert not half & {c.group for c in fitted_cells(half)}


def test_twins_count_once_and_the_phases_are_kept() -> None:
    cells = without_twins(load_cells())
    keys = [(c.group, c.temperature_c, c.target_share) for c in cells]
    assert len(set(keys)) == len(keys)
    assert len(cells) < len(load_cells())
    system = furnace_system()
    whole, alone = (experiments(cells, system, target_only=only) for only in (False, True))
    assert {TARGET} == {label for e in alone for label in e.measured}
    assert sum(len(e.measured) for e in whole) > len(cells)


def test_parameters_are_few_and_move_the_system() -> None:
    system = furnace_system()
    names = ybco_parameters(system).names
    assert 20 <= len(names) <= 40
    rows = {f"{r.name}/{v}" for r in system.reactions for v in r.kinetics}
    moved = {e.partition("/")[2] for e in ybco_parameters(system).entries if "ln_k/" in e}
    assert moved <= rows


def test_a_scan_shows_nothing_under_its_limit() -> None:
    assert scanned(np.array([0.97, 0.015, 0.015])).tolist() == [1.0, 0.0, 0.0]


def test_baselines_know_only_what_they_have_seen() -> None:
    cells = [c for c in fitted_cells() if c.temperature_c == 900.0]
    constant, ridge = baselines(cells[5:], cells[:5])
    assert constant == pytest.approx(np.mean([c.target_share for c in cells[5:]]))
    assert ((ridge >= 0.0) & (ridge <= 1.0)).all()


def test_every_fit_ships_and_belongs_to_these_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = load_fits()
    assert set(fits.fits) == set(fit_names())
    parameters = len(ybco_twin().parameters.names)
    for name, one in fits.fits.items():
        members = 1 if name == PHASES else MEMBERS
        assert one.scaled.shape == (members, parameters)
        assert 0.0 < one.tempering <= 1.0
    load_fits.cache_clear()
    monkeypatch.setattr(ybco_calibration, "experiments", lambda cells, system: ())
    with pytest.raises(ModelError, match="other outcomes"):
        load_fits()
    load_fits.cache_clear()


def test_no_onset_is_seen_in_a_twin_without_reactions() -> None:
    twin = ybco_twin(3e-3)
    frozen = np.zeros((1, len(twin.parameters.names)))
    frozen[0, twin.parameters.names.index("shared/solid_state")] = -60.0
    found = simulate_onsets(twin, frozen, load_onsets())
    assert [o.right for o in found if not o.measured.reacts] == [True] * 8


def test_residuals_of_onsets_are_nothing_where_nothing_shall_happen() -> None:
    twin = ybco_twin(3e-3)
    frozen = np.zeros((1, len(twin.parameters.names)))
    frozen[0, twin.parameters.names.index("shared/solid_state")] = -60.0
    rows = [o for o in load_onsets() if len(o.reactants) == 2]
    found = Onsets(twin, rows).residuals(frozen)[0]
    reacts = np.array([o.reacts for o in rows])
    assert not found[: len(rows)][~reacts].any()
    assert (found[: len(rows)][reacts] > 0.0).all()


def test_fired_powders_are_coarser() -> None:
    lots = {lot.name: lot.particle_um for lot in ybco_twin(3e-3).lots}
    assert lots["BaCuO2"] == lots["Y2Cu2O5"] == FIRED_UM
    assert lots["BaCO3"] == lots["Y2O3"] == PARTICLE_UM < FIRED_UM


def test_tempering_keeps_as_many_members_as_asked() -> None:
    log = np.linspace(0.0, -400.0, 200)
    exponent, weights = tempered(log, 10.0)
    assert exponent < 1.0
    assert 1.0 / (weights**2).sum() == pytest.approx(10.0, rel=1e-3)
    assert tempered(np.zeros(20), 10.0)[0] == 1.0


def test_f1() -> None:
    there, shown = np.array([[True, True, False]]), np.array([[True, False, True]])
    assert f1(there, shown) == pytest.approx(0.5)


def test_quick_gates() -> None:
    figures = (*gate_v5(quick=True), *gate_v6(quick=True), *gate_line9(quick=True))
    names = [(f.gate, f.name) for f in figures]
    assert len(set(names)) == len(names)
    assert all(np.isfinite(f.value) for f in figures)
    by_name = {f.name: f.value for f in figures}
    assert by_name["in_sample.most_at_600_and_700"] < 0.1
    assert 0.0 < by_name["micro_f1"] <= 1.0
