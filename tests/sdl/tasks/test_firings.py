"""The table of first firings agrees with the data set it was counted from."""

from importlib import resources

import pytest

from sdl.chemistry.system import load_system
from sdl.core.errors import ConfigError
from sdl.tasks.firings import FILE, READINGS, load_first_firings
from sdl.tasks.mined import count_first_firings, read_reactions, to_csv


def test_names_are_those_of_the_systems():
    for reading in READINGS:
        for row in load_first_firings(reading):
            solids = {p.name for p in load_system(row.system).solids}
            assert {row.target, *row.precursors} <= solids
            assert row.recipes >= row.n


def test_an_unknown_reading_is_refused():
    with pytest.raises(ConfigError, match="no such reading"):
        load_first_firings("some")


def test_a_recipe_counts_with_its_first_hot_step():
    step = {"type": "HeatingOperation"}
    cold = {"heating_temperature": [{"values": [120.0]}], "heating_time": []}
    hot = {
        "heating_temperature": [{"values": [800.0, 900.0]}],
        "heating_time": [{"values": [6.0]}],
        "heating_atmosphere": ["O2"],
    }
    reaction = {
        "target": {"composition": [{"elements": {"Mg": "1", "Al": "2", "O": "4"}}]},
        "precursors": [{"material_formula": "MgO"}, {"material_formula": "Al2O3"}],
        "operations": [{**step, "conditions": cold}, {**step, "conditions": hot}],
    }
    rows = count_first_firings([reaction] * 15)
    assert {(r.target, r.reading, r.n, r.median_c, r.dwell_h) for r in rows} == {
        ("MgAl2O4", "inside", 15, 850.0, 6.0),
        ("MgAl2O4", "all", 15, 850.0, 6.0),
    }
    assert rows[0].gas == "oxygen"
    assert rows[0].precursors == ("Al2O3", "MgO")


def test_the_shipped_table_is_what_the_data_set_says(data_dir):
    shipped = (resources.files("sdl.tasks") / "data" / FILE).read_text(encoding="utf-8")
    assert to_csv(count_first_firings(read_reactions(data_dir))) == shipped
