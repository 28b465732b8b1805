"""One gate for each fault, whatever its scenario does."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdl.bench import registry, wire
from sdl.bench.faults import bench
from sdl.bench.faults.scenario import MisbehaviourError, Scenario
from sdl.bench.report import BenchReport


def good(folder: Path) -> str:
    assert not list(folder.iterdir())
    return "all well"


def wrong(folder: Path) -> str:
    raise MisbehaviourError("expected that the door is shut", got="open")


def broken(folder: Path) -> str:
    raise KeyError("furnace_9")


def test_every_fault_has_a_gate_and_every_failure_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = (Scenario(1, "one", good), Scenario(2, "two", wrong), Scenario(3, "three", broken))
    monkeypatch.setattr(bench, "scenarios", lambda: found)
    report = bench.run(quick=True)
    passed = {gate.id: gate.passed for gate in report.gates}
    assert len(report.gates) == bench.FAULTS + 1
    assert [name for name, good in passed.items() if good] == ["faults.01"]
    assert report.row("faults.all").value == 1
    told = capsys.readouterr().err.splitlines()
    assert told[:4] == [
        "fault 01: one: all well",
        "fault 02: two: FAILED: expected that the door is shut; got open",
        "fault 03: three: FAILED: KeyError: 'furnace_9'",
        "fault 04: there is no scenario",
    ]


def test_the_number_of_kills_belongs_to_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    empty = BenchReport(bench="wire", commit="c", task="t", machine=bench.machine(), rows=())

    def run(kills: int, experiments: int) -> BenchReport:
        asked.append((kills, experiments))
        return empty

    monkeypatch.setattr(wire, "run", run)
    registry.run_bench("wire", registry.Asked(seeds=9))
    registry.run_bench("wire", registry.Asked(quick=True))
    assert asked == [(9, 12), (6, 3)]
