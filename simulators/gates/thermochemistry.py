"""Gate V2: zero crossings of the free energies against the reference table."""

from __future__ import annotations

import math

from sdl.chemistry.system import load_crossings, load_system, system_names
from sdl.chemistry.thermo import Crossing, GibbsTable, reaction_kj_per_mol, zero_crossing_c
from simulators.gates.figure import Figure

WITHIN_C = 10.0
YTTRIUM_CUPRATE = ("y-ba-cu-c-o", {"Y2O3": -1.0, "CuO": -2.0, "Y2Cu2O5": 1.0})
"""The system whose own phases have to give the crossing of the measured line."""


def gate_v2(system: str | None = None) -> tuple[Figure, ...]:
    """Crossings within 10 degC, by the tables of a system that holds the phases.

    Phases that no system holds are taken from the file of the crossings.

    Args:
        system: Only crossings that this system's phases take part in; ``None`` for all, each in
            every system that holds all its solids, and else by the file of the crossings.
    """
    table = load_crossings()
    figures: list[Figure] = []
    for crossing in table.crossings:
        for name in _holders(crossing) or (None,):
            if system is None or name == system:
                figures += _crossing(crossing, name, table.gibbs, table.air_co2_bar)
    for line in table.lines:
        value = line.crossing_c()
        if system in (None, YTTRIUM_CUPRATE[0]):
            figures.append(_figure(f"{line.name} (line)", value, 570.0))
            figures.append(_own_line(line.name))
    return tuple(figures)


def _holders(crossing: Crossing) -> tuple[str, ...]:
    """The systems that hold all phases of a crossing."""
    held = {name: {p.name for p in load_system(name).phases} for name in system_names()}
    return tuple(name for name, phases in held.items() if set(crossing.equation) <= phases)


def _crossing(
    crossing: Crossing, system: str | None, more: dict[str, GibbsTable], air_bar: float
) -> list[Figure]:
    tables = dict(more)
    if system is None:
        tables |= {p.name: p.gibbs for p in load_system("ba-ti-c-o").vapours}
    else:
        tables |= {p.name: p.gibbs for p in load_system(system).phases}
    low = max(tables[p].start_k for p in sorted(crossing.equation))
    high = min(tables[p].end_k for p in sorted(crossing.equation))
    figures = []
    for label, pressure, known in (
        ("1_bar", 1.0, crossing.at_1_bar_c),
        ("air", air_bar, crossing.at_air_c),
    ):

        def energy(t: float, p: float = pressure) -> float:
            return reaction_kj_per_mol(crossing.equation, tables, t, {"CO2": p})

        where = "" if system is None else f", {system}"
        found = zero_crossing_c(energy, low, high)
        figures.append(_figure(f"{crossing.name} ({label}{where})", found, known))
    return figures


def _own_line(name: str) -> Figure:
    system = load_system(YTTRIUM_CUPRATE[0])
    tables = {p.name: p.gibbs for p in system.phases}
    low, high = system.range_k()

    def energy(t: float) -> float:
        return reaction_kj_per_mol(YTTRIUM_CUPRATE[1], tables, t)

    return _figure(f"{name} ({system.name})", zero_crossing_c(energy, low, high), 570.0)


def _figure(name: str, found: float | None, known: float | None) -> Figure:
    value = math.nan if found is None else found
    if known is None:
        return Figure("V2", name, value, "none", found is None, "degC")
    ok = abs(value - known) <= WITHIN_C
    return Figure("V2", name, value, f"{known:g} +- {WITHIN_C:g} degC", ok, "degC")
