"""The two protocols everything plugs into: ``Policy`` decides, ``Lab`` acts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sdl.core.capabilities import Capabilities
from sdl.core.command import Command, Inspection, LabEvent
from sdl.core.event import Event, Noted
from sdl.core.lab import Control
from sdl.core.proposal import ModelVersion, Proposal, Request, SampleView
from sdl.core.recipe import Step


@runtime_checkable
class Policy(Protocol):
    """Proposes samples and decides, step by step, about those whose recipe is open.

    Every answer is a pure function of the events ingested so far and of the key in the question, so
    that a killed and resumed campaign decides what the uninterrupted one would have decided.
    """

    name: str

    def propose(self, request: Request) -> Sequence[Proposal]:
        """At most ``request.free_slots`` new samples; none means: wait."""
        ...

    def next(self, view: SampleView) -> Step | Sequence[Step]:
        """What to do with a sample that reached ``Continue``; ``Stop`` finishes it.

        Several steps are done one after the other before the policy is asked again. Only so can
        an anneal be followed by a quench: a sample that waits for an answer has cooled.
        """
        ...

    def ingest(self, event: Event) -> None:
        """Takes note of one journalled event, in order; called for all of them after a restart."""
        ...


@runtime_checkable
class Learner(Protocol):
    """A policy with a model that is refitted on every result."""

    def learn(self, model_id: str, key: str, blobs: BlobStore) -> ModelVersion | None:
        """Fits on the results ingested so far and stores the model file in ``blobs``.

        Returns:
            The new version, or ``None`` when there is nothing to fit yet. A pure function of the
            ingested events and the key.
        """
        ...


@runtime_checkable
class Lab(Protocol):
    """Stations that carry out commands and report their ends, late and out of order."""

    def capabilities(self) -> Capabilities:
        """Stations, capacities, limits, gases, shelf."""
        ...

    def submit(self, command: Command) -> str:
        """Starts a command and returns its id at once.

        Raises:
            LabError: The station refuses it.
        """
        ...

    def cancel(self, command_id: str) -> bool:
        """Stops a running command safely; False when it had already ended."""
        ...

    def events(self, now_s: float) -> Sequence[LabEvent]:
        """Ends up to laboratory time ``now_s``, not handed over before, by time then id."""
        ...

    def next_event_s(self) -> float | None:
        """Laboratory time of the next end that is not handed over; ``None`` when idle.

        A real laboratory answers with its best estimate.
        """
        ...

    def inspect(self, command: Command) -> Inspection:
        """Looks whether a command that was intended before a restart has happened."""
        ...

    def advance(self, time_s: float) -> float:
        """Virtual laboratories jump to ``time_s``; real ones wait. Returns the time reached."""
        ...

    def close(self) -> None:
        """Lets go of devices and files."""
        ...


@runtime_checkable
class WatchedLab(Protocol):
    """A laboratory of instruments that can fail, be stopped, and wait for people."""

    def notes(self) -> Sequence[Noted]:
        """What happened beside the commands since the last call, in order."""
        ...

    def controls(self) -> Sequence[Control]:
        """Checks on something known that the laboratory's file asks for."""
        ...

    def waiting_for(self) -> Sequence[str]:
        """What persons are asked to do now, one sentence each."""
        ...

    def away_s(self) -> float:
        """Wall time until the next end that a machine expects, s; 0 while one has not said."""
        ...


@runtime_checkable
class BlobStore(Protocol):
    """Content-addressed bytes beside the journal."""

    def put(self, data: bytes) -> str:
        """Stores bytes durably; returns their SHA-256 in hexadecimal."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes of a hash.

        Raises:
            JournalError: Absent, or the content does not match its name.
        """
        ...

    def put_array(self, array: npt.NDArray[np.generic]) -> str:
        """Stores one array in NumPy's format; returns the hash of the file."""
        ...

    def get_array(self, digest: str) -> npt.NDArray[np.generic]:
        """The array of a hash; never unpickles."""
        ...
