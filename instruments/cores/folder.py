"""A folder that an instrument or a person puts result files in: when a file counts.

A file counts only when it has exactly the name that is waited for, was written after the start,
did not change between two looks, parses as a whole, and names the sample that is ours inside. Until
then it does not exist for the caller, who is told why. Nothing outside the folder is ever opened:
names are made of a ``SafeId``, and links and special files are refused.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, StringConstraints

from instruments.cores.core import Channel, Core, Identity, Show
from sdl.core.errors import DeviceError, LinkError, SdlError
from sdl.core.model import SAFE_ID
from sdl.journal.blobs import sync_directory

T = TypeVar("T")

LARGEST_BYTES = 20_000_000
"""Of one result file; a scan of 100 000 points is below 2 MB."""
GRAIN_S = 2.0
"""Coarsest time stamp of a file system (FAT), s: so much earlier than the start may a file seem."""
_NAME = re.compile(SAFE_ID.rstrip("$") + r"\.(xrdml|xy|csv|json|txt|done)", re.ASCII)


def file_id(sample: str, label: str) -> str:
    """A new id for the files of a job: at most 64 characters, never used before.

    Command ids come again in the next campaign, so a few random digits stand behind them.
    """
    return f"{sample[:32]}-{label[:24]}-{secrets.token_hex(3)}"


def _inside(text: str) -> str:
    if "\0" in text or ".." in Path(text).parts:
        raise ValueError("a folder without '..'")
    return text


FolderText = Annotated[
    str, StringConstraints(min_length=1, max_length=500), AfterValidator(_inside)
]
"""A folder of a laboratory file: relative to that file, or the absolute path of a share."""


class Verdict(StrEnum):
    """What a look at a result file found; all but ``ACCEPTED`` may still change."""

    MISSING = "missing"
    FRESH = "fresh"
    """Seen for the first time, or not still for long enough: the next look tells."""
    CHANGING = "changing"
    """Not as it was at the look before."""
    OLD = "old"
    BROKEN = "broken"
    """It stands still and cannot be read as a whole: half written, too large, a link."""
    FOREIGN = "foreign"
    """It names another sample."""
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Seen(Generic[T]):
    """One look at a result file.

    Args:
        verdict: Whether it counts.
        words: Why it does not, for messages.
        value: What it holds; ``None`` unless it counts.
        written_s: Wall time of the last write, s since 1970; 0 when it is missing.
    """

    verdict: Verdict
    words: str
    value: T | None = None
    written_s: float = 0.0


@dataclass(frozen=True)
class Format(Generic[T]):
    """How a result file is read.

    Args:
        parse: From its bytes and its name; raises ``SdlError`` unless it is whole and right.
        owner: The sample id it names; empty where such files name none.
        settle_s: Wall time that it must have stood still, s: for formats whose half looks whole.
    """

    parse: Callable[[bytes, str], T]
    owner: Callable[[T], str]
    settle_s: float = 0.0


class Folder:
    """Files by name in one folder; ``LinkError`` where the folder is gone.

    Args:
        name: Instrument, for messages.
        root: The folder.
        make: Whether it may be made where its parent is there: the mount of a share must not be.
    """

    def __init__(self, name: str, root: Path, *, make: bool) -> None:
        self.name = name
        self.root = root
        self._make = make
        self._looks: dict[str, tuple[int, int, float]] = {}

    @classmethod
    def of(cls, name: str, base: Path, text: str) -> Folder:
        """The folder of a setting: relative ones stand below ``base`` and are made if needed."""
        return cls(name, base / text, make=not Path(text).is_absolute())

    def open(self) -> None:
        """Looks that the folder is there; makes it where it may."""
        try:
            if self._make:
                self.root.mkdir(exist_ok=True)
            os.listdir(self.root)
        except OSError as err:
            raise self._gone(err) from err

    def names(self) -> tuple[str, ...]:
        """Names of the files that others could mean; hidden and set aside ones are left out."""
        self.open()
        try:
            return tuple(n for n in sorted(os.listdir(self.root)) if _NAME.fullmatch(n))
        except OSError as err:
            raise self._gone(err) from err

    def mark_s(self) -> float:
        """Wall time by the clock of whoever serves the folder, s since 1970.

        Files are judged by that clock: the instrument's computer need not agree with ours.
        """
        self.open()
        path = self.root / f".sdl-mark-{time.time_ns()}"
        try:
            path.touch(exist_ok=False)
            written_s = path.stat().st_mtime
            path.unlink()
        except OSError as err:
            raise self._gone(err) from err
        return written_s

    def set_aside(self, file_name: str) -> Path | None:
        """Renames a file that is there already, so that it is never taken for a new one."""
        path = self._path(file_name)
        aside = path.with_name(f"{file_name}.aside-{time.time_ns()}")
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return None
        except OSError as err:
            raise self._gone(err) from err
        self._looks.pop(file_name, None)
        return aside

    def has(self, file_name: str) -> bool:
        """Whether there is such a file, whatever it holds."""
        return os.path.lexists(self._path(file_name))

    def bytes_of(self, file_name: str, largest: int = LARGEST_BYTES) -> bytes:
        """The content of a file as it is now, for who does not wait.

        Raises:
            DeviceError: There is none, it is no plain file, or it is too large.
        """
        path = self._path(file_name)
        try:
            found = os.lstat(path)
            plain = stat.S_ISREG(found.st_mode) and found.st_size <= largest
            data = self._read(path, found) if plain else None
        except OSError as err:
            raise self._gone(err) from err
        if data is None:
            raise DeviceError(
                "a file cannot be taken",
                got=file_name,
                allowed=f"a plain file of at most {largest} bytes that stands still",
                do="put the file there again",
                where=self.root,
            )
        return data

    def write(self, file_name: str, data: bytes) -> None:
        """Writes a file that others read: whole or not there, and never through a link."""
        path = self._path(file_name)
        self.open()
        part = path.with_name(f".{file_name}.part-{time.time_ns()}")
        try:
            number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            sync_directory(self.root)
        except OSError as err:
            part.unlink(missing_ok=True)
            raise self._gone(err) from err

    def look(
        self, file_name: str, form: Format[T], *, owners: tuple[str, ...], after_s: float
    ) -> Seen[T]:
        """Whether a result file counts by now.

        Args:
            file_name: Exactly this one.
            form: How it is read.
            owners: Ids of which it must name one inside.
            after_s: Wall time of the start, by ``mark_s``.

        Raises:
            LinkError: The folder is gone.
        """
        path = self._path(file_name)
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            self.open()
            self._looks.pop(file_name, None)
            return Seen(Verdict.MISSING, f"there is no {file_name}")
        except OSError as err:
            raise self._gone(err) from err
        written_s = found.st_mtime
        if not stat.S_ISREG(found.st_mode):
            return Seen(Verdict.BROKEN, f"{file_name} is a link or no plain file", None, written_s)
        if found.st_size > LARGEST_BYTES:
            words = f"{file_name} has {found.st_size} bytes; allowed: {LARGEST_BYTES}"
            return Seen(Verdict.BROKEN, words, None, written_s)
        if written_s < after_s - GRAIN_S:
            words = f"{file_name} was written {after_s - written_s:.0f} s before the start"
            return Seen(Verdict.OLD, words, None, written_s)
        moves = self._moves(file_name, found, form.settle_s)
        if moves is not None:
            words = f"{file_name} is still written ({found.st_size} bytes)"
            return Seen(moves, words, None, written_s)
        return self._judged(path, found, form, owners)

    def _moves(self, file_name: str, found: os.stat_result, settle_s: float) -> Verdict | None:
        """``None`` once it stands still."""
        now_s, seen = time.monotonic(), (found.st_size, found.st_mtime_ns)
        before = self._looks.get(file_name)
        if before is None or before[:2] != seen:
            self._looks[file_name] = (*seen, now_s)
            return Verdict.FRESH if before is None else Verdict.CHANGING
        return None if now_s - before[2] >= settle_s else Verdict.FRESH

    def _judged(
        self, path: Path, found: os.stat_result, form: Format[T], owners: tuple[str, ...]
    ) -> Seen[T]:
        written_s = found.st_mtime
        try:
            data = self._read(path, found)
        except OSError as err:
            words = f"{path.name} cannot be opened: {err.strerror}"
            return Seen(Verdict.BROKEN, words, None, written_s)
        if data is None:
            return Seen(Verdict.CHANGING, f"{path.name} is still written", None, written_s)
        try:
            value = form.parse(data, path.name)
        except SdlError as err:
            return Seen(Verdict.BROKEN, f"{path.name} is not whole: {err}", None, written_s)
        told = form.owner(value)
        if told not in ("", *owners):
            words = f"{path.name} is of the sample {told[:80]!r}, not {owners[0]!r}"
            return Seen(Verdict.FOREIGN, words, None, written_s)
        return Seen(Verdict.ACCEPTED, "", value, written_s)

    def _read(self, path: Path, found: os.stat_result) -> bytes | None:
        """The bytes; ``None`` when the file is another one or changed since the look."""
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(number, "rb") as file:
            data = file.read(LARGEST_BYTES + 1)
            now = os.fstat(file.fileno())
        same = (now.st_ino, now.st_size, now.st_mtime_ns)
        looked = (found.st_ino, found.st_size, found.st_mtime_ns)
        return data if same == looked and len(data) == found.st_size else None

    def _path(self, file_name: str) -> Path:
        if _NAME.fullmatch(file_name) is None or ".." in file_name:
            raise DeviceError(
                f"{self.name} was asked for a file outside its folder",
                got=repr(file_name[:80]),
                allowed="an id and .xrdml, .xy, .csv, .json, .txt or .done",
                do="correct the id; nothing was opened",
                where=self.name,
            )
        return self.root / file_name

    def _gone(self, err: OSError) -> LinkError:
        return LinkError(
            f"{self.name} cannot use its folder",
            got=str(err),
            allowed=f"a folder to read and write at {self.root}",
            do="connect the share or correct its rights; nothing is lost",
            where=self.name,
        )


class FolderCore(Core):
    """The folders behind an instrument that only exchanges files.

    Args:
        name: Name of the instrument.
        requests: Where requests are put.
        results: Where results arrive.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel("requests", show=Show.HINTED, low=0.0, doc="Requests that lie in the folder."),
        Channel("results", show=Show.NORMAL, low=0.0, doc="Files in the folder of results."),
    )
    stop_action: ClassVar[str] = (
        "nothing: a file stops no instrument; a request is withdrawn when its job is aborted"
    )

    def __init__(self, name: str, requests: Folder, results: Folder) -> None:
        super().__init__(name)
        self.requests = requests
        self.results = results

    def identify(self) -> Identity:
        """Looks that both folders are there; who reads them cannot be asked."""
        self.requests.open()
        self.results.open()
        return Identity(model="file drop")

    def fetch(self, channel: str) -> float:
        """How many files lie in a folder; hidden and set aside ones are not counted."""
        folder = self.requests if channel == "requests" else self.results
        return float(len(folder.names()))

    def stop(self) -> None:
        """Does nothing, at once; see ``stop_action``."""

    def close(self) -> None:
        """Nothing is held open."""
