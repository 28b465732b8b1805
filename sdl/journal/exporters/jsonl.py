"""Runs as JSON lines: one file per run, whole or not there.

Each line is ``{"name": ..., "doc": ...}``, as Bluesky's own JSON writers have it. A missing value
is ``null``. The file's name is the whole uid: names cut to eight characters, as Bluesky's writers
use, can meet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from sdl.journal.blobs import sync_directory
from sdl.journal.exporters.run import check_name
from sdl.journal.exporters.target import (
    Named,
    Run,
    RunFailedError,
    RunRefusedError,
    TargetDownError,
)


class JsonLines:
    """A folder of runs.

    Args:
        folder: Made when the first run comes.
    """

    kind = "jsonl"

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()
        self.address = str(self._folder)

    def put(self, run: Run) -> bool:
        """Writes ``<uid>.jsonl`` aside, syncs and renames it.

        Raises:
            TargetDownError: The disk is full or refuses.
            RunRefusedError: The uid is no ``SafeId``, or another file has that name.
        """
        path = self._path(run.uid)
        data = "".join(_line(name, doc) for name, doc in run.documents).encode()
        try:
            if path.exists():
                if path.read_bytes() == data:
                    return False
                raise RunRefusedError(
                    "there is another file of this run",
                    got=str(path),
                    allowed="no file, or the one this export writes",
                    do="move it away, then export with --again",
                )
            self._write(path, data)
        except OSError as err:
            raise TargetDownError(
                "the folder of runs cannot be written",
                got=str(err),
                do="free space or rights; the export goes on by itself",
                where=path,
            ) from err
        return True

    def read(self, uid: str) -> list[Named] | None:
        """The documents of a file; ``None`` when there is none.

        Raises:
            RunFailedError: It cannot be read, or is not JSON lines.
        """
        path = self._path(uid)
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
            entries = [json.loads(line) for line in lines if line]
            return [(entry["name"], entry["doc"]) for entry in entries]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise RunFailedError(
                "this file cannot be read back",
                got=f"{type(err).__name__}: {err}",
                allowed='lines of {"name": ..., "doc": ...}',
                do="move it away, then export with --again",
                where=path,
            ) from err

    def kept(self, documents: Sequence[Named]) -> list[Named]:
        """All of it."""
        return list(documents)

    def close(self) -> None:
        """Nothing is held."""

    def _path(self, uid: str) -> Path:
        return self._folder / f"{check_name(uid, 'the uid of the run', uid)}.jsonl"

    def _write(self, path: Path, data: bytes) -> None:
        # A killed export leaves this name; the next one writes over it.
        aside = path.with_name(f".{path.name}.part")
        self._folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(aside, flags, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        sync_directory(self._folder)


def _line(name: str, doc: dict[str, object]) -> str:
    return json.dumps({"name": name, "doc": doc}, separators=(",", ":"), allow_nan=False) + "\n"
