import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from agents.pool_baselines import POOL_POLICIES, HottestNoCarbonate, RandomPool
from sdl.bench.routes import campaign_counts, expectation, replay, run
from sdl.tasks.routes import load_route_table

TABLE = load_route_table()


def test_expectation_agrees_with_drawing():
    first, last, sd = expectation(188, 10)
    assert first == pytest.approx(17.2, abs=0.02)
    assert last == pytest.approx(171.8, abs=0.02)
    rng = np.random.default_rng(3)
    places = np.array([np.sort(rng.choice(188, 10, replace=False)) + 1 for _ in range(4000)])
    assert places[:, 0].mean() == pytest.approx(first, abs=4 * sd / 4000**0.5)
    assert places[:, -1].mean() == pytest.approx(last, abs=4 * sd / 4000**0.5)
    assert places[:, 0].std() == pytest.approx(sd, rel=0.1)


@pytest.mark.parametrize("in_flight", [1, 4])
def test_the_loop_makes_every_winner_and_no_cell_twice(in_flight):
    order = replay(TABLE, HottestNoCarbonate(), seed=1, in_flight=in_flight)
    assert len(set(order)) == len(order)
    assert set(order) >= TABLE.winners()
    assert order[-1] in TABLE.winners()
    assert order == replay(TABLE, HottestNoCarbonate(), seed=1, in_flight=in_flight)
    assert order != replay(TABLE, HottestNoCarbonate(), seed=2, in_flight=in_flight)


def test_twins_count_once():
    counts = campaign_counts(TABLE, HottestNoCarbonate, 1)
    assert counts.first_merged <= counts.first <= counts.all
    assert counts.all_merged <= counts.all - 2


def test_report_on_a_small_table_of_the_users(tmp_path):
    rows = [
        f'"BaCO3, TiO2, Ba{i}TiO{i + 2}",{t},{min(20 * i, 100) if t > 850 else 0}'
        for i in range(1, 7)
        for t in (800, 900)
    ]
    path = tmp_path / "mine.csv"
    path.write_text("precursor_set,temperature_c,target_wt_pct\n" + "\n".join(rows))
    makers = {name: POOL_POLICIES[name] for name in ("random", "default")}
    with ThreadPoolExecutor(1) as executor:
        report = run(3, table=path, target="BaTiO3", policies=makers, executor=executor)
    data = json.loads(report.to_json())
    names = [row["name"] for row in data["rows"]]
    assert names[:4] == ["random.first", "random.all", "random.first_merged", "random.all_merged"]
    assert {"default.first", "default.all", "random.first_mean"} <= set(names)
    assert all(row["n"] == 3 for row in data["rows"] if row["unit"] == "experiments")
    assert report.row("twin.data_files").value == 0
    assert [g["id"] for g in data["gates"]] == ["routes.random_first", "routes.random_all"]


def test_gates_of_the_shipped_table():
    makers = {"random": RandomPool, "default": POOL_POLICIES["hottest"]}
    with ThreadPoolExecutor(1) as executor:
        report = run(2, policies=makers, executor=executor)
    gates = {g.id: g for g in report.gates}
    assert list(gates) == ["routes.first", "routes.all", "routes.random_first", "routes.random_all"]
    assert gates["routes.all"].target == "<= 50"
    assert gates["routes.all"].value == report.row("default.all").value
    assert gates["routes.all"].passed
    assert report.task == TABLE.hash
