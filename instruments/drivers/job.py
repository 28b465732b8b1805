"""What a station is told to do, and what its log says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sdl.core.command import Command, Verb
from sdl.core.model import content_hash


@dataclass(frozen=True)
class Job:
    """One order to one station.

    Args:
        label: Command id; the device keeps it with its log.
        verb: What to do.
        samples: Vials it is meant for, checked against the labels in the station.
        args: As listed at ``sdl.core.command.Verb``.
    """

    label: str
    verb: Verb
    samples: tuple[str, ...]
    args: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, command: Command) -> Job:
        """The job of a command."""
        return cls(command.id, command.verb, command.samples, command.args)

    @property
    def setup_hash(self) -> str:
        """Hash of what is written into the device before the start."""
        return content_hash(dict(self.args))


class JobState(StrEnum):
    """How far a job is, by the device's log."""

    RUNNING = "running"
    COMPLETE = "complete"
    ABORTED = "aborted"


@dataclass(frozen=True)
class JobRecord:
    """One line of a device's log, non-volatile.

    Args:
        label: Command id.
        verb: What was done.
        samples: Vials that stood in the station at the start.
        state: How far.
        start_s: Laboratory time of the start, s.
        end_s: Laboratory time of the end, s; while it runs, the device's estimate.
        args: What the device was told, as listed at ``sdl.core.command.Verb``.
        error: Why it was aborted; empty otherwise.
    """

    label: str
    verb: Verb
    samples: tuple[str, ...]
    state: JobState
    start_s: float
    end_s: float
    args: Mapping[str, Any]
    error: str = ""
