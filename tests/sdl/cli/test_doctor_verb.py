"""``sdl doctor``: exit codes, one message for wrong input, JSON for programs."""

import json
import sys
from importlib import resources

import pytest

import sdl.cli

TEXT = (resources.files("sdl.chemistry") / "data" / "ba-ti-c-o.yaml").read_text("utf-8")


@pytest.fixture
def run_sdl(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sdl", *map(str, words)])
        return sdl.cli.main(), *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (None, ["mine.yaml", "does not exist"]),
        ("phases: [", ["mine.yaml:1", "YAML"]),
        (TEXT.replace("transition_c: 811", "transition: 811"), [":44", "did you mean"]),
        (TEXT.replace("transition_c: 811", "transition_c: hot"), [":44", "hot"]),
    ],
)
def test_what_is_no_system_file_is_wrong_input(tmp_path, run_sdl, text, parts):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text, "utf-8")
    code, _, message = run_sdl("doctor", "--system", path)
    assert code == 2
    assert len(message.strip().splitlines()) == 1
    for part in parts:
        assert part in message, message


def test_an_unknown_system_names_the_known_ones(run_sdl):
    code, _, message = run_sdl("doctor", "--system", "unobtainium")
    assert code == 2
    assert "unobtainium" in message
    assert "ba-ti-c-o" in message


def test_a_shipped_system_passes_and_lists_its_priors(run_sdl):
    code, shown, _ = run_sdl("doctor", "--system", "ba-ti-c-o")
    assert code == 0
    for words in ("elements balance", "warning", "carbonation/default", "ln k 1.5"):
        assert words in shown


def test_a_failed_check_gives_exit_code_1_and_all_is_in_the_json(tmp_path, run_sdl):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("TiO2: -1, BaTiO3: 2}", "TiO2: -1, BaTiO3: 1}"), "utf-8")
    code, shown, _ = run_sdl("doctor", "--system", path, "--json")
    assert code == 1
    (found,) = json.loads(shown)
    states = {f["check"]: f["state"] for f in found["findings"]}
    assert states["elements balance"] == "failed"
    assert states["structures"] == "warning"
    assert found["figures"]["unsourced"] == len(found["priors"]) == 8
