import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdl.core.errors import ConfigError
from sdl.tasks.formula import ATOMIC_WEIGHT, molar_mass_g_per_mol, parse_formula
from sdl.tasks.routes import load_route_table
from sdl.tasks.task import load_task, task_names

HEAD = "target,precursor_set,temperature_c,target_wt_pct\n"
DATA = Path(os.environ.get("SDL_DATA", "../shared/data")) / "ybco_routes/yields.csv"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "routes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_formulas():
    assert parse_formula("Ba2(CuO2)3") == {"Ba": 2.0, "Cu": 3.0, "O": 6.0}
    assert parse_formula("YBa2Cu3O6.5")["O"] == 6.5
    assert molar_mass_g_per_mol(parse_formula("BaCO3")) == pytest.approx(197.34, abs=0.01)
    for bad in ("", "Xx2", "Ba(O", "Ba)O", "ba", "Ba-O", "()"):
        with pytest.raises(ConfigError):
            parse_formula(bad)


@given(st.dictionaries(st.sampled_from(sorted(ATOMIC_WEIGHT)), st.integers(1, 99), min_size=1))
def test_formulas_read_back(atoms):
    formula = "".join(f"{e}{n}" for e, n in atoms.items())
    assert parse_formula(formula) == atoms
    doubled = parse_formula(f"({formula})2")
    assert molar_mass_g_per_mol(doubled) == pytest.approx(2 * molar_mass_g_per_mol(atoms))


def test_shipped_table_is_what_the_source_says():
    table = load_route_table()
    assert len(table.routes) == 188
    assert len({r.precursors for r in table.routes}) == 47
    assert {table.routes[i].temperature_c for i in table.winners()} == {900.0}
    assert len(table.winners()) == 10
    groups = table.groups()
    assert len({groups[i] for i in table.winners()}) == 8
    hot = [r.target_wt_pct for r in table.routes if r.temperature_c == 900]
    assert sum(hot) / 47 == pytest.approx(63.5, abs=0.1)


@pytest.mark.skipif(not DATA.is_file(), reason="SDL_DATA holds no ybco_routes")
def test_shipped_table_agrees_with_the_raw_one():
    with DATA.open(encoding="utf-8") as file:
        raw = {
            (
                tuple(sorted(p.strip() for p in r["precursor_set"].split(","))),
                r["temperature_c"],
            ): float(r["target_wt_pct"])
            for r in csv.DictReader(file)
            if float(r["temperature_c"]) <= 900
        }
    table = load_route_table()
    ours = {(r.precursors, f"{r.temperature_c:g}"): r.target_wt_pct for r in table.routes}
    assert ours == raw
    assert [r.target_wt_pct for r in load_route_table(DATA).routes] == [
        r.target_wt_pct for r in table.routes
    ]


def test_every_recipe_weighs_in_the_cations_of_the_target():
    table = load_route_table()
    shelf = {lot.name: lot for lot in table.task().laboratory.shelf}
    for recipe in table.recipes():
        total: dict[str, float] = {}
        for dose in recipe.doses():
            lot = shelf[dose.lot]
            for element, count in parse_formula(lot.phase).items():
                moles = dose.mass_mg / lot.molar_mass_g_per_mol * count
                total[element] = total.get(element, 0.0) + moles
        assert total["Ba"] / total["Y"] == pytest.approx(2.0, rel=0.01)
        assert total["Cu"] / total["Y"] == pytest.approx(3.0, rel=0.01)


def test_the_task_carries_the_pool_and_its_hash_the_table(tmp_path):
    assert "ybco-routes" in task_names()
    table = load_route_table()
    task = table.task()
    assert task.laboratory.pool == table.recipes()
    assert task.laboratory.shelf == load_task("ybco-routes").laboratory.shelf
    rows = '"BaCO3, TiO2",900,40\n'
    a, b = (
        load_route_table(write(tmp_path, HEAD.replace("target,", "", 1) + row), "BaTiO3")
        for row in (rows, rows.replace("40", "41"))
    )
    assert a.task() == b.task()
    assert a.hash != b.hash


def test_amounts_balance_where_the_table_gives_none(tmp_path):
    text = HEAD + 'BaTiO3,"TiO2,  BaCO3",900,40\nX,"TiO2, BaCO3",900,50\n'
    (route,) = load_route_table(write(tmp_path, text), "BaTiO3").routes
    assert route.precursors == ("BaCO3", "TiO2")
    (recipe,) = load_route_table(write(tmp_path, text), "BaTiO3").recipes()
    masses = {d.lot: d.mass_mg for d in recipe.doses()}
    assert masses["BaCO3"] / masses["TiO2"] == pytest.approx(197.34 / 79.87, rel=1e-3)
    (named,) = load_route_table(write(tmp_path, text), "X").recipes()
    assert sum(d.mass_mg for d in named.doses()) == pytest.approx(1000, abs=0.2)


@pytest.mark.parametrize(
    ("row", "line", "words"),
    [
        ('YBCO,"BaO, CuO",900,high', 3, "target_wt_pct"),
        ('YBCO,"BaO, CuO",900,nan', 3, "target_wt_pct"),
        ('YBCO,"BaO, CuO",900,101', 3, "0 to 100"),
        ('YBCO,"BaO, CuO",-400,50', 3, "temperature_c"),
        ('YBCO,"BaO, Qq",900,50', 3, "formula"),
        ('YBCO,"BaO, BaO",900,50', 3, "set of precursors"),
        ("YBCO,BaO,CuO,900,50", 3, "number of fields"),
        ('YBCO,"CuO, BaO",900.0,60\nYBCO,"BaO, CuO",900,60', 4, "twice"),
    ],
)
def test_bad_rows_are_named_by_file_and_line(tmp_path, row, line, words):
    path = write(tmp_path, f"# a comment\n{HEAD}{row}\n")
    with pytest.raises(ConfigError, match=words) as caught:
        load_route_table(path)
    assert caught.value.where == f"{path}:{line}"


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_route_table(tmp_path / "absent.csv")
    with pytest.raises(ConfigError, match="empty"):
        load_route_table(write(tmp_path, "# nothing\n"))
    with pytest.raises(ConfigError, match="lacks the column"):
        load_route_table(write(tmp_path, "target,yield\n"))
    with pytest.raises(ConfigError, match="no row"):
        load_route_table(write(tmp_path, HEAD + "A,BaO,900,5\n"), "B")
