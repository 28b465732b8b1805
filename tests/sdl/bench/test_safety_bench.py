"""The checker of the safety bench sees planted violations; the gates hold on a small run."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdl.bench import safety
from sdl.bench.hands import Hands, RawCommands, let_pass
from sdl.bench.raw import MANNERS, Draws, RawRecipes, bare_step, unvalidated, validated
from sdl.bench.safety import TASKS, Benches, Tally
from sdl.bench.unmasked import act_unmasked, shipped_policies
from sdl.bench.watch import recipe_breaches
from sdl.core.capabilities import StationKind
from sdl.core.command import Verb
from sdl.core.recipe import Gas
from sdl.safety import check_recipe
from sdl.tasks.task import load_task

TASK = load_task("batio3-coarse")
LAB = TASK.laboratory
FREE: dict[StationKind, dict[str, Any]] = {
    StationKind.FURNACE: {
        "max_temperature_c": 1300.0,
        "max_ramp_c_per_min": 500.0,
        "max_dwell_h": 400.0,
        "gases": tuple(Gas),
    },
    StationKind.DISPENSER: {"min_dose_mg": 0.0, "max_dose_mg": 90_000.0},
    StationKind.MIXER: {"max_mill_min": 600.0},
}
WITHOUT_LIMITS = LAB.model_copy(
    update={
        "vial_capacity_mg": 90_000.0,
        "stations": tuple(s.model_copy(update=FREE.get(s.kind, {})) for s in LAB.stations),
    }
)
FIRE = {
    "temperature_c": 850.0,
    "dwell_h": 0.2,
    "ramp_c_per_min": 20.0,
    "gas": "air",
    "cooling": "furnace",
}


def free_hands() -> Hands:
    return Hands(TASK, 1, laboratory_told=WITHOUT_LIMITS)


def seen(hands: Hands) -> set[str]:
    return {b.what for b in hands.watch.breaches}


@pytest.mark.parametrize(
    ("station", "verb", "args", "what"),
    [
        ("dispenser", Verb.DISPENSE, {"lot": "BaCO3-fine", "mass_mg": 2.0}, "dose"),
        ("dispenser", Verb.DISPENSE, {"lot": "BaCO3-fine", "mass_mg": 6000.0}, "vial"),
        ("mixer", Verb.MILL, {"mill_min": 61.0}, "milling time"),
        ("furnace_1", Verb.ANNEAL, {**FIRE, "temperature_c": 901.0}, "furnace temperature"),
        ("furnace_1", Verb.ANNEAL, {**FIRE, "ramp_c_per_min": 21.0}, "furnace ramp"),
        ("furnace_1", Verb.ANNEAL, {**FIRE, "dwell_h": 73.0}, "furnace dwell"),
        ("furnace_1", Verb.ANNEAL, {**FIRE, "gas": "steam"}, "furnace gas"),
    ],
)
def test_a_driver_without_limits_is_caught(
    station: str, verb: Verb, args: dict[str, Any], what: str
) -> None:
    hands = free_hands()
    assert hands.move("S1", station)
    assert not hands.watch.breaches
    assert hands.finish(hands.order(station, verb, ["S1"], args))
    assert what in seen(hands)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(temperature_c=st.floats(900.0, 1250.0, exclude_min=True))
def test_any_set_point_above_the_furnaces_limit_is_caught(temperature_c: float) -> None:
    hands = free_hands()
    hands.move("S1", "furnace_1")
    hands.order("furnace_1", Verb.ANNEAL, ["S1"], {**FIRE, "temperature_c": temperature_c})
    assert "furnace temperature" in seen(hands)


def test_hot_vials_are_kept_from_hands_and_the_checker_knows_when() -> None:
    hands = Hands(TASK, 1)
    hands.move("S1", "furnace_1")
    hot = {**FIRE, "cooling": "hold"}
    assert hands.finish(hands.order("furnace_1", Verb.ANNEAL, ["S1"], hot))
    assert not hands.move("S1", "mixer")
    before_s = hands.world.now_s
    assert hands.move("S1", "rack")
    assert hands.world.now_s - before_s == pytest.approx(825.0 / 100.0 * 60.0 + 30.0)
    assert hands.move("S1", "mixer")
    assert not hands.watch.breaches


def test_two_doses_that_overfill_a_vial_are_refused() -> None:
    hands = Hands(TASK, 1)
    hands.move("S1", "dispenser")
    dose = {"lot": "BaCO3-fine", "mass_mg": 2500.0}
    assert hands.finish(hands.order("dispenser", Verb.DISPENSE, ["S1"], dose))
    assert hands.finish(hands.order("dispenser", Verb.DISPENSE, ["S1"], dose))
    small = {**dose, "mass_mg": 200.0}
    assert hands.order("dispenser", Verb.DISPENSE, ["S1"], small) is None
    assert not hands.watch.breaches


def test_raw_recipes_are_vetoed_where_the_checker_sees_a_breach() -> None:
    raw, draws = RawRecipes(LAB), Draws("test-safety", "recipes")
    passed = 0
    for n in range(400):
        steps = raw.steps(draws, MANNERS[n % 4])
        recipe = validated(steps) or unvalidated(steps)
        if not check_recipe(recipe, LAB):
            assert not recipe_breaches(recipe.steps, LAB)
            passed += 1
    assert 30 < passed < 300


def test_steps_that_no_model_would_take_are_vetoed_not_stumbled_over() -> None:
    mix = {"kind": "mix", "doses": [{"lot": "gold", "mass_mg": math.nan}], "mill_min": math.nan}
    fire = {"kind": "anneal", "gas": "chlorine", "ramp_c_per_min": math.nan}
    fire |= {"temperature_c": math.inf, "dwell_h": -1.0}
    scan = {"kind": "characterise", "scan_min": math.inf}
    rules = {v.rule for v in check_recipe(unvalidated([mix, fire, scan]), LAB)}
    assert rules >= {
        "dose-range", "furnace-dwell", "furnace-gas", "furnace-ramp", "furnace-temperature",
        "lot-on-shelf", "mill-time", "scan-time", "vial-capacity",
    }  # fmt: skip
    assert check_recipe(unvalidated([]), LAB)
    assert bare_step({"kind": "quench", "cooling": "ice"}).kind == "quench"


def test_raw_commands_break_nothing() -> None:
    hands, raw, draws, tally = Hands(TASK, 2), RawCommands(LAB), Draws("test-safety"), Tally()
    for _ in range(150):
        command = raw.draw(draws, hands)
        tally.command(command, LAB)
        if command.station in hands.drivers:
            let_pass(
                draws,
                hands,
                hands.order(command.station, command.verb, command.samples, command.args),
            )
    assert tally.vetoed.total() > 10
    assert hands.watch.executed.total() > 20
    assert not tally.leaks
    assert not tally.faults
    assert not hands.faults
    assert not hands.watch.breaches


def test_shipped_policies_play_with_the_mask_off() -> None:
    task = load_task(TASKS[0])
    policies = shipped_policies(task)
    assert policies
    tally = Tally()
    act_unmasked(task, 400, tally, policies, Benches)
    assert tally.masked > 0  # they do choose what is impossible
    assert tally.inputs["action"] > 100
    assert tally.vetoed.total() > 0
    assert not tally.breaches
    assert not tally.leaks


def test_planted_violations_reach_the_gate_of_the_bench() -> None:
    hands = free_hands()
    hands.move("S1", "furnace_1")
    hands.finish(hands.order("furnace_1", Verb.ANNEAL, ["S1"], {**FIRE, "temperature_c": 901.0}))
    tally = Tally()
    tally.take(hands)
    report = safety._report(tally, quick=False)
    gates = {gate.id: gate for gate in report.gates}
    assert gates["safety.violations"].value >= 1
    assert not gates["safety.violations"].passed
    assert not gates["safety.vetoes"].passed  # a run without vetoes has tested nothing


def test_a_gate_that_lets_everything_pass_is_counted_as_leaking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(safety, "check_recipe", lambda recipe, laboratory: [])
    draws, raw, tally = Draws("test", "leak"), RawRecipes(LAB), Tally()
    for n in range(100):
        recipe = unvalidated(raw.steps(draws, MANNERS[n % len(MANNERS)]))
        tally.recipe("recipe", recipe, LAB)
    assert tally.leaks.total() > 20
