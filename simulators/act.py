"""What a device did: one record per physical start, as its own log holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ActState(StrEnum):
    """How far an act is."""

    RUNNING = "running"
    COMPLETE = "complete"
    ABORTED = "aborted"
    """It ended before its end: stopped, jammed, or the bottle was empty."""


@dataclass(frozen=True)
class Act:
    """One physical start; starting twice makes two acts.

    Args:
        serial: Number in the world, from 1.
        label: Command id the controller gave; the device keeps it through a power cut.
        station: Where.
        verb: As ``sdl.core.command.Verb``.
        samples: Vials the act works on, as they stood in the station.
        args: What the device was told.
        start_s: World time of the start, s.
        end_s: World time of the end, s; known at the start, earlier if the act is stopped.
        state: How far it is.
        result: What the device's display shows at the end.
        note: Why it was aborted; empty otherwise.
        stop_share: Share of the act that is carried out; below 1 when it stops early.
        data: Bytes of a result file (a pattern), compressed.
    """

    serial: int
    label: str
    station: str
    verb: str
    samples: tuple[str, ...]
    args: Mapping[str, Any]
    start_s: float
    end_s: float
    state: ActState = ActState.RUNNING
    result: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    stop_share: float = 1.0
    data: bytes | None = None
