"""A history conserves what a reactor conserves, and telling it finely changes nothing."""

import itertools

import numpy as np
import pytest

from sdl.chemistry.system import load_system
from sdl.core.material import Lot
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Cooling,
    Dose,
    Gas,
    Mix,
    Quench,
    Recipe,
    Regrind,
    Wash,
)
from sdl.tasks.task import Hidden
from simulators.history import Detail, make, pieces
from simulators.laboratory import draw_laboratory, nominal_laboratory
from simulators.reactor import Reactor, Segment

SYSTEM = load_system("ba-ti-c-o")
LOTS = (
    Lot(name="BaCO3", phase="BaCO3", molar_mass_g_per_mol=197.336, particle_um=2.0, assay=0.98),
    Lot(name="TiO2", phase="TiO2", molar_mass_g_per_mol=79.865, particle_um=2.0),
)
FURNACE = "furnace_1"
RECIPE = Recipe(
    steps=(
        Mix(doses=(Dose(lot="BaCO3", mass_mg=1200.0), Dose(lot="TiO2", mass_mg=480.0))),
        Anneal(temperature_c=850.0, dwell_h=3.0),
        Characterise(scan_min=2.0),
        Regrind(mill_min=15.0),
        Anneal(temperature_c=900.0, dwell_h=2.0, gas=Gas.NITROGEN),
        Quench(cooling=Cooling.AIR),
    )
)


@pytest.fixture(scope="module")
def reactor():
    laboratory = draw_laboratory(SYSTEM, Hidden(), LOTS, (FURNACE,), "history", 1)
    return Reactor(SYSTEM, laboratory, LOTS)


@pytest.fixture(scope="module")
def history(reactor):
    return make(reactor, RECIPE, FURNACE).history


def test_fractions_sum_to_one_and_are_not_negative(history):
    np.testing.assert_allclose(history.weight_fraction.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert history.weight_fraction.min() >= 0.0
    assert sum(history.fractions().values()) == pytest.approx(1.0)


def test_elements_are_conserved_with_what_left_as_gas(history):
    start = history.elements_mmol[0]
    np.testing.assert_allclose(
        history.elements_mmol, np.broadcast_to(start, history.elements_mmol.shape), rtol=1e-9
    )
    assert history.mass_mg[-1] < history.mass_mg[0] - 100.0  # carbon dioxide has left


def test_output_times_do_not_change_the_end(reactor, history):
    coarse = make(reactor, RECIPE, FURNACE, Detail(ramp_c=1e9, soak_pieces=1)).history
    fine = make(reactor, RECIPE, FURNACE, Detail(ramp_c=3.0, soak_pieces=60)).history
    assert len(coarse.time_h) < len(history.time_h) < len(fine.time_h)
    for other in (coarse, fine):
        assert other.time_h[-1] == pytest.approx(history.time_h[-1])
        # Finer steps of the solver move a fraction by up to 1e-2 in the worst of recipes (gate V1).
        np.testing.assert_allclose(
            other.weight_fraction[-1], history.weight_fraction[-1], rtol=0, atol=5e-3
        )


def test_time_goes_on_and_temperatures_follow_the_program(reactor, history):
    assert np.all(np.diff(history.time_h) >= 0.0)
    hours = 10 / 60 + 825 / 5 / 60 + 3 + 825 / 2 / 60 + 2 / 60 + 15 / 60 + 875 / 5 / 60 + 2
    assert history.time_h[-1] == pytest.approx(hours + 875 / 100 / 60)
    assert history.program_c.max() == 900.0
    offset = reactor.laboratory.thermocouple_c[FURNACE]
    hot = np.array([bool(gas) for gas in history.gas])
    np.testing.assert_allclose((history.temperature_c - history.program_c)[hot], offset)
    assert set(history.gas) == {"", "air", "nitrogen"}


def test_every_step_is_named_in_order(history):
    words = [moment.words for moment in history.moments]
    assert [w.partition(" ")[0] for w in words] == [
        "BaCO3", "850", "after", "cold", "scan", "regrind", "900", "after", "cold",
    ]  # fmt: skip
    assert words[-1] == "cold again, in air"
    assert [m.row for m in history.moments] == sorted(m.row for m in history.moments)


def test_arrays_cannot_be_changed(history):
    with pytest.raises(ValueError, match="read-only"):
        history.weight_fraction[0, 0] = 1.0


def test_the_scanned_material_is_that_of_its_moment(reactor):
    made = make(reactor, RECIPE, FURNACE)
    ((moment, material),) = made.scanned
    row = made.history.moments[moment].row
    assert reactor.weight_fractions(material) == made.history.fractions(row)
    assert reactor.weight_fractions(made.material) == made.history.fractions()


@pytest.mark.parametrize("segment", [Segment(25, 850, 9900.0), Segment(850, 850, 3600.0)])
def test_pieces_join_to_the_segment(segment):
    every = list(pieces(segment))
    assert len(every) > 20
    assert sum(p.duration_s for p in every) == pytest.approx(segment.duration_s)
    assert (every[0].start_c, every[-1].end_c) == (segment.start_c, segment.end_c)
    assert all(a.end_c == b.start_c for a, b in itertools.pairwise(every))


def test_washing_takes_soluble_salts_away_and_nothing_else():
    system = load_system("y-mn-na-cl-c-o")
    names = ("YCl3", "Mn2O3", "Na2CO3")
    lots = [
        Lot(name=n, phase=n, molar_mass_g_per_mol=system.phase(n).molar_mass_g_per_mol)
        for n in names
    ]
    masses = {"YCl3": 391.0, "Mn2O3": 158.0, "Na2CO3": 318.0}
    recipe = Recipe(
        steps=(
            Mix(doses=tuple(Dose(lot=n, mass_mg=masses[n]) for n in names), mill_min=30.0),
            Anneal(temperature_c=650.0, dwell_h=4.0, gas=Gas.OXYGEN),
            Wash(duration_min=120.0),
        )
    )
    nominal = nominal_laboratory(system, lots, (FURNACE,))
    history = make(Reactor(system, nominal, lots), recipe, FURNACE).history
    assert history.fractions(history.moments[-2].row)["NaCl"] > 0.2
    assert history.fractions().get("NaCl", 0.0) < 1e-6
    np.testing.assert_allclose(history.weight_fraction.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    masses_mg = history.weight_fraction * history.mass_mg[:, None]
    for i, name in enumerate(history.phases):
        before, after = masses_mg[history.moments[-2].row, i], masses_mg[-1, i]
        kept = 0.0 if system.phase(name).soluble else before
        assert after == pytest.approx(kept, rel=1e-9, abs=1e-3)
