"""How far an outbox has come with one target: a small file beside the journal."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from sdl.core.errors import JournalError
from sdl.core.model import Frozen
from sdl.journal.blobs import write_durably
from sdl.journal.exporters.target import Target
from sdl.journal.store import Location

_MIDDLE = ".outbox-"


class Cursor(Frozen):
    """A target and what it has; everything here can be found again by another walk."""

    target: str
    """``kind: address``."""
    after: Annotated[int, Field(ge=0)] = 0
    """All runs that started at or before this document are settled."""
    mark: str = ""
    """Hash of that document: a repaired or exchanged journal is walked anew."""
    settled: tuple[str, ...] = ()
    """Settled runs behind it."""
    exported: Annotated[int, Field(ge=0)] = 0
    """Runs the target has."""
    refused: dict[str, str] = Field(default_factory=dict[str, str])
    """Runs the target will never take, with the reason."""
    trouble: str = ""
    """What stopped the last pass; empty when nothing did."""


def cursor_path(location: Location, target: Target) -> Path:
    """The file of a target's cursor, beside the journal.

    Raises:
        JournalError: The journal is no file.
    """
    digest = hashlib.sha256(target.address.encode()).hexdigest()[:8]
    return location.beside(f"{_MIDDLE}{target.kind}-{digest}.json")


def cursor_paths(location: Location) -> list[Path]:
    """The cursors of every target this journal was ever exported to."""
    if location.path is None:
        return []
    pattern = f"{_glob_escaped(location.path.name)}{_MIDDLE}*.json"
    return sorted(location.path.parent.glob(pattern))


def read_cursor(path: Path) -> Cursor | None:
    """The cursor in a file; ``None`` when it is absent or damaged: another walk mends that.

    Raises:
        JournalError: It cannot be read.
    """
    try:
        return Cursor.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    except OSError as err:
        raise JournalError("the cursor of the outbox cannot be read", got=err, where=path) from err


def write_cursor(path: Path, cursor: Cursor) -> None:
    """Replaces the file as a whole.

    Raises:
        JournalError: The disk is full or refuses.
    """
    try:
        write_durably(path, cursor.model_dump_json().encode())
    except OSError as err:
        raise JournalError(
            "the cursor of the outbox cannot be written",
            got=err,
            do="free space or rights; the export goes on where it was",
            where=path,
        ) from err


def _glob_escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
