"""One owner per campaign: a lock that the kernel lets go of when the owner dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sdl.core.errors import JournalError, JournalLockedError

_PATIENCE_S, _PAUSE_S = 0.2, 0.001


def locked_error(where: str, owner: dict[str, Any]) -> JournalLockedError:
    """The message for the second controller.

    Args:
        where: The journal.
        owner: What is known of the first: ``pid``, ``since``, ``host``.
    """
    pid, host = owner.get("pid", "unknown"), owner.get("host", "unknown")
    since = owner.get("since", "an unknown time")
    return JournalLockedError(
        "another controller owns this campaign",
        got=f"process {pid} on {host}, owner since {since}",
        allowed="one controller at a time; any number may read",
        do=f"watch it with `sdl status`, or stop process {pid} and resume; a killed owner's "
        "lock is free at once",
        where=where,
    )


class OwnerLock:
    """An exclusive ``flock`` on a file beside the journal.

    The file stays when the lock is let go: removing it would let two owners lock two files of one
    name.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        _held.add(self)

    @classmethod
    def acquire(cls, path: Path, where: str) -> OwnerLock:
        """Takes the lock, or is refused after a fifth of a second.

        Args:
            path: The lock file; made if absent.
            where: The journal, for messages.

        Raises:
            JournalLockedError: Another process, or another journal of this one, holds it.
            JournalError: The file cannot be made.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as err:
            raise JournalError(
                "the lock file cannot be written",
                got=str(err),
                allowed="a directory this user may write to",
                do="check owner and rights of the directory",
                where=path,
            ) from err
        try:
            _flock(descriptor)
        except BlockingIOError as err:
            owner = _read_owner(descriptor)
            os.close(descriptor)
            raise locked_error(where, owner) from err
        me = {"pid": os.getpid(), "since": utc_now(), "host": socket.gethostname()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(me).encode(), 0)
        return cls(path, descriptor)

    def release(self) -> None:
        """Lets go; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def owner_of(path: Path) -> dict[str, Any] | None:
    """Who holds a lock now (``pid``, ``since``, ``host``); ``None`` when nobody does.

    Args:
        path: The lock file; it is only looked at.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_owner(descriptor)
    finally:
        os.close(descriptor)
    return None


def utc_now() -> str:
    """The wall clock as ISO text, a label for people only."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _flock(descriptor: int) -> None:
    """Locks; for a moment again and again, since ``owner_of`` holds a free lock for an instant.

    Raises:
        BlockingIOError: Somebody keeps it.
    """
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until_s:
                raise
        time.sleep(_PAUSE_S)


def _read_owner(descriptor: int) -> dict[str, Any]:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}


_held: weakref.WeakSet[OwnerLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    # A forked worker shares the lock: it would keep a killed owner's campaign locked.
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_forget_in_child)
