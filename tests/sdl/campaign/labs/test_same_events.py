"""``fast`` and ``virtual`` tell the same, in memory, on disk and across restarts."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdl.campaign.labs.common import WorldLab
from sdl.campaign.labs.fast import FastLab
from sdl.campaign.labs.virtual import VirtualLab
from sdl.core.command import Command, Effect, LabEvent, Presence, Verb
from sdl.core.errors import LabError
from sdl.core.protocols import Lab
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import Task

Play = Callable[..., tuple[WorldLab, list[LabEvent]]]


def test_both_laboratories_tell_the_same(coarse: Task, script: Play, tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    documents: list[str] = []

    def sink(name: str, _: dict[str, Any]) -> None:
        documents.append(name)

    fast, fast_told = script(FastLab.create(coarse, seed=4, blobs=blobs))
    virtual, virtual_told = script(
        VirtualLab.create(coarse, seed=4, blobs=blobs, path=tmp_path / "world.db", documents=sink)
    )
    assert fast_told == virtual_told
    assert len(fast_told) == 27
    assert all(event.ok for event in fast_told)
    assert [e.time_s for e in fast_told] == sorted(e.time_s for e in fast_told)
    pattern = blobs.get_array(next(e.result["pattern"] for e in fast_told if "pattern" in e.result))
    assert pattern.ndim == 1
    assert int(np.max(pattern)) > 100
    assert documents.count("start") == documents.count("stop") == 2 * 27
    for lab in (fast, virtual):
        assert isinstance(lab, Lab)
        assert lab.capabilities() == coarse.laboratory
        assert lab.next_event_s() is None
        assert lab.events(1e9) == []
        lab.close()


@pytest.mark.parametrize("kind", [FastLab, VirtualLab])
def test_a_restart_after_every_command_changes_nothing(
    coarse: Task, script: Play, tmp_path: Path, kind: type[FastLab] | type[VirtualLab]
) -> None:
    blobs = MemoryBlobs()
    path = tmp_path / "world.db"
    _, undisturbed = script(FastLab.create(coarse, seed=4, blobs=blobs))
    open_commands: dict[str, Command] = {}
    done: list[str] = []

    def restart(lab: WorldLab, sent: Command) -> WorldLab:
        open_commands[sent.id] = sent
        lab.close()
        lab = kind.open(coarse, seed=4, blobs=blobs, path=path, done=tuple(done))
        for known in open_commands.values():
            ended = lab.world.find(known.station, known.id)
            assert ended is not None
            if ended.state == "running":
                assert lab.inspect(known).presence is Presence.STARTED
        return lab

    lab, told = script(kind.create(coarse, seed=4, blobs=blobs, path=path), restart)
    lab.close()
    assert told == undisturbed


def test_ends_are_told_once_and_by_time_then_number(coarse: Task, script: Play) -> None:
    lab, told = script(FastLab.create(coarse, seed=4, blobs=MemoryBlobs()))
    assert len({e.command for e in told}) == len(told)
    quenched = [e.command for e in told if e.command in ("c22", "c23")]
    assert quenched == sorted(quenched)
    assert lab.advance(0.0) == lab.world.now_s


def test_what_the_journal_holds_as_done_is_not_told_again(coarse: Task, tmp_path: Path) -> None:
    path, blobs = tmp_path / "world.db", MemoryBlobs()
    args = {"sample": "S1", "origin": "rack", "destination": "mixer"}
    move = Command(
        id="c1",
        station="transfer",
        verb=Verb.TRANSFER,
        samples=("S1",),
        effect=Effect.IDEMPOTENT,
        args=args,
        time_s=0.0,
    )
    lab = FastLab.create(coarse, seed=1, blobs=blobs, path=path)
    lab.submit(move)
    lab.advance(1000.0)
    lab.close()
    lab = FastLab.open(coarse, seed=1, blobs=blobs, path=path, done=["c1"])
    assert lab.inspect(move).presence is Presence.STARTED
    assert lab.next_event_s() is None
    lab.close()
    lab = FastLab.open(coarse, seed=1, blobs=blobs, path=path)
    assert lab.inspect(move).presence is Presence.STARTED
    assert lab.next_event_s() == 30.0
    assert [e.time_s for e in lab.events(1000.0)] == [30.0]
    lab.close()


def test_the_world_of_another_campaign_is_refused(coarse: Task, tmp_path: Path) -> None:
    path, blobs = tmp_path / "world.db", MemoryBlobs()
    FastLab.create(coarse, seed=1, blobs=blobs, path=path).close()
    with pytest.raises(LabError, match="another campaign"):
        FastLab.open(coarse, seed=2, blobs=blobs, path=path)
    with pytest.raises(LabError, match="already"):
        FastLab.create(coarse, seed=1, blobs=blobs, path=path)
    with pytest.raises(LabError, match="memory"):
        FastLab.open(coarse, seed=1, blobs=blobs, path=None)


@pytest.mark.parametrize("kind", [FastLab, VirtualLab])
def test_a_world_of_the_same_task_and_seed_but_another_campaign_is_refused(
    coarse: Task, tmp_path: Path, kind: type[FastLab] | type[VirtualLab]
) -> None:
    path, blobs = tmp_path / "world.db", MemoryBlobs()
    kind.create(coarse, seed=1, blobs=blobs, path=path, campaign="a" * 64).close()
    for other in ("b" * 64, ""):
        with pytest.raises(LabError, match="another campaign") as told:
            kind.open(coarse, seed=1, blobs=blobs, path=path, campaign=other)
        assert "a" * 12 in str(told.value.got)
        assert "a" * 13 not in str(told.value.got)
        assert (other[:12] or "none") in str(told.value.allowed)
        assert told.value.do
        assert told.value.where == str(path)
    kind.open(coarse, seed=1, blobs=blobs, path=path, campaign="a" * 64).close()


def test_a_failing_sink_changes_no_event(
    coarse: Task, script: Play, caplog: pytest.LogCaptureFixture
) -> None:
    def full(name: str, document: dict[str, Any]) -> None:
        raise OSError("no space left on device")

    blobs = MemoryBlobs()
    with caplog.at_level(logging.CRITICAL):
        lab, told = script(VirtualLab.create(coarse, seed=4, blobs=blobs, documents=full))
    _, fast_told = script(FastLab.create(coarse, seed=4, blobs=blobs))
    assert told == fast_told
    lab.close()


def test_the_fast_laboratory_loads_no_bluesky() -> None:
    program = """
import sys, sdl.campaign.labs.fast
print([m for m in ("bluesky", "ophyd") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
