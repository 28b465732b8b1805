"""Result files as instruments leave them in a shared folder: in two parts, or wrong by a fault."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

PAUSE_S = 0.02
"""Wall time between the two parts of a file, s."""
AGE_S = 3600.0
"""How old an old file seems, s."""
STRANGER = "foreign-1"
"""Sample id inside a file of another sample."""


class Outbox:
    """The folder that an instrument writes its results to.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault = ""
        """What goes wrong with the next file: ``lost``, ``half``, ``old`` or ``foreign``."""

    async def leave(self, name: str, owner: str, document: Callable[[str], bytes]) -> None:
        """Writes a file.

        Args:
            name: Of the file.
            owner: Sample id it is about.
            document: What it holds, by the sample id inside.
        """
        fault, self.fault = self.fault, ""
        data = document(STRANGER if fault == "foreign" else owner)
        path = self.folder / name
        if fault == "lost":
            return
        if fault == "old":
            aside = path.with_name(f".{name}")
            aside.write_bytes(data)
            then_s = aside.stat().st_mtime - AGE_S
            os.utime(aside, (then_s, then_s))
            aside.replace(path)
            return
        half = len(data) // 2
        path.write_bytes(data[:half])
        if fault == "half":
            return
        await asyncio.sleep(PAUSE_S)
        with path.open("ab") as file:
            file.write(data[half:])


class FileFaults:
    """Faults of whoever leaves result files; each is for the next one."""

    outbox: Outbox

    def lose_file(self) -> None:
        """It is never written."""
        self.outbox.fault = "lost"

    def half_file(self) -> None:
        """It stays half written."""
        self.outbox.fault = "half"

    def old_file(self) -> None:
        """Instead of it there is one of that name that is an hour old."""
        self.outbox.fault = "old"

    def foreign_file(self) -> None:
        """It has the right name and another sample id inside."""
        self.outbox.fault = "foreign"
