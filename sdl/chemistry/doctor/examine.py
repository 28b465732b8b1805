"""All checks of a chemical system that need nothing but its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sdl.chemistry.doctor.conditions import check_gases, check_melting
from sdl.chemistry.doctor.energies import check_range, check_smooth
from sdl.chemistry.doctor.finding import Finding
from sdl.chemistry.doctor.reactions import (
    check_balance,
    check_cycles,
    check_enumerated,
    check_loops,
)
from sdl.chemistry.doctor.reading import Draft
from sdl.chemistry.doctor.sources import check_priors, check_sources

_ALONE: tuple[tuple[str, Callable[[Draft], Finding]], ...] = (
    ("elements balance", check_balance),
    ("sources are named", check_sources),
    ("figures by what they rest on", check_priors),
    ("gases give pressures", check_gases),
    ("melting points", check_melting),
)
_TOGETHER: tuple[tuple[str, Callable[[Draft], Finding]], ...] = (
    ("no cycle gains energy", check_cycles),
    ("no loop is driven all round", check_loops),
    ("free energies are smooth", check_smooth),
    ("temperature range", check_range),
    ("reactions by null space", check_enumerated),
)
"""These need every phase and reaction to be what the others take it for."""


def examine(draft: Draft) -> tuple[Finding, ...]:
    """Runs every check.

    Args:
        draft: A system as read; where it contradicts itself, checks that need the whole are
            skipped.
    """
    return (
        _consistent(draft),
        *(check(draft) for _, check in _ALONE),
        *(check(draft) if not draft.fault else _skipped(name) for name, check in _TOGETHER),
    )


def _consistent(draft: Draft) -> Finding:
    check, system = "the file agrees with itself", draft.system
    if draft.fault:
        return Finding(check=check, state="failed", words="it does not", details=(draft.fault,))
    words = (
        f"{len(system.solids)} solids, {len(system.vapours)} gases, elements "
        f"{', '.join(system.elements)}"
    )
    if Path(draft.path).stem != system.name:
        detail = f"the file is {draft.path.name}, its name is {system.name}"
        return Finding(check=check, state="warning", words=words, details=(detail,))
    return Finding(check=check, state="ok", words=words)


def _skipped(check: str) -> Finding:
    words = "the file contradicts itself: mend that first"
    return Finding(check=check, state="skipped", words=words)
