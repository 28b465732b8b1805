"""The gates of the reactor find what they have to find."""

import numpy as np
import pytest

from sdl.chemistry.system import load_system, system_names
from sdl.tasks.firings import load_first_firings
from simulators.gates import gate_v1, gate_v2, gate_v3, gate_v4
from simulators.gates.conservation import conservation
from simulators.gates.conservation import figures_of as conservation_figures
from simulators.gates.laws import MAGNESIUM_FERRITE, conversions, rate_constant
from simulators.gates.oracle import lsoda_gaps, still
from simulators.gates.prior import coldest_firing, figures_of, stoichiometry
from simulators.gates.recipes import hottest_c, system_lots, system_recipes
from simulators.laboratory import nominal_laboratory


@pytest.mark.parametrize("figures", [gate_v2(), gate_v4()], ids=["V2", "V4"])
def test_thermochemistry_and_batio3_gates(figures):
    assert [f for f in figures if not f.ok] == []


def test_a_system_has_only_the_crossings_of_its_phases():
    names = [f.name for f in gate_v2("sr-ti-c-o")]
    assert names == [
        "SrCO3 + TiO2 = SrTiO3 + CO2 (1_bar, sr-ti-c-o)",
        "SrCO3 + TiO2 = SrTiO3 + CO2 (air, sr-ti-c-o)",
    ]
    assert gate_v2("mg-al-o") == ()


@pytest.mark.parametrize("name", ["ba-ti-c-o", "mg-al-o"])
def test_elements_signs_and_order_on_a_small_sample(name):
    figures = {f.name.removeprefix(f"{name}."): f for f in gate_v1(20, 2, system=name)}
    for what in ("elements", "least_moles", "order"):
        assert figures[what].ok, figures[what]
    assert figures["finer_max"].value < 1e-2
    assert figures["lsoda"].value < 1e-2


def test_refinement_is_measured_and_told():
    found = conservation("ba-ti-c-o", 20, 0, tolerance=3e-2)
    finer = conservation("ba-ti-c-o", 20, 0, tolerance=1e-7)
    assert found.change.max() > 10.0 * finer.change.max()
    assert found.worst().startswith("worst: recipe ")
    figures = {f.name: f for f in conservation_figures(found)}
    assert figures["ba-ti-c-o.finer_max"].value == found.change.max()


@pytest.mark.parametrize("name", system_names())
def test_random_recipes_hold_what_a_reaction_eats(name):
    system = load_system(name)
    lots = {lot.name for lot in system_lots(system)}
    recipes = system_recipes(system, 12)
    assert recipes == system_recipes(system, 12)
    for recipe in recipes:
        charged = {dose.lot for dose in recipe.doses()}
        assert charged <= lots
        assert any(
            {p for p, n in r.equation.items() if n < 0 and system.phase(p).state == "solid"}
            <= charged
            for r in system.reactions
        )
        for anneal in recipe.anneals():
            assert 300.0 <= anneal.temperature_c <= hottest_c(system)
            assert anneal.gas in system.gases


def test_lsoda_agrees_where_nothing_is_fast():
    system = load_system("mg-al-o")
    lots = system_lots(system)
    laboratory = nominal_laboratory(system, lots, ("furnace_1",))
    gaps = lsoda_gaps(system, [laboratory], lots, system_recipes(system, 3))
    assert max(g.largest for g in gaps) < 1e-3
    assert all(p.coarsening is None for p in still(system).phases)


def test_published_laws_come_back():
    assert [f for f in gate_v3("mg-zn-ni-mn-co-fe-o") if not f.ok] == []


def test_a_refit_finds_the_constant_of_a_series():
    alpha = conversions(MAGNESIUM_FERRITE, 900.0)
    assert np.all(np.diff(alpha) >= 0.0)
    k, misfit = rate_constant(MAGNESIUM_FERRITE, 900.0)
    assert 1e-5 < k < 2e-4
    assert misfit < 0.02


def test_stoichiometry_charges_the_cations_of_the_target():
    system = load_system("y-ba-cu-c-o")
    assert stoichiometry(system, ("BaCO3", "CuO", "Y2O3"), "YBa2Cu3O7") == pytest.approx(
        (2.0, 3.0, 0.5)
    )


def test_the_coldest_firing_is_the_first_that_is_pure():
    firing = next(f for f in load_first_firings("all") if f.target == "MgAl2O4")
    found = coldest_firing(firing)
    at = found.temperatures_c.index(found.coldest_c)
    assert found.purity[at] >= 0.95 > found.purity[at - 1]
    assert found.cause == ("" if found.inside else found.cause)
    figures = figures_of({"all": (found,)}, whole=True)
    share = next(f for f in figures if f.name.startswith("share inside"))
    assert not share.ok  # one target is no ten
