"""``sdl export`` and ``sdl eval --logs``: data sets written, policies told, wrong input."""

import json
import sys

import pytest

import sdl.cli
from agents.offline import judgement
from agents.offline.judgement import Judging
from agents.offline.minari_files import read_minari
from sdl.campaign.config import CampaignConfig
from sdl.campaign.opening import begin
from sdl.campaign.places import url_for
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(600)  # the first run compiles

SHIPPED = "agents/policies/batio3-coarse/seed-0.safetensors"
TINY = Judging(folds=2, first=5, rounds=1, updates=3, draws=1, resamples=20)


@pytest.fixture
def run_sdl(monkeypatch, capsys, root):
    monkeypatch.chdir(root)
    monkeypatch.setattr(judgement, "Judging", lambda: TINY)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sdl", *map(str, words)])
        code = sdl.cli.main()
        return code, capsys.readouterr()

    return call


def test_simulations_are_exported_and_a_policy_is_told_from_them(run_sdl, tmp_path):
    data = tmp_path / "logs"
    words = ("--episodes", 40, "--epsilon", 0.5, "--out", data)
    code, said = run_sdl("export", SHIPPED, *words)
    assert code == 0
    assert "40 episodes" in said.out
    assert "with the probabilities" in said.out
    assert read_minari(data).count == 40
    code, said = run_sdl("eval", SHIPPED, "--logs", data, "--json")
    assert code == 0
    told = json.loads(said.out)
    assert told["low"] < told["value"] < told["high"]
    assert told["choices"] == "most probable"
    code, said = run_sdl("eval", "random", "--logs", data, "--drawn")
    assert code == 0
    assert "random (drawn choices): return" in said.out
    code, said = run_sdl("export", SHIPPED, *words)
    check(code, said.err, "already", "--out")


def test_campaigns_and_published_recipes_are_exported_without_probabilities(run_sdl, tmp_path):
    task = load_task("batio3-coarse")
    words = {"name": "t", "task": task.name, "lab": "fast", "policy": "random"}
    config = CampaignConfig.model_validate({**words, "budget": {"experiments": 2}})
    campaign = begin(config, task, url_for(tmp_path / "campaign.db"))
    campaign.run()
    campaign.close()
    code, said = run_sdl("export", tmp_path, "--out", tmp_path / "logs", "--json")
    assert code == 0
    found = json.loads(said.out)
    assert found["episodes"] + len(found["left_out"]) == 2
    assert not found["probabilities"]
    code, said = run_sdl("eval", SHIPPED, "--logs", tmp_path / "logs")
    check(code, said.err, "how probable", "sdl export POLICY")
    out = tmp_path / "published"
    code, said = run_sdl("export", "published", "--episodes", 6, "--out", out, "--json")
    assert code == 0
    assert json.loads(said.out)["mean_return"] == 0.0


def check(code, message, *parts):
    assert code == 2
    assert len(message.strip().splitlines()) == 1
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("export", "nowhere", "--out", "new"), ["nothing to export", "nowhere", "random"]),
        (("export", "gone.safetensors", "--out", "new"), ["nothing to export", "gone.safetensors"]),
        (("export", "random", "--out", "new", "--split", "judge"), ["judge", "train, tune"]),
        (("export", "random", "--out", "new", "--episodes", "0"), ["episodes", "1 to"]),
        (("export", "random", "--out", "new", "--task", "nothing"), ["nothing", "batio3-coarse"]),
        (("eval", "random", "--logs", "nowhere"), ["no Minari data set", "nowhere"]),
        (("eval", "random", "--drawn"), ["--drawn", "--logs"]),
    ],
)
def test_wrong_input_is_one_line(run_sdl, words, parts):
    code, said = run_sdl(*words)
    check(code, said.err, *parts)
