"""What is known of a controller when it starts: the only place with wall-clock figures."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from functools import cache
from importlib import metadata
from pathlib import Path

from sdl.core.event import Boot
from sdl.journal.lock import utc_now

_PACKAGES = ("solid-state-sdl", "numpy", "torch", "gpytorch", "botorch", "bluesky", "numba")


def boot(epoch: int) -> Boot:
    """The boot record of this process at a fencing epoch."""
    return Boot(
        epoch=epoch,
        boot_id=boot_id(),
        pid=os.getpid(),
        monotonic_s=time.monotonic(),
        utc=utc_now(),
        versions=dict(_versions()),
        cpu=_cpu(),
    )


@cache
def boot_id() -> str:
    """Changes when the machine restarts; empty where the system has none."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    # Read from the installed metadata: importing torch for its version takes seconds.
    found = [("python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


@cache
def _cpu() -> str:
    """Model and a hash of the instruction sets: numbers may differ where these differ."""
    fields: dict[str, str] = {}
    for line in _read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    model = fields.get("model name") or platform.processor() or platform.machine()
    flags = " ".join(sorted((fields.get("flags") or fields.get("Features") or "").split()))
    return f"{model}; flags {hashlib.sha256(flags.encode()).hexdigest()[:16]}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
