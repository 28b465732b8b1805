"""Bluesky documents wait, are committed with events, and never stop a plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdl.core.errors import JournalError
from sdl.core.event import CampaignBegun, Done, Event
from sdl.journal.documents import Documents, to_json
from sdl.journal.journal import Journal

BEGUN = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)
RUN: list[tuple[str, dict[str, Any]]] = [
    ("start", {"uid": "r1", "time": 1.0}),
    ("descriptor", {"uid": "d1", "run_start": "r1"}),
    ("event", {"uid": "e1", "descriptor": "d1", "data": {"balance": np.float64(1.5)}}),
    ("stop", {"uid": "s1", "run_start": "r1"}),
]


def test_documents_are_committed_with_the_next_event(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/campaign.db"
    with Journal.create(url, BEGUN) as journal, Journal.open(url, owner=False) as reader:
        for name, doc in RUN:
            journal.documents.append(name, doc)
        assert reader.stored_documents() == []
        journal.append(Event.of(0.0, Done(command="c1")))
        assert [name for name, _ in reader.stored_documents("r1")] == [n for n, _ in RUN]
        assert reader.stored_documents("r1")[2][1]["data"] == {"balance": 1.5}
        assert reader.stored_documents("r2") == []


def test_documents_are_committed_by_flush_and_close(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/campaign.db"
    with Journal.create(url, BEGUN) as journal:
        journal.documents.append(*RUN[0])
        journal.flush()
        assert len(journal.documents) == 0
        journal.documents.append(*RUN[1])
    with Journal.open(url, owner=False) as reader:
        assert [name for name, _ in reader.stored_documents()] == ["start", "descriptor"]


def test_documents_wait_when_the_commit_fails() -> None:
    with Journal.create("sqlite://", BEGUN) as journal:
        journal.documents.append(*RUN[0])
        journal._connection.exec_driver_sql("PRAGMA query_only=ON")
        journal._connection.rollback()
        with pytest.raises(JournalError):
            journal.append(Event.of(0.0, Done(command="c1")))
        assert len(journal.documents) == 1
        journal._connection.exec_driver_sql("PRAGMA query_only=OFF")
        journal._connection.rollback()
        journal.append(Event.of(0.0, Done(command="c1")))
        assert journal.stored_documents() == [("start", {"uid": "r1", "time": 1.0})]


def test_whatever_comes_in_can_be_stored() -> None:
    loop: list[Any] = []
    loop.append(loop)
    documents = Documents()
    strange: dict[Any, Any] = {
        "array": np.arange(3),
        "zero": np.array(2.5),
        "nan": np.float32("nan"),
        "infinite": float("inf"),
        "flag": np.bool_(True),
        "bytes": b"\x00\xff",
        "set": {"b", "a"},
        "surrogate": "\ud800",
        "object": object(),
        "when": np.datetime64("2026-01-01"),
        "complex": np.array([1j]),
        "loop": loop,
        7: np.int8(3),
    }
    documents.append("event", strange)
    doc = json.loads(documents.take()[0].doc)
    assert doc["array"] == [0, 1, 2]
    assert doc["zero"] == 2.5
    assert doc["nan"] is None
    assert doc["infinite"] is None
    assert doc["flag"] is True
    assert doc["set"] == ["a", "b"]
    assert doc["7"] == 3
    assert doc["object"] == "<object>"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=10,
    )
)
def test_conversion_gives_strict_json(value: object) -> None:
    found = to_json(value)
    assert json.loads(json.dumps(found, allow_nan=False).encode()) == found


@given(
    st.dictionaries(
        st.text() | st.integers() | st.booleans() | st.none(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.none(), inner),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_plain_documents_take_a_short_way_to_the_same_text(doc: dict[Any, Any]) -> None:
    documents = Documents()
    documents.append("event", doc)
    assert json.loads(documents.take()[0].doc) == to_json(doc)


def test_data_of_a_file_belong_to_the_run_of_their_resource() -> None:
    documents = Documents()
    documents.append("resource", {"uid": "f1", "run_start": "r1"})
    documents.append("datum", {"datum_id": "f1/0", "resource": "f1"})
    documents.append("datum", {"datum_id": "f9/0", "resource": "f9"})
    assert [d.run for d in documents.take()] == ["r1", "r1", ""]
