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
from typing import Any

import numba
import numpy as np
from numba.extending import overload

SOURCES = tuple(
    f"{name}.py"
    for name in (
        "batch", "compiled", "conditions", "kernel", "laws", "melts", "net", "powder",
        "segment", "step_error", "steps",
    )
)  # fmt: skip
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


def compiled(function: Callable[..., object]) -> Any:
    """Compiles a scalar function: float64 without reordering, no lock held, cached on disk.

    That references are counted is said aloud: else a first caller that borrows hands its own
    choice down, and whoever calls next gives back what was never lent.
    """
    return _compile(function, _nrt=True)


def borrowing(function: Callable[..., object]) -> Any:
    """``compiled`` for hot functions that make no arrays: those they get are not counted.

    Counting references at every look into a tuple of arrays cost five times the arithmetic.
    """
    return _compile(function, _nrt=False)


def inlined(function: Callable[..., object]) -> Any:
    """``borrowing`` for small functions that are copied to where they are called.

    A call hands over every array of a tuple one by one: it may cost more than what it does.
    """
    return _compile(function, _nrt=False, inline="always")


def _compile(function: Callable[..., object], **options: Any) -> Any:
    config: Any = numba.config  # pyright: ignore[reportPrivateImportUsage]
    before = config.CACHE_DIR
    config.CACHE_DIR = _FOLDER
    try:
        return numba.njit(cache=True, fastmath=False, nogil=True, error_model="numpy", **options)(
            function
        )
    finally:
        config.CACHE_DIR = before


def cube_root(value: Any) -> float:
    """Cube root in compiled code: of the processor here, of the device in ``simulators.device``."""
    return float(np.cbrt(value))


@overload(cube_root, target="cpu")
def _cube_root_cpu(value):
    return lambda value: np.cbrt(value)
