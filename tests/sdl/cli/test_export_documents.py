"""What stands behind ``sdl export RUN --to jsonl``: files, words, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sdl.cli.documents import export_documents
from sdl.core.errors import ConfigError, JournalError
from sdl.core.event import CampaignBegun
from sdl.journal.journal import Journal

BEGUN = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)
ROOT = Path(__file__).parents[3]


def emit(journal: Journal, uid: str) -> None:
    journal.documents.append("start", {"uid": uid, "time": 1000.0})
    journal.documents.append("stop", {"uid": f"{uid}-s", "run_start": uid, "time": 2.0})
    journal.flush()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with Journal.create(f"sqlite:///{tmp_path}/run/campaign.db", BEGUN) as journal:
        emit(journal, "r1")
        emit(journal, "r2")
    return tmp_path / "run"


def test_runs_are_exported_checked_and_told(run, capsys):
    assert export_documents(run, to="jsonl", check=True) == 0
    assert sorted(p.name for p in (run / "documents").iterdir()) == ["r1.jsonl", "r2.jsonl"]
    words = capsys.readouterr().out
    assert f"jsonl: {run}/documents: 2 runs exported" in words
    assert "2 runs read back, 0 with differences" in words


def test_a_difference_is_found_and_is_exit_code_1(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert export_documents(run, to="jsonl", out=out) == 0
    lines = (out / "r1.jsonl").read_text().splitlines()
    start = json.loads(lines[0])
    start["doc"]["time"] = 1000.0000000000001
    (out / "r1.jsonl").write_text("\n".join([json.dumps(start), *lines[1:]]))
    (out / "r2.jsonl").unlink()
    assert export_documents(run, to="jsonl", out=out, check=True) == 1
    words = capsys.readouterr().out
    assert "run r1: document 1, start.time was 1000.0" in words
    assert "run r2: it is not there" in words
    assert export_documents(run, to="jsonl", out=out, again=True) == 1, "r1 is another file"
    assert (out / "r2.jsonl").exists()


def test_options_that_do_not_fit_are_refused(run, tmp_path):
    wrong: list[dict[str, Any]] = [
        {"to": "jsonl", "uri": "http://127.0.0.1:9"},
        {"to": "tiled"},
        {"to": "tiled", "uri": "http://127.0.0.1:9", "out": tmp_path},
        {"to": "nexus"},
    ]
    for words in wrong:
        with pytest.raises(ConfigError):
            export_documents(run, **words)
    with pytest.raises(JournalError, match="no campaign here"):
        export_documents(tmp_path, to="jsonl")


FOLLOWER = """
import sys
from pathlib import Path
from sdl.cli.documents import export_documents
sys.exit(export_documents(Path(sys.argv[1]), to="jsonl", follow=True))
"""


def test_a_follower_goes_on_until_it_is_asked_to_end(run):
    follower = subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, str(run)],
        cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until_s = time.monotonic() + 60.0
        while not (run / "documents" / "r2.jsonl").exists() and time.monotonic() < until_s:
            time.sleep(0.02)
        follower.send_signal(signal.SIGTERM)
        out, errors = follower.communicate(timeout=60)
    finally:
        follower.kill()
    assert follower.returncode == 0, errors
    assert "2 runs exported" in out
    assert "ending after the present run" in errors
