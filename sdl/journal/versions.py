"""Old versions of events stay readable: each is lifted, step by step, to the present one.

When a payload model changes, raise its number in ``sdl.core.event.VERSIONS`` and register here how
the JSON of the version before becomes the JSON of the new one::

    @upgrade(EventKind.DONE, 1)
    def _done_has_result(payload):
        return {**payload, "result": {}}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sdl.core.errors import JournalError
from sdl.core.event import VERSIONS, EventKind

Payload = dict[str, Any]
Upgrade = Callable[[Payload], Payload]
Registry = dict[tuple[EventKind, int], Upgrade]

UPGRADES: Registry = {}
"""From ``(kind, version)`` to the step that leads to ``version + 1``."""


def upgrade(
    kind: EventKind, version: int, registry: Registry = UPGRADES
) -> Callable[[Upgrade], Upgrade]:
    """Registers the step from ``version`` to ``version + 1`` of a kind."""

    def register(step: Upgrade) -> Upgrade:
        if (kind, version) in registry:
            raise ValueError(f"{kind} {version} has an upgrade already")
        registry[kind, version] = step
        return step

    return register


def known_kind(
    name: str, version: int, where: str, versions: Mapping[EventKind, int] = VERSIONS
) -> EventKind:
    """The kind of a stored record, if this program can read its version.

    Raises:
        JournalError: A newer program wrote it.
    """
    try:
        kind = EventKind(name)
    except ValueError:
        kind = None
    if kind is None or version > versions[kind]:
        newest = "a kind this program does not know" if kind is None else f"version {version}"
        allowed = ", ".join(EventKind) if kind is None else f"version 1 to {versions[kind]}"
        raise JournalError(
            "a newer program wrote this record",
            got=f"{name}, {newest}",
            allowed=allowed,
            do="update the program: `pip install --upgrade solid-state-sdl`",
            where=where,
        )
    return kind


def lift(
    kind: EventKind,
    version: int,
    payload: Payload,
    where: str,
    *,
    registry: Mapping[tuple[EventKind, int], Upgrade] = UPGRADES,
    versions: Mapping[EventKind, int] = VERSIONS,
) -> Payload:
    """The payload in the form of the present version.

    Args:
        kind: Kind of the event.
        version: Version it was written in; at most the present one.
        payload: JSON of that version.
        where: The record, for messages.
        registry: Upgrade steps.
        versions: Present version of each kind.

    Raises:
        JournalError: A step between the two versions is missing.
    """
    for old in range(version, versions[kind]):
        step = registry.get((kind, old))
        if step is None:
            raise JournalError(
                "there is no way from this version of a record to the present one",
                got=f"{kind}, version {old}",
                allowed=f"version {versions[kind]}, or versions with an upgrade",
                do="read it with the program version in its last BOOT record",
                where=where,
            )
        payload = step(payload)
    return payload
