"""Checks of gases and melting points."""

from __future__ import annotations

from sdl.chemistry.doctor.finding import Finding, judged
from sdl.chemistry.doctor.reading import Draft
from sdl.core.recipe import Gas

NEEDED = (Gas.AIR, Gas.OXYGEN)
"""Gases that every system gives."""
HIGHEST_BAR = 1.05
"""Partial pressures of a furnace gas add up to at most this."""


def check_gases(draft: Draft) -> Finding:
    """Every gas gives a pressure of every vapour that stands in a reaction."""
    system = draft.system
    vapours = {p.name for p in system.vapours}
    reacting = sorted(vapours & {name for r in system.reactions for name in r.equation})
    failed, warned = [], []
    for gas, atmosphere in system.gases.items():
        absent = [name for name in reacting if name not in atmosphere.p_bar]
        if absent:
            failed.append(f"{gas.value} gives no pressure of {', '.join(absent)}")
        strange = sorted(set(atmosphere.p_bar) - vapours)
        if strange:
            warned.append(f"{gas.value} gives a pressure of {', '.join(strange)}, no gas here")
        total = sum(atmosphere.p_bar.values())
        if total > HIGHEST_BAR:
            warned.append(f"{gas.value} adds up to {total:.2f} bar")
        variant = atmosphere.kinetics
        if variant != "default" and not any(variant in r.kinetics for r in system.reactions):
            warned.append(f"{gas.value} asks for the kinetics {variant!r}, which no reaction has")
    absent = [gas.value for gas in NEEDED if gas not in system.gases]
    if absent:
        warned.append(f"there is no {' and no '.join(absent)}")
    names = ", ".join(gas.value for gas in system.gases)
    good = f"{', '.join(reacting) or 'no vapour'} in {names}"
    return judged("gases give pressures", good, failed=failed, warned=warned, what="to look at")


def check_melting(draft: Draft) -> Finding:
    """Solids without a melting or decomposition point: Tammann's prior takes a mean for them."""
    system = draft.system
    unknown = [p.name for p in system.solids if p.melting_c is None]
    silent = [p.name for p in system.solids if p.melting_c is not None and not p.melting_source]
    known = len(system.solids) - len(unknown)
    warned = [f"no melting point: {', '.join(unknown)}"] if unknown else []
    if silent:
        warned.append(f"melting points without a source: {', '.join(silent)}")
    good = f"{known} of {len(system.solids)} solids have one"
    return judged("melting points", good, warned=warned)
