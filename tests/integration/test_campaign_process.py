"""Campaigns as processes: run, look, kill, pause, approve, resume."""

import json
import os
import signal
import subprocess
import sys

import pytest

from sdl.bench.crash import run as crash_bench
from sdl.journal.journal import Journal
from sdl.journal.projection import projection

pytestmark = pytest.mark.timeout(900)

CAMPAIGN = """\
name: t
task: batio3-coarse
lab: virtual
policy: random
budget: {experiments: 2}
in_flight: 2
seed: 11
"""


def campaign_file(folder, extra=""):
    path = folder / "campaign.yaml"
    path.write_text(CAMPAIGN + extra, encoding="utf-8")
    return path


def start(*words, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "sdl", *map(str, words)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def sdl_run(*words):
    process = start(*words)
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


def lines_of(run):
    with Journal.open(f"sqlite:///{run}/campaign.db", owner=False) as journal:
        return projection(journal.events())


def test_run_then_status_tell_the_same_story(tmp_path):
    run = tmp_path / "run"
    code, out, err = sdl_run("run", campaign_file(tmp_path), "--out", run, "--no-report")
    assert (code, err) == (0, "")
    assert "2 experiments" in out
    code, out, _ = sdl_run("status", run, "--json")
    status = json.loads(out)
    assert code == 0
    assert status["experiments"] == {"finished": 2, "in_flight": 0, "budget": 2}
    assert status["standing"].startswith("over")
    assert status["best"]["purity"] >= 0


@pytest.mark.parametrize("kills", [4])
def test_killed_campaigns_end_like_the_uninterrupted_one(tmp_path, kills):
    report = crash_bench(kills, campaign_file(tmp_path))
    assert [g.passed for g in report.gates] == [True, True, True]


def test_an_interrupt_pauses_after_the_present_act_and_resume_goes_on(tmp_path):
    file = campaign_file(tmp_path)
    whole, paused = tmp_path / "whole", tmp_path / "paused"
    sdl_run("run", file, "--out", whole, "--no-report")
    process = start("run", file, "--out", paused, "--no-report", PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    if process.returncode == 3:
        assert "resume" in out
        assert "pausing" in err
    code, _, _ = sdl_run("resume", paused, "--no-report")
    assert code == 0
    assert lines_of(paused) == lines_of(whole)


def test_a_campaign_that_waits_for_a_person_says_so_and_goes_on_when_told(tmp_path):
    run = tmp_path / "run"
    file = campaign_file(tmp_path, "approve: {first: 1}\n")
    code, out, _ = sdl_run("run", file, "--out", run, "--no-report")
    assert code == 3
    assert "P1" in out
    assert "--approve P1" in out
    code, _, err = sdl_run("resume", run, "--approve", "P1", "--by", "A. Chemist", "--no-report")
    assert (code, err) == (0, "")
