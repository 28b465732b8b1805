"""A damaged tail is set aside; everything before it stays."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from sdl.core.errors import JournalCorruptError, JournalError, JournalLockedError
from sdl.core.event import CampaignBegun, Done, Event, EventKind
from sdl.journal.journal import Journal
from sdl.journal.repair import damage, truncate_tail

BEGUN = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)


def write(tmp_path: Path, count: int = 40) -> tuple[str, Path, list[Event]]:
    url = f"sqlite:///{tmp_path}/campaign.db"
    with Journal.create(url, BEGUN) as journal:
        journal.documents.append("start", {"uid": "r1"})
        journal.append(
            *(
                Event.of(float(n), Done(command=f"c{n}", result={"x": [n] * 40}))
                for n in range(count)
            )
        )
        return url, tmp_path / "campaign.db", journal.events()


def test_a_sound_journal_has_no_damage_and_is_not_repaired(tmp_path: Path) -> None:
    url, path, _ = write(tmp_path)
    assert damage(url) is None
    before = path.read_bytes()
    with pytest.raises(JournalError, match="not damaged"):
        truncate_tail(url)
    assert path.read_bytes() == before


def test_repair_keeps_what_is_before_the_damage(tmp_path: Path) -> None:
    url, path, events = write(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"command":"c30"', b'"command":"c31"'))
    found = damage(url)
    assert found is not None
    assert found.record == 33
    side = truncate_tail(url)
    assert side.name == "campaign.db.damaged-33.json"
    moved = json.loads(side.read_text())
    assert [r["seq"] for r in moved["records"]] == list(range(33, 43))
    assert (tmp_path / "campaign.db.damaged-33.db").is_file()
    assert damage(url) is None
    with Journal.open(url) as journal:
        kept = journal.events()
        assert kept[:32] == events[:32]
        assert [e.kind for e in kept[32:]] == [EventKind.BOOT]
        assert journal.epoch == 2
        assert journal.stored_documents() == [("start", {"uid": "r1"})]
        journal.append(events[-1])
    with sqlite3.connect(path) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("DELETE FROM events")
    raw.close()


def test_a_second_repair_keeps_the_first_ones_files(tmp_path: Path) -> None:
    url, path, _ = write(tmp_path)
    sides = []
    for _ in range(2):
        raw = sqlite3.connect(path)
        raw.execute("DROP TRIGGER events_no_update")
        raw.execute("UPDATE events SET time_s = time_s + 1 WHERE seq = 20")
        raw.commit()
        raw.close()
        sides.append(truncate_tail(url).name)
        with Journal.open(url) as journal:
            journal.append(Event.of(1.0, Done(command="c1")))
    assert sides == ["campaign.db.damaged-20.json", "campaign.db.damaged-20-2.json"]


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_file_cut_short_keeps_its_readable_records(tmp_path: Path, share: float) -> None:
    url, path, events = write(tmp_path, count=400)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    found = damage(url)
    assert found is not None
    with pytest.raises(JournalCorruptError, match=r"sdl resume .* --repair"):
        Journal.open(url)
    try:
        truncate_tail(url)
    except JournalCorruptError as err:
        assert found.record == 1
        assert "nothing can be kept" in str(err)  # noqa: PT017
        return
    with Journal.open(url) as journal:
        kept = journal.events()[:-1]
    assert len(kept) == found.record - 1
    assert kept == events[: len(kept)]


def test_a_journal_with_an_owner_is_not_repaired(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/campaign.db"
    with Journal.create(url, BEGUN), pytest.raises(JournalLockedError):
        truncate_tail(url)


def test_a_damaged_first_record_leaves_all_as_it_is(tmp_path: Path) -> None:
    url, path, _ = write(tmp_path)
    content = path.read_bytes().replace(b'"task_hash":"t"', b'"task_hash":"u"')
    path.write_bytes(content)
    with pytest.raises(JournalCorruptError, match="nothing can be kept"):
        truncate_tail(url)
    assert path.read_bytes() == content


def test_repair_of_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal here"):
        truncate_tail(f"sqlite:///{tmp_path}/campaign.db")
    with pytest.raises(JournalError, match="only a journal in a file"):
        truncate_tail("sqlite://")
    assert list(tmp_path.iterdir()) == []
