"""What every gate returns: figures held against targets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure of a gate with what it is held against."""

    gate: str
    """As ``V1``."""
    name: str
    value: float
    """NaN where there is none."""
    target: str
    ok: bool
    unit: str = ""
    note: str = ""
    """Why it failed, or what a reader has to know."""
