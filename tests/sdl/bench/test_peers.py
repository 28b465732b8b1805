"""The peer's row, with programs of our own that behave as the peer; the peer is never needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdl.bench import peers
from sdl.bench.peers import PeerFigures, peer_gates, peer_rows

PEER = f"""#!{sys.executable}
import argparse, json, os, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("script")
parser.add_argument("--envs", nargs="+")
for name, kind in (("processes", int), ("repeats", int), ("seconds", float)):
    parser.add_argument("--" + name, type=kind)
asked = parser.parse_args([word for word in sys.argv[1:] if word != "-I"])
assert sys.argv[1] == "-I"
print("greetings of the peer")
for env in asked.envs:
    TROUBLE
    rate = 400.0 if env == "FictReact-v2" else 100.0 + len(env)
    for repeat in range(asked.repeats):
        each = rate * (1.0 + 0.1 * repeat) * TWO[asked.processes]
        print(json.dumps({{"env": env, "processes": asked.processes, "repeat": repeat,
            "steps_per_s": each, "steps_per_s_alone": 2 * each}}), flush=True)
"""

REGISTERED = """
import gymnasium


class Ten(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return 0, {}

    def step(self, action):
        self.steps += 1
        return 0, 0.0, self.steps == 10, False, {}


gymnasium.register("Ten-v0", Ten)
"""


def program(folder: Path, trouble: str = "pass", two: float = 1.5) -> Path:
    """A file that answers to the words an interpreter of the peer is started with."""
    file = folder / "python-of-the-peer"
    text = PEER.replace("TROUBLE", trouble).replace("TWO", f"{{1: 1.0, 2: {two}}}")
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)
    return file


def test_the_fastest_environment_is_the_yardstick_in_one_and_two_processes(tmp_path):
    rows, figures = peer_rows(program(tmp_path))
    value = {row.name: row.value for row in rows}
    # Seven repetitions rise from 400 to 640: the median by the clock, the best by processor time.
    assert value["chemgymrl.steps"] == pytest.approx(520.0)
    assert value["chemgymrl_two.steps"] == pytest.approx(780.0)
    assert figures is not None
    assert figures.env == "FictReact-v2"
    assert (figures.one, figures.two) == pytest.approx((1280.0, 1920.0))
    assert value["chemgymrl.steps_best"] == figures.one
    assert {f"chemgymrl.{env}.steps" for env in peers.ENVS} < set(value)
    assert not any(name.endswith("skipped") for name in value)


def test_two_processes_that_hinder_each_other_do_not_lower_the_yardstick(tmp_path):
    figures = peer_rows(program(tmp_path, two=0.5))[1]
    assert figures is not None
    assert figures.two == figures.one


def test_gates_compare_with_the_batched_rate():
    one, two = peer_gates(PeerFigures("any", 1000.0, 2000.0), 3.0e4)
    assert (one.id, one.target, one.value, one.passed) == (
        "env.vs_chemgymrl_one", ">= 30", 30.0, True
    )  # fmt: skip
    assert (two.id, two.target, two.value, two.passed) == (
        "env.vs_chemgymrl_two", ">= 15", 15.0, True
    )  # fmt: skip
    assert not any(gate.passed for gate in peer_gates(PeerFigures("any", 1000.0, 2000.0), 2.9e4))


def test_gates_fail_and_say_so_without_the_peer():
    for gate in peer_gates(None, 1e9):
        assert not gate.passed
        assert "not measured" in gate.target


def test_a_reason_stands_where_no_peer_is_named(monkeypatch):
    monkeypatch.delenv(peers.PYTHON_VARIABLE, raising=False)
    (row,), figures = peer_rows()
    assert figures is None
    assert (row.name, row.n) == ("chemgymrl.skipped", 0)
    assert peers.PYTHON_VARIABLE in row.unit


def test_the_variable_names_the_peer_also_by_a_relative_path(monkeypatch, tmp_path):
    program(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(peers.PYTHON_VARIABLE, "./python-of-the-peer")
    assert peer_rows()[1] is not None
    monkeypatch.setenv(peers.PYTHON_VARIABLE, "./nobody")
    assert "no such program" in peer_rows()[0][0].unit


def test_a_broken_environment_is_named_and_the_rest_is_timed(tmp_path):
    trouble = "if env == 'ExtractTest-v0': sys.exit('it leaks')"
    rows, figures = peer_rows(program(tmp_path, trouble))
    broken = {row.name: row for row in rows}["chemgymrl.ExtractTest-v0.skipped"]
    assert "ended with code 1: it leaks" in broken.unit
    assert sum(row.name.endswith(".steps") for row in rows) == 2 + len(peers.ENVS) - 1
    assert figures is not None


def test_a_peer_that_never_runs_is_given_up(tmp_path):
    rows, figures = peer_rows(program(tmp_path, "raise ImportError('no chemistrylab')"))
    assert figures is None
    assert len(rows) == 1 + peers.GIVE_UP
    assert all("ImportError: no chemistrylab" in row.unit for row in rows[1:])


def test_missing_second_process_leaves_no_figures(tmp_path):
    rows, figures = peer_rows(program(tmp_path, "assert asked.processes == 1"))
    assert figures is None
    assert {"chemgymrl.steps", "chemgymrl_two.skipped"} < {row.name for row in rows}


def test_a_peer_that_hangs_is_ended_and_what_it_said_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "ENVS", ("FictReact-v2", "GenWurtzReact-v2"))
    monkeypatch.setattr(peers, "TIMEOUT_S", 3.0)
    rows, figures = peer_rows(program(tmp_path, "env == 'GenWurtzReact-v2' and time.sleep(600)"))
    said = {row.name: row.unit for row in rows}
    assert "no end after 3 s" in said["chemgymrl.GenWurtzReact-v2.skipped"]
    assert figures is not None


def test_the_script_times_two_processes_at_once(tmp_path):
    package = tmp_path / "chemistrylab"
    package.mkdir()
    (package / "__init__.py").write_text(REGISTERED, encoding="utf-8")
    metadata = tmp_path / "chemistrygym-0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: chemistrygym\nVersion: 0\n", encoding="utf-8")
    words = ["--envs", "Ten-v0", "--processes", "2", "--repeats", "2", "--seconds", "0.05"]
    done = subprocess.run(
        [sys.executable, str(peers.SCRIPT), *words],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["repeat"], second["repeat"]) == (0, 1)
    for run in (first, second):
        assert run["processes"] == 2
        assert run["seconds"] >= 0.05
        # Each process ends an episode at every tenth step, and the two rates are added.
        assert abs(run["episodes"] - run["steps"] / 10) < 2
        assert run["steps_per_s"] > 1.5 * run["steps"] / 2 / run["seconds"]
        assert run["steps_per_s_alone"] >= run["steps_per_s"]
