"""Arrays come back bit by bit, or not at all."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sdl.core.errors import JournalCorruptError, JournalError
from sdl.core.protocols import BlobStore
from sdl.journal.blobs import DirectoryBlobs, MemoryBlobs


@pytest.fixture(params=["directory", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return DirectoryBlobs(tmp_path / "blobs") if request.param == "directory" else MemoryBlobs()


def test_bytes_come_back_under_their_hash(blobs: BlobStore) -> None:
    digest = blobs.put(b"pattern")
    assert digest == hashlib.sha256(b"pattern").hexdigest()
    assert blobs.put(b"pattern") == digest
    assert blobs.get(digest) == b"pattern"


@given(
    array=hnp.arrays(
        st.sampled_from(["f8", "i8", "f4", "?", "c16"]), hnp.array_shapes(min_dims=0, min_side=0)
    )
)
@settings(max_examples=40, deadline=None)
def test_arrays_come_back_bit_by_bit(array: np.ndarray) -> None:
    blobs = MemoryBlobs()
    back = blobs.get_array(blobs.put_array(array))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_files_lie_two_deep_and_nothing_else_is_left(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path / "blobs")
    digest = blobs.put_array(np.arange(4.0))
    files = [p.relative_to(blobs.root) for p in blobs.root.rglob("*") if p.is_file()]
    assert files == [Path(digest[:2]) / digest]


def test_absent_and_changed_data_are_told(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path / "blobs")
    digest = blobs.put(b"pattern")
    (blobs.root / digest[:2] / digest).write_bytes(b"pattern?")
    with pytest.raises(JournalCorruptError, match="do not match their hash"):
        blobs.get(digest)
    assert blobs.put(b"pattern") == digest, "storing it again mends it"
    assert blobs.get(digest) == b"pattern"
    with pytest.raises(JournalError, match="not stored"):
        blobs.get("0" * 64)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_hashes_are_looked_up(blobs: BlobStore, name: str) -> None:
    with pytest.raises(JournalError, match="not a content hash"):
        blobs.get(name)


def test_objects_are_neither_stored_nor_read(blobs: BlobStore) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(JournalError, match="Python objects"):
        blobs.put_array(objects)
    buffer = io.BytesIO()
    np.save(buffer, objects, allow_pickle=True)
    for foreign in (buffer.getvalue(), b"no array", b""):
        with pytest.raises(JournalError, match="not an array"):
            blobs.get_array(blobs.put(foreign))


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = DirectoryBlobs(tmp_path / "blobs")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JournalError, match="disk is full"):
        blobs.put(b"pattern")
    assert not [p for p in blobs.root.rglob("*") if p.is_file()]
