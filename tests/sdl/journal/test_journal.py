"""Appending, reading, refusing; every error is one clear message."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdl.core.errors import JournalCorruptError, JournalError, JournalLockedError
from sdl.core.event import Boot, CampaignBegun, Done, Event, EventKind, Failed, Stopped
from sdl.journal.journal import Journal

BEGUN = CampaignBegun(config={"name": "a"}, task={}, task_hash="t", capabilities={}, seed=7)


def done(number: int, time_s: float = 1.0) -> Event:
    return Event.of(time_s, Done(command=f"c{number}", result={"balance_mg": number / 3}))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/run/campaign.db"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4
        )
    ),
    max_leaves=12,
)
events = st.builds(
    Event.of,
    st.floats(allow_nan=False, allow_infinity=False),
    st.builds(
        Done,
        command=st.just("c1"),
        result=st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"])), json_values, max_size=4
        ),
    )
    | st.builds(
        Failed, command=st.just("c1"), error=st.text(st.characters(exclude_categories=["Cs"]))
    ),
)


@given(batches=st.lists(st.lists(events, max_size=4), max_size=4))
@settings(max_examples=60, deadline=None)
def test_events_come_back_as_they_were_appended(batches: list[list[Event]]) -> None:
    with Journal.create("sqlite://", BEGUN) as journal:
        appended = [event for batch in batches for event in journal.append(*batch)]
        assert journal.events(after=2) == appended
        given_ = [event for batch in batches for event in batch]
        assert [(e.time_s, e.payload) for e in appended] == [(e.time_s, e.payload) for e in given_]
        assert [e.seq for e in appended] == list(range(3, 3 + len(appended)))


@given(batch=st.lists(events, min_size=1, max_size=4))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_events_survive_closing_and_opening(tmp_path: Path, batch: list[Event]) -> None:
    url = f"sqlite:///{tmp_path}/{os.urandom(8).hex()}.db"
    with Journal.create(url, BEGUN) as journal:
        appended = journal.append(*batch)
    with Journal.open(url, owner=False) as journal:
        assert journal.events(after=2) == list(appended)


def test_a_new_journal_begins_with_campaign_and_boot(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:
        first, second = journal.events()
        assert first.read(CampaignBegun) == BEGUN
        boot = second.read(Boot)
        assert boot.epoch == journal.epoch == 1
        assert boot.pid == os.getpid()
        assert boot.versions["python"].startswith(f"{sys.version_info[0]}.")
        assert {"numpy", "numba"} <= boot.versions.keys()


def test_each_owner_gets_the_next_epoch_at_the_last_laboratory_time(url: str) -> None:
    Journal.create(url, BEGUN).close()
    with Journal.open(url) as journal:
        journal.append(done(1, time_s=3600.0))
    with Journal.open(url) as journal:
        assert journal.epoch == 3
        assert journal.events()[-1].time_s == 3600.0
    with Journal.open(url, owner=False) as reader:
        assert reader.epoch == 3
        assert [e.kind for e in reader.events()].count(EventKind.BOOT) == 3


def test_importing_the_journal_loads_no_heavy_library() -> None:
    code = (
        "import sys, sdl.journal.journal, sdl.journal.repair, sdl.journal.projection\n"
        "from sdl.journal.boot import boot; boot(1)\n"
        "print([m for m in ('torch', 'bluesky', 'numba', 'ophyd') if m in sys.modules])"
    )
    root = Path(__file__).parents[3]
    done_ = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done_.stdout.strip() == "[]", done_.stderr


def test_an_event_that_is_not_json_is_refused_and_nothing_is_written(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:
        bad = Event.of(0.0, Done(command="c2", result={"mass_mg": float("nan")}))
        with pytest.raises(JournalError, match=r"cannot be written.*finite numbers"):
            journal.append(done(1), bad)
        assert journal.append(done(3))[0].seq == 3


def test_records_cannot_be_changed_through_the_database(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:
        journal.append(done(1))
        other = sqlite3.connect(str(journal.path))
        for statement in (
            "UPDATE events SET payload = '{}' WHERE seq = 3",
            "DELETE FROM events",
            "INSERT OR REPLACE INTO events SELECT seq, kind, 9, time_s, epoch, payload, checksum "
            "FROM events WHERE seq = 3",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                other.execute(statement)
        other.close()
        assert len(journal.events()) == 3


def test_a_reader_follows_a_writing_owner(url: str) -> None:
    with Journal.create(url, BEGUN) as owner, Journal.open(url, owner=False) as reader:
        seen = reader.events()[-1].seq
        for number in range(5):
            owner.append(done(number))
            fresh = reader.events(after=seen)
            assert [e.read(Done).command for e in fresh] == [f"c{number}"]
            seen = fresh[-1].seq
        with pytest.raises(JournalError, match="reading only"):
            reader.append(done(9))


def test_threads_append_one_after_the_other(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:

        def work(base: int) -> None:
            for number in range(40):
                journal.append(done(base + number), done(base + number))

        threads = [threading.Thread(target=work, args=(base,)) for base in (0, 1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        commands = [e.read(Done).command for e in journal.events(after=2)]
    assert len(commands) == 160
    assert commands[::2] == commands[1::2], "a pair was torn apart"


def test_a_second_begin_on_one_store_is_refused(url: str) -> None:
    Journal.create(url, BEGUN).close()
    with pytest.raises(JournalError, match=r"a campaign here already.*sdl resume"):
        Journal.create(url, BEGUN)


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (id)")
    other.close()
    with pytest.raises(JournalError, match=r"another program.*recipes"):
        Journal.create(f"sqlite:///{path}", BEGUN)
    with pytest.raises(JournalError, match="no campaign was begun"):
        Journal.open(f"sqlite:///{path}")


@pytest.mark.parametrize("owner", [True, False])
def test_an_absent_journal_is_told_and_leaves_no_file(tmp_path: Path, owner: bool) -> None:
    with pytest.raises(JournalError, match=r"there is no journal here.*sdl run"):
        Journal.open(f"sqlite:///{tmp_path}/none.db", owner=owner)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("mysql://host/db", "not supported.*postgresql"),
        ("runs/campaign.db", "not a store.*sqlite:///"),
        ("sqlite://", "in memory cannot be opened again"),
    ],
)
def test_a_store_that_cannot_be_is_told(store: str, message: str) -> None:
    with pytest.raises(JournalError, match=message):
        Journal.open(store)


@pytest.mark.parametrize("owner", [True, False])
def test_a_file_that_is_not_sqlite_is_told(tmp_path: Path, owner: bool) -> None:
    path = tmp_path / "campaign.db"
    path.write_bytes(b"name: batio3-first\n" * 200)
    with pytest.raises(JournalError, match="not a journal"):
        Journal.open(f"sqlite:///{path}", owner=owner)


@pytest.mark.parametrize("owner", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.9])
def test_a_file_cut_short_is_told(url: str, owner: bool, share: float) -> None:
    with Journal.create(url, BEGUN) as journal:
        journal.append(*(done(n) for n in range(300)))
        path = journal.path
    assert path is not None
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(JournalError, match=r"damaged|no campaign|not a journal") as caught:
        Journal.open(url, owner=owner)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_directory_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="not a file"):
        Journal.open(f"sqlite:///{tmp_path}")
    with pytest.raises(JournalError):
        Journal.create(f"sqlite:///{tmp_path}", BEGUN)


def fill(journal: Journal, batch: tuple[Event, ...]) -> tuple[int, str]:
    acknowledged = journal.last_seq
    try:
        for _ in range(20):
            acknowledged = journal.append(*batch)[-1].seq
    except JournalError as err:
        return acknowledged, str(err)
    return acknowledged, "never full"


def test_a_full_disk_loses_nothing_that_was_acknowledged(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:
        journal.append(done(1))
        pages = journal._connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        journal._connection.rollback()
        journal._connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
        journal._connection.rollback()
        big = Event.of(2.0, Stopped(reason="x" * 3000, success=False))
        acknowledged, error = fill(journal, (done(2), big, big))
        assert "the disk is full" in error
        assert "free space" in error
        assert [e.seq for e in journal.events()] == list(range(1, acknowledged + 1))
        journal._connection.exec_driver_sql("PRAGMA max_page_count=100000")
        journal._connection.rollback()
        assert journal.append(big)[0].seq == acknowledged + 1, "goes on once there is space"
    with Journal.open(url, owner=False) as reader:
        assert len(reader.events()) == acknowledged + 1


LIMITED = """
import resource, sys
from sdl.core.errors import JournalError
from sdl.core.event import Event, Stopped
from sdl.journal.journal import Journal
journal = Journal.open(sys.argv[1])
size = journal.path.with_name("campaign.db-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 60_000, resource.RLIM_INFINITY))
last = 0
try:
    while True:
        last = journal.append(Event.of(0.0, Stopped(reason="y" * 5000, success=False)))[0].seq
except JournalError as err:
    print(last, err)
"""


def test_a_disk_that_refuses_to_write_loses_nothing(url: str) -> None:
    Journal.create(url, BEGUN).close()
    root = Path(__file__).parents[3]
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, url], cwd=root, capture_output=True, text=True, timeout=60
    )
    last, _, message = child.stdout.partition(" ")
    assert "disk" in message, child.stderr
    with Journal.open(url) as journal:
        assert journal.events()[-2].seq >= int(last)


def test_a_forked_process_cannot_write(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:
        journal._pid += 1
        with pytest.raises(JournalError, match="forked"):
            journal.append(done(1))
        journal._pid -= 1


def test_a_stale_epoch_is_refused(url: str) -> None:
    first = Journal.create(url, BEGUN)
    assert first.path is not None
    # On a file system without locks the second owner gets in; the fence still holds.
    first.path.with_name("campaign.db.lock").unlink()
    with Journal.open(url) as second:
        with pytest.raises(JournalLockedError, match=r"taken over.*nothing was written"):
            first.append(done(1))
        second.append(done(2))
        assert [e.read(Done).command for e in second.events(after=3)] == ["c2"]
    first.close()


def test_a_damaged_record_is_named(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:
        journal.append(*(done(n) for n in range(10)))
        path = journal.path
    assert path is not None
    content = path.read_bytes()
    assert content.count(b'"command":"c4"') == 1
    path.write_bytes(content.replace(b'"command":"c4"', b'"command":"c5"'))
    for owner in (True, False):
        with pytest.raises(JournalCorruptError, match="record 7 does not match") as caught:
            Journal.open(url, owner=owner)
        message = str(caught.value)
        assert f"{path}, record 7: " in message
        assert "sdl resume" in message
        assert "campaign.db.damaged-7.json" in message
