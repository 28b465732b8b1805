"""The simulated file-drop instruments take requests and leave results of the world's acts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdl.core.command import Verb
from wire_room import Room, room, wait_for


@contextmanager
def instrument(station: str, folder: Path) -> Iterator[Room]:
    settings = {"requests": str(folder / "requests"), "results": str(folder / "results")}
    with room(station, "file-drop", settings) as made:
        yield made


@pytest.fixture
def scanner(tmp_path: Path) -> Iterator[Room]:
    with instrument("diffractometer", tmp_path) as made:
        yield made


def request(made: Room, name: str, sample: str, verb: Verb, **args: Any) -> Path:
    """Writes a request; returns its path."""
    path = made.simulator.inbox / f"{name}.json"
    told = {"id": name, "sample": sample, "verb": verb.value, "args": args}
    path.with_suffix(".part").write_text(json.dumps(told))
    path.with_suffix(".part").replace(path)
    return path


def answer(made: Room, name: str) -> dict[str, Any]:
    path = made.simulator.outbox.folder / f"{name}.json"
    wait_for(path.exists)
    size = -1
    while size != path.stat().st_size:  # it comes in two parts
        size = path.stat().st_size
        time.sleep(0.06)
    return json.loads(path.read_text())


def test_scan(scanner: Room) -> None:
    scanner.bring("S1", "diffractometer")
    asked = request(scanner, "S1-c1", "S1", Verb.SCAN, scan_min=2.0)
    wait_for(lambda: not asked.exists())
    path = scanner.simulator.outbox.folder / "S1-c1.xy"
    scanner.wait(119.0)
    time.sleep(0.05)
    assert not path.exists()
    scanner.wait(1.0)
    wait_for(lambda: path.exists() and path.read_text().count("\n") == 2003)
    lines = path.read_text().splitlines()
    assert lines[:2] == ["# id: S1-c1", "# sample: S1"]
    act = scanner.world.acts()[-1]
    counts = scanner.ask(lambda: scanner.world.pattern(act))
    assert lines[2] == f"15.0000 {counts[0]}"
    assert lines[-1] == f"75.0000 {counts[-1]}"


def test_milling(tmp_path: Path) -> None:
    with instrument("mixer", tmp_path) as mixer:
        mixer.bring("S1", "mixer")
        asked = request(mixer, "S1-c2", "S1", Verb.MILL, mill_min=10.0)
        wait_for(lambda: not asked.exists())
        mixer.wait(600.0)
        told = answer(mixer, "S1-c2")
        assert told["id"] == "S1-c2"
        assert told["energy_kwh"] > 0.0
        assert "failed" not in told
        mixer.ask(lambda: mixer.world.plant_stop("mixer", 0.5))
        asked = request(mixer, "S1-c3", "S1", Verb.MILL, mill_min=10.0)
        wait_for(lambda: not asked.exists())
        mixer.wait(600.0)
        assert answer(mixer, "S1-c3")["failed"].startswith("jammed")


@pytest.mark.parametrize(
    ("sample", "verb", "args"),
    [
        ("S2", Verb.SCAN, {"scan_min": 2.0}),  # another vial is there
        ("S1", Verb.SCAN, {}),
        ("S1", Verb.SCAN, {"scan_min": "long"}),
        ("S1", Verb.ANNEAL, {}),
        ("S1", Verb.WASH, {"solvent": "acid", "duration_min": 1.0}),
    ],
)
def test_what_cannot_be_done_is_said(
    scanner: Room, sample: str, verb: Verb, args: dict[str, Any]
) -> None:
    scanner.bring("S1", "diffractometer")
    request(scanner, "x1", sample, verb, **args)
    assert answer(scanner, "x1")["failed"]
    assert [a.verb for a in scanner.world.acts()] == ["transfer"]


def test_what_is_no_request_lies(scanner: Room) -> None:
    inbox: Path = scanner.simulator.inbox
    for number, text in enumerate(["", "{", "[]", '{"id": "y"}', '{"id":"../x"}', "[" * 5000]):
        (inbox / f"bad{number}.json").write_text(text)
    (inbox / "other.json").write_text(
        json.dumps({"id": "another", "sample": "S1", "verb": "scan", "args": {}})
    )
    time.sleep(0.1)
    assert len(list(inbox.iterdir())) == 7
    assert not list(scanner.simulator.outbox.folder.iterdir())


def test_faults_of_the_file(scanner: Room) -> None:
    scanner.bring("S1", "diffractometer")
    results: Path = scanner.simulator.outbox.folder
    simulator = scanner.simulator
    faults = (simulator.lose_file, simulator.half_file, simulator.old_file, simulator.foreign_file)
    for number, fault in enumerate(faults):
        scanner.ask(fault)
        asked = request(scanner, f"x{number}", "S1", Verb.SCAN, scan_min=1.0)
        wait_for(lambda asked=asked: not asked.exists())
        scanner.wait(60.0)
        wait_for(lambda: scanner.simulator.outbox.fault == "")
    time.sleep(0.1)
    assert not (results / "x0.xy").exists()
    assert (results / "x1.xy").read_text().count("\n") < 1500
    assert time.time() - (results / "x2.xy").stat().st_mtime > 3500.0
    assert (results / "x3.xy").read_text().startswith("# id: foreign-1\n")


def test_frozen_and_power_cut(scanner: Room) -> None:
    scanner.bring("S1", "diffractometer")
    scanner.ask(scanner.simulator.freeze)
    asked = request(scanner, "x1", "S1", Verb.SCAN, scan_min=2.0)
    time.sleep(0.05)
    assert asked.exists()
    scanner.ask(scanner.simulator.thaw)
    wait_for(lambda: not asked.exists())
    scanner.wait(10.0)
    scanner.ask(scanner.simulator.reboot)
    scanner.wait(200.0)
    time.sleep(0.05)
    assert not list(scanner.simulator.outbox.folder.iterdir())
    asked = request(scanner, "x2", "S1", Verb.SCAN, scan_min=2.0)
    wait_for(lambda: not asked.exists())
