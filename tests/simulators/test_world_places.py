"""Whatever devices are told, each vial is in exactly one place and no powder is lost."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from sdl.chemistry.system import load_system
from sdl.core.errors import LabError
from sdl.tasks.task import Task, load_task
from simulators.laboratory import nominal_laboratory
from simulators.stations import RACK
from simulators.world import World

SAMPLES = ("S1", "S2", "S3")
LOTS = ("BaCO3-fine", "TiO2-rutile-fine")


@cache
def problem() -> Task:
    return load_task("batio3-coarse")


def new_world() -> World:
    task = problem()
    laboratory = nominal_laboratory(
        load_system(task.system), task.laboratory.shelf, ["furnace_1", "furnace_2"]
    )
    return World.create(None, task, seed=3, laboratory=laboratory)


PLACES = [RACK, *(s.name for s in problem().laboratory.stations)]
moves = st.tuples(st.just("move"), st.sampled_from(SAMPLES), st.sampled_from(PLACES))
doses = st.tuples(st.just("dose"), st.sampled_from(LOTS), st.floats(5, 500))
waits = st.tuples(st.just("wait"), st.just(""), st.floats(0, 200))
aborts = st.tuples(st.just("abort"), st.sampled_from(PLACES[1:]), st.just(""))
mills = st.tuples(st.just("mill"), st.just(""), st.floats(1, 5))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(moves, doses, waits, aborts, mills), max_size=40))
def test_each_vial_is_in_exactly_one_place(script: list[tuple[str, str, float | str]]) -> None:
    world = new_world()
    known: set[str] = set()
    stock_mg = sum(lot.stock_mg for lot in problem().laboratory.shelf)
    for number, (what, who, value) in enumerate(script):
        label = f"c{number}"
        try:
            match what:
                case "move":
                    world.start_transfer("transfer", label, who, str(value))
                    known.add(who)
                case "dose":
                    world.start_dispense("dispenser", label, who, float(value), {})
                case "mill":
                    world.start_mill("mixer", label, float(value))
                case "abort":
                    for act in world.acts():
                        if act.station == who:
                            world.abort(who, act.label)
                case _:
                    world.advance(world.now_s + float(value))
        except LabError:
            continue
        for sample in known:
            assert [p for p in PLACES if sample in world.occupants(p)] == [world.place(sample)]
        for station in problem().laboratory.stations:
            assert len(world.occupants(station.name)) <= station.capacity
    world.advance(world.now_s + 1000.0)
    assert all(world.place(s) != "transfer" for s in known)
    in_vials_mg = sum(world.effects.reactor.mass_mg(world.material(s)) for s in sorted(known))
    assert abs(in_vials_mg + sum(world.stock().values()) - stock_mg) < 1e-6
