import pytest

from sdl.campaign.labs.table import OTHER, TableLab, duration_s
from sdl.core.command import Command, Effect, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, LabError
from sdl.core.protocols import Lab
from sdl.core.recipe import Anneal, Recipe
from sdl.tasks.routes import load_route_table
from sdl.tasks.task import load_task

TABLE = load_route_table()
POOL = TABLE.recipes()


def command(number: int, recipe: Recipe = POOL[0], time_s: float = 0.0, **changes) -> Command:
    values = {
        "id": f"c{number}",
        "station": "table",
        "verb": Verb.REPLAY,
        "samples": ("S1",),
        "effect": Effect.PURE,
        "args": {"recipe": recipe.model_dump(mode="json")},
        "time_s": time_s,
    }
    return Command.model_validate(values | changes)


def test_replays_the_table_after_the_recipes_nominal_duration():
    lab = TableLab(TABLE)
    assert isinstance(lab, Lab)
    best = max(range(len(POOL)), key=lambda i: TABLE.routes[i].target_wt_pct)
    lab.submit(command(1, POOL[best]))
    due_s = lab.next_event_s()
    assert due_s is not None
    assert due_s == duration_s(POOL[best]) > 12 * 3600
    assert lab.events(due_s - 1.0) == []
    assert lab.advance(due_s) == due_s
    (event,) = lab.events(due_s)
    assert event.ok
    assert event.result["phases"] == {"YBCO": [1.0, 0.005], OTHER: [0.0, 0.005]}
    assert lab.events(due_s) == []
    assert lab.next_event_s() is None


def test_every_cell_of_the_pool_gives_its_own_figure():
    lab = TableLab(TABLE, capacity=1000)
    for i, recipe in enumerate(lab.capabilities().pool):
        lab.submit(command(i, recipe))
    got = {e.command: e.result["phases"]["YBCO"][0] for e in lab.events(1e9)}
    assert got == {f"c{i}": r.target_wt_pct / 100 for i, r in enumerate(TABLE.routes)}


def test_ends_come_by_time_then_number():
    lab = TableLab(TABLE, capacity=12)
    for number in (11, 2, 10):
        lab.submit(command(number, time_s=5.0))
    lab.submit(command(12, time_s=1.0))
    assert [e.command for e in lab.events(1e9)] == ["c12", "c2", "c10", "c11"]


def test_a_command_sent_again_after_a_restart_ends_when_it_would_have_ended():
    first = TableLab(TABLE)
    first.submit(command(3, time_s=100.0))
    again = TableLab(TABLE, start_s=7_000.0, done=["c1", "c2"])
    assert again.inspect(command(3, time_s=100.0)).presence is Presence.ABSENT
    again.submit(command(3, time_s=100.0))
    assert again.inspect(command(3)).presence is Presence.STARTED
    assert again.next_event_s() == first.next_event_s()
    with pytest.raises(LabError, match="sent before"):
        again.submit(command(2))


def test_a_full_station_is_busy_until_an_experiment_ends():
    lab = TableLab(TABLE)
    lab.submit(command(1))
    with pytest.raises(BusyError, match="1 at a time"):
        lab.submit(command(2))
    lab.advance(lab.next_event_s() or 0.0)
    lab.submit(command(2, time_s=1e6))


def test_cancel_ends_a_running_replay_only():
    lab = TableLab(TABLE)
    assert not lab.cancel("c1")
    lab.submit(command(1))
    assert lab.cancel("c1")
    (event,) = lab.events(0.0)
    assert not event.ok
    assert not lab.cancel("c1")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (command(1, Recipe(steps=(Anneal(temperature_c=900, dwell_h=1),))), "no outcome"),
        (command(1, verb=Verb.ANNEAL), "replay recipes only"),
        (command(1, station="furnace_1"), "replay recipes only"),
        (command(1, args={}), "no recipe"),
    ],
)
def test_refuses_what_the_table_does_not_hold(bad, message):
    with pytest.raises(LabError, match=message):
        TableLab(TABLE).submit(bad)


def test_the_laboratory_of_a_task():
    lab = TableLab.create(load_task("ybco-routes"))
    assert len(lab.capabilities().pool) == 188
    other = load_task("ybco-routes").model_copy(
        update={"target": TABLE.task().target.model_copy(update={"phase": "BaTiO3"})}
    )
    with pytest.raises(ConfigError, match="BaTiO3"):
        TableLab.create(other)
