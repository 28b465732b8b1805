"""Outcomes: groups stay together, a table is known by its cells however it is written."""

from __future__ import annotations

from sdl.core.material import Observation, PhaseAmount
from sdl.core.proposal import Result
from sdl.core.recipe import Anneal, Dose, Mix, Recipe
from sdl.tasks.routes import Route, RouteTable, load_route_table
from surrogates.outcomes import (
    Experiment,
    cell_hash,
    halves,
    of_results,
    of_routes,
    outcomes_hash,
    precursor_group,
    split,
    table_hashes,
)

TABLE = load_route_table()
CELLS = of_routes(TABLE, "YBCO", 0.03)
RECIPE = Recipe(
    steps=(Mix(doses=(Dose(lot="BaCO3-fine", mass_mg=100),)), Anneal(temperature_c=800, dwell_h=4))
)


def test_a_route_table_gives_one_experiment_per_cell_and_twins_share_a_group() -> None:
    table, found = TABLE, CELLS
    assert len(found) == len(table.routes) == 188
    assert len({e.name for e in found}) == 188
    groups = {e.group for e in found}
    assert len(groups) < 47
    assert not any("CuCO3" in group for group in groups)
    cell = found[0]
    assert cell.measured["YBCO"].weight_fraction == table.routes[0].target_wt_pct / 100
    assert set(cell.sources) <= table_hashes(table)


def test_halves_keep_groups_together() -> None:
    found = CELLS
    held = halves(found, "a")
    fitted, rest = split(found, held)
    assert len(fitted) + len(rest) == len(found)
    assert not {e.group for e in fitted} & {e.group for e in rest}
    assert held == halves(found, "a") != halves(found, "b")


def test_a_cell_is_known_however_its_formulas_are_written() -> None:
    assert cell_hash(["Y2(CO3)3", "BaO"], 900) == cell_hash(["BaO", "Y2C3O9"], 900.0)
    assert cell_hash(["BaO"], 900) != cell_hash(["BaO"], 800)
    assert cell_hash(["BaO"], 900) != cell_hash(["BaO2"], 900)


def test_a_part_of_a_table_and_changed_yields_are_still_that_table() -> None:
    whole = TABLE
    route = whole.routes[7]
    part = RouteTable(
        whole.target, (Route(route.precursors, route.temperature_c, 1.0),), "elsewhere.csv"
    )
    assert part.hash != whole.hash
    assert table_hashes(part) & table_hashes(whole)


def test_twins_are_merged_in_any_order() -> None:
    assert precursor_group(["CuCO3", "BaO"]) == precursor_group(["BaO", "CuO"]) == "BaO+CuO"


def result(sample: str, quality: str | None) -> Result:
    amounts = {"BaTiO3": PhaseAmount(weight_fraction=0.9, sigma=0.01)}
    seen = None
    if quality is not None:
        seen = Observation(sample=sample, name="a1", time_s=0.0, phases=amounts, quality=quality)
    return Result(sample=sample, proposal="P1", recipe=RECIPE, observation=seen)


def test_only_good_observations_of_a_campaign_count() -> None:
    results = [result("S1", "good"), result("S2", None), result("S3", "saturated")]
    found = of_results(results, furnace=lambda _: "furnace_2")
    assert [e.name for e in found] == ["S1"]
    assert found[0].furnace == "furnace_2"
    assert of_results(results)[0].furnace == "furnace_1"


def test_the_hash_of_outcomes_ignores_their_order_and_nothing_else() -> None:
    one, two = CELLS[:2]
    assert outcomes_hash([one, two]) == outcomes_hash([two, one])
    other = Experiment.model_validate({**one.model_dump(), "group": "x"})
    assert outcomes_hash([one, two]) != outcomes_hash([other, two])
