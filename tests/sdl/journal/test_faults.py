"""Faults 16, 17, 18 and 20 at the journal: full disk, locked or torn database, clock, lost target.

Elsewhere: acknowledged records on a full disk and behind a file size limit in ``test_journal``, a
checksum per record in ``test_chain`` and ``test_repair``, a failing sink of documents in
``labs/test_same_events``, hours without a target in ``test_outbox``.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import random
import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sdl.campaign.config import BudgetConfig, CampaignConfig
from sdl.campaign.loop import Campaign
from sdl.campaign.opening import begin, resume
from sdl.campaign.places import MEMORY
from sdl.core.clock import MonotonicClock
from sdl.core.command import Command
from sdl.core.errors import JournalError, JournalLockedError
from sdl.core.event import CampaignBegun, Done, Event, EventKind, Intended
from sdl.journal import store
from sdl.journal.exporters.compare import compare
from sdl.journal.exporters.jsonl import JsonLines
from sdl.journal.exporters.target import Named, Run, TargetDownError
from sdl.journal.journal import Journal
from sdl.journal.outbox import Outbox, Pushed
from sdl.journal.projection import projection
from sdl.tasks.task import load_task

BEGUN = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)
TASK = load_task("batio3-coarse")


def done(number: int) -> Event:
    return Event.of(1.0, Done(command=f"c{number}", result={"balance_mg": number / 3}))


def run_of(uid: str) -> list[Named]:
    return [
        ("start", {"uid": uid, "time": 3600.0}),
        ("descriptor", {"uid": f"{uid}-d", "run_start": uid, "name": "primary"}),
        ("stop", {"uid": f"{uid}-s", "run_start": uid, "time": 1.0, "exit_status": "success"}),
    ]


def emit(journal: Journal, documents: list[Named]) -> None:
    for name, doc in documents:
        journal.documents.append(name, doc)
    journal.flush()


def pragma(journal: Journal, words: str) -> Any:
    found = journal._connection.exec_driver_sql(f"PRAGMA {words}")
    value = found.scalar() if found.returns_rows else None
    journal._connection.rollback()
    return value


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/run/campaign.db"


def campaign_config(lab: str) -> CampaignConfig:
    return CampaignConfig(
        name="faults", task=TASK.name, lab=lab, policy="random",
        budget=BudgetConfig(experiments=1),
    )  # fmt: skip


def commands_sent(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the commands that reach the laboratory from now on."""
    sent: list[str] = []
    submit = campaign.lab.submit

    def told(command: Command) -> str:
        sent.append(command.id)
        return submit(command)

    monkeypatch.setattr(campaign.lab, "submit", told)
    return sent


@pytest.fixture(scope="module")
def whole() -> list[str]:
    campaign = begin(campaign_config("fast"), TASK, MEMORY)
    campaign.run()
    return projection(campaign.journal.events())


@pytest.mark.parametrize("how", ["full", "read-only"])
@pytest.mark.parametrize("steps", [5, 12, 20])
def test_16_a_full_or_read_only_disk_refuses_new_steps_and_loses_nothing(
    url, whole, monkeypatch, steps, how
):
    campaign = begin(campaign_config("fast"), TASK, url)
    sent = commands_sent(campaign, monkeypatch)
    for _ in range(steps):
        campaign.step()
    if how == "full":
        pragma(campaign.journal, f"max_page_count={pragma(campaign.journal, 'page_count')}")
    else:
        pragma(campaign.journal, "query_only=ON")
    words = "disk is full" if how == "full" else "cannot be opened or written"
    with pytest.raises(JournalError, match=words):
        campaign.run()
    sent_before = len(sent)
    with Journal.open(url, owner=False) as reader:
        kept = reader.events()
    intended = [e.read(Intended).command.id for e in kept if e.kind is EventKind.INTENDED]
    assert sent == intended, "nothing is sent that is not in the record"
    with contextlib.suppress(JournalError):  # an end that was lost with the record leaves it idle
        campaign.run()
    assert len(sent) == sent_before, "no new step is begun"
    campaign.close()
    campaign = resume(url)
    assert campaign.journal.events()[: len(kept)] == kept
    campaign.run()
    assert projection(campaign.journal.events()) == whole
    campaign.close()


def test_16_a_full_disk_behind_the_export_leaves_no_half_file_and_no_loss(
    url, tmp_path, monkeypatch
):
    folder = tmp_path / "out"
    with Journal.create(url, BEGUN) as journal, Outbox(url, JsonLines(folder)) as outbox:
        emit(journal, run_of("r1"))
        sync = os.fsync

        def full(descriptor: int) -> None:
            if str(folder) in os.readlink(f"/proc/self/fd/{descriptor}"):
                raise OSError(errno.ENOSPC, "No space left on device")
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(TargetDownError, match="No space left"):
            outbox.push()
        assert list(folder.glob("*.jsonl")) == []
        assert outbox.backlog().waiting == 1
        journal.append(done(1))
        monkeypatch.setattr(os, "fsync", sync)
        assert outbox.push() == Pushed(written=1)


def test_16_a_cursor_that_cannot_be_written_costs_one_more_look(url, tmp_path, monkeypatch):
    with Journal.create(url, BEGUN) as journal, Outbox(url, JsonLines(tmp_path / "out")) as outbox:
        emit(journal, run_of("r1"))
        replace = os.replace

        def full(source: Any, target: Any) -> None:
            if ".outbox-" in str(target):
                raise OSError(errno.ENOSPC, "No space left on device")
            replace(source, target)

        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(JournalError, match="cursor of the outbox"):
            outbox.push()
        monkeypatch.setattr(os, "replace", replace)
    with Outbox(url, JsonLines(tmp_path / "out")) as outbox:
        assert outbox.push() == Pushed(there=1)


def test_17_a_database_that_is_locked_for_a_moment_is_waited_for(url):
    with Journal.create(url, BEGUN) as journal:
        other = sqlite3.connect(str(journal.path), isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.4, lambda: other.execute("ROLLBACK"))
        release.start()
        assert journal.append(done(1))[0].seq == 3
        release.join()
        other.close()


def test_17_a_database_that_stays_locked_is_told_and_loses_nothing(url, monkeypatch):
    monkeypatch.setattr(store, "_BUSY_TIMEOUT_S", 0.2)
    with Journal.create(url, BEGUN) as journal:
        other = sqlite3.connect(str(journal.path), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        journal.documents.append(*run_of("r1")[0])
        with pytest.raises(JournalLockedError, match="another program holds"):
            journal.append(done(1))
        other.execute("ROLLBACK")
        other.close()
        assert len(journal.documents) == 1
        assert journal.append(done(1))[0].seq == 3
        assert [name for name, _ in journal.stored_documents()] == ["start"]


def test_17_a_reader_in_the_middle_of_its_look_keeps_nobody_from_writing(url):
    with Journal.create(url, BEGUN) as journal:
        reader = sqlite3.connect(str(journal.path), isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (2,)
        for number in range(50):
            journal.append(done(number))
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (2,)
        reader.close()


@pytest.mark.parametrize("damage", ["cut", "garbage", "zeros"])
def test_17_a_torn_tail_of_the_log_leaves_whole_transactions(url, tmp_path, damage):
    """As after a loss of power: the last pages of the write-ahead log are absent or nonsense."""
    draw = random.Random(17)
    with Journal.create(url, BEGUN) as journal:
        for number in range(0, 40, 2):
            journal.append(done(number), done(number + 1))
        events, path = journal.events(), journal.path
        assert path is not None
        log = path.with_name("campaign.db-wal").read_bytes()
        content = path.read_bytes()
    lengths = set()
    for attempt in range(12):
        folder = tmp_path / f"copy-{attempt}"
        folder.mkdir()
        (folder / "campaign.db").write_bytes(content)
        at = draw.randrange(len(log) // 3, len(log))
        tail = {"cut": b"", "garbage": draw.randbytes(len(log) - at), "zeros": bytes(4096)}
        (folder / "campaign.db-wal").write_bytes(log[:at] + tail[damage])
        with Journal.open(f"sqlite:///{folder}/campaign.db") as survived:
            kept = survived.events()[:-1]
            assert kept == events[: len(kept)]
            assert len(kept) % 2 == 0, "a pair was torn apart"
            lengths.add(len(kept))
            assert survived.append(done(99))[0].seq == len(kept) + 2
        shutil.rmtree(folder)
    assert len(lengths) > 3, "the tears came at one place only"


def jumping(draw: random.Random) -> Any:
    """A wall clock that is set to and fro by an hour, as in a change to summer time."""
    true = time.time
    return lambda: true() + draw.choice([-3600.0, 0.0, 3600.0])


def test_18_a_wall_clock_that_jumps_changes_no_record(url, campaign_url, monkeypatch):
    with Journal.open(campaign_url, owner=False) as calm:
        expected = projection(calm.events())
    monkeypatch.setattr(time, "time", jumping(random.Random(18)))
    settings = campaign_config("virtual").model_copy(update={"name": "exported"})
    campaign = begin(settings, TASK, url)
    campaign.run()
    assert projection(campaign.journal.events()) == expected
    times = [doc["time"] for _, doc in campaign.journal.stored_documents() if "time" in doc]
    assert any(b < a - 1800.0 for a, b in itertools.pairwise(times)), "nothing jumped"
    campaign.close()


def test_18_durations_do_not_follow_the_wall_clock(monkeypatch):
    monotonic_s = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic_s[0])
    monkeypatch.setattr(time, "time", jumping(random.Random(18)))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        monotonic_s[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    clock = MonotonicClock(3600.0)
    assert clock.advance_to(3600.0 + 7200.0) == 3600.0 + 7200.0
    assert slept == [7200.0], "a soak is neither shortened nor lengthened"


def test_18_documents_leave_in_the_order_they_came_whatever_their_times_say(url, tmp_path):
    with Journal.create(url, BEGUN) as journal:
        documents = run_of("r1")  # its stop is an hour before its start
        emit(journal, documents)
    lines = JsonLines(tmp_path / "out")
    with Outbox(url, lines) as outbox:
        outbox.push()
    back = lines.read("r1")
    assert back is not None
    assert [name for name, _ in back] == ["start", "descriptor", "stop"]
    assert compare(documents, back) == []


class Away:
    """A target that is down until it is told to be there."""

    kind, address = "jsonl", "far away"

    def __init__(self) -> None:
        self.up = threading.Event()
        self.attempts = 0
        self.runs: dict[str, Run] = {}

    def put(self, run: Run) -> bool:
        self.attempts += 1
        if not self.up.is_set():
            raise TargetDownError("no connection")
        assert run.uid not in self.runs, "a run came twice"
        self.runs[run.uid] = run
        return True

    def read(self, uid: str) -> list[Named] | None:
        return list(self.runs[uid].documents)

    def kept(self, documents: Any) -> list[Named]:
        return list(documents)

    def close(self) -> None:
        pass


def test_20_a_campaign_does_not_notice_that_the_store_is_down(url, campaign_url):
    with Journal.open(campaign_url, owner=False) as calm:
        expected = projection(calm.events())
    settings = campaign_config("virtual").model_copy(update={"name": "exported"})
    campaign = begin(settings, TASK, url)
    target, stop = Away(), threading.Event()
    with Outbox(url, target) as outbox:
        worker = threading.Thread(
            target=outbox.follow, args=(stop,), kwargs={"poll_s": 0.02, "first_wait_s": 0.02}
        )
        worker.start()
        try:
            campaign.run()
            assert projection(campaign.journal.events()) == expected
            campaign.close()
            until_s = time.monotonic() + 20.0
            while target.attempts < 3 and time.monotonic() < until_s:
                time.sleep(0.01)
            assert target.runs == {}
            target.up.set()
            while time.monotonic() < until_s and outbox.backlog().waiting:
                time.sleep(0.02)
        finally:
            stop.set()
            worker.join()
        with Journal.open(url, owner=False) as journal:
            starts = [doc["uid"] for name, doc in journal.stored_documents() if name == "start"]
            assert list(target.runs) == starts
            for uid in starts:
                back = target.read(uid) or []
                assert compare(journal.stored_documents(uid), back) == []
