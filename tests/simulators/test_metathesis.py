"""The task of Y2Mn2O7: salt is made with the target, and only a wash takes it away."""

import numpy as np

from sdl.chemistry.system import load_system
from sdl.core.recipe import Recipe
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task
from simulators.batch import BatchReactor
from simulators.laboratory import nominal_laboratory

VALUES = {
    "ratio": 0.9, "temperature_c": 700, "dwell_h": 6, "ramp_c_per_min": 10, "mill_min": 30,
}  # fmt: skip
CHOICES = {"regrinds": 1, "gas": 1, "cooling": 1, "lot_0": 0, "lot_1": 1, "lot_2": 1}


def made(space: TaskSpace, washes: int) -> Recipe:
    picks = {**CHOICES, "washes": washes}
    point = [axis.unit(VALUES[axis.name]) for axis in space.axes]
    point += [(picks[name] + 0.5) / count for name, count in space.choices]
    return space.decode(np.array(point))


def fractions(washes: int) -> dict[str, float]:
    task = load_task("y2mn2o7")
    system, lots = load_system(task.system), task.laboratory.shelf
    laboratory = nominal_laboratory(system, lots, ["furnace_1"])
    reactor = BatchReactor(system, [laboratory], lots, threads=1)
    acts = np.array(reactor.acts_of(made(TaskSpace(task), washes)))
    vial = reactor.empty(1)
    reactor.run(vial, np.array([0]), acts, np.array([0]), np.array([len(acts)]))
    names = reactor.network.solid_names
    return dict(zip(names, reactor.weight_fractions(vial)[0].tolist(), strict=True))


def test_half_of_what_leaves_the_furnace_is_salt():
    found = fractions(washes=0)
    assert 0.4 < found["NaCl"] < 0.5
    assert 0.45 < found["Y2Mn2O7"] < 0.55


def test_the_target_is_pure_after_a_wash():
    found = fractions(washes=1)
    assert found["Y2Mn2O7"] > 0.97
    assert found["NaCl"] < 0.003
