"""Both ways write every document; the figures are positive and belong together."""

from __future__ import annotations

import sqlite3

from sdl.bench.journal_rate import (
    bare_append_s,
    journal_append_s,
    measure_journal_rate,
    synthetic_run,
)
from sdl.journal.journal import Journal


def test_both_ways_keep_all_documents(tmp_path):
    documents = synthetic_run(1, 20)
    assert bare_append_s(documents, tmp_path / "bare.db", 8) > 0.0
    assert journal_append_s(documents, tmp_path / "ours", 8) > 0.0
    bare = sqlite3.connect(tmp_path / "bare.db")
    assert bare.execute("SELECT count(*) FROM documents").fetchone() == (23,)
    bare.close()
    with Journal.open(f"sqlite:///{tmp_path}/ours/campaign.db", owner=False) as journal:
        assert journal.stored_documents("run-000001") == documents


def test_the_figures_belong_together():
    rate = measure_journal_rate(runs=2, points=10, batch=4, turns=1)
    values = {row.name: row.value for row in rate.rows()}
    assert rate.documents == 26
    assert values["journal_ratio"] == values["journal_documents"] / values["bare_documents"]
    assert rate.ratio > 0.0
