"""The physics of one sample as scalar functions for numba; single and batched paths share them.

A sample's matter is one float64 vector: moles (mmol) of each solid in contact with its partners,
moles out of contact, moles of the grains from which each solid was eaten since the last renewal of
contact (the rate laws know how much of them is left), grain diameters (um), moles of gas evolved,
inert mass (mg).

Integration: a second-order method with an error estimate and its own steps for each sample
(``simulators.steps`` makes one step). A segment starts with the list of the reactions that can run
in it; it ends as soon as no reactant of theirs is left.
"""

from __future__ import annotations

import math

import numpy as np

from simulators.compiled import borrowing, compiled, cube_root
from simulators.conditions import (
    COUNT,
    LIVE,
    RUNNING,
    TRACE,
    Awake,
    constants_at,
    fall_asleep,
    mean_constant,
    quiet_temperature,
    solids_there,
    wake,
)
from simulators.laws import law_resistance
from simulators.melts import melt_share, state_factor
from simulators.network import Draw, FloatArray, Net
from simulators.powder import coarsen, dispense, mill, press, solid_masses, wash
from simulators.step_error import step_error
from simulators.steps import (
    FORMED,
    OPEN,
    PACE,
    Scratch,
    line_up,
    new_solids,
    pass_step,
    start_step,
    supply,
)

__all__ = [
    "TOLERANCE", "coarsen", "dispense", "heat", "mill", "press", "rates", "scratch",
    "solid_masses", "wash",
]  # fmt: skip

TOLERANCE = 1.0e-4
"""Error of one step as a share of the sample's cations; the setting of gate V1."""
MAX_STEP_K = 30.0
"""Longest step of a ramp at that setting, K: no reaction window is jumped over."""
EXHAUSTED = 1.0e-7
"""Share of the sample's cations; when the reactants left are less, nothing more happens."""
LATE = 0.1
"""Share of what a melt wets in a step that counts as error: it takes part from the next step."""
SOAKED_S = 600.0
"""Time in which a melt that is all there wets the matter without contact, s (unsourced)."""


@borrowing
def liquid_shares(net: Net, temperature_k: float, out: FloatArray) -> bool:
    """Share of each melt by temperature; returns whether there is any."""
    any_melt = False
    for m in range(net.melt.shape[0]):
        height = (temperature_k - net.melt_k[m, 0]) / net.melt_k[m, 1]
        out[m] = 0.0
        if height > -12.0:
            out[m] = 1.0 / (1.0 + math.exp(-height))
            any_melt = True
    return any_melt


@borrowing
def rates(
    net: Net, moles: FloatArray, charge: FloatArray, total: float,
    liquid: FloatArray, melt_speed: FloatArray, work: Scratch, out: FloatArray,
) -> None:  # fmt: skip
    """Rate of each reaction that is awake, mmol/s: the right-hand side that LSODA integrates.

    ``work.constant`` holds the constants times the drives.
    """
    awake = work.awake
    for a in range(awake.size[COUNT]):
        core, other = awake.place[0, a], awake.place[1, a]
        out[a] = 0.0
        left = moles[core]
        if work.constant[a] <= 0.0 or left <= TRACE * total:
            continue
        t = awake.table[core]
        u = min(1.0, cube_root(left / charge[core]))
        value = work.constant[a] * charge[core] / awake.number[0, a]
        value *= state_factor(net, awake.place[5, a], moles, total, liquid, melt_speed)
        value /= law_resistance(net.law[t], u, net.ratio[t], net.interface)
        if other >= 0:
            value *= moles[other] / (moles[other] + net.scarcity * total)
        out[a] = value


@borrowing
def heat(
    net: Net,
    draw: Draw,
    material: FloatArray,
    gas: int,
    start_k: float,
    end_k: float,
    duration_s: float,
    tolerance: float,
    work: Scratch,
) -> int:
    """Advances a material through one segment of linear temperature; returns the steps taken.

    Args:
        net: Static arrays.
        draw: The laboratory.
        material: Vector of the sample, changed in place.
        gas: Number of the furnace gas.
        start_k: Temperature at the start, K.
        end_k: Temperature at the end, K.
        duration_s: Length, s.
        tolerance: Error of one step as a share of the sample's cations.
        work: Scratch memory, as from ``scratch``.
    """
    total = 0.0  # of what stays in the solid: no measure may change because gas leaves
    for p in range(net.used):
        total += net.cations[p] * material[p]
    if total <= 0.0 or duration_s <= 0.0:
        return 0
    fall_asleep(net, work.awake)
    there = solids_there(net, material, total)
    wake(net, draw, gas, material, start_k, end_k, duration_s, there, work.awake)
    steps = 0
    if work.awake.size[COUNT] > 0:
        slope = (end_k - start_k) / duration_s
        time, end = 0.0, duration_s
        hottest = max(start_k, end_k)
        if slope != 0.0:
            quiet = quiet_temperature(net, work.awake, hottest, slope)
            if hottest <= quiet:
                end = 0.0
            elif start_k < quiet:
                time = (quiet - start_k) / slope
            elif end_k < quiet:
                end = (quiet - start_k) / slope
        if end > time:
            steps = _integrate(
                net, draw, material, gas, start_k, end_k, duration_s, time, end, tolerance,
                total, work,
            )  # fmt: skip
    coarsen(net, material, start_k, end_k, duration_s)
    return steps


@borrowing
def _mean_um(net: Net, material: FloatArray, total: float) -> float:
    """Grain diameter of the sample, by cations, um."""
    mean = 0.0
    for p in range(net.used):
        mean += net.cations[p] * material[p] * material[3 * net.molar_mass.size + p]
    return mean / total


@borrowing
def _integrate(
    net: Net, draw: Draw, material: FloatArray, gas: int, start_k: float, end_k: float,
    duration_s: float, time: float, end: float, tolerance: float, total: float, work: Scratch,
) -> int:  # fmt: skip
    """Steps from ``time`` to ``end`` (s of the segment)."""
    solids, used = net.molar_mass.size, net.used
    moles, charge = material[:used], material[2 * solids : 2 * solids + used]
    apart, vapour = material[solids : solids + used], material[4 * solids :]
    awake = work.awake
    slope = (end_k - start_k) / duration_s
    longest = 1e30
    if slope != 0.0:
        longest = MAX_STEP_K * math.sqrt(tolerance / TOLERANCE) / abs(slope)
    step, smallest = min(longest, (end - time) / 4.0), end * 1e-5
    mean_um = _mean_um(net, material, total)
    for row in range(work.solid.shape[0]):
        for p in range(used):
            work.solid[row, p] = 0.0
    taken, here = 0, start_k + slope * time
    while time < end and supply(awake, moles) > EXHAUSTED * total:
        last = time + step >= end * (1.0 - 1e-12)
        if last:
            step = end - time
        taken += 1
        there = here + slope * step
        melts = liquid_shares(net, 0.5 * (here + there), work.liquid)
        start_step(net, moles, total, step, work)
        cut = 0.0
        while True:  # again where the step forms solids whose reactions were not looked for
            line_up(awake, moles, total, work)
            _take_constants(net, draw, here, there, work)
            pass_step(
                net, False, moles, charge, total, draw.melt_speed, step, tolerance * total, work
            )
            new = new_solids(net, material, mean_um, total, work)
            if new == 0:
                break
            wake(net, draw, gas, material, start_k, end_k, duration_s, new, awake)
            _clear_new(new, moles, total, net.scarcity, work)
        cut = pass_step(
            net, True, moles, charge, total, draw.melt_speed, step, tolerance * total, work
        )
        error = step_error(net, slope != 0.0, moles, charge, total, cut, tolerance * total, work)
        if melts:
            error = max(error, _wet_error(net, moles, apart, total, step, work) / tolerance)
        if error > 1.0 and step > smallest:
            step *= max(0.2, 0.9 / math.sqrt(error))
            continue
        time, here = (end if last else time + step), there
        for i in range(awake.size[LIVE]):
            p = awake.live[i]
            moles[p], charge[p] = work.moles[p], work.charge[p]
            work.solid[PACE, p] = work.solid[FORMED, p] / step
        for r in range(awake.size[RUNNING]):
            a = awake.run[r]
            if work.extent[a] != 0.0:
                for v in range(net.vapour_number.shape[1]):
                    vapour[v] += work.extent[a] * net.vapour_number[awake.place[5, a], v]
            if slope != 0.0:
                awake.known_k[a] = there
                for k in range(3):
                    work.early[k, a] = work.late[k, a]
        if melts:
            _wet(net, moles, apart, charge, total, step, work.liquid)
        growth = 4.0 if error < 0.05 else 0.9 / math.sqrt(error)
        step = min(longest, step * max(0.3, growth))
    return taken


@borrowing
def _take_constants(net: Net, draw: Draw, here_k: float, there_k: float, work: Scratch) -> None:
    """Mean constants of the reactions that run in a step between two temperatures."""
    awake, early, late = work.awake, work.early, work.late
    for r in range(awake.size[RUNNING]):
        a = awake.run[r]
        if awake.known_k[a] != here_k:
            constants_at(net, draw, awake, a, here_k, early)
            awake.known_k[a] = here_k
        elif here_k == there_k:
            continue
        if here_k == there_k:
            work.constant[a] = early[0, a] * max(0.0, early[1, a])
        else:
            constants_at(net, draw, awake, a, there_k, late)
            rise_k = awake.rate[1, a]
            if awake.rate[3, a] > 0.0 or net.slowest_s * max(early[0, a], late[0, a]) > 0.05:
                rise_k = 0.0
            work.constant[a] = mean_constant(rise_k, here_k, there_k, a, early, late)


@borrowing
def _clear_new(new: int, moles: FloatArray, total: float, scarcity: float, work: Scratch) -> None:
    """Starts the solids that a trial step has brought: what it formed is the first guess."""
    solid, awake = work.solid, work.awake
    for i in range(awake.size[LIVE]):
        p = awake.live[i]
        if (new >> p) & 1 == 1:
            solid[PACE, p] = 1e-300
            there = moles[p] + 0.5 * solid[FORMED, p]
            solid[OPEN, p] = there / (there + scarcity * total)


@borrowing
def wet_share(net: Net, moles: FloatArray, total: float, liquid: FloatArray) -> float:
    """How far the melt that has formed furthest has formed."""
    share = 0.0
    for m in range(net.melt.shape[0]):
        if liquid[m] > 0.0:
            share = max(share, melt_share(net, m, moles, total, liquid[m]))
    return share


@borrowing
def _wet_error(
    net: Net, moles: FloatArray, apart: FloatArray, total: float, step_s: float, work: Scratch
) -> float:
    """How far a step is off that wets matter only at its end, as a share of the cations."""
    share = max(
        wet_share(net, moles, total, work.liquid), wet_share(net, work.moles, total, work.liquid)
    )
    part = 1.0 - math.exp(-share * step_s / SOAKED_S)
    moved = 0.0
    for p in range(net.used):
        moved += part * net.cations[p] * apart[p]
    return LATE * moved / total


@borrowing
def _wet(
    net: Net, moles: FloatArray, apart: FloatArray, charge: FloatArray, total: float,
    step_s: float, liquid: FloatArray,
) -> None:  # fmt: skip
    """A melt reaches the matter that had no contact."""
    share = wet_share(net, moles, total, liquid)
    if share <= 0.0:
        return
    part = 1.0 - math.exp(-share * step_s / SOAKED_S)
    for p in range(net.used):
        moved = part * apart[p]
        apart[p] -= moved
        moles[p] += moved
        charge[p] += moved


@compiled
def scratch(net: Net) -> Scratch:
    """Scratch memory for ``heat``."""
    reactions, used = net.need.size, net.used
    awake = Awake(
        np.zeros((6, reactions), np.int64), np.zeros((5, reactions)), np.zeros((4, reactions)),
        np.zeros(reactions), np.zeros(reactions, np.int64), np.zeros(used, np.int64),
        np.zeros(used, np.int64), np.zeros(4, np.int64),
    )  # fmt: skip
    rows = np.zeros((4, reactions))
    return Scratch(
        awake, np.zeros((3, reactions)), np.zeros((3, reactions)), rows[0], rows[1], rows[2],
        rows[3], np.zeros(used), np.zeros(used), np.zeros(used),
        np.zeros((16, used)), np.zeros(used), np.zeros(net.melt.shape[0] + 1),
    )  # fmt: skip
