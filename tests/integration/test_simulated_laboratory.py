"""The simulated laboratory as a process: up, doctor, run, emergency stop, down."""

import json
import os
import signal
import subprocess
import sys

import pytest

from sdl.bench.loopback import loopback_lab
from sdl.campaign.laboratory import write_lab
from sdl.core.lab import LabFile
from sdl.core.yaml import load

pytestmark = pytest.mark.timeout(600)


def sdl(*words, timeout=400):
    done = subprocess.run(
        [sys.executable, "-m", "sdl", *map(str, words)],
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """A laboratory on free ports, with the file that names them."""
    folder = tmp_path_factory.mktemp("sim")
    write_lab(loopback_lab(clock_scale=20_000.0), folder / "free.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "sdl", "sim", "up", str(folder / "free.yaml"), "--out",
         str(folder / "lab.yaml")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if "is up" in line:
            break
    yield folder, lines
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_up_names_every_station_and_its_ports(up):
    folder, lines = up
    assert len(lines) == 8
    assert "20000 times as fast" in lines[-1]
    lab = load(folder / "lab.yaml", LabFile)
    assert not lab.station("furnace_1").settings["link"].endswith(":0")


def test_doctor_finds_every_instrument_and_moves_nothing(up):
    folder, _ = up
    code, out, err = sdl("doctor", "--lab", folder / "lab.yaml", "--json")
    assert (code, err) == (0, "")
    found = {f["instrument"]: f for f in json.loads(out)}
    assert {"mixer", "furnace_1", "furnace_1_door", "diffractometer", "transfer"} <= set(found)
    assert all(f["state"] == "ok" for f in found.values())
    code, out, _ = sdl("doctor", "--lab", folder / "free.yaml")
    assert code == 1
    assert "cannot be reached" in out or "failed" in out


def test_a_campaign_runs_and_an_emergency_stop_ends_it_with_a_sentence(up):
    folder, _ = up
    campaign = folder / "campaign.yaml"
    campaign.write_text(
        "{name: t, task: batio3-coarse, policy: random, budget: {experiments: 1}, in_flight: 1,"
        " seed: 5}\n",
        encoding="utf-8",
    )
    run = folder / "run"
    code, out, err = sdl("run", campaign, "--lab", folder / "lab.yaml", "--out", run, "--no-report")
    assert (code, err) == (0, "")
    assert "1 experiments" in out
    code, out, err = sdl("estop", folder / "lab.yaml", "--reason", "drill", "--by", "A. Chemist")
    assert (code, err) == (0, ""), out
    assert "furnace_1: " in out
    code, out, _ = sdl("run", campaign, "--lab", folder / "lab.yaml", "--out", folder / "second")
    assert code == 3
    assert "quarantined" in out
    assert "drill" in out
    assert sdl("estop", folder / "lab.yaml", "--reset", "--by", "A. Chemist")[0] == 0
    code, out, _ = sdl("release", folder / "second", "all", "--by", "A. Chemist")
    assert code == 0
    assert "furnace_2" in out


def test_wrong_files_are_told_and_not_traced(up, tmp_path):
    folder, _ = up
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: x\nstations:\n  - {name: a, kind: furnace, driver: euroterm}\n")
    for words in (("sim", "up", bad), ("doctor", "--lab", bad), ("estop", bad, "--by", "A")):
        code, _, err = sdl(*words)
        assert code == 2
        assert "did you mean 'eurotherm'?" in err
        assert "Traceback" not in err
    code, _, err = sdl("sim", "up", folder / "absent.yaml")
    assert (code, "does not exist" in err) == (2, True)
