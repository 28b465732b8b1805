"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sdl.core.errors import ConfigError


def write_whole(out: Path, text: str, what: str) -> Path:
    """Replaces a file in one go, so that a reader never sees half of it; returns its path.

    Args:
        out: The file; its folder is made where it is absent.
        text: What it holds afterwards.
        what: What it is, for messages: ``"the report"``.

    Raises:
        ConfigError: The place cannot be written to.
    """
    try:
        _write(out, text)
    except OSError as err:
        raise ConfigError(
            f"{what} cannot be written",
            got=str(err),
            allowed="a place this user may write to",
            do="give another path with --out",
            where=out,
        ) from err
    return out


def _write(out: Path, text: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, out)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
