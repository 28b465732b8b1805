"""The canonical projection: what must be equal between a killed and an uninterrupted campaign.

Decisions, commands, results, observations, model hashes and laboratory times, in order; without
record numbers, BOOT records, Bluesky uids, wall-clock stamps, paths and the store's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from sdl.core.event import Event, EventKind
from sdl.core.model import canonical_json

_PLACES = frozenset({"name", "store", "path", "paths", "directory", "report", "file", "base"})
"""Keys of the campaign file that say where and under what name it runs, not what it does."""

_VOLATILE = frozenset(
    {
        "uid",
        "uids",
        "run_uid",
        "run_uids",
        "run_start",
        "bluesky_uid",
        "pid",
        "epoch",
        "boot_id",
        "host",
        "utc",
        "timestamp",
        "timestamps",
        "wall_s",
        "wall_time",
        "monotonic_s",
    }
)
"""Keys in free-form results that differ from process to process."""


def projection(events: Iterable[Event]) -> list[str]:
    """One line of canonical JSON per event, in the order of the journal."""
    lines = []
    for event in events:
        if event.kind is EventKind.BOOT:
            continue
        payload = _without(event.payload.model_dump(mode="json"), _VOLATILE)
        if event.kind is EventKind.CAMPAIGN:
            payload["config"] = _campaign(payload["config"])
        lines.append(
            canonical_json({"kind": event.kind.value, "time_s": event.time_s, "payload": payload})
        )
    return lines


def projection_hash(events: Iterable[Event]) -> str:
    """SHA-256 of the projection, in hexadecimal."""
    return hashlib.sha256("\n".join(projection(events)).encode()).hexdigest()


def _without(value: Any, keys: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {k: _without(v, keys) for k, v in value.items() if k not in keys}
    if isinstance(value, list):
        return [_without(v, keys) for v in value]
    return value


def _campaign(config: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in config.items() if k not in _PLACES}
    return {k: _last_part(v) for k, v in kept.items()}


def _last_part(value: Any) -> Any:
    """Absolute paths differ between machines; the name of the file they lead to does not."""
    if isinstance(value, str) and value.startswith(("/", "~", "file:", "sqlite:")):
        return value.rstrip("/").rpartition("/")[2]
    return value
