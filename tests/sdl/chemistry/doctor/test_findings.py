"""Every check finds what it is for, on copies of a shipped file with one thing broken."""

from importlib import resources

import pytest

from sdl.chemistry.doctor.energies import breaks
from sdl.chemistry.doctor.examine import examine
from sdl.chemistry.doctor.reading import open_system, read_draft
from sdl.chemistry.doctor.sources import basis_of, priors
from sdl.chemistry.system import system_names
from sdl.chemistry.thermo import Source
from sdl.core.errors import ConfigError

TEXT = (resources.files("sdl.chemistry") / "data" / "ba-ti-c-o.yaml").read_text("utf-8")
LOOP = """\
  - name: reduction
    equation: {TiO2: -2, CO: -1, Ti2O3: 1, CO2: 1}
    core: TiO2
    reference_um: 1
    kinetics:
      default: &figures
        k_per_s: 1.0e-5
        reference_c: 900
        activation_kj_per_mol: 200
        activation_width_kj_per_mol: 40
        ln_k_width: 1
        range_c: [600, 1200]
        law: jander
        source: unsourced
  - name: oxidation
    equation: {Ti2O3: -1, O2: -0.5, TiO2: 2}
    core: Ti2O3
    reference_um: 1
    kinetics: {default: *figures}
"""
"""Carbon monoxide burns over titania: every step driven, the solids as before."""


def findings(tmp_path, *changes, more=""):
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "ba-ti-c-o.yaml"
    path.write_text(text + more, encoding="utf-8")
    return {finding.check: finding for finding in examine(read_draft(str(path)))}


@pytest.mark.parametrize("name", system_names())
def test_shipped_systems_fail_no_check(name):
    failed = [f for f in examine(read_draft(name)) if f.state in ("failed", "skipped")]
    assert failed == []


@pytest.mark.parametrize(
    ("old", "new", "check", "words"),
    [
        ("TiO2: -1, BaTiO3: 2}", "TiO2: -1, BaTiO3: 1}", "elements balance", "orthotitanate"),
        ("BaO: -1, TiO2: -1", "BaX: -1, TiO2: -1", "elements balance", "no phase BaX"),
        (
            "gibbs: {start_k: 300, step_k: 100, ev_per_formula: [-16.29261",
            "gibbs: {from: {BaO: 1, TiO2: 2}, a_kj_per_mol: -160}\n"
            "    #: {start_k: 300, step_k: 100, ev_per_formula: [-16.29261",
            "elements balance",
            "free energy of BaTiO3 as a sum: O -2, Ti -1",
        ),
        ("-14.79341", "-14.89341", "free energies are smooth", "BaTiO3: the value at 800 K"),
        ("-13.89077, -13.58318", "-13.89077, -12.0", "free energies are smooth", "BaTiO3"),
        ("CO2: 4.0e-4, O2: 0.05", "O2: 0.05", "gases give pressures", "steam gives no pressure"),
        ("range_c: [800, 1200], source: unsourced", "range_c: [800, 1200], source: hearsay",
         "sources are named", "'hearsay'"),
        ("grows_on: BaCO3", "grows_on: witherite", "the file agrees with itself", ".yaml:"),
    ],
)  # fmt: skip
def test_a_broken_copy_fails_its_check(tmp_path, old, new, check, words):
    found = findings(tmp_path, (old, new))
    assert found[check].state == "failed"
    assert words in " ".join(found[check].details)
    if found["the file agrees with itself"].state == "failed":
        assert found["no cycle gains energy"].state == "skipped"


def test_an_unbroken_copy_fails_nothing(tmp_path):
    assert all(f.state in ("ok", "warning") for f in findings(tmp_path).values())


def test_gases_out_of_equilibrium_make_a_driven_loop(tmp_path):
    none = "CO: 1.0e-20, CO2"
    changes = (
        ("CO2: 4.0e-4, O2: 0.21", "CO: 1.0, CO2: 4.0e-4, O2: 0.21"),
        ("{CO2: 4.0e-4, O2: 0.05", f"{{{none}: 4.0e-4, O2: 0.05"),
        ("{CO2: 1.0e-6,", f"{{{none}: 1.0e-6,"),
        ("{CO2: 1.0,", f"{{{none}: 1.0,"),
    )
    found = findings(tmp_path, *changes, more=LOOP)
    loop = found["no loop is driven all round"]
    assert loop.state == "failed"
    assert [d for d in loop.details if "reduction + oxidation" in d and d.startswith("air")]
    assert found["no cycle gains energy"].state == "ok"


def test_a_sum_that_balances_is_held_to_its_line(tmp_path):
    old = "gibbs: {start_k: 300, step_k: 100, ev_per_formula: [-16.29261"
    new = "gibbs: {from: {BaO: 1, TiO2: 1}, a_kj_per_mol: -160}\n    #: ["
    found = findings(tmp_path, (old, new))
    assert found["elements balance"].state == "ok"
    assert "1 sums of free energies" in found["elements balance"].words
    assert found["no cycle gains energy"].state == "ok"


def test_jumps_outside_what_reacts_only_warn():
    system = open_system("ba-ti-c-o")
    (jump,) = breaks(system.phase("TiO"))
    assert (jump.kind, jump.temperature_k) == ("jump", 1250.0)
    assert list(breaks(system.phase("TiO2"))) == []


def test_priors_come_with_their_widths():
    every = {prior.name: prior for prior in priors(open_system("ba-ti-c-o"))}
    assert every["decarbonation/default"].width == "ln k 1.5, 40 kJ/mol"
    assert "carbonate_titania/default" not in every


@pytest.mark.parametrize(
    ("key", "text", "basis"),
    [
        ("freed", "FREED, extraction of US Bureau of Mines data", "measured"),
        ("recalled", "textbook lattice constants, recalled", "recalled"),
        ("mp", "Materials Project, PBE", "computed"),
        ("unsourced", "no measurement found: our prior", "unsourced"),
        ("ours", "an estimate by similar oxides", "estimated"),
    ],
)
def test_a_source_says_what_it_is(key, text, basis):
    assert basis_of(Source(key=key, text=text)) == basis


def test_no_file_is_wrong_input(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        read_draft(str(tmp_path / "gone.yaml"))
    with pytest.raises(ConfigError, match="no such chemical system"):
        read_draft("unobtainium")
