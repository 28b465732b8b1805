"""Days of a laboratory by its commands: a person at the mill, a control, simulators that die."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sdl.bench.loopback import loopback_lab
from sdl.campaign.commissioning import items_for
from sdl.campaign.laboratory import write_lab
from sdl.core.lab import LabFile
from sdl.core.yaml import load

pytestmark = pytest.mark.timeout(600)
CAMPAIGN = (
    "{name: t, task: batio3-coarse, policy: random, budget: {experiments: 2}, in_flight: 1,"
    " seed: 5}\n"
)
BY = ("--by", "A. Chemist")


def sdl(*words: object) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "sdl", *map(str, words)],
        env={**os.environ}, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def sim_up(folder: Path) -> subprocess.Popen[str]:
    """The simulators of ``free.yaml``, with their world in a file, on whatever ports are free."""
    words = ["sim", "up", str(folder / "free.yaml"), "--out", str(folder / "lab.yaml")]
    process = subprocess.Popen(
        [sys.executable, "-m", "sdl", *words, "--world", str(folder / "world.db")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout or ():
        if "is up" in line:
            return process
    raise AssertionError("the simulators did not come up")


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)


def with_a_person(folder: Path) -> None:
    """The loopback laboratory, its mill worked by a person, its diffractometer checked."""
    lab = loopback_lab(clock_scale=20_000.0)
    mill = lab.station("mixer").model_copy(
        update={"driver": "human", "settings": {"inbox": "inbox"}}
    )
    others = [s for s in lab.stations if s.name != "mixer"]
    control = {
        "name": "silicon", "station": "diffractometer", "kind": "reference-pattern",
        "every": 1, "expect": 28.44, "tolerance": 0.02,
    }  # fmt: skip
    words = {**lab.model_dump(mode="json"), "controls": [control]}
    words["stations"] = [s.model_dump(mode="json") for s in (*others, mill)]
    (folder / "inbox").mkdir()
    write_lab(LabFile.model_validate(words), folder / "free.yaml")
    (folder / "campaign.yaml").write_text(CAMPAIGN, encoding="utf-8")


def test_a_campaign_of_two_days_with_a_person_a_control_and_simulators_that_died(
    tmp_path: Path,
) -> None:
    with_a_person(tmp_path)
    run, inbox = tmp_path / "run", tmp_path / "inbox"
    process = sim_up(tmp_path)
    try:
        code, out, _ = sdl(
            "run", tmp_path / "campaign.yaml", "--lab", tmp_path / "lab.yaml", "--out", run
        )
        asked, controlled, died = 0, 0, False
        for _ in range(12):
            if code == 0:
                break
            assert (code, "waiting for a person" in out) == (3, True), out
            for request in sorted(inbox.glob("*.json")):
                name = json.loads(request.read_text(encoding="utf-8"))["id"]
                if not (inbox / "answers" / request.name).exists():
                    assert sdl("answer", inbox, name, "done", *BY)[0] == 0
                    asked += 1
            if "waits for its control" in out or "silicon" in out:
                assert sdl("control", run, "silicon", 28.45, *BY)[0] == 0
                controlled += 1
            if not died:
                killed(process)  # and with it every port; the world is in its file
                process, died = sim_up(tmp_path), True
            code, out, _ = sdl("resume", run)
        assert (code, asked, died) == (0, 2, True), out
        assert controlled >= 1
        code, out, _ = sdl("status", run, "--json")
        assert json.loads(out)["experiments"]["finished"] == 2
    finally:
        killed(process)


def test_a_real_laboratory_is_commanded_when_every_item_was_looked_at(tmp_path: Path) -> None:
    write_lab(loopback_lab(clock_scale=1.0), tmp_path / "free.yaml")
    (tmp_path / "campaign.yaml").write_text(CAMPAIGN, encoding="utf-8")
    process = sim_up(tmp_path)
    try:
        lab = load(tmp_path / "lab.yaml", LabFile)
        real = lab.model_copy(update={"real": True, "simulated": None, "clock_scale": 1.0})
        write_lab(real, tmp_path / "real.yaml")
        words = ("run", tmp_path / "campaign.yaml", "--lab", tmp_path / "real.yaml")
        code, _, err = sdl(*words, "--out", tmp_path / "run")
        assert code == 2
        assert "sdl commission" in err
        for station in real.stations:
            names = [item.partition(":")[0] for item in items_for(station)]
            ticks = [word for name in names for word in ("--item", name)]
            done = sdl("commission", tmp_path / "real.yaml", station.name, *ticks, *BY)
            assert done[0] == 0, done
        code, out, err = sdl(*words, "--out", tmp_path / "run", "--leave-after", 0.05)
        assert code == 3, (out, err)
    finally:
        killed(process)
