import gzip
import json
import os
from pathlib import Path

import pytest

from sdl.chemistry.system import ChemicalSystem, load_system
from sdl.core.errors import ChemistryError, ConfigError


def test_batio3_system_loads_and_balances():
    system = load_system("ba-ti-c-o")
    assert {p.name for p in system.solids} >= {"BaCO3", "BaO", "TiO2", "BaTiO3", "Ba2TiO4", "TiC"}
    assert system.range_k() == (300.0, 1600.0)
    assert system.phase("BaCO3").melting_c is None
    assert system.phase("BaCO3").transition_c == 811


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="ba-ti-c-o"):
        load_system("unobtainium")
    with pytest.raises(ChemistryError, match="no such phase"):
        load_system("ba-ti-c-o").phase("NaCl")


def test_nothing_is_extrapolated():
    with pytest.raises(ChemistryError, match="outside its table"):
        load_system("ba-ti-c-o").phase("BaCO3").gibbs.kj_per_mol(1601.0)
    with pytest.raises(ChemistryError, match="outside its table"):
        load_system("ba-ti-c-o").phase("BaCO3").gibbs.kj_per_mol(float("nan"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d["reactions"][0]["equation"].update(BaTiO3=2), "does not balance"),
        (lambda d: d["phases"][0]["composition"].update(O=2), "by its composition"),
        (lambda d: d["phases"][0].update(source="hearsay"), "unknown source"),
        (lambda d: d["phases"][0].update(molar_mass_g_per_mol=float("nan")), "finite"),
        (lambda d: d["reactions"][0].update(core="BaO"), "does not consume"),
    ],
)
def test_inconsistent_data_is_refused(edit, message):
    data = load_system("ba-ti-c-o").model_dump(mode="json")
    edit(data)
    with pytest.raises(ValueError, match=message):
        ChemicalSystem.model_validate(data)


def test_shipped_energies_are_those_of_the_source():
    file = Path(os.environ.get("SDL_DATA", "../shared/data")) / "thermochemistry"
    if not file.is_dir():
        pytest.skip("SDL_DATA does not point at the measured data")
    freed = json.loads(gzip.decompress((file / "freed_compounds.json.gz").read_bytes()))
    for phase in load_system("ba-ti-c-o").phases:
        if phase.source != "freed":
            continue
        for i, value in enumerate(phase.gibbs.ev_per_formula):
            assert value == pytest.approx(freed[phase.name][str(300 + 100 * i)], abs=1e-5)
