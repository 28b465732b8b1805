"""``sdl eval``: baselines judged, the table, the figure, wrong input."""

import json
import sys

import pytest

import agents.reference
import sdl.cli
from agents.cross_entropy import Search
from agents.planners import FixedSettings, OracleSettings
from agents.reference import Settings

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TINY = Settings(
    FixedSettings(search=Search(8, 2, 4), laboratories=3, finalists=2, final=4, starts=1),
    OracleSettings(search=Search(8, 2, 4), doublings=1, finalists=1),
    random_draws=2,
    sobol_draws=1,
)


@pytest.fixture
def run_sdl(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(agents.reference, "STANDARD", TINY)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sdl", *map(str, words)])
        code = sdl.cli.main()
        return code, capsys.readouterr()

    return call


def test_eval_prints_scores_and_writes_figure_and_rollouts(run_sdl, tmp_path):
    out = tmp_path / "out"
    code, said = run_sdl("eval", "published", "--laboratories", 4, "--out", out, "--json")
    assert code == 0
    found = json.loads(said.out)
    assert [s["name"] for s in found["scores"]] == ["published", "random", "fixed", "oracle"]
    assert found["scores"][-1]["score"]["value"] == pytest.approx(1.0)
    assert (out / "scores.html").stat().st_size > 1e6
    lines = (out / "rollouts.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("identity,sample,decision,sample.thermocouple")
    assert len(lines) == 1 + 4 * 3
    code, said = run_sdl("eval", "fixed", "--laboratories", 4, "--against", "random")
    assert code == 0
    assert "fixed above random by" in said.out
    words = ("--laboratories", 3, "--samples", 2, "--out", out, "--against", "random")
    code, said = run_sdl("eval", "published", *words)
    assert code == 0
    assert "3 judged laboratories, 2 samples in each" in said.out
    assert "published, sample by sample:" in said.out
    lines = (out / "rollouts.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 3 * 2 * 3


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("eval", "nobody", "--laboratories", 4), "there is no such policy"),
        (("eval", "fixed", "--laboratories", 501), "1 to 500"),
        (("eval", "fixed", "--task", "none"), "no such task"),
        (("bench", "env", "--stored"), "--stored does not belong"),
    ],
)
def test_wrong_input_is_one_message(run_sdl, words, part):
    code, said = run_sdl(*words)
    assert code == 2
    assert part in said.err
    assert "Traceback" not in said.err
