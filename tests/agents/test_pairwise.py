"""Pairs of phases: conclusions from scans, what is left of the driving force, the order of sets."""

import pytest

from agents.pairwise import Cell, Pairs, PairwisePolicy
from agents.registry import make_policy
from sdl.chemistry.system import load_system
from sdl.core.errors import PolicyError
from sdl.core.material import Observation, PhaseAmount
from sdl.core.proposal import Budget, Request, Result
from sdl.core.recipe import Gas
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task

TASK = load_task("ybco")
SYSTEM = load_system(TASK.system)
POLICY = PairwisePolicy(TASK)


def request(results=(), slots=1):
    return Request(
        targets=(TASK.target,), capabilities=TASK.laboratory, space=TaskSpace(TASK),
        results=tuple(results), pending=(), budget=Budget(experiments=24, furnace_hours=2000),
        free_slots=slots, time_s=0.0, next_id=len(results) + 1, key="7/propose",
    )  # fmt: skip


def scan(**fractions):
    return Observation(
        sample="S1", name="S1-a1", time_s=0.0,
        phases={n: PhaseAmount(weight_fraction=w, sigma=0.01) for n, w in fractions.items()},
    )  # fmt: skip


def cell(*phases, temperature_c=800.0):
    recipe = POLICY.propose(request())[0].recipe
    return Cell(recipe, tuple(sorted(phases)), (1.0,) * len(phases), temperature_c, Gas.AIR)


def test_a_product_that_one_pair_alone_can_make_is_its_own():
    pairs = Pairs(SYSTEM, "YBa2Cu3O7")
    pairs.learn(cell("BaO", "CuO", "Y2O3"), scan(BaCuO2=0.5, Y2O3=0.3, CuO=0.2))
    assert set(pairs.reactions) == {("BaO", "CuO")}
    assert pairs.reactions["BaO", "CuO"].product == "BaCuO2"
    assert pairs.inert_c == {("CuO", "Y2O3"): 800.0}
    pairs.learn(cell("BaO", "CuO", "Y2O3", temperature_c=700.0), scan(BaCuO2=0.1, BaO=0.9))
    assert pairs.reactions["BaO", "CuO"].onset_c == 700.0


def test_traces_and_the_target_tell_nothing():
    pairs = Pairs(SYSTEM, "YBa2Cu3O7")
    pairs.learn(cell("BaO", "CuO", "Y2O3"), scan(BaCuO2=0.015, YBa2Cu3O7=0.9, CuO=0.08))
    assert not pairs.reactions


def test_known_pairs_are_carried_out_up_to_what_there_is():
    pairs = Pairs(SYSTEM, "YBa2Cu3O7")
    here = cell("BaO", "CuO", "Y2O3")
    pairs.learn(here, scan(BaCuO2=1.0))
    left = pairs.after(here, {"BaO": 2.0, "CuO": 3.0, "Y2O3": 0.5})
    assert left == pytest.approx({"BaCuO2": 2.0, "CuO": 1.0, "Y2O3": 0.5})
    cold = cell("BaO", "CuO", "Y2O3", temperature_c=600.0)
    assert pairs.after(cold, {"BaO": 2.0, "CuO": 3.0, "Y2O3": 0.5})["BaO"] == 2.0
    assert not pairs.foreseen(here)


def test_a_set_that_wastes_its_driving_force_falls_behind():
    first = POLICY.propose(request())[0]
    cells = POLICY._cells(request())
    made = next(c for c in cells.values() if c.recipe == first.recipe)
    barium, copper = made.phases[0], made.phases[1]
    assert barium.startswith("Ba")
    before = POLICY.left(made, Pairs(SYSTEM, "YBa2Cu3O7"))
    result = Result(sample="S1", proposal="P1", recipe=first.recipe, observation=scan(BaCuO2=0.9))
    pairs = POLICY._pairs(request([result]), cells)
    assert (barium, copper) in pairs.reactions
    assert POLICY.left(made, pairs) > before + 0.1
    after = POLICY.propose(request([result]))[0]
    assert after.recipe != first.recipe
    assert after.details["force_ev_per_atom"] < POLICY.left(made, pairs)


def test_proposals_are_cold_first_and_never_repeated():
    proposals = POLICY.propose(request(slots=100))
    assert len(proposals) == 18 * 4
    assert len({p.recipe.model_dump_json() for p in proposals}) == 72
    assert proposals[0].recipe.anneals()[0].temperature_c == 700.0
    results = [
        Result(sample=f"S{i}", proposal=p.id, recipe=p.recipe, observation=None)
        for i, p in enumerate(proposals)
    ]
    assert POLICY.propose(request(results))[0].policy == "random"


def test_the_registry_knows_it():
    assert make_policy("pairwise", task=TASK).name == "pairwise"
    with pytest.raises(PolicyError, match="needs a task"):
        make_policy("pairwise")
