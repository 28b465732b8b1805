"""What is journalled: one kind, one version, one payload model per event.

Laboratory time is in every event. Wall-clock stamps, process ids and host names occur in ``Boot``
only, which is not part of the canonical projection (see ``sdl.journal.projection``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, SerializeAsAny

from sdl.core.command import Command
from sdl.core.material import Observation, Reading, SampleState
from sdl.core.model import Frozen, SafeId
from sdl.core.proposal import ModelVersion, Proposal
from sdl.core.recipe import Step


class EventKind(StrEnum):
    """Names as they stand in the journal."""

    CAMPAIGN = "CAMPAIGN"
    BOOT = "BOOT"
    PROPOSED = "PROPOSED"
    ACCEPTED = "ACCEPTED"
    VETOED = "VETOED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    RUN = "RUN"
    INTENDED = "INTENDED"
    DONE = "DONE"
    FAILED = "FAILED"
    OBSERVED = "OBSERVED"
    DECIDED = "DECIDED"
    FINISHED = "FINISHED"
    LEARNED = "LEARNED"
    STOPPED = "STOPPED"
    NOTED = "NOTED"


class CampaignBegun(Frozen):
    """First record: what the campaign is."""

    config: dict[str, Any]
    """The campaign file after validation."""
    task: dict[str, Any]
    """The task in full, so that the record can be read without our task files."""
    task_hash: str
    capabilities: dict[str, Any]
    seed: int


class Boot(Frozen):
    """A controller started on this campaign. Wall-clock figures live here and nowhere else."""

    epoch: int
    """Fencing token: grows by one with each start."""
    boot_id: str
    pid: int
    monotonic_s: float
    utc: str
    versions: dict[str, str]
    cpu: str


class Proposed(Frozen):
    """A policy's answer, before anything acts on it."""

    proposal: Proposal


class Accepted(Frozen):
    """A proposal passed the limits and became a sample."""

    proposal: SafeId
    sample: SafeId


class Violation(Frozen):
    """One limit and how it is broken."""

    rule: str
    """Name of the rule, as ``furnace-temperature``."""
    message: str
    """What, got, allowed, in one sentence."""


class Vetoed(Frozen):
    """A proposal broke limits and is dropped."""

    proposal: SafeId
    violations: tuple[Violation, ...]


class Approved(Frozen):
    """A person let a proposal through."""

    proposal: SafeId
    by: str


class Rejected(Frozen):
    """A person turned a proposal down."""

    proposal: SafeId
    by: str
    reason: str = ""


class RunBooked(Frozen):
    """Samples that share one occupation of a furnace."""

    run: SafeId
    station: SafeId
    samples: tuple[SafeId, ...]


class Intended(Frozen):
    """A physical command is about to be sent."""

    command: Command


class Done(Frozen):
    """A physical command ended."""

    command: SafeId
    result: dict[str, Any] = Field(default_factory=dict[str, Any])


class Failed(Frozen):
    """A physical command failed; its samples are out of the campaign."""

    command: SafeId
    error: str


class Observed(Frozen):
    """A measurement was analysed."""

    observation: Observation


class Decided(Frozen):
    """The policy continued an open sample."""

    sample: SafeId
    step: Step
    then: Annotated[tuple[Step, ...], Field(exclude_if=lambda v: not v)] = ()
    """Steps that follow without another question, as a quench after an anneal."""
    reason: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All that was decided, in order."""
        return (self.step, *self.then)


class Finished(Frozen):
    """A sample reached its end."""

    sample: SafeId
    proposal: SafeId
    state: SampleState
    purity: float | None = None
    """Measured weight fraction of the target, ``None`` when nothing was measured."""
    sigma: float | None = None
    reading: Annotated[Reading | None, Field(exclude_if=lambda v: v is None)] = None
    """Last measured property, where one was measured and the measurement is good."""
    cost: float = 0.0
    furnace_hours: float = 0.0


class Learned(Frozen):
    """The surrogate was refitted."""

    model: ModelVersion


class Stopped(Frozen):
    """The campaign is over."""

    reason: str
    success: bool


class Topic(StrEnum):
    """What a note of the laboratory is about."""

    QUARANTINE = "quarantine"
    """A station takes no more work until it is released."""
    RELEASE = "release"
    """A person put a station back to work."""
    INTERLOCK = "interlock"
    """A condition stopped something; it stays tripped until it is reset."""
    RESET = "reset"
    """A person reset a tripped interlock."""
    CONTROL = "control"
    """A check of an instrument on something known."""
    REFUSAL = "refusal"
    """A driver or the supervisor refused an order."""
    LINK = "link"
    """A device was silent, or came back."""
    GAP = "gap"
    """No controller ran for a while; what the devices did meanwhile."""
    SHADOW = "shadow"
    """What would have been commanded; a person does it."""
    PERSON = "person"
    """What a person did: an answer, a sample moved by hand, an emergency stop."""


class Noted(Frozen):
    """Something about the laboratory that is neither a decision nor a command's end."""

    topic: Topic
    station: SafeId
    message: str
    """One sentence for the operator."""
    values: dict[str, Any] = Field(default_factory=dict[str, Any])


PAYLOADS: dict[EventKind, type[Frozen]] = {
    EventKind.CAMPAIGN: CampaignBegun,
    EventKind.BOOT: Boot,
    EventKind.PROPOSED: Proposed,
    EventKind.ACCEPTED: Accepted,
    EventKind.VETOED: Vetoed,
    EventKind.APPROVED: Approved,
    EventKind.REJECTED: Rejected,
    EventKind.RUN: RunBooked,
    EventKind.INTENDED: Intended,
    EventKind.DONE: Done,
    EventKind.FAILED: Failed,
    EventKind.OBSERVED: Observed,
    EventKind.DECIDED: Decided,
    EventKind.FINISHED: Finished,
    EventKind.LEARNED: Learned,
    EventKind.STOPPED: Stopped,
    EventKind.NOTED: Noted,
}
"""Payload model of each kind at its present version."""

VERSIONS: dict[EventKind, int] = dict.fromkeys(EventKind, 1)
"""Present version of each kind; ``sdl.journal.versions`` lifts older ones."""

_KIND_OF = {model: kind for kind, model in PAYLOADS.items()}

P = TypeVar("P", bound=Frozen)


class Event(Frozen):
    """One record of the journal."""

    seq: Annotated[int, Field(ge=0)] = 0
    """Serial number, given by the journal; 0 before it is appended."""
    kind: EventKind
    version: Annotated[int, Field(ge=1)] = 1
    time_s: float
    """Laboratory time, s since the start of the campaign."""
    payload: SerializeAsAny[Frozen]

    @classmethod
    def of(cls, time_s: float, payload: Frozen) -> Self:
        """A new event of the payload's kind, at laboratory time ``time_s``."""
        kind = _KIND_OF[type(payload)]
        return cls(kind=kind, version=VERSIONS[kind], time_s=time_s, payload=payload)

    def read(self, model: type[P]) -> P:
        """The payload, typed.

        Raises:
            TypeError: The event is of another kind.
        """
        if not isinstance(self.payload, model):
            raise TypeError(f"event {self.seq} is {self.kind}, not {model.__name__}")
        return self.payload
