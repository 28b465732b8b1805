"""The physics bench tells what the gates find."""

import json
import math

import pytest

from sdl.bench import physics
from sdl.bench.physics import Found, Section, run, skipped
from sdl.core.errors import ConfigError
from simulators.gates import Figure


def test_a_system_runs_the_gates_that_concern_it(tmp_path, monkeypatch):
    monkeypatch.setattr(physics, "QUICK_RECIPES", 6)
    monkeypatch.setattr(physics, "QUICK_ANNEALS", 2)
    report = run(quick=True, system="mg-al-o", plots=tmp_path / "plots")
    assert {g.id.split(".")[0] for g in report.gates if g.verdict != "SKIP"} == {"V1"}
    assert {r.name.split(".")[0] for r in report.rows} == {"V1", "V8"}
    assert [g.id for g in report.gates if g.verdict == "FAIL"] == []
    written = {p.name for p in (tmp_path / "plots").iterdir()}
    assert written == {"V1.html", "V8-all.html", "V8-inside.html", "plotly.min.js"}
    json.loads(report.to_json())


def test_laws_and_curve_come_with_their_plots(tmp_path, monkeypatch):
    kept = tuple(s for s in physics.SECTIONS if s.name in ("V2", "V3", "V4"))
    monkeypatch.setattr(physics, "SECTIONS", kept)
    report = run(quick=True, plots=tmp_path)
    assert {g.id.split(".")[0] for g in report.gates} == {"V2", "V3", "V4"}
    assert [g.id for g in report.gates if not g.passed] == []
    assert {p.stem for p in tmp_path.glob("*.html")} == {"V2", "V3", "V4"}


def test_the_recipe_prior_holds_and_names_what_fails(monkeypatch):
    kept = tuple(s for s in physics.SECTIONS if s.name == "V8")
    monkeypatch.setattr(physics, "SECTIONS", kept)
    (gate,) = run(quick=True).gates
    assert gate.passed
    assert "outside: " in gate.target


def test_a_gate_without_its_data_is_skipped_and_never_passes(monkeypatch, tmp_path):
    monkeypatch.setenv("SDL_DATA", str(tmp_path))
    kept = tuple(s for s in physics.SECTIONS if s.name == "V9")
    monkeypatch.setattr(physics, "SECTIONS", kept)
    report = run(quick=True, system="mg-al-o")
    (gate,) = report.gates
    assert not gate.passed
    assert gate.verdict == "SKIP"
    assert str(tmp_path) in gate.target
    assert "SKIP  V9.skipped" in report.to_text()


def test_a_gate_of_a_module_that_is_not_there_is_skipped():
    found = physics._elsewhere("V5", "surrogates.no_such_gate", "gate_v5")(True, None)
    assert found == skipped("V5", "surrogates.no_such_gate is not part of this version")


def test_reported_figures_are_rows_and_no_gates(monkeypatch):
    figures = (
        Figure("V8", "one", 1.0, "reported", True, "degC"),
        Figure("V8", "two", math.nan, "none", True, note="a note"),
    )
    section = Section("V8", None, lambda quick, system: Found(figures))
    monkeypatch.setattr(physics, "SECTIONS", (section,))
    report = run()
    assert [(r.name, r.value, r.unit) for r in report.rows] == [("V8.one", 1.0, "degC")]
    assert [(g.id, g.target, g.value) for g in report.gates] == [("V8.two", "none; a note", 1.0)]


def test_an_unknown_system_is_refused():
    with pytest.raises(ConfigError, match="no such chemical system"):
        run(system="pb-o")
