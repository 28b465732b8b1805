"""How fast Bluesky documents become durable: our journal beside a bare SQLite append.

Both write the same documents in batches of the same size, into the same folder, in turns, so that a
busy disk slows both. The bare one is what the reference measured: WAL, ``synchronous=FULL``, one
transaction per batch, no checks, text as it is.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdl.bench.report import Row
from sdl.core.event import CampaignBegun, Done, Event
from sdl.journal.journal import Journal

Named = tuple[str, dict[str, Any]]

BATCH = 8
"""Documents in one commit, as a campaign leaves them between two records (measured: 4 or 8)."""


@dataclass(frozen=True)
class JournalRate:
    """Documents per second, made durable."""

    bare_per_s: float
    ours_per_s: float
    documents: int
    batch: int

    @property
    def ratio(self) -> float:
        """Ours over the bare one; at least one half is the aim."""
        return self.ours_per_s / self.bare_per_s

    def rows(self) -> list[Row]:
        """The figures as rows of a bench."""
        n = self.documents
        return [
            Row(name="bare_documents", value=self.bare_per_s, unit="documents/s", n=n),
            Row(name="journal_documents", value=self.ours_per_s, unit="documents/s", n=n),
            Row(name="journal_ratio", value=self.ratio, unit="ours / bare", n=n),
        ]


def measure_journal_rate(
    runs: int = 20, points: int = 97, batch: int = BATCH, turns: int = 9
) -> JournalRate:
    """Writes the same runs in both ways, in turns, and takes the median of each.

    Args:
        runs: Runs a turn.
        points: Events of a run; it has three documents more.
        batch: Documents in one commit.
        turns: How often both are measured.
    """
    documents = [document for n in range(runs) for document in synthetic_run(n, points)]
    bare, ours = [], []
    with tempfile.TemporaryDirectory(prefix="sdl-journal-rate-") as scratch:
        for turn in range(turns):
            bare.append(bare_append_s(documents, Path(scratch) / f"bare-{turn}.db", batch))
            ours.append(journal_append_s(documents, Path(scratch) / f"ours-{turn}", batch))
    count = len(documents)
    return JournalRate(
        bare_per_s=count / sorted(bare)[turns // 2],
        ours_per_s=count / sorted(ours)[turns // 2],
        documents=count,
        batch=batch,
    )


def bare_append_s(documents: Sequence[Named], file: Path, batch: int) -> float:
    """Seconds of a bare group-committed append.

    Args:
        documents: What to write.
        file: A new database.
        batch: Documents in one transaction.
    """
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, name TEXT, doc TEXT)")
        began = time.perf_counter()
        for start in range(0, len(documents), batch):
            rows = [(name, json.dumps(doc)) for name, doc in documents[start : start + batch]]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO documents (name, doc) VALUES (?, ?)", rows)
            connection.execute("COMMIT")
        return time.perf_counter() - began
    finally:
        connection.close()


def journal_append_s(documents: Sequence[Named], folder: Path, batch: int) -> float:
    """Seconds of our journal: taken, made JSON, indexed by run, fenced, committed with a record.

    As in a campaign, each batch goes with one checksummed event; the bare append has none.

    Args:
        documents: What to write.
        folder: Of a new journal.
        batch: Documents in one commit.
    """
    begun = CampaignBegun(config={}, task={}, task_hash="bench", capabilities={}, seed=0)
    with Journal.create(f"sqlite:///{folder}/campaign.db", begun) as journal:
        began = time.perf_counter()
        for start in range(0, len(documents), batch):
            for name, doc in documents[start : start + batch]:
                journal.documents.append(name, doc)
            journal.append(Event.of(0.0, Done(command="c1")))
        return time.perf_counter() - began


def synthetic_run(number: int, points: int) -> list[Named]:
    """A furnace's run: four channels read ``points`` times."""
    uid, stream = f"run-{number:06d}", f"stream-{number:06d}"
    channels = [f"furnace_1_{c}" for c in ("pv_c", "setpoint_c", "power_percent", "time_left_s")]
    keys = {c: {"source": "SIM", "dtype": "number", "shape": [], "units": "x"} for c in channels}
    events: list[Named] = [
        (
            "event",
            {
                "uid": f"event-{number:06d}-{n:06d}",
                "descriptor": stream,
                "seq_num": n + 1,
                "time": 1.7e9 + n / 3,
                "data": {c: 20.0 + n / 7 + i for i, c in enumerate(channels)},
                "timestamps": dict.fromkeys(channels, 1700000000.0 + n / 3),
                "filled": {},
            },
        )
        for n in range(points)
    ]
    described = {"uid": stream, "run_start": uid, "name": "primary", "data_keys": keys}
    return [
        ("start", {"uid": uid, "time": 1.7e9, "plan_name": "anneal"}),
        ("descriptor", described),
        *events,
        ("stop", {"uid": f"stop-{number:06d}", "run_start": uid, "exit_status": "success"}),
    ]
