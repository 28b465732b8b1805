"""One owner; the kernel frees the lock of a killed one. SIGKILL loses nothing acknowledged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sdl.core.errors import JournalLockedError
from sdl.core.event import CampaignBegun, Done, Event
from sdl.journal.journal import Journal
from sdl.journal.lock import OwnerLock

BEGUN = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)
ROOT = Path(__file__).parents[3]

OWNER = """
import os, sys, signal
from sdl.journal.journal import Journal
journal = Journal.open(sys.argv[1])
if sys.argv[2:] == ["with-worker"]:
    if os.fork() == 0:
        os.close(1)
        signal.pause()
print(os.getpid(), flush=True)
signal.pause()
"""


def owner_process(url: str, *args: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, url, *args],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_the_second_owner_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/campaign.db"
    Journal.create(url, BEGUN).close()
    process, pid = owner_process(url)
    try:
        with pytest.raises(JournalLockedError) as caught:
            Journal.open(url)
        message = str(caught.value)
        assert f"process {pid} on " in message
        assert "owner since 20" in message
        assert "what to do" in message
        with pytest.raises(JournalLockedError):
            Journal.create(url, BEGUN)
        with Journal.open(url, owner=False) as reader:
            assert len(reader.events()) == 3
    finally:
        process.kill()
        process.communicate()
    with Journal.open(url) as journal:
        journal.append(Event.of(0.0, Done(command="c1")))
        assert journal.epoch == 3


def test_a_worker_that_outlives_a_killed_owner_does_not_keep_the_lock(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/campaign.db"
    Journal.create(url, BEGUN).close()
    process, pid = owner_process(url, "with-worker")
    try:
        process.kill()
        process.communicate()
        Journal.open(url).close()
    finally:
        os.killpg(pid, signal.SIGKILL)


def test_one_process_cannot_own_twice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/campaign.db"
    with Journal.create(url, BEGUN) as journal:
        with pytest.raises(JournalLockedError):
            Journal.open(url)
        assert journal.append(Event.of(0.0, Done(command="c1")))[0].seq == 3


def test_an_unreadable_lock_file_is_still_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db.lock"
    lock = OwnerLock.acquire(path, "campaign.db")
    path.write_text("[not json")
    with pytest.raises(JournalLockedError, match="process unknown"):
        OwnerLock.acquire(path, "campaign.db")
    lock.release()
    lock.release()
    OwnerLock.acquire(path, "campaign.db").release()


# One process imports once, then forks owners that append until they are killed at a random moment.
# An owner acknowledges each record through a pipe after append returned.
KILLER = """
import json, os, random, signal, sys, time
from sdl.core.event import CampaignBegun, Done, Event
from sdl.journal.journal import Journal
from sdl.journal.repair import damage

url, kills = sys.argv[1], int(sys.argv[2])
begun = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)
Journal.create(url, begun).close()
draw = random.Random(11)
lost, torn, acknowledged = 0, 0, 0
for kill in range(kills):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        journal = Journal.open(url)
        number = 0
        while True:
            number += 1
            pair = [Event.of(1.0, Done(command=f"c{kill}", result={"n": [number, half]}))
                    for half in (0, 1)]
            seq = journal.append(*pair)[-1].seq
            os.write(writer, b"%d %d\\n" % (seq, number))
    os.close(writer)
    # Some are killed while they open, the others after a random number of records.
    wanted, text = draw.choice([0, 0, 1, 2, 4, 8, 16]), b""
    while text.count(b"\\n") < wanted:
        chunk = os.read(reader, 4096)
        if not chunk:
            sys.exit("the owner ended by itself")
        text += chunk
    time.sleep(draw.random() * (0.004 if wanted else 0.03))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with os.fdopen(reader, "rb") as rest:
        text += rest.read()
    told = [tuple(map(int, line.split())) for line in text.split(b"\\n")[:-1]]
    acknowledged += len(told)
    with Journal.open(url, owner=False) as journal:
        events = {e.seq: e for e in journal.events()}
    for seq, number in told:
        event = events.get(seq)
        if event is None or event.payload.result["n"] != [number, 1]:
            lost += 1
    halves = [e.payload.result["n"][1] for e in events.values() if isinstance(e.payload, Done)]
    torn += halves != [0, 1] * (len(halves) // 2)
print(json.dumps({"lost": lost, "torn": torn, "acknowledged": acknowledged,
                  "damage": damage(url) is not None, "epochs": journal.epoch}))
"""


def test_sigkill_loses_no_acknowledged_record(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/campaign.db"
    child = subprocess.run(
        [sys.executable, "-c", KILLER, url, "40"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    assert (result["lost"], result["torn"], result["damage"]) == (0, 0, False)
    assert result["acknowledged"] >= 40, "the kills came too early to show anything"
