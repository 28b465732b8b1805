"""Structures beside a system: present, up to date, as dense and made of what the system says."""

import shutil
from importlib import resources
from pathlib import Path

import pytest

from sdl.analysis.beside import read_beside
from sdl.analysis.doctor import examine_structures
from sdl.analysis.references import load_references
from sdl.chemistry.doctor.reading import read_draft, system_path
from sdl.chemistry.system import system_names
from sdl.core.errors import ConfigError

DATA = Path(str(resources.files("sdl.chemistry") / "data"))
NAME = "ba-ti-c-o"


@pytest.fixture
def copied(tmp_path):
    for path in DATA.glob(f"{NAME}.*"):
        shutil.copy(path, tmp_path)
    return tmp_path / f"{NAME}.yaml"


def changed(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def findings(path):
    return {f.check: f for f in examine_structures(read_draft(str(path)))}


@pytest.mark.parametrize("name", system_names())
def test_shipped_systems_fail_no_check(name):
    assert [f for f in examine_structures(read_draft(name)) if f.state == "failed"] == []


def test_a_sound_copy_passes(copied):
    assert {f.state for f in findings(copied).values()} <= {"ok", "warning"}


def test_a_system_of_ones_own_needs_no_structures(copied):
    for path in copied.parent.glob(f"{NAME}.s*"):
        path.unlink()
    found = findings(copied)
    assert found["structures"].state == "warning"
    assert found["densities agree"].state == "skipped"


def test_a_wrong_molar_volume_is_found(copied):
    changed(copied, "molar_volume_cm3_per_mol: 18.8", "molar_volume_cm3_per_mol: 20.8")
    found = findings(copied)["densities agree"]
    assert found.state == "failed"
    assert "TiO2" in found.details[0]


def test_structures_newer_than_the_sticks_are_found(copied):
    changed(copied.with_name(f"{NAME}.structures.yaml"), "{a: 5.539}", "{a: 5.54}")
    assert "out of date" in " ".join(findings(copied)["structures"].details)


def test_a_missing_structure_of_a_reacting_phase_fails(copied):
    changed(copied.with_name(f"{NAME}.structures.yaml"), "- name: BaO\n", "- name: Barium\n")
    found = findings(copied)["structures"]
    assert found.state == "failed"
    assert "BaO has no structure" in found.details


def test_another_composition_warns(copied):
    sites = "- {element: O, x: 0.5, y: 0.5, z: 0.5}"
    changed(copied.with_name(f"{NAME}.structures.yaml"), sites, sites.replace(": O", ": Ti"))
    assert "BaO: the structure is of Ba, Ti" in findings(copied)["compositions agree"].details


def test_another_formula_warns(copied):
    # Peroxide under the name of the oxide: other absorption, and no whole number of units.
    changed(copied, "composition: {Ba: 1, O: 1}", "composition: {Ba: 1, O: 2}")
    details = " ".join(findings(copied)["compositions agree"].details)
    assert "BaO: the structure absorbs +" in details


def test_references_beside_a_shipped_system_are_the_default_set():
    beside = read_beside(system_path(NAME)[0]).references()
    assert beside == load_references(NAME)


def test_damaged_sticks_are_named(copied):
    sticks = copied.with_name(f"{NAME}.sticks.json")
    sticks.write_text("{}", "utf-8")
    with pytest.raises(ConfigError, match="no stick patterns"):
        read_beside(copied)
    assert findings(copied)["structures"].state == "failed"
