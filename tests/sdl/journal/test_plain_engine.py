"""Our plans under a RunEngine of the user's own: its documents go to JSON lines by the journal."""

from __future__ import annotations

import pytest

pytest.importorskip("bluesky")

from bluesky import RunEngine

from instruments.devices.faces import faces_of
from instruments.drivers.job import Job
from instruments.drivers.virtual import virtual_drivers
from instruments.plans import collect, start
from sdl.chemistry.system import load_system
from sdl.core.command import Verb
from sdl.core.event import CampaignBegun
from sdl.journal.blobs import MemoryBlobs
from sdl.journal.exporters.compare import compare
from sdl.journal.exporters.jsonl import JsonLines
from sdl.journal.journal import Journal
from sdl.journal.outbox import Outbox, Pushed
from sdl.tasks.task import load_task
from simulators.laboratory import nominal_laboratory
from simulators.world import World

BEGUN = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)


def test_start_and_collect_from_a_plain_run_engine_become_json_lines(tmp_path):
    url = f"sqlite:///{tmp_path}/campaign.db"
    task = load_task("batio3-coarse")
    laboratory = nominal_laboratory(
        load_system(task.system), task.laboratory.shelf, ["furnace_1", "furnace_2"]
    )
    world = World.create(None, task, seed=11, laboratory=laboratory)
    devices = faces_of(virtual_drivers(world, task.laboratory, MemoryBlobs()))
    emitted = []
    engine = RunEngine({"operator": "anna"}, context_managers=[])
    args = {"sample": "S1", "origin": "rack", "destination": "mixer"}
    with Journal.create(url, BEGUN) as journal:
        engine.subscribe(journal.documents.append)
        engine.subscribe(lambda name, doc: emitted.append((str(name), doc)))
        engine(start(devices["transfer"], Job("c1", Verb.TRANSFER, ("S1",), args)))
        world.advance(3600.0)
        engine(collect(devices["transfer"], "c1", md={"note": "by hand"}))
        journal.flush()
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    world.close()
    lines = JsonLines(tmp_path / "documents")
    with Outbox(url, lines) as outbox:
        assert outbox.push() == Pushed(written=2)
    back = []
    for uid in (doc["uid"] for name, doc in emitted if name == "start"):
        back += lines.read(uid) or []
    assert [name for name, _ in back] == ["start", "descriptor", "event", "stop"] * 2
    plain = [(name, _lists(doc)) for name, doc in emitted]
    assert compare(plain, back) == []
    assert back[0][1]["operator"] == "anna"
    assert back[4][1]["note"] == "by hand"
    assert back[6][1]["data"]["transfer_record_state"] == "complete"


def _lists(value):
    if isinstance(value, dict):
        return {k: _lists(v) for k, v in value.items()}
    return [_lists(v) for v in value] if isinstance(value, list | tuple) else value
