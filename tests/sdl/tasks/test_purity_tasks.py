"""The shipped purity tasks are frozen, balanced, and within what their laboratories can do."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from sdl.analysis.quick import QuickScan
from sdl.chemistry.system import load_system, system_names
from sdl.core.capabilities import StationKind
from sdl.core.errors import ConfigError
from sdl.core.recipe import Anneal, Gas, Recipe, Wash
from sdl.safety.limits import check_recipe
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task, load_task

FROZEN = {
    "batio3-coarse": "920536b6c3934792b81e95934ad4418b4607ef3a626018bd58dfd0d05fa9e717",
    "li2mno3": "520ac22443e60f37da5df12b87b77a828776e0bd58605b761e50cc682cd6faee",
    "licoo2": "907c430b71dec95d3969c06f116bbc8e8e60641ae3946b3dded069558760f6a4",
    "limn2o4": "ec8655359e5570a90d03e739148c387f0836cdd38b4b541db1217d219840e003",
    "mgal2o4": "88c71c56911accd96ed0df83d431402834c61b7534f7de22a78b88f3a2d6259f",
    "mgfe2o4": "120f0edec4353e02e39d11c949256d7f3b4a22a94cf3fd0c81f851f3ffb6357b",
    "mnfe2o4": "70180486bc17127963d99a3329997450dd4ad7d91d23786618406b0602ca29d1",
    "nife2o4": "b67c334470bec2a014b098ad03f996995ea2da0acb14f86de5b7d0c98ac40129",
    "sr2tio4": "d4d4f71f139dc13595e28a47fde4735e90682f5001ca1748b37f46e32e114ca1",
    "srtio3": "7325fa4f80ca692b8969534334f568a9d388ba22b8a393b07a61d58e0b8df31c",
    "y2bacuo5": "bc23c6aa68c60793438262e9853992e5cbf59c43dbd7c8e429756c70c16b732b",
    "y2mn2o7": "85e26638838dad233ffe4c717ab724faedab308b25fcb5f73748d62b8d3c257b",
    "ybco": "edbcc18d79072e197da005eac1c64ec557b50612af26fbf10e70776c6ae5e04a",
    "znfe2o4": "a83c90dcc79ffa6c6610c7565b9081fa03411b0a4ff5d1ae69df5b1cf709d541",
}
"""A task that is to change gets a new name: every stored figure names one of these hashes."""

TASKS = sorted(FROZEN)
METATHESIS = "y2mn2o7"


def recipe(space: TaskSpace, lots: tuple[int, ...], **values: float) -> Recipe:
    """The recipe with lots by their numbers; other coordinates by name, in natural units."""
    point = [axis.unit(values.get(axis.name, axis.interval.low)) for axis in space.axes]
    picks = {f"lot_{i}": number for i, number in enumerate(lots)}
    for name, count in space.choices:
        point.append((values.get(name, picks.get(name, 0)) + 0.5) / count)
    return space.decode(np.array(point))


def mixes(space: TaskSpace) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(len(group)) for group in space.groups)))


def charged_mmol(task: Task, made: Recipe) -> dict[str, float]:
    """What a recipe weighs in by the labels, element by element, mmol."""
    system, total = load_system(task.system), {}
    for dose in made.doses():
        lot = task.laboratory.lot(dose.lot)
        assert lot is not None
        moles = dose.mass_mg * lot.assay / lot.molar_mass_g_per_mol
        for element, count in system.phase(lot.phase).composition.items():
            total[element] = total.get(element, 0.0) + count * moles
    return total


@pytest.mark.parametrize("name", TASKS)
def test_a_frozen_task_stays_as_it_is(name: str):
    task = load_task(name)
    assert (task.name, task.hash) == (name, FROZEN[name])


def test_every_chemical_system_has_a_task():
    assert {load_task(name).system for name in TASKS} == {*system_names()}


def test_no_two_tasks_have_the_same_target():
    targets = [load_task(name).target.phase for name in TASKS]
    assert len({*targets}) == len(targets)


@pytest.mark.parametrize("name", TASKS)
def test_every_mix_holds_one_batch_of_the_target(name: str):
    task = load_task(name)
    space = TaskSpace(task)
    target = load_system(task.system).phase(task.target.phase)
    batch = space.ranges.batch_mg / target.molar_mass_g_per_mol
    for lots in mixes(space):
        charged = charged_mmol(task, recipe(space, lots, ratio=1.0))
        for element, count in target.composition.items():
            if element != "O":
                assert charged[element] == pytest.approx(count * batch, rel=2e-3)
        for reagent in space.ranges.reagents:
            assert charged[reagent.element] == pytest.approx(reagent.per_target * batch, rel=2e-3)


def test_the_sodium_of_the_metathesis_takes_all_the_chlorine():
    task = load_task(METATHESIS)
    space = TaskSpace(task)
    for lots in mixes(space):
        charged = charged_mmol(task, recipe(space, lots, ratio=1.0))
        assert charged["Na"] == pytest.approx(charged["Cl"], rel=2e-3)


@pytest.mark.parametrize("name", TASKS)
def test_random_recipes_are_safe_and_come_back_from_their_points(name: str):
    task = load_task(name)
    space = TaskSpace(task)
    for point in np.random.default_rng(0).random((40, space.dimension)):
        made = space.decode(point)
        assert not check_recipe(made, task.laboratory)
        assert space.decode(space.encode(made)) == made


@pytest.mark.parametrize("name", TASKS)
def test_scans_can_see_the_target_and_what_is_on_the_shelf(name: str):
    task = load_task(name)
    seen = QuickScan.load(task.system).references.names
    assert task.target.phase in seen
    assert {lot.phase for lot in task.laboratory.shelf} <= {*seen}


@pytest.mark.parametrize("name", TASKS)
def test_a_shelf_is_of_a_size_that_a_policy_can_take(name: str):
    task = load_task(name)
    space = TaskSpace(task)
    used = [lot for group in space.groups for lot in group]
    assert sorted(used) == sorted(lot.name for lot in task.laboratory.shelf)
    assert len(used) <= 12
    assert 2 <= len(space.ranges.cation_lots) <= 4
    assert all(lot.source for lot in task.laboratory.shelf)


def test_a_wash_is_a_choice_where_there_is_a_washer_and_comes_last():
    for name in TASKS:
        space = TaskSpace(load_task(name))
        assert ("washes" in space.names) == (name == METATHESIS)
    space = TaskSpace(load_task(METATHESIS))
    washed = recipe(space, (0, 0, 0), washes=1, cooling=1)
    assert [step.kind for step in washed.steps[-3:]] == ["quench", "wash", "characterise"]
    assert not any(isinstance(s, Wash) for s in recipe(space, (0, 0, 0)).steps)


def test_a_wash_without_a_washer_is_refused():
    task = load_task(METATHESIS)
    stations = tuple(s for s in task.laboratory.stations if s.kind is not StationKind.WASHER)
    bare = task.laboratory.model_copy(update={"stations": stations})
    washed = recipe(TaskSpace(task), (0, 0, 0), washes=1)
    assert [v.rule for v in check_recipe(washed, bare)] == ["station-exists"]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("element: Na", "element: Y", ["reagents.0.element", "Y", "Cl, Na"]),
        ("element: Na", "element: Cl", ["Na2CO3-coarse", "Cl and no cation"]),
        ("lots: [Na2CO3-coarse", "lots: [YCl3-dry", ["reagents.0.lots.0", "stands twice"]),
        ("lots: [Na2CO3-coarse", "lots: [K2CO3", ["not on the shelf", "K2CO3"]),
        ("per_target: 6", "per_target: 0", ["per_target"]),
        ("    - {name: washer, kind: washer, capacity: 4}\n", "", ["there is no washer"]),
        ("  washes: 1\nhidden", "hidden", ["published.washes", "at most"]),
        ("  washes: 1\nhidden", "  washes: 2\nhidden", ["washes", "<= 1"]),
    ],
)
def test_a_faulty_metathesis_is_refused(tmp_path: Path, old: str, new: str, parts: list[str]):
    import sdl.tasks

    text = (Path(sdl.tasks.__file__).parent / f"{METATHESIS}.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (tmp_path / "mine.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as err:
        load_task("mine.yaml", tmp_path)
    assert all(part in str(err.value) for part in parts), str(err.value)


@pytest.mark.parametrize("name", [n for n in TASKS if load_task(n).published is not None])
def test_the_published_recipe_lies_in_the_space(name: str):
    task = load_task(name)
    space, published = TaskSpace(task), task.published
    assert published is not None
    gas = space.ranges.gases.index(published.gas)
    values = {"temperature_c": published.temperature_c, "dwell_h": published.dwell_h}
    chosen = {"gas": gas, "washes": published.washes, "ratio": 1.0, "ramp_c_per_min": 5.0}
    made = recipe(space, (0,) * len(space.groups), **values, **chosen)
    assert not check_recipe(made, task.laboratory)
    anneal = next(s for s in made.steps if isinstance(s, Anneal))
    high = space.ranges.temperature_c.high
    assert anneal.temperature_c == min(published.temperature_c, high)
    assert anneal.dwell_h == pytest.approx(published.dwell_h, abs=0.05)
    assert anneal.gas is Gas(published.gas)
    assert published.source
