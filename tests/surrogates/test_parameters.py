"""Parameters: widths from the system file, laboratories there and back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdl.chemistry.system import load_system
from sdl.core.errors import ModelError
from sdl.tasks.task import load_task
from simulators.laboratory import draw_laboratory, nominal_laboratory
from surrogates.parameters import (
    Parameter,
    ParameterSet,
    of_equipment,
    of_hidden,
    of_melts,
    of_nucleation,
    of_system,
    shared,
)

TASK = load_task("batio3-coarse")
SYSTEM = load_system(TASK.system)
LOTS, FURNACES = TASK.laboratory.shelf, ("furnace_1", "furnace_2")
LABELLED = nominal_laboratory(SYSTEM, LOTS, FURNACES)
HIDDEN = ParameterSet(of_hidden(SYSTEM, TASK.hidden, LOTS, FURNACES))


def test_the_widths_are_those_of_the_system_file() -> None:
    found = {p.name: p.sd for p in of_system(SYSTEM)}
    for phase in SYSTEM.solids:
        assert found[f"energy/{phase.name}"] == phase.gibbs_width_kj_per_mol
    for reaction in SYSTEM.reactions:
        for variant, kinetics in reaction.kinetics.items():
            assert found[f"ln_k/{reaction.name}/{variant}"] == kinetics.ln_k_width
            wanted = kinetics.activation_width_kj_per_mol
            assert found[f"activation/{reaction.name}/{variant}"] == wanted


def test_a_drawn_laboratory_survives_the_way_to_values_and_back() -> None:
    laboratory = draw_laboratory(SYSTEM, TASK.hidden, LOTS, FURNACES, "there-and-back", 3)
    values = HIDDEN.values_of(laboratory, LABELLED)
    again = HIDDEN.laboratories(values[None], LABELLED)[0]
    one, two = laboratory.to_json(), again.to_json()
    for field in ("phase_energy_kj_per_mol", "ln_k", "activation_kj_per_mol", "thermocouple_c"):
        assert one[field] == pytest.approx(two[field])
    for lot, figures in one["lots"].items():
        assert two["lots"][lot] == pytest.approx(figures)
    assert one["mixing"] == pytest.approx(two["mixing"])
    np.testing.assert_allclose(HIDDEN.values_of(again, LABELLED), values, atol=1e-9)


def test_zero_is_the_labelled_laboratory() -> None:
    found = HIDDEN.laboratories(np.zeros((1, len(HIDDEN.names))), LABELLED)[0]
    assert found == LABELLED


def test_prior_draws_have_the_widths_and_do_not_depend_on_the_others() -> None:
    drawn = HIDDEN.draw(4000, "widths")
    np.testing.assert_allclose(drawn.std(0) / HIDDEN.sd, 1.0, atol=0.06)
    assert np.abs(drawn.mean(0) / HIDDEN.sd).max() < 0.07
    correlation = np.corrcoef(drawn.T) - np.eye(drawn.shape[1])
    assert np.abs(correlation).max() < 0.08
    fewer = ParameterSet(HIDDEN.parameters[::-2])
    np.testing.assert_array_equal(fewer.draw(50, "widths"), drawn[:50, ::-2])


def test_what_no_parameter_moves_comes_from_the_other_laboratory() -> None:
    only = ParameterSet(of_system(SYSTEM))
    other = draw_laboratory(SYSTEM, TASK.hidden, LOTS, FURNACES, "other")
    values = only.draw(1, "one")
    found = only.laboratories(values, LABELLED, [other])[0]
    assert found.lots == other.lots
    assert found.thermocouple_c == other.thermocouple_c
    energy = dict(zip(only.names, values[0], strict=True))["energy/BaO"]
    assert found.phase_energy_kj_per_mol["BaO"] == pytest.approx(energy)


def test_a_shared_parameter_moves_its_entries_together() -> None:
    rows = [p for p in of_system(SYSTEM) if p.name.startswith("ln_k/")]
    both = ParameterSet((*rows, shared("rule", 1.0, [e for p in rows for e in p.entries])))
    values = np.zeros((1, len(both.names)))
    values[0, -1] = 0.7
    found = both.laboratories(values, LABELLED)[0]
    assert all(shift == pytest.approx(0.7) for shift in found.ln_k.values())
    # What many rows share is most probably the rule, not many accidents.
    back = both.values_of(found, LABELLED)
    assert back[-1] > 0.6
    again = both.laboratories(back[None], LABELLED)[0]
    assert again.ln_k == pytest.approx(found.ln_k)


def test_circumstances_are_read_by_kind() -> None:
    outside = ParameterSet(
        (
            Parameter("co2", 1.0, ("ln_p/CO2",)),
            Parameter("dwell", 0.3, ("ln_dwell",)),
        )
    )
    found = outside.circumstances(np.array([[0.5, -0.1], [0.0, 0.0]]))
    assert found[0].ln_p == (("CO2", 0.5),)
    assert found[0].ln_dwell == pytest.approx(-0.1)
    assert outside.laboratories(np.ones((1, 2)), LABELLED)[0] == LABELLED


def test_melts_and_nucleation_have_the_widths_of_the_file() -> None:
    system = load_system("y-ba-cu-c-o")
    found = {p.name: p.sd for p in (*of_melts(system), *of_nucleation(system))}
    assert system.melts
    for melt in system.melts:
        assert found[f"ln_melt/{melt.name}"] == melt.ln_width
    moved = ParameterSet((*of_melts(system), *of_nucleation(system)))
    labelled = nominal_laboratory(system, (), FURNACES)
    laboratory = moved.laboratories(np.full((1, len(moved.names)), 0.3), labelled)[0]
    assert laboratory.ln_melt == {melt.name: pytest.approx(0.3) for melt in system.melts}
    np.testing.assert_allclose(moved.values_of(laboratory, labelled), 0.3)
    assert of_nucleation(SYSTEM) == ()


def test_true_assays_stay_possible() -> None:
    equipment = ParameterSet(of_equipment(TASK.hidden, LOTS, FURNACES))
    high = equipment.laboratories(np.full((1, len(equipment.names)), 50.0), LABELLED)[0]
    assert all(lot.assay == 1.0 for lot in high.lots.values())
    assert high.mixing == pytest.approx(math.exp(50.0))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ((Parameter("a", 1.0, ("energy/BaO",)),) * 2, "stands twice"),
        ((Parameter("a", 1.0, ("colour/BaO",)),), "moves nothing"),
        ((Parameter("a", 1.0, ()),), "moves nothing"),
        ((Parameter("a", 0.0, ("energy/BaO",)),), "prior width"),
        ((Parameter("a", math.nan, ("energy/BaO",)),), "prior width"),
    ],
)
def test_wrong_parameters_are_refused(parameters: tuple[Parameter, ...], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        ParameterSet(parameters)


def test_a_lot_that_is_not_there_is_refused() -> None:
    wrong = ParameterSet((Parameter("a", 1.0, ("assay/nothing",)),))
    with pytest.raises(ModelError, match="not on the shelf"):
        wrong.laboratories(np.zeros((1, 1)), LABELLED)
