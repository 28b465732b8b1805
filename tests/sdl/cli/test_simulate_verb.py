"""``sdl simulate``: the page, the table, JSON, and one message for what is wrong."""

import csv
import json
import sys
from importlib import resources

import numpy as np
import pytest

import sdl
import sdl.cli

TEMPLATES = resources.files("sdl.templates")
SHORT = """\
name: short
system: ba-ti-c-o
steps:
  - kind: mix
    doses: [{phase: BaCO3, amount_mmol: 5}, {phase: TiO2, amount_mmol: 5}]
  - {kind: anneal, temperature_c: 850, dwell_h: 1, ramp_c_per_min: 20}
"""


@pytest.fixture
def run_sdl(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sdl", *map(str, words)])
        return sdl.cli.main(), *capsys.readouterr()

    return call


def written(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text, "utf-8")
    return path


def test_page_and_table_are_written_and_the_course_is_shown(tmp_path, run_sdl):
    out = tmp_path / "out"
    code, shown, _ = run_sdl("simulate", written(tmp_path, SHORT), "--out", out)
    assert code == 0
    for words in ("nominal laboratory", "850 °C reached in air", "at the end: BaTiO3", "measured"):
        assert words in shown, shown
    page = (out / "simulation.html").read_text("utf-8")
    assert "figure-0" in page
    assert "figure-1" in page
    assert "src=" not in page.replace("data-src=", "")[: page.index("<script>")]
    with (out / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shares = [sum(float(v) for k, v in row.items() if k.endswith("_wt_pct")) for row in rows]
    np.testing.assert_allclose(shares, 100.0, atol=1e-3)
    assert rows[-1]["event"] == "scan 8 min"


def test_json_holds_history_and_scan_and_repeats_exactly(tmp_path, run_sdl):
    file = written(tmp_path, SHORT)
    words = ("simulate", file, "--out", tmp_path / "out", "--json", "--lab")
    code, shown, _ = run_sdl(*words, "7")
    found = json.loads(shown)
    assert code == 0
    assert found["laboratory"] == "7"
    assert sum(found["final"].values()) == pytest.approx(1.0)
    lengths = {len(v) for v in found["history"]["weight_fraction"].values()}
    assert lengths == {len(found["history"]["time_h"])}
    assert found["scans"][0]["phases"]["BaTiO3"]["sigma"] > 0.0
    assert json.loads(run_sdl(*words, "seed 7")[1]) == found
    assert json.loads(run_sdl(*words, "8")[1])["final"] != found["final"]


@pytest.mark.parametrize("name", ["batio3-air", "batio3-two-firings"])
def test_the_example_recipes_make_the_titanate(name):
    with resources.as_file(TEMPLATES / f"{name}.yaml") as path:
        result = sdl.simulate(path)
    assert result.purity("BaTiO3") > 0.9
    assert result.final["BaTiO3"] == result.purity("BaTiO3")
    scan = result.scans[-1]
    amount = scan.fit.phases["BaTiO3"]
    assert amount.weight_fraction == pytest.approx(scan.truth["BaTiO3"], abs=0.05)
    with pytest.raises(AttributeError):
        result.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_system_of_ones_own_has_no_pattern(tmp_path):
    text = (resources.files("sdl.chemistry") / "data" / "ba-ti-c-o.yaml").read_text("utf-8")
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    result = sdl.simulate(written(tmp_path, SHORT), system=str(tmp_path / "mine.yaml"))
    assert result.scans == ()
    assert "No patterns" in " ".join(result.notes)


@pytest.mark.parametrize(
    ("text", "options", "parts"),
    [
        (None, (), ["recipe.yaml", "does not exist"]),
        (SHORT.replace("phase: TiO2", "phase: TiX"), (), ["recipe.yaml:5", "TiX", "BaTiO3"]),
        (SHORT.replace("850", "850 kg"), (), ["recipe.yaml:6", "850 kg", "degC"]),
        (SHORT, ("--lab", "mine"), ["--lab mine", "nominal"]),
        (SHORT, ("--lab", "99999999"), ["99999999", "999999"]),
        (SHORT, ("--system", "unobtainium"), ["unobtainium", "ba-ti-c-o"]),
        (SHORT, ("--system", "gone.yaml"), ["gone.yaml", "does not exist"]),
    ],
)
def test_wrong_input_is_one_message_and_leaves_nothing(tmp_path, run_sdl, text, options, parts):
    path = tmp_path / "recipe.yaml" if text is None else written(tmp_path, text)
    code, shown, message = run_sdl("simulate", path, "--out", tmp_path / "out", *options)
    assert (code, shown) == (2, "")
    assert len(message.strip().splitlines()) == 1
    for part in parts:
        assert part in message, message
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_wrong_input(tmp_path, run_sdl):
    (tmp_path / "out").write_text("a file", "utf-8")
    file = written(tmp_path, SHORT)
    code, _, message = run_sdl("simulate", file, "--out", tmp_path / "out")
    assert code == 2
    assert "--out" in message


def test_the_schema_of_the_file_is_printed(run_sdl):
    code, shown, _ = run_sdl("schema", "simulation")
    assert code == 0
    assert "amount_mmol" in shown
