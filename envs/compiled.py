"""Compiled functions of the environment, cached on disk like those of the simulators.

The folder of the cache carries a digest of the sources here and of the simulators' sources (theirs
is part of its path), so that no compiled function outlives a change in a function that it calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from simulators.compiled import cache_folder

SOURCES = tuple(
    f"{name}.py"
    for name in (
        "acts", "bottles", "chance", "compiled", "cursor", "cursor_tables", "detector", "hidden",
        "outlook", "rows", "tables", "views",
    )
)  # fmt: skip
"""Files of this folder with compiled functions or the types of their arguments."""


def _folder() -> str:
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return str(cache_folder() / f"envs-{digest.hexdigest()[:16]}")


_FOLDER = _folder()


def compiled(function: Callable[..., object]) -> Any:
    """Compiles a scalar function: float64 without reordering, no lock held, cached on disk.

    Without numba's reference counts: the functions make no arrays, only views of what they are
    given, and counting them took more than half of the time of a decision. So no allocation in
    compiled code here, which an assignment of one slice to another would also need.
    """
    config: Any = numba.config  # pyright: ignore[reportPrivateImportUsage]
    before = config.CACHE_DIR
    config.CACHE_DIR = _FOLDER
    try:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
        return numba.njit(cache=True, fastmath=False, **options)(function)
    finally:
        config.CACHE_DIR = before
