"""Places where the crash bench may kill the process.

Set ``SDL_CRASH_AT=world-committed:17`` and the process sends itself SIGKILL the seventeenth time it
passes the place of that name. Unset, a place costs one dictionary look-up.
"""

from __future__ import annotations

import os
import signal

_passed: dict[str, int] = {}
_ENTRY = os.environ.get("SDL_CRASH_AT", "")
_NAME, _, _COUNT = _ENTRY.partition(":")


def crashpoint(name: str) -> None:
    """Kills the process here if the environment asks for it."""
    if not _NAME or name != _NAME:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(_COUNT or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
