"""A wrong figure in a system file is told with its line."""

from importlib import resources

import pytest

from sdl.chemistry.system import ChemicalSystem
from sdl.core.errors import ConfigError
from sdl.core.yaml import parse

TEXT = (resources.files("sdl.chemistry") / "data" / "ba-ti-c-o.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("{BaO: -1, TiO2: -1, BaTiO3: 1}", "{BaX: -1, TiO2: -1, BaTiO3: 1}", "'BaX'"),
        ("{BaO: -1, TiO2: -1, BaTiO3: 1}", "{BaO: -2, TiO2: -1, BaTiO3: 1}", "does not balance Ba"),
        ("grows_on: BaCO3", "grows_on: witherite", "'witherite'"),
        ("layer: BaO}", "layer: CO2}", "gas"),
        ("molar_mass_g_per_mol: 153.326", "molar_mass_g_per_mol: 155", "153.326"),
        ("hazard_source: ghs", "hazard_source: none", "unknown source"),
    ],
)
def test_error_names_file_line_and_what_is_allowed(right, wrong, told):
    text = TEXT.replace(right, wrong, 1)
    line = next(i for i, row in enumerate(text.splitlines(), 1) if wrong in row)
    with pytest.raises(ConfigError) as caught:
        parse(text, ChemicalSystem, "system.yaml")
    assert f"system.yaml:{line}:" in str(caught.value)
    assert told in str(caught.value)
    assert "allowed" in str(caught.value)
