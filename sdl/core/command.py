"""Physical commands and what the laboratory says of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from sdl.core.model import Frozen, SafeId


class Effect(StrEnum):
    """What it means to send a command twice."""

    PURE = "pure"
    """Nothing changes: a reading."""
    IDEMPOTENT = "idempotent"
    """The second changes nothing more: move the sample to the furnace."""
    IRREVERSIBLE = "irreversible"
    """The second does it again: dispense, mill, anneal, wash. Never re-sent blindly."""


class Verb(StrEnum):
    """What a station can be told."""

    TRANSFER = "transfer"
    """args: sample, origin, destination."""
    DISPENSE = "dispense"
    """args: lot, mass_mg. Result: balance_before_mg, balance_after_mg."""
    MILL = "mill"
    """args: mill_min."""
    ANNEAL = "anneal"
    """args: temperature_c, dwell_h, ramp_c_per_min, gas, cooling ('furnace' or 'hold').
    Result: program (its hash), energy_kwh, thermocouple_c."""
    QUENCH = "quench"
    """args: cooling."""
    WASH = "wash"
    """args: solvent, duration_min (in the solvent; drying comes on top). Result: energy_kwh."""
    SCAN = "scan"
    """args: scan_min. Result: pattern (content hash), two_theta_start_deg, two_theta_step_deg."""
    MEASURE = "measure"
    """args: property, temperature_c. Result: curve (content hash), property, temperature_c,
    mass_mg (of the aliquot), energy_kwh."""
    REPLAY = "replay"
    """Table laboratories. args: recipe. Result: phases, name -> [weight fraction, sigma]."""


class Command(Frozen):
    """One physical act at one station."""

    id: SafeId
    """Serial within the campaign, as ``c112``; the same after a restart."""
    station: SafeId
    verb: Verb
    samples: Annotated[tuple[SafeId, ...], Field(min_length=1)]
    """Samples it acts on; several share one furnace run."""
    effect: Effect
    args: dict[str, Any] = Field(default_factory=dict[str, Any])
    time_s: float
    """Laboratory time of the decision, s."""


class LabEvent(Frozen):
    """The end of one command, as the laboratory reports it."""

    command: SafeId
    time_s: float
    """Laboratory time at which the act ended, s."""
    ok: bool = True
    result: dict[str, Any] = Field(default_factory=dict[str, Any])
    error: str | None = None


class Presence(StrEnum):
    """What an inspection found of a command that was intended before a restart."""

    ABSENT = "absent"
    """It never happened: send it."""
    STARTED = "started"
    """It runs or is complete: its end arrives by ``events``."""
    PARTIAL = "partial"
    """Part of it happened: ``Inspection.remainder`` completes it."""
    UNKNOWN = "unknown"
    """The devices cannot tell: a person must look."""


class Inspection(Frozen):
    """Answer to "did this happen?"."""

    presence: Presence
    remainder: Command | None = None
    evidence: str = ""
    """What was looked at, in words: ``balance reads 12.3 mg above the vial``."""
