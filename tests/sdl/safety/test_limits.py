"""Limits: each rule refuses what it must, and nothing a laboratory can do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdl.core.command import Command, Effect, Verb
from sdl.core.errors import SafetyError
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Cooling,
    Dose,
    Gas,
    Mix,
    Press,
    Quench,
    Recipe,
    Stop,
)
from sdl.safety import check_command, check_recipe, check_step, require_safe
from sdl.tasks.task import load_task

LAB = load_task("batio3-coarse").laboratory
MIX = Mix(
    doses=(
        Dose(lot="BaCO3-coarse", mass_mg=1000.0),
        Dose(lot="TiO2-rutile-coarse", mass_mg=400.0),
    )
)
FIRE = Anneal(temperature_c=850.0, dwell_h=4.0)
SCAN = Characterise()


def rules(*steps):
    return {v.rule for v in check_recipe(Recipe(steps=steps), LAB)}


def test_a_good_recipe_breaks_nothing():
    assert rules(MIX, FIRE, Quench(cooling=Cooling.AIR), SCAN) == set()


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ((MIX, Anneal(temperature_c=950.0, dwell_h=4.0), SCAN), "furnace-temperature"),
        ((MIX, Anneal(temperature_c=850.0, dwell_h=100.0), SCAN), "furnace-dwell"),
        (
            (MIX, Anneal(temperature_c=850.0, dwell_h=1.0, ramp_c_per_min=50.0), SCAN),
            "furnace-ramp",
        ),
        ((MIX, Anneal(temperature_c=850.0, dwell_h=1.0, gas=Gas.OXYGEN), SCAN), "furnace-gas"),
        ((MIX, FIRE, Quench(cooling=Cooling.LIQUID), SCAN), "quench-cooling"),
        ((Mix(doses=(Dose(lot="BaCO3-gone", mass_mg=10.0),)), FIRE, SCAN), "lot-on-shelf"),
        ((Mix(doses=(Dose(lot="BaCO3-coarse", mass_mg=1.0),)), FIRE, SCAN), "dose-range"),
        ((Mix(doses=MIX.doses, mill_min=500.0), FIRE, SCAN), "mill-time"),
        ((Mix(doses=MIX.doses * 4), FIRE, SCAN), "vial-capacity"),
        ((MIX, FIRE, Press(pressure_mpa=100.0), SCAN), "station-exists"),
        ((FIRE, SCAN), "step-order"),
        ((MIX, Quench(), SCAN), "step-order"),
        ((MIX, FIRE, Stop(), SCAN), "step-order"),
        ((MIX, FIRE), "step-order"),
        ((MIX, FIRE, MIX, SCAN), "step-order"),
    ],
)
def test_each_limit_is_enforced_by_name(steps, rule):
    assert rule in rules(*steps)


def test_one_furnace_must_satisfy_all_limits_of_an_anneal_at_once():
    stations = [
        s.model_copy(update={"max_temperature_c": 700.0}) if s.name == "furnace_2" else s
        for s in LAB.stations
    ]
    lab = LAB.model_copy(update={"stations": tuple(stations)})
    steam = Anneal(temperature_c=850.0, dwell_h=1.0, gas=Gas.STEAM)
    assert check_recipe(Recipe(steps=(MIX, steam, SCAN)), lab)


def test_a_cold_sample_is_not_quenched_and_powders_are_not_added_after_firing():
    assert check_step((MIX, FIRE), Quench(), LAB)
    assert check_step((MIX, FIRE), MIX, LAB)
    assert not check_step((MIX, FIRE), FIRE, LAB)


@given(st.floats(900.01, 3000.0))
def test_no_command_above_the_furnace_limit_is_let_through(temperature_c):
    args = {"temperature_c": temperature_c, "dwell_h": 1.0, "ramp_c_per_min": 5.0, "gas": "air"}
    args["cooling"] = "furnace"
    command = Command(
        id="c1",
        station="furnace_1",
        verb=Verb.ANNEAL,
        samples=("S1",),
        effect=Effect.IRREVERSIBLE,
        args=args,
        time_s=0.0,
    )
    with pytest.raises(SafetyError, match="furnace-temperature"):
        require_safe(command, LAB)


def test_commands_with_nan_unknown_station_or_too_many_samples_are_refused():
    base = {"verb": Verb.MILL, "effect": Effect.IRREVERSIBLE, "time_s": 0.0, "id": "c1"}
    nan = Command(station="mixer", samples=("S1",), args={"mill_min": float("nan")}, **base)
    nowhere = Command(station="oven", samples=("S1",), args={"mill_min": 1.0}, **base)
    crowd = Command(station="mixer", samples=("S1", "S2"), args={"mill_min": 1.0}, **base)
    assert [check_command(c, LAB)[0].rule for c in (nan, nowhere, crowd)] == [
        "finite",
        "station-exists",
        "station-capacity",
    ]
