"""The same journal on PostgreSQL: a private server in a temporary directory, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from sdl.core.errors import JournalCorruptError, JournalError, JournalLockedError
from sdl.core.event import CampaignBegun, Done, Event, EventKind
from sdl.journal.journal import Journal
from sdl.journal.repair import damage, truncate_tail

pytest.importorskip("psycopg", reason="the PostgreSQL driver psycopg is not installed")

BEGUN = CampaignBegun(config={"name": "a"}, task={}, task_hash="t", capabilities={}, seed=7)


def done(number: int) -> Event:
    return Event.of(number / 3, Done(command=f"c{number}", result={"note": "\0°C", "x": 1e-300}))


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    on_path = shutil.which("pg_ctl")
    if not found and on_path is None:
        pytest.skip("no PostgreSQL server binaries here")
    binaries = found[-1].parent if found else Path(str(on_path)).parent
    user: str | None = None
    if os.getuid() == 0:  # the server refuses to run as root
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("running as root, and there is no user postgres to run the server")
    with tempfile.TemporaryDirectory(prefix="sdl-pg-") as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)

        def call(*command: str) -> None:
            subprocess.run(
                command, user=user, cwd=folder, check=True, capture_output=True, timeout=100
            )

        data = str(folder / "data")
        call(str(binaries / "initdb"), "-D", data, "-U", "sdl", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses='' -k {folder}"
        log = str(folder / "log")
        call(str(binaries / "pg_ctl"), "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            yield folder
        finally:
            call(str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "stop")


@pytest.fixture
def url(server: Path, request: pytest.FixtureRequest) -> str:
    admin = create_engine(f"postgresql+psycopg://sdl@/postgres?host={server}")
    name = f"j{zlib.crc32(request.node.name.encode())}"
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return f"postgresql://sdl@/{name}?host={server}"


def test_a_campaign_is_written_read_and_resumed(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:
        journal.documents.append("start", {"uid": "r1", "text": "\0"})
        appended = journal.append(done(1), done(2))
        digest = journal.blobs.put_array(np.arange(5.0))
        assert journal.blobs.put_array(np.arange(5.0)) == digest
    with Journal.open(url) as journal:
        assert journal.epoch == 2
        assert journal.events(after=2)[:2] == list(appended)
        assert journal.events()[-1].kind is EventKind.BOOT
        assert journal.blobs.get_array(digest).tolist() == [0, 1, 2, 3, 4]
        assert journal.stored_documents("r1") == [("start", {"uid": "r1", "text": "\0"})]
    with pytest.raises(JournalError, match="a campaign here already"):
        Journal.create(url, BEGUN)


def test_the_second_owner_is_refused_and_readers_are_not(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:
        with pytest.raises(JournalLockedError, match=f"process {os.getpid()} on"):
            Journal.open(url)
        with Journal.open(url, owner=False) as reader:
            journal.append(done(1))
            assert len(reader.events()) == 3
    Journal.open(url).close()


def test_an_owner_that_lost_its_connection_is_fenced(url: str) -> None:
    first = Journal.create(url, BEGUN)
    admin = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with admin.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    admin.dispose()
    with Journal.open(url) as second:
        for _ in range(2):
            with pytest.raises(JournalError):
                first.append(done(1))
        second.append(done(2))
        assert [e.read(Done).command for e in second.events(after=3)] == ["c2"]
    first.close()


def test_records_cannot_be_changed_and_damage_is_named(url: str) -> None:
    with Journal.create(url, BEGUN) as journal:
        journal.append(*(done(n) for n in range(5)))
    admin = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    for statement in ("UPDATE events SET epoch = 2", "DELETE FROM events", "TRUNCATE events"):
        with admin.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
            connection.execute(text(statement))
    with admin.begin() as connection:
        connection.execute(text("ALTER TABLE events DISABLE TRIGGER ALL"))
        connection.execute(text("UPDATE events SET epoch = 2 WHERE seq = 4"))
    admin.dispose()
    with pytest.raises(JournalCorruptError, match="record 4 does not match"):
        Journal.open(url)
    found = damage(url)
    assert found is not None
    assert found.record == 4
    with pytest.raises(JournalError, match="only a journal in a file can be repaired"):
        truncate_tail(url)


def test_a_server_that_is_not_there_is_told(server: Path) -> None:
    with pytest.raises(JournalError, match="the database cannot be used"):
        Journal.open(f"postgresql://sdl@/postgres?host={server}/nowhere")
    with pytest.raises(JournalError, match="no campaign was begun"):
        Journal.open(f"postgresql://sdl@/postgres?host={server}")
