"""``sdl train``: the runs of a file, their summary and curve, and one message for what is wrong."""

import json
import sys

import pytest

import sdl
import sdl.cli
from agents.learning import train as training
from toy_batches import ToyBatch

FILE = """\
name: toy
steps: 720
rows: 30
checkpoints: 3
seeds: [3, 4, 5]
workers: 1
evaluation_episodes: 12
net: {hidden: [16]}
ppo: {n_steps: 8, batch_size: 120}
"""


@pytest.fixture
def run_sdl(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sdl", *map(str, words)])
        return sdl.cli.main(), *capsys.readouterr()

    return call


@pytest.fixture
def file(monkeypatch, tmp_path):
    def make(config, *, seed, rows=None, split=None, variants=False):
        return ToyBatch(rows or config.rows, seed=seed)

    monkeypatch.setattr(training, "make_rows", make)
    path = tmp_path / "train.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_runs_leave_a_summary_a_curve_and_a_policy_for_each_seed(file, run_sdl, tmp_path):
    out = tmp_path / "out"
    code, shown, _ = run_sdl("train", file, "--seeds", 2, "--out", out)
    assert code == 0
    assert "seed 0: return" in shown
    assert "interquartile mean" in shown
    assert "over 2 seeds" in shown
    summary = json.loads((out / "train.json").read_text("utf-8"))
    assert summary["return"]["low"] <= summary["return"]["interquartile_mean"]
    assert [each["seed"] for each in summary["seeds"]] == [0, 1]
    assert (out / "seed-1" / "policy.safetensors").is_file()
    page = (out / "learning.html").read_text("utf-8")
    assert "interquartile mean of 2 seeds" in page
    assert "maskable_ppo on batio3-coarse" in page
    code, again, _ = run_sdl("train", file, "--seeds", 2, "--out", out, "--json")
    assert code == 0
    assert json.loads(again) == summary  # done is done
    code, _, _ = run_sdl("train", file, "--seeds", 1, "--out", out, "--fresh")
    assert code == 0
    assert not (out / "seed-1").exists()
    assert (tmp_path / "out.1" / "seed-1").exists()


def test_a_stopped_training_is_paused_and_goes_on(file, run_sdl, tmp_path, monkeypatch):
    real = training.write_checkpoint

    def stopped(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "write_checkpoint", stopped)
    code, _, _ = run_sdl("train", file, "--seeds", 1, "--out", tmp_path / "out")
    assert code == 3
    monkeypatch.setattr(training, "write_checkpoint", real)
    code, shown, _ = run_sdl("train", file, "--seeds", 1, "--out", tmp_path / "out", "--json")
    assert code == 0
    assert json.loads(shown)["seeds"][0]["steps"] == 720


def test_what_is_wrong_is_one_message(file, run_sdl, tmp_path):
    file.write_text(FILE.replace("ppo:", "pppo:"), encoding="utf-8")
    code, _, told = run_sdl("train", file)
    assert code == 2
    assert "train.yaml:9: unknown key" in told
    assert "did you mean 'ppo'" in told
    code, _, told = run_sdl("train", tmp_path / "none.yaml")
    assert code == 2
    assert "the training file does not exist" in told


def test_schema_of_the_training_file_is_printed(run_sdl):
    code, shown, _ = run_sdl("schema", "train")
    assert code == 0
    assert "algorithm" in json.loads(shown)["properties"]
