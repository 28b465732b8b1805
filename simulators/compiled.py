"""One decorator for compiled functions, with a cache on disk that notices every change.

Numba's own cache looks only at the file of the function it stores, so a kernel that calls another
file would stay old when that one changes. Here the folder of the cache carries a digest of all
sources that hold compiled code.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])

SOURCES = (
    "batch.py",
    "compiled.py",
    "conditions.py",
    "kernel.py",
    "laws.py",
    "network.py",
    "powder.py",
)
"""Files of this folder with compiled functions or the types of their arguments."""


def cache_folder() -> Path:
    """Where compiled code is kept: beside the sources, else in the user's temporary folder."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((here / name).read_bytes())
    name = f"numba-{digest.hexdigest()[:16]}"
    writable = os.access(here, os.W_OK)
    base = here / "__pycache__" if writable else Path(tempfile.gettempdir()) / "solid-state-sdl"
    return base / name


_FOLDER = str(cache_folder())


def compiled(function: F) -> F:
    """Compiles a scalar function: float64 without reordering, no lock held, cached on disk."""
    config = numba.config
    before = config.CACHE_DIR  # pyright: ignore[reportAttributeAccessIssue]
    config.CACHE_DIR = _FOLDER  # pyright: ignore[reportAttributeAccessIssue]
    try:
        return numba.njit(cache=True, fastmath=False, nogil=True, error_model="numpy")(function)
    finally:
        config.CACHE_DIR = before  # pyright: ignore[reportAttributeAccessIssue]
