"""Checks of the free energies: smooth in temperature, over a useful range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sdl.chemistry.doctor.finding import Finding, judged
from sdl.chemistry.doctor.reading import Draft
from sdl.chemistry.system import Phase
from sdl.chemistry.thermo import ZERO_CELSIUS_K

JUMP_EV = 0.15
"""A change of the value itself: two second differences of opposite sign above this."""
KINK_EV = 0.030
"""A change of slope above this per table step: something melts, boils or transforms."""
OUTLIER_EV = 0.004
"""A single value off its neighbours' curve by more than this is a slip of the pen."""
TIMES_TYPICAL = 5.0
"""A break also exceeds the table's typical second difference this many times."""
NEIGHBOUR_K = 100.0
"""Kinks this close are told together."""
USEFUL_C = (25.0, 900.0)
"""Range that a solid-state synthesis needs at least, degC."""

Kind = Literal["outlier", "jump", "kink"]


@dataclass(frozen=True)
class Break:
    """A place where a free energy is not smooth."""

    phase: str
    temperature_k: float
    kind: Kind
    size_ev: float


def breaks(phase: Phase) -> Iterator[Break]:
    """Outliers, jumps and kinks of a phase's table, from its second differences.

    A wrong value gives the pattern (e, -2e, e), a jump (j, -j), a change of slope one entry, or
    two of one sign where it lies between two temperatures.
    """
    table = phase.gibbs
    second = np.diff(np.array(table.ev_per_formula), 2)
    typical = float(np.median(np.abs(second))) if len(second) else 0.0
    least = TIMES_TYPICAL * typical
    i = 0
    while i < len(second):
        middle = table.start_k + table.step_k * (i + 1)
        here, after = float(second[i]), float(second[i + 1]) if i + 1 < len(second) else 0.0
        last = float(second[i + 2]) if i + 2 < len(second) else 0.0
        if _outlier(here, after, last, max(OUTLIER_EV, least)):
            yield Break(phase.name, middle + table.step_k, "outlier", -0.5 * after)
            i += 3
        elif _jump(here, after):
            yield Break(phase.name, middle + 0.5 * table.step_k, "jump", here)
            i += 2
        else:
            if abs(here) > max(KINK_EV, least):
                yield Break(phase.name, middle, "kink", here)
            i += 1


def _outlier(here: float, after: float, last: float, least: float) -> bool:
    if abs(after) < 2.0 * least or here * after >= 0.0 or last * after >= 0.0:
        return False
    return all(0.6 < -2.0 * side / after < 1.6 for side in (here, last))


def _jump(here: float, after: float) -> bool:
    large = min(abs(here), abs(after)) > JUMP_EV
    return large and here * after < 0.0 and 0.6 < -after / here < 1.6


def check_smooth(draft: Draft) -> Finding:
    """Free energies are smooth in temperature.

    A wrong value fails. A jump fails where the reactor uses it: no free energy jumps. Elsewhere,
    and where only the slope changes (an element or the phase melts, boils, transforms), it warns.
    """
    system = draft.system
    low, high = system.range_k()
    reacting = {name for reaction in system.reactions for name in reaction.equation}
    failed, warned, kinks = [], [], []
    for phase in system.phases:
        for each in breaks(phase):
            t, step = each.temperature_k, phase.gibbs.step_k
            used = phase.name in reacting and low - step < t < high
            where = f"{t:.0f} K" + ("" if used else ", outside what reacts")
            if each.kind == "kink":
                kinks.append(each)
            elif each.kind == "jump":
                words = f"{phase.name}: jumps by {each.size_ev:+.2f} eV at {where}"
                (failed if used else warned).append(words)
            else:
                failed.append(f"{phase.name}: the value at {where} is {each.size_ev:+.3f} eV off")
    warned += _grouped(kinks)
    good = f"{len(system.phases)} tables"
    what = "breaks (melting, boiling or a slip)"
    return judged("free energies are smooth", good, failed=failed, warned=warned, what=what)


def _grouped(kinks: Sequence[Break]) -> list[str]:
    """One line for the kinks of neighbouring temperatures: mostly one element melts or boils."""
    groups: list[list[Break]] = []
    for kink in sorted(kinks, key=lambda k: (k.temperature_k, k.phase)):
        if groups and kink.temperature_k - groups[-1][-1].temperature_k <= NEIGHBOUR_K:
            groups[-1].append(kink)
        else:
            groups.append([kink])
    lines = []
    for group in groups:
        first, last = group[0].temperature_k, group[-1].temperature_k
        where = f"{first:.0f} K" if first == last else f"{first:.0f} to {last:.0f} K"
        largest = max(group, key=lambda k: abs(k.size_ev))
        phases = ", ".join(dict.fromkeys(k.phase for k in group))
        size = f"{1000.0 * largest.size_ev:+.0f} meV per step in {largest.phase}"
        lines.append(f"slopes change at {where}: {phases} (up to {size})")
    return lines


def check_range(draft: Draft) -> Finding:
    """Temperatures at which every reaction has free energies, and who sets the ends."""
    check, system = "temperature range", draft.system
    low, high = system.range_k()
    names = sorted({name for reaction in system.reactions for name in reaction.equation})
    first = [n for n in names if system.phase(n).gibbs.start_k == low]
    last = [n for n in names if system.phase(n).gibbs.end_k == high]
    low_c, high_c = low - ZERO_CELSIUS_K, high - ZERO_CELSIUS_K
    words = f"{low_c:.0f} to {high_c:.0f} °C; the upper end by {', '.join(last[:4])}"
    if high <= low:
        fault = f"starts with {', '.join(first)}, ends with {', '.join(last)}"
        return judged(check, "no temperature has all free energies", failed=[fault])
    narrow = []
    if low_c > USEFUL_C[0] + 5.0:
        narrow.append(f"begins at {low_c:.0f} °C, set by {', '.join(first[:4])}")
    if high_c < USEFUL_C[1]:
        narrow.append(f"ends at {high_c:.0f} °C, set by {', '.join(last[:4])}")
    return judged(check, words, warned=narrow)
