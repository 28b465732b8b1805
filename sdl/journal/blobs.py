"""Content-addressed bytes and arrays: on disk beside the journal, in a table, or in memory."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, insert, select

from sdl.core.errors import JournalCorruptError, JournalError
from sdl.journal import tables

_DIGEST = re.compile(r"[0-9a-f]{64}")


class _Blobs(ABC):
    """What every store shares: hashing, checking, arrays."""

    where: str

    def put(self, data: bytes) -> str:
        """Stores bytes durably; returns their SHA-256 in hexadecimal."""
        digest = hashlib.sha256(data).hexdigest()
        self._store(digest, bytes(data))
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of a hash.

        Raises:
            JournalError: ``digest`` is no hash, or nothing is stored under it.
            JournalCorruptError: The content does not match its name.
        """
        if not _DIGEST.fullmatch(digest):
            raise JournalError(
                "this is not a content hash",
                got=repr(digest[:80]),
                allowed="64 hexadecimal digits",
                where=self.where,
            )
        data = self._load(digest)
        if data is None:
            raise JournalError(
                "the record refers to data that are not stored",
                got=digest,
                do="restore the folder of arrays that belongs to this journal",
                where=self.where,
            )
        actual = hashlib.sha256(data).hexdigest()
        if actual != digest:
            raise JournalCorruptError(
                "stored data do not match their hash",
                got=f"content {actual}",
                allowed=f"content {digest}",
                do="restore this file from a copy",
                where=self.where,
            )
        return data

    def put_array(self, array: npt.NDArray[np.generic]) -> str:
        """Stores one array of any shape in NumPy's ``.npy`` format; returns the file's hash.

        Raises:
            JournalError: The array holds Python objects.
        """
        buffer = io.BytesIO()
        try:
            np.save(buffer, array, allow_pickle=False)
        except ValueError as err:
            raise JournalError(
                "an array of Python objects cannot be stored",
                got=f"dtype {array.dtype}",
                allowed="numbers, booleans or fixed-width text",
                where=self.where,
            ) from err
        return self.put(buffer.getvalue())

    def get_array(self, digest: str) -> npt.NDArray[np.generic]:
        """The array of a hash; never unpickles.

        Raises:
            JournalError: Absent, changed, or not an array.
        """
        try:
            return np.load(io.BytesIO(self.get(digest)), allow_pickle=False)
        except (ValueError, EOFError) as err:
            raise JournalError(
                "stored data are not an array",
                got=str(err),
                allowed="a .npy file without Python objects",
                where=f"{self.where}, {digest}",
            ) from err

    @abstractmethod
    def _store(self, digest: str, data: bytes) -> None: ...

    @abstractmethod
    def _load(self, digest: str) -> bytes | None: ...


class MemoryBlobs(_Blobs):
    """For journals in memory."""

    def __init__(self) -> None:
        self.where = "arrays in memory"
        self._data: dict[str, bytes] = {}

    def _store(self, digest: str, data: bytes) -> None:
        self._data[digest] = data

    def _load(self, digest: str) -> bytes | None:
        return self._data.get(digest)


class TableBlobs(_Blobs):
    """In the database itself, for journals on a server.

    Args:
        transaction: Gives a connection inside a transaction that commits at the end of the block.
        where: The journal, for messages.
    """

    def __init__(
        self, transaction: Callable[[], AbstractContextManager[Connection]], where: str
    ) -> None:
        self.where = where
        self._transaction = transaction

    def _store(self, digest: str, data: bytes) -> None:
        with self._transaction() as connection:
            known = select(tables.blobs.c.digest).where(tables.blobs.c.digest == digest)
            if connection.execute(known).first() is None:
                connection.execute(insert(tables.blobs), {"digest": digest, "data": data})

    def _load(self, digest: str) -> bytes | None:
        with self._transaction() as connection:
            query = select(tables.blobs.c.data).where(tables.blobs.c.digest == digest)
            data = connection.execute(query).scalar_one_or_none()
        return None if data is None else bytes(data)


class DirectoryBlobs(_Blobs):
    """Files ``<root>/ab/abcdef...``, written aside, synced and renamed: whole or not there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)

    def _path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def _store(self, digest: str, data: bytes) -> None:
        path = self._path(digest)
        if path.exists() and path.stat().st_size == len(data):
            return
        try:
            new_folder = not path.parent.is_dir()
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, data)
            if new_folder:
                sync_directory(self.root)
                sync_directory(self.root.parent)
        except OSError as err:
            raise JournalError(
                "data cannot be stored, the disk is full or not writable",
                got=str(err),
                do="free space or rights, then resume; the records so far are intact",
                where=path,
            ) from err

    def _load(self, digest: str) -> bytes | None:
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as err:
            raise JournalError(
                "stored data cannot be read", got=str(err), where=self._path(digest)
            ) from err


def write_durably(path: Path, data: bytes) -> None:
    """Writes a file so that after any crash it is there as a whole or not at all.

    Raises:
        OSError: The disk is full or refuses.
    """
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
