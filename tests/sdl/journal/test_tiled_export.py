"""Runs to a real Tiled server and back: every value, timestamp and piece of metadata equal."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tiled")

from sdl.core.event import CampaignBegun
from sdl.journal.exporters.compare import compare
from sdl.journal.exporters.run import check_run
from sdl.journal.exporters.target import (
    Named,
    Run,
    RunFailedError,
    RunRefusedError,
    TargetDownError,
)
from sdl.journal.exporters.tiled import TiledRuns, without_secrets
from sdl.journal.exporters.tiled_rows import check_columns, prepared, without_large_numbers
from sdl.journal.journal import Journal
from sdl.journal.outbox import Outbox, Pushed
from sdl.journal.runs import StoredRuns

ROOT = Path(__file__).parents[3]
BEGUN = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)

# bluesky 1.15 calls tiled 0.2 with the arguments in their old order.
old_order = pytest.mark.filterwarnings(
    "ignore:The order of arguments has changed:DeprecationWarning"
)
slow = [pytest.mark.slow, pytest.mark.timeout(600), old_order]


def marked(test: Any) -> Any:
    for mark in slow:
        test = mark(test)
    return test


KEYS = {
    "pv": "number", "count": "integer", "door_open": "boolean", "gas": "string", "trace": "array",
    "Zone_B": "number", "image": "array", "labels": "array",
}  # fmt: skip


def run_of(uid: str, rows: list[dict[str, Any]], **about: Any) -> list[Named]:
    """A run with one stream, one event per row."""
    keys = {
        k: {"source": "x", "dtype": t, "shape": [3] if t == "array" else [], "units": "degC"}
        for k, t in KEYS.items()
        if any(k in row for row in rows)
    }
    config = {
        "furnace": {
            "data": {"serial": "A1", "offset": None},
            "timestamps": {"serial": 1.25, "offset": 0.1},
            "data_keys": {
                "serial": {"source": "x", "dtype": "string", "shape": []},
                "offset": {"source": "x", "dtype": "number", "shape": []},
            },
        }
    }
    documents: list[Named] = [
        ("start", {"uid": uid, "time": 1795822009.071706, "hints": {}, **about}),
        (
            "descriptor",
            {
                "uid": f"{uid}-d", "run_start": uid, "name": "primary", "time": 1795822009.2,
                "data_keys": keys, "configuration": config, "hints": {"furnace": {"fields": []}},
                "object_keys": {"furnace": list(keys)},
            },
        ),
    ]  # fmt: skip
    for n, row in enumerate(rows):
        times = {k: 1795822009.3 + n + i / 7 for i, k in enumerate(row)}
        event = {
            "uid": f"{uid}-e{n}", "descriptor": f"{uid}-d", "seq_num": n + 1,
            "time": 1795822010.1 + n, "data": row, "timestamps": times, "filled": {},
        }  # fmt: skip
        documents.append(("event", event))
    stop = {"uid": f"{uid}-s", "run_start": uid, "time": 1795822099.0, "exit_status": "success"}
    return [*documents, ("stop", {**stop, "num_events": {"primary": len(rows)}})]


def put_and_compare(target: TiledRuns, documents: list[Named]) -> list[str]:
    uid = documents[0][1]["uid"]
    check_run(uid, documents)
    assert target.put(Run(uid, tuple(documents)))
    back = target.read(uid)
    assert back is not None
    return compare(target.kept(documents), back)


@pytest.fixture(scope="module")
def target(tiled_server):
    target = TiledRuns(tiled_server.uri)
    yield target
    target.close()


@marked
def test_a_campaign_comes_back_equal_and_is_exported_once(campaign_url, tiled_server):
    target = TiledRuns(tiled_server.uri)
    with Outbox(campaign_url, target) as outbox:
        pushed = outbox.push()
        assert pushed.written > 20
        assert (pushed.refused, pushed.failed, outbox.backlog().waiting) == (0, 0, 0)
        with StoredRuns(campaign_url) as runs:
            heads = runs.heads(0).runs
            assert len(heads) == pushed.written
            for head in heads:
                documents = runs.load(head).documents
                back = target.read(head.uid)
                assert back is not None
                assert compare(target.kept(documents), back) == []
    with Outbox(campaign_url, TiledRuns(tiled_server.uri), again=True) as outbox:
        assert outbox.push() == Pushed(there=pushed.written), "HTTP 409 is done"


ROWS = {
    "missing": [
        {"pv": 20.1, "count": 3, "door_open": True, "gas": "Ar \u00b1 5 %", "Zone_B": -0.0},
        {"pv": None, "count": None, "door_open": None, "gas": None, "Zone_B": 5e-324},
        {
            "pv": 880,
            "count": 2**53,
            "door_open": False,
            "gas": "",
            "Zone_B": 1.7976931348623157e308,
        },
    ],
    "all-missing": [dict.fromkeys(KEYS, None)] * 2,
    "arrays": [
        {"trace": [1.0, None, 0.1], "image": [[1.5, 2.0], [3.0, None]], "labels": ["a", "b"]},
        {"trace": [n / 7 for n in range(3000)], "image": None, "labels": None},
    ],
    "large": [{"count": 2**60 + 1}],
    "no-events": [],
}


@marked
@pytest.mark.parametrize("case", ROWS)
def test_missing_values_and_every_type_survive(target, case):
    assert put_and_compare(target, run_of(f"types-{case}", ROWS[case])) == []


@marked
def test_values_that_come_only_in_a_later_batch_survive(target, monkeypatch):
    from bluesky.callbacks.tiled_writer import TiledWriter

    monkeypatch.setitem(TiledWriter.__init__.__kwdefaults__, "batch_size", 2)
    rows: list[dict[str, Any]] = [{"pv": None, "count": n, "Zone_B": n} for n in range(5)]
    rows += [{"pv": 20.5, "count": 7, "Zone_B": 0.5}]
    assert put_and_compare(target, run_of("batches", rows)) == []


@marked
def test_metadata_survive_and_numbers_that_tiled_would_cut_become_text(target):
    about = {
        "sample": {"name": "S1", "none": None, "flag": True},
        "plan_args": {"seed": 2**63, "big": 1e20, "tiny": 1e-300, "list": [1, None, "x"]},
    }
    documents = run_of("metadata", [{"pv": 1.0}], **about)
    assert put_and_compare(target, documents) == []
    back = target.read("metadata")
    assert back[0][1]["plan_args"] == {
        "seed": str(2**63), "big": "1e+20", "tiny": 1e-300, "list": [1, None, "x"],
    }  # fmt: skip


@marked
def test_a_stream_described_twice_and_pages_of_events(target):
    documents = run_of("twice", [{"pv": 1.0}])
    stop = documents.pop()
    later = {**documents[1][1], "uid": "twice-d2", "time": 1795822050.0}
    page = {
        "descriptor": "twice-d2", "uid": ["p1", "p2"], "seq_num": [2, 3], "time": [5.0, 6.0],
        "data": {"pv": [2.0, None]}, "timestamps": {"pv": [5.5, 6.5]}, "filled": {},
    }  # fmt: skip
    documents += [("descriptor", later), ("event_page", page), stop]
    assert put_and_compare(target, documents) == []


@marked
def test_the_same_run_again_is_done_and_another_of_its_uid_is_refused(target):
    documents = run_of("same", [{"pv": 1.0}])
    assert target.put(Run("same", tuple(documents)))
    assert not target.put(Run("same", tuple(documents)))
    other = run_of("same", [{"pv": 1.0}], sample="S9")
    with pytest.raises(RunRefusedError, match="another run of this uid"):
        target.put(Run("same", tuple(other)))
    assert compare(target.kept(documents), target.read("same")) == []
    assert target.read("absent") is None


@marked
def test_a_document_the_schema_forbids_is_refused_with_its_reason(target):
    documents = run_of("forbidden", [{"pv": 1.0}])
    documents[0][1]["sample"] = 5
    with pytest.raises(RunRefusedError, match="ValidationError"):
        target.put(Run("forbidden", tuple(documents)))


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@marked
def test_a_wrong_key_or_address_is_told_and_tried_again(tiled_server, monkeypatch):
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_ATTEMPTS", 1)
    run = Run("r", tuple(run_of("r", [{"pv": 1.0}])))
    bare = without_secrets(tiled_server.uri)
    assert "s3cret" not in bare
    for uri, key in ((bare, "wrong"), (bare, None), (f"{bare}/nowhere", "s3cret0123456789")):
        words = turned_away(uri, key, run)
        assert "TILED_API_KEY" in words
        assert "s3cret" not in words
    words = turned_away("http://127.0.0.1:9/api/v1?api_key=s3cret", None, run)
    assert "cannot be reached" in words
    assert "s3cret" not in words
    gc.collect()  # the client leaves its sockets open when it is turned away


def turned_away(uri: str, key: str | None, run: Run) -> str:
    """The message; nothing of the client is held any longer."""
    target = TiledRuns(uri, key)
    try:
        target.put(run)
    except TargetDownError as err:
        return str(err)
    finally:
        target.close()
    raise AssertionError("the run was taken")


EXPORTER = """
import sys
from sdl.journal.exporters.tiled import TiledRuns
from sdl.journal.outbox import Outbox
with Outbox(sys.argv[1], TiledRuns(sys.argv[2])) as outbox:
    print(outbox.push())
"""


@marked
def test_an_exporter_killed_in_the_middle_of_a_run_leaves_none_twice_and_none_lost(
    tmp_path, tiled_server
):
    url = f"sqlite:///{tmp_path}/campaign.db"
    uids = [f"killed-{n}" for n in range(4)]
    with Journal.create(url, BEGUN) as journal:
        for uid in uids:
            for name, doc in run_of(uid, [{"pv": 1.0}, {"pv": None}]):
                journal.documents.append(name, doc)
    words = [sys.executable, "-c", EXPORTER, url, tiled_server.uri]
    # Five documents a run: behind the second run's descriptor, then before the cursor is saved.
    for place in ("document-sent:7", "run-exported:2"):
        killed = subprocess.run(
            words, cwd=ROOT, env={**os.environ, "SDL_CRASH_AT": place}, capture_output=True,
            timeout=120,
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    target = TiledRuns(tiled_server.uri)
    with Outbox(url, target) as outbox:
        assert outbox.push().written > 0
        assert (outbox.backlog().exported, outbox.backlog().waiting) == (len(uids), 0)
        with StoredRuns(url) as runs:
            for head in runs.heads(0).runs:
                back = target.read(head.uid)
                assert back is not None
                assert compare(target.kept(runs.load(head).documents), back) == []


@marked
def test_a_server_that_goes_down_and_comes_back_gets_everything(
    tmp_path, tiled_server, monkeypatch
):
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_ATTEMPTS", 1)
    url = f"sqlite:///{tmp_path}/campaign.db"
    with Journal.create(url, BEGUN) as journal:

        def run(uid: str) -> None:
            for name, doc in run_of(uid, [{"pv": 1.0}]):
                journal.documents.append(name, doc)
            journal.flush()

        run("down-1")
        with Outbox(url, TiledRuns(tiled_server.uri)) as outbox:
            assert outbox.push() == Pushed(written=1)
            tiled_server.kill()
            run("down-2")
            run("down-3")
            for _ in range(2):
                with pytest.raises(TargetDownError):
                    outbox.push()
            words = outbox.backlog().words()
            assert "1 run exported, 2 waiting, the oldest since 2026-11-27" in words
            tiled_server.start()
            assert outbox.push() == Pushed(written=2)


def test_names_that_tiled_would_mix_up_or_fail_at_are_refused_before_anything_is_sent():
    check_columns("r", {"furnace_1_pv": {}, "Furnace-2": {}})
    for keys in (
        ["../evil"], ["a/b"], ["_hidden"], ["time"], ["seq_num"], ["\u00fcber"], ["a'b"], [""],
        ["pv", "PV"], ["pv", "ts_pv"], ["x" * 61], ["a\n"],
    ):  # fmt: skip
        with pytest.raises(RunRefusedError, match="column in Tiled"):
            check_columns("r", {key: {} for key in keys})


def test_prepared_documents_leave_the_journals_untouched():
    documents = run_of("r", [{"pv": None, "trace": [None, 1.0]}], seed=2**63)
    before = repr(documents)
    sent = list(prepared(documents))
    assert repr(documents) == before
    assert sent[2][1]["data"]["pv"] != sent[2][1]["data"]["pv"], "a missing number is sent as NaN"
    assert without_large_numbers({"a": [2**53, -(2**53), 2**53 - 1, True, 0.5]}) == {
        "a": ["9007199254740992", "-9007199254740992", 2**53 - 1, True, 0.5]
    }


def test_secrets_leave_no_trace_in_the_address():
    address = without_secrets("https://me:pw@lab.example:8000/api/v1/raw?api_key=s3cret#x")
    assert address == "https://lab.example:8000/api/v1/raw"
    assert TiledRuns("http://127.0.0.1:9/api/v1?api_key=s3cret").address.endswith("/api/v1")


def test_a_server_error_is_not_the_end_of_a_run():
    target = TiledRuns("http://127.0.0.1:9")
    target._connected = object()
    kinds = {500: RunFailedError, 503: RunFailedError, 429: TargetDownError, 401: TargetDownError}
    kinds |= {422: RunRefusedError, 413: RunRefusedError}
    for status, kind in kinds.items():
        assert type(target._status("r", status, "words")) is kind
