"""Turns of training programs: their rates, their ratios, a peer that is missing or breaks."""

import json
import sys
from pathlib import Path

import pytest

from agents.learning.config import Ppo, TrainConfig
from sdl.bench import throughput
from sdl.bench.lessons import Lessons
from sdl.bench.throughput import Programs, Turn, TurnError

ANSWER = {"steps": 1000, "collect_s": 4.0, "update_s": 1.0, "collect_cpu_s": 2.0}
ANSWER |= {"update_cpu_s": 0.5}
FAKE = "import sys\nprint('noise')\nprint({0!r}, flush=True)\n"
FAKE += "for _ in sys.stdin: print({0!r}, flush=True)"


def fake(**changed: float) -> list[str]:
    return [sys.executable, "-c", FAKE.format(json.dumps(ANSWER | changed))]


def test_rates_of_a_side_are_those_of_its_programs_added():
    two = Turn.of([ANSWER, ANSWER])
    assert (two.total, two.rollout, two.total_alone, two.rollout_alone) == (400, 500, 800, 1000)
    assert two.decisions == 0
    one = Turn.of([ANSWER | {"decisions": 50}])  # its two workers had both cores
    assert (one.total, one.total_alone, one.decisions) == (200, 800, 10)


def test_programs_answer_in_turns_and_one_that_ends_is_told(tmp_path):
    programs = Programs([fake(), fake(collect_s=9.0)], tmp_path)
    assert programs.first() == programs.turn() == programs.turn()
    programs.close()
    broken = Programs([[sys.executable, "-c", "raise SystemExit('no such gym')"]], tmp_path)
    with pytest.raises(TurnError, match="no such gym"):
        broken.first()
    broken.close()


def patched(monkeypatch, ways):
    monkeypatch.setattr(throughput, "_lessons", lambda *more: [fake(collect_s=1.0)] * 2)
    monkeypatch.setattr(throughput, "_ways", lambda program: ways)


def test_without_the_peer_the_gates_are_skipped(monkeypatch):
    monkeypatch.delenv(throughput.PYTHON_VARIABLE, raising=False)
    patched(monkeypatch, {})
    report = throughput.run(quick=True)
    assert {gate.verdict for gate in report.gates} == {"SKIP"}
    assert throughput.PYTHON_VARIABLE in report.row("chemgymrl.skipped").unit


def test_the_faster_way_of_the_peer_is_compared_and_the_lower_clock_counts(monkeypatch):
    ways = {"slow": [fake(collect_cpu_s=9.0)] * 2, "gone": [[sys.executable, "-c", "1/0"]]}
    patched(monkeypatch, ways | {"fast": [fake()] * 2})
    report = throughput.run(quick=True, python=Path(sys.executable))
    assert report.row("chemgymrl.total_alone").value == 800
    assert report.row("ours_to_chemgymrl.total").value == 2.5
    assert report.row("ours_to_chemgymrl.total_alone").value == 1.0
    assert {gate.id: gate.value for gate in report.gates}["throughput.total"] == 1.0


def test_lessons_train_and_count_decisions(tmp_path):
    config = TrainConfig(name="t", steps=256, rows=16, checkpoints=1, ppo=Ppo(n_steps=8))
    for plain in (False, True):
        lessons = Lessons(config, 0, tmp_path, plain=plain)
        turn = lessons.turn()
        assert turn["steps"] == 128
        assert 0 < turn["decisions"] < 128
        assert min(turn["collect_s"], turn["update_s"]) > 0.0
