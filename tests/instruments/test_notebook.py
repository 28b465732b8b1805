"""Notes are durable, checked, and written by the latest controller only."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from instruments.notebook import Notebook
from sdl.core.errors import LabError


def test_notes_grow_and_survive(tmp_path: Path) -> None:
    book = Notebook(tmp_path / "n.db")
    book.write("furnace_1", "c1", {"tag": 7})
    assert book.write("furnace_1", "c1", {"end_s": 1.0}) == {"tag": 7, "end_s": 1.0}
    book.put("S1", "furnace_1")
    book.close()
    again = Notebook(tmp_path / "n.db", epoch=2)
    assert again.read("furnace_1", "c1") == {"tag": 7, "end_s": 1.0}
    assert again.occupants("furnace_1") == ("S1",)
    assert again.read("furnace_1", "c2") is None
    again.close()


def test_an_earlier_controller_writes_nothing_once_a_later_one_came(tmp_path: Path) -> None:
    old = Notebook(tmp_path / "n.db", epoch=1)
    old.write("mixer", "c1", {"starts": 1})
    old.put("S1", "mixer")
    new = Notebook(tmp_path / "n.db", epoch=2)
    for act in (
        lambda: old.write("mixer", "c1", {"starts": 2}),
        lambda: old.write("mixer", "c2", {"starts": 2}),
        lambda: old.put("S1", "rack"),
        lambda: old.put("S2", "rack"),
    ):
        with pytest.raises(LabError, match="a later controller"):
            act()
    assert new.read("mixer", "c1") == {"starts": 1}
    assert new.labels("mixer") == ("c1",)
    assert (new.place("S1"), new.place("S2")) == ("mixer", None)
    new.write("mixer", "c2", {"starts": 2})
    new.put("S1", "rack")
    old.close()
    new.close()


def test_a_note_that_was_changed_is_told(tmp_path: Path) -> None:
    book = Notebook(tmp_path / "n.db")
    book.write("mixer", "c1", {"starts": 1})
    raw = sqlite3.connect(tmp_path / "n.db")
    raw.execute("update notes set data = '{\"starts\":2}'")
    raw.commit()
    raw.close()
    with pytest.raises(LabError, match="does not match its checksum"):
        book.read("mixer", "c1")
    book.close()
