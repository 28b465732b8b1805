"""Documents leave the journal in order, once, whole; lost runs are closed on the way only."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sdl.core.errors import JournalError, JournalLockedError
from sdl.core.event import CampaignBegun, Done, Event
from sdl.journal.backlog import backlogs
from sdl.journal.cursor import cursor_paths
from sdl.journal.exporters.compare import MOST, compare
from sdl.journal.exporters.jsonl import JsonLines
from sdl.journal.exporters.target import (
    Named,
    Run,
    RunFailedError,
    RunRefusedError,
    TargetDownError,
)
from sdl.journal.journal import Journal
from sdl.journal.lock import OwnerLock, owner_of
from sdl.journal.outbox import LONGEST_WAIT_S, Outbox, Pushed
from sdl.journal.repair import truncate_tail
from sdl.journal.runs import Standing, StoredRuns
from sdl.journal.store import locate

BEGUN = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)
ROOT = Path(__file__).parents[3]


def run_of(uid: str, *, events: int = 1, command: str | None = None) -> list[Named]:
    """A run as a RunEngine emits it."""
    about: dict[str, Any] = {} if command is None else {"command_id": command}
    keys = {"t": {"source": "x", "dtype": "number", "shape": []}}
    return [
        ("start", {"uid": uid, "time": 1000.0, **about}),
        ("descriptor", {"uid": f"{uid}-d", "run_start": uid, "name": "primary", "data_keys": keys}),
        *(
            (
                "event",
                {
                    "uid": f"{uid}-e{n}",
                    "descriptor": f"{uid}-d",
                    "seq_num": n + 1,
                    "time": 1001.0 + n,
                    "data": {"t": float("nan") if n == 1 else 20.0 + n / 3},
                    "timestamps": {"t": 1000.5 + n},
                },
            )
            for n in range(events)
        ),
        ("stop", {"uid": f"{uid}-s", "run_start": uid, "time": 1009.0, "exit_status": "success"}),
    ]


def emit(journal: Journal, documents: list[Named]) -> None:
    for name, doc in documents:
        journal.documents.append(name, doc)
    journal.flush()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/run/campaign.db"


@pytest.fixture
def journal(url: str):
    with Journal.create(url, BEGUN) as journal:
        yield journal


class Scripted:
    """A target in memory whose answers a test decides."""

    kind, address = "jsonl", "in memory"

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.asked: list[str] = []
        self.wrong: dict[str, Exception] = {}
        self.down: Exception | None = None

    def put(self, run: Run) -> bool:
        self.asked.append(run.uid)
        trouble = self.down or self.wrong.get(run.uid)
        if trouble is not None:
            raise trouble
        new = run.uid not in self.runs
        self.runs[run.uid] = run
        return new

    def read(self, uid: str) -> list[Named] | None:
        run = self.runs.get(uid)
        return None if run is None else list(run.documents)

    def kept(self, documents: Any) -> list[Named]:
        return list(documents)

    def close(self) -> None:
        pass


def test_runs_become_files_that_read_back_equal(journal, url, tmp_path):
    for n in range(3):
        emit(journal, run_of(f"r{n}", events=3))
    lines = JsonLines(tmp_path / "out" / "deep")
    with Outbox(url, lines) as outbox:
        assert outbox.push() == Pushed(written=3)
        assert outbox.push() == Pushed()
    assert sorted(p.name for p in (tmp_path / "out" / "deep").iterdir()) == [
        "r0.jsonl", "r1.jsonl", "r2.jsonl",
    ]  # fmt: skip
    for n in range(3):
        back = lines.read(f"r{n}")
        assert back is not None
        assert compare(journal.stored_documents(f"r{n}"), back) == []
        assert back[3][1]["data"] == {"t": None}, "a missing value is null"
    assert lines.read("r9") is None


def test_an_export_that_begins_anew_finds_everything_there(journal, url, tmp_path):
    emit(journal, run_of("r1"))
    with Outbox(url, JsonLines(tmp_path)) as outbox:
        outbox.push()
    with Outbox(url, JsonLines(tmp_path), again=True) as outbox:
        assert outbox.push() == Pushed(there=1)
        assert outbox.backlog().exported == 1


def test_a_run_without_an_end_waits_while_its_controller_works(journal, url):
    documents = run_of("r1")
    emit(journal, documents[:-1])
    emit(journal, run_of("r2"))
    target = Scripted()
    with Outbox(url, target) as outbox:
        assert outbox.push() == Pushed(written=1)
        backlog = outbox.backlog()
        assert (backlog.waiting, backlog.open, backlog.exported) == (0, 1, 1)
        emit(journal, documents[-1:])
        assert outbox.push() == Pushed(written=1)
    assert target.asked == ["r2", "r1"]
    assert compare(documents, target.runs["r1"].documents) == []


def test_a_lost_run_is_closed_in_the_export_and_not_in_the_journal(url):
    with Journal.create(url, BEGUN) as first:
        emit(first, run_of("r1", events=2, command="c1")[:-1])
        emit(first, run_of("r2", command="c2"))
        with StoredRuns(url) as runs:
            assert runs.heads(0).runs[0].standing is Standing.OPEN
    target = Scripted()
    with Outbox(url, target) as outbox:  # nobody owns the journal
        outbox.push()
        lost = target.runs["r1"]
        assert lost.lost
        assert not target.runs["r2"].lost
        name, stop = lost.documents[-1]
        assert (name, stop["exit_status"], stop["reason"]) == ("stop", "fail", "controller lost")
        assert stop["num_events"] == {"primary": 2}
        assert (stop["run_start"], stop["time"]) == ("r1", 1002.0)
        with Journal.open(url) as second:
            emit(second, run_of("r3", command="c1"))
            emit(second, run_of("r4", command="c1"))
            emit(second, run_of("r5", command="c2"))
            outbox.push()
            assert [n for n, _ in second.stored_documents("r1")] == [
                "start", "descriptor", "event", "event",
            ]  # fmt: skip
            assert "resumes" not in second.stored_documents("r3")[0][1]
    starts = {uid: run.documents[0][1] for uid, run in target.runs.items()}
    assert starts["r3"]["resumes"] == "r1"
    assert all("resumes" not in starts[uid] for uid in ("r1", "r2", "r4", "r5"))
    again = Scripted()
    with Outbox(url, again, again=True) as outbox:
        outbox.push()
    assert again.runs == target.runs, "a second export gives the same documents"


def test_a_run_lost_beside_a_newer_controller_is_closed(url):
    with Journal.create(url, BEGUN) as first:
        emit(first, run_of("r1")[:2])
    with Journal.open(url) as second:
        emit(second, run_of("r2")[:2])
        with StoredRuns(url) as runs:
            found = {h.uid: h.standing for h in runs.heads(0).runs}
    assert found == {"r1": Standing.LOST, "r2": Standing.OPEN}


@pytest.mark.parametrize("uid", ["../evil", "a/b", "", ".hidden", "x" * 65, "r\n1", "a b"])
def test_a_uid_that_is_no_safe_id_is_refused_and_the_others_go_on(journal, url, tmp_path, uid):
    emit(journal, run_of(uid))
    emit(journal, run_of("r2"))
    folder = tmp_path / "out"
    with Outbox(url, JsonLines(folder)) as outbox:
        assert outbox.push() == Pushed(written=1, refused=1)
        backlog = outbox.backlog()
        assert backlog.waiting == 0
        assert "cannot become a file or a key" in backlog.words()
        assert outbox.push() == Pushed(), "a refused run is not tried again by itself"
    assert [p.name for p in folder.iterdir()] == ["r2.jsonl"]
    with pytest.raises(RunRefusedError):
        JsonLines(folder).read(uid)


def test_a_journal_subscribed_twice_is_told(journal, url):
    emit(journal, [d for d in run_of("r1") for _ in range(2)])
    with Outbox(url, Scripted()) as outbox:
        assert outbox.push() == Pushed(refused=1)
        assert "subscribe the journal to the RunEngine once" in outbox.backlog().words()


def test_another_file_of_that_name_is_never_overwritten(journal, url, tmp_path):
    emit(journal, run_of("r1"))
    (tmp_path / "r1.jsonl").write_text("mine\n")
    with Outbox(url, JsonLines(tmp_path)) as outbox:
        assert outbox.push() == Pushed(refused=1)
    assert (tmp_path / "r1.jsonl").read_text() == "mine\n"


def test_a_folder_that_cannot_be_written_is_a_target_that_is_down(journal, url, tmp_path):
    emit(journal, run_of("r1"))
    (tmp_path / "out").write_text("a file")
    with Outbox(url, JsonLines(tmp_path / "out")) as outbox:
        with pytest.raises(TargetDownError, match="cannot be written"):
            outbox.push()
        assert outbox.backlog().waiting == 1
        (told,) = backlogs(url)
        assert told.words().startswith("jsonl: ")
        assert "1 waiting, the oldest since 1970-01-01T00:16:40+00:00" in told.words()
        (tmp_path / "out").unlink()
        assert outbox.push() == Pushed(written=1)
    assert backlogs(url)[0].trouble == ""


def test_a_target_that_fails_at_one_run_does_not_keep_the_others_back(journal, url):
    for n in range(6):
        emit(journal, run_of(f"r{n}"))
    target = Scripted()
    target.wrong = {f"r{n}": RunFailedError("server error") for n in (0, 1, 2)}
    with Outbox(url, target) as outbox:
        with pytest.raises(TargetDownError, match="failed at 3 runs"):
            outbox.push()
        assert target.runs == {}
        with pytest.raises(TargetDownError):
            outbox.push()
        assert sorted(target.runs) == ["r3", "r4", "r5"]
        target.wrong = {}
        assert outbox.push() == Pushed(written=3)
        assert outbox.backlog().exported == 6


def test_two_exporters_for_one_target_are_refused(journal, url, tmp_path):
    with (
        Outbox(url, JsonLines(tmp_path / "a")),
        Outbox(url, JsonLines(tmp_path / "b")),
        pytest.raises(JournalLockedError, match="another exporter"),
    ):
        Outbox(url, JsonLines(tmp_path / "a"))
    with pytest.raises(JournalError, match="no file of its own"):
        Outbox("sqlite://", JsonLines(tmp_path))


def test_an_exchanged_journal_or_damaged_cursor_is_walked_anew(journal, url, tmp_path):
    emit(journal, run_of("r1"))
    emit(journal, run_of("r2"))
    target = Scripted()
    with Outbox(url, target) as outbox:
        outbox.push()
    (path,) = cursor_paths(locate(url))
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, "mark": "0" * 64}))
    with Outbox(url, target) as outbox:
        assert outbox.push() == Pushed(there=2)
    path.write_text("{half")
    assert backlogs(url) == []
    with Outbox(url, target) as outbox:
        assert outbox.push() == Pushed(there=2)


def test_documents_of_an_exporter_survive_a_repair_of_the_journal(url, tmp_path):
    with Journal.create(url, BEGUN) as journal:
        emit(journal, run_of("r1"))
        journal.append(*(Event.of(0.0, Done(command=f"c{n}")) for n in range(30)))
        path = journal.path
    assert path is not None
    target = Scripted()
    with Outbox(url, target) as outbox:
        outbox.push()
        path.write_bytes(path.read_bytes().replace(b'"command":"c20"', b'"command":"c21"'))
        truncate_tail(url)
        with Journal.open(url) as journal:
            emit(journal, run_of("r2"))
            assert outbox.push() == Pushed(written=1)


def test_documents_of_no_run_are_counted(journal, url):
    emit(journal, [("event", {"uid": "e", "descriptor": "unknown", "data": {}})])
    emit(journal, run_of("r1"))
    with Outbox(url, Scripted()) as outbox:
        assert outbox.push() == Pushed(written=1)
        assert "1 documents of no run" in outbox.backlog().words()


def test_runs_wait_for_hours_and_arrive_once(journal, url):
    """Fault 20: the outbox keeps filling, nothing is lost, the wait grows and is drawn."""
    target = Scripted()
    target.down = TargetDownError("no connection")
    stop = threading.Event()
    waits: list[float] = []
    told: list[str] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        emit(journal, run_of(f"r{len(waits)}"))
        if len(waits) == 50:
            target.down = None
        if len(waits) == 51:
            stop.set()
        return False

    stop.wait = wait  # type: ignore[method-assign]
    emit(journal, run_of("r0"))
    with Outbox(url, target, jitter=random.Random(3)) as outbox:
        outbox.follow(stop, tell=told.append)
        assert outbox.push() == Pushed(written=1), "the run that came last"
    assert sum(waits) > 2 * 3600
    assert max(waits) <= LONGEST_WAIT_S
    assert len(set(waits[10:50])) == 40, "exporters must not come all together"
    assert waits[0] <= 1.0 < waits[3]
    assert list(target.runs) == [f"r{n}" for n in range(52)]
    assert "no connection; next attempt in" in told[30]
    assert "31 waiting, the oldest since 1970" in told[30]


EXPORTER = """
import sys
from pathlib import Path
from sdl.journal.exporters.jsonl import JsonLines
from sdl.journal.outbox import Outbox
with Outbox(sys.argv[1], JsonLines(Path(sys.argv[2]))) as outbox:
    print(outbox.push())
"""


@pytest.mark.parametrize("place", ["run-exported:1", "run-exported:7", "run-exported:30"])
def test_a_killed_exporter_goes_on_with_no_run_twice_and_none_lost(journal, url, tmp_path, place):
    for n in range(30):
        emit(journal, run_of(f"r{n}"))
    folder = tmp_path / "out"
    words = [sys.executable, "-c", EXPORTER, url, str(folder)]
    killed = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "SDL_CRASH_AT": place}, capture_output=True, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (folder / ".r29.jsonl.part").write_bytes(b"half a line")
    before = {p.name: p.stat().st_ino for p in folder.glob("*.jsonl")}
    assert len(before) == int(place.partition(":")[2])
    with Outbox(url, JsonLines(folder)) as outbox:
        pushed = outbox.push()
        assert outbox.backlog().exported == 30
    assert pushed.written == 30 - len(before)
    files = {p.name: p.stat().st_ino for p in folder.glob("*.jsonl")}
    assert files.items() >= before.items(), "what was there is not written a second time"
    assert sorted(files) == sorted(f"r{n}.jsonl" for n in range(30))
    for n in range(30):
        back = JsonLines(folder).read(f"r{n}")
        assert compare(journal.stored_documents(f"r{n}"), back or []) == []


def test_looking_at_a_free_lock_never_keeps_a_controller_out(tmp_path):
    path = tmp_path / "campaign.db.lock"
    OwnerLock.acquire(path, "campaign.db").release()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            owner_of(path)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(200):
            OwnerLock.acquire(path, "campaign.db").release()
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()


def test_compare_tells_every_kind_of_difference():
    sent = run_of("r1")
    assert compare(sent, sent) == []
    changes: list[Any] = [
        (2, "data", {"t": 20.000000000000004}, "event.data.t was 20.0"),
        (2, "timestamps", {}, "event.timestamps.t is absent"),
        (2, "seq_num", True, "event.seq_num was 1, came back as True"),
        (0, "extra", [1], "start.extra came back as [1], it was not sent"),
        (3, "exit_status", "fail", "stop.exit_status was 'success', came back as 'fail'"),
    ]
    for index, key, value, words in changes:
        back = [(name, dict(doc)) for name, doc in sent]
        back[index][1][key] = value
        (difference,) = compare(sent, back)
        assert words in difference
    assert compare(sent, sent[:-1]) == ["4 documents were sent, 3 came back"]
    assert "is a stop, a event came back" in compare(sent[3:], sent[2:3])[0]
    assert compare([("event", {"x": None})], [("event", {"x": float("nan")})]) == []
    many = [("event", {str(n): n for n in range(100)})]
    assert len(compare(many, [("event", {})])) == MOST
