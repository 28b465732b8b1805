"""Compositions as coordinates, and a task whose target is a solid solution."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from sdl.core.errors import ConfigError
from sdl.core.material import Observation, PhaseAmount, Target
from sdl.core.property import Property
from sdl.core.recipe import Measure
from sdl.core.seeds import generator
from sdl.safety import check_recipe
from sdl.tasks.blend import Blend
from sdl.tasks.objective import CARRIERS, Near, Objective
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task
from simulators.properties import property_model

TASK = load_task("ferrite-magnetisation")
SPACE = TaskSpace(TASK)
TEXT = (resources.files("sdl.tasks") / "ferrite-magnetisation.yaml").read_text(encoding="utf-8")


def test_points_give_compositions_evenly_over_the_simplex() -> None:
    blend = Blend(TASK.target, 20)
    points = generator("test-blend").random((2000, 4))
    parts = np.array([blend.parts(p.tolist()) for p in points])
    assert (parts.sum(axis=1) == 20).all()
    assert (parts >= 0).all()
    assert parts.mean(axis=0) / 20 == pytest.approx([0.2] * 5, abs=0.015)
    assert all(blend.parts(blend.point(p)) == tuple(p) for p in parts.tolist())


def test_recipes_of_a_solid_solution_come_back_and_can_be_made() -> None:
    for point in generator("test-space").random((200, SPACE.dimension)):
        recipe = SPACE.decode(point)
        assert SPACE.decode(SPACE.encode(recipe)) == recipe
        assert not check_recipe(recipe, TASK.laboratory)
        assert isinstance(recipe.steps[-1], Measure)
        assert sum(SPACE.shares(recipe).values()) == pytest.approx(1.0)


def test_a_model_sees_fractions_and_a_person_a_formula() -> None:
    blend = SPACE.blend
    assert blend is not None
    rest = len(SPACE.names) - SPACE.continuous
    point = np.array([0.5] * 5 + blend.point([10, 0, 10, 0, 0]) + [0.1] * rest)
    recipe = SPACE.decode(point)
    assert SPACE.formula(recipe) == "Co0.50Zn0.50Fe2O4"
    assert {d.lot for d in recipe.doses()} == {"Fe2O3-coarse", "Co3O4", "ZnO"}
    inputs = SPACE.inputs(np.array([point]))
    assert inputs.shape == (1, SPACE.inputs_width)
    assert inputs[0, 5:10] == pytest.approx([0.5, 0.0, 0.5, 0.0, 0.0])


def test_purity_of_a_solution_is_what_the_other_phases_leave() -> None:
    fractions = {"CoFe2O4": 0.2, "NiFe2O4": 0.5, "Fe3O4": 0.2, "Fe2O3": 0.06, "NiO": 0.04}
    phases = {n: PhaseAmount(weight_fraction=w, sigma=0.1 * w) for n, w in fractions.items()}
    seen = Observation(sample="S1", name="S1-a1", time_s=0.0, phases=phases)
    amount = seen.amount_of(TASK.target)
    assert amount.weight_fraction == pytest.approx(0.9)
    assert amount.sigma == pytest.approx(np.hypot(0.006, 0.004))
    assert seen.amount_of(Target(phase="NiFe2O4")).weight_fraction == 0.5
    assert TASK.target.label == "(Co,Ni,Zn,Mn,Mg)Fe2O4"


def test_an_objective_may_climb_fall_or_aim() -> None:
    def objective(aim: object, success: float) -> Objective:
        return Objective.model_validate(
            {"property": "ferrite-curie-point", "aim": aim, "success": success}
        )

    assert objective("maximise", 80.0).reached(80.0)
    assert objective("minimise", 80.0).merit(3.0) == -3.0
    near = objective({"near": 200.0}, 5.0)
    assert isinstance(near.aim, Near)
    assert [near.reached(v) for v in (194.0, 196.0, 206.0)] == [False, True, False]
    assert near.goal() == "200 ± 5 °C"


def test_what_can_be_asked_for_has_a_law() -> None:
    for measured in Property:
        assert set(CARRIERS[measured]) == set(property_model(measured.value).hosts)


def test_hashes_of_other_tasks_do_not_know_of_properties() -> None:
    for name in ("batio3-coarse", "ybco"):
        dumped = load_task(name).model_dump_json()
        assert "objective" not in dumped
        assert "solution" not in dumped
        assert '"measurement"' not in dumped


MAGNETOMETER = (
    "    - {name: magnetometer, kind: magnetometer, max_temperature_c: 700, power_kw: 1.0}\n"
)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        (MAGNETOMETER, "", ["laboratory.stations", "no magnetometer", "at least one station"]),
        ("temperature_c: 25,", "temperature_c: 900,", ["objective.temperature_c", "25 to 700"]),
        ("property: ferrite-magnetisation", "property: colour", ["objective.property", "colour"]),
        (
            "aim: maximise",
            "aim: {near: 70, of: 3}",
            ["objective.aim", "maximise, minimise, {near: 120}"],
        ),
        ("success: 72", "success: high", ["objective.success", "high"]),
        ("aim: maximise, success: 72", "aim: {near: 70}, success: 0", ["success", "> 0"]),
        ("phase: CoFe2O4,", "phase: Co3O4,", ["dissolve", "Co3O4"]),
        ("ZnFe2O4, MnFe2O4", "ZnFe2O4, ZnFe2O4", ["target.solution.2", "twice", "ZnFe2O4"]),
        ("unresolved: [Fe3O4]", "unresolved: [FeO]", ["target.unresolved.0", "FeO", "Fe3O4"]),
        ("  composition_step: 0.05\n", "", ["composition_step", "nothing", "0.05"]),
        ("composition_step: 0.05", "composition_step: 0.03", ["0.03", "divides 1"]),
        ("composition_step: 0.05", "composition_step: 0.01", ["weighs one step", "5 mg"]),
        ("[NiO], [ZnO]", "[ZnO], [NiO]", ["cation_lots", "in this order", "Fe, Co, Ni, Zn"]),
        (", [MgO]]", "]", ["cation_lots", "Fe, Co, Ni, Zn, Mn"]),
    ],
)
def test_a_property_task_that_cannot_be_carried_out_says_why(
    tmp_path: Path, old: str, new: str, parts: list[str]
) -> None:
    assert old in TEXT
    (tmp_path / "mine.yaml").write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_task("mine.yaml", tmp_path)
    text = str(refused.value)
    assert all(part in text for part in [*parts, "mine.yaml:", "got", "what to do"]), text
