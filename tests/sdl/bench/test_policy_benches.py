"""The benches of shipped policies, in sizes that show that they run and how they judge."""

import pytest

from agents.cross_entropy import Search
from agents.learning import targets as trained
from agents.planners import FixedSettings, OracleSettings
from agents.reference import FOLDER, Settings
from sdl.bench import response, targets

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TINY = Settings(
    FixedSettings(
        search=Search(population=8, generations=2, elite=2),
        laboratories=4, finalists=2, final=8, starts=1,
    ),
    OracleSettings(search=Search(population=8, generations=2, elite=2), doublings=2),
    random_draws=2,
    sobol_draws=1,
)  # fmt: skip


def test_the_bench_of_responses_draws_what_it_measures(tmp_path, monkeypatch):
    monkeypatch.setattr(response, "QUICK_LABORATORIES", 4)
    found = response.run(quick=True, plots=tmp_path)
    rows = {row.name: row for row in found.rows}
    gates = {gate.id: gate for gate in found.gates}
    assert rows["srtio3.stops_at_800.dwell"].value > rows["srtio3.stops_at_900.dwell"].value
    assert gates["response.longer_when_colder"].passed
    assert gates["response.steam_where_it_pays"].passed
    assert gates["response.scan_when_wide"].passed
    assert {path.name for path in tmp_path.iterdir()} == {"dwell.html", "steam.html", "scans.html"}


def test_the_bench_of_targets_judges_each_and_what_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(targets, "SMALL", TINY)
    monkeypatch.setattr(targets, "QUICK_LABORATORIES", 3)
    monkeypatch.setattr(targets, "SAMPLES", 2)
    monkeypatch.setattr(trained, "TARGETS", ("mgal2o4",))
    found = targets.run(quick=True, stored=True)
    rows = {row.name: row for row in found.rows}
    gates = {gate.id: gate for gate in found.gates}
    names = {"published", "fixed", "one_policy", "left_out", "left_out_minus_published"}
    assert {f"mgal2o4.{name}.score" for name in names} <= set(rows)
    assert set(gates) == {
        "targets.one_policy.mean", "targets.one_policy.least",
        "targets.left_out.mean", "targets.left_out.above_published",
    }  # fmt: skip
    assert gates["targets.one_policy.mean"].value == rows["mgal2o4.one_policy.score"].value
    assert gates["targets.left_out.above_published"].value == 1.0
