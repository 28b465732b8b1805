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

from simulators.compiled import borrowing, cube_root
from simulators.conditions import (
    COUNT,
    LINED,
    LIVE,
    RUNNING,
    TRACE,
    constants_at,
    fall_asleep,
    mean_constant,
    quiet_temperature,
    wake,
)
from simulators.laws import law_resistance
from simulators.melts import liquid_shares, state_factor
from simulators.net import Draw, FloatArray, Net
from simulators.powder import coarsen, dispense, mill, press, solid_masses, wash
from simulators.segment import FORMED, PACE, Scratch, enter, leave, scratch, supply
from simulators.step_error import step_error
from simulators.steps import (
    IDLE,
    line_up,
    new_solids,
    pass_step,
    reopen,
    start_step,
    take,
)

__all__ = [
    "TOLERANCE", "coarsen", "dispense", "heat", "mill", "press", "rates", "scratch",
    "solid_masses", "wash",
]  # fmt: skip

TOLERANCE = 5.0e-5
"""Error of one step as a share of the sample's cations; the setting of gate V1."""
MAX_STEP_K = 30.0
"""Longest step of a ramp at that setting, K: no reaction window is jumped over."""
NEARLY = 4.0
"""Free energy over RT below which the drive of a reaction hardly changes with temperature."""
FAST, NEAR = 1.0e-2, 2.0e-2
"""Progress k t of a law in a step from which on the start of a reaction is looked for, and the
share of a step that need not be split off."""
EXHAUSTED = 1.0e-7
"""Share of the sample's cations; when the reactants left are less, nothing more happens."""


@borrowing
def rates(
    net: Net, moles: FloatArray, charge: FloatArray, total: float, melt_speed: FloatArray,
    work: Scratch, out: FloatArray,
) -> None:  # fmt: skip
    """Rate of each reaction that is awake, mmol of its core per s, as LSODA integrates it.

    ``work.constant`` holds the constants times the drives, ``work.liquid`` the melts.
    """
    awake = work.awake
    for a in range(awake.size[COUNT]):
        core = awake.place[0, a]
        out[a] = 0.0
        left = moles[core]
        if work.constant[a] <= 0.0 or left <= TRACE * total:
            continue
        t = awake.table[core]
        u = min(1.0, cube_root(left / charge[core]))
        value = work.constant[a] * charge[core]
        if awake.moody[a] == 1:
            value *= state_factor(
                net, awake, a, moles, total, work.liquid, melt_speed, work.early, work.middle,
                work.late,
            )  # fmt: skip
        value /= law_resistance(net.law[t], u, net.ratio[t], net.interface)
        for k in range(1, 3):
            n = awake.place[k, a]
            if n != 0:
                value *= moles[n] / (moles[n] + net.scarcity * total)
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
    solids, total = net.molar_mass.size, 0.0  # no measure may change because gas leaves
    for p in range(net.used):
        total += net.cations[p] * (material[p] + material[solids + p])
    if total <= 0.0 or duration_s <= 0.0:
        return 0
    fall_asleep(net, material, total, work.awake)
    wake(net, draw, gas, material, start_k, end_k, duration_s, work.awake)
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
    solids, mean = net.molar_mass.size, 0.0
    for p in range(net.used):
        there = material[p] + material[solids + p]
        mean += net.cations[p] * there * material[3 * solids + p]
    return mean / total


@borrowing
def _integrate(
    net: Net, draw: Draw, material: FloatArray, gas: int, start_k: float, end_k: float,
    duration_s: float, time: float, end: float, tolerance: float, total: float, work: Scratch,
) -> int:  # fmt: skip
    """Steps from ``time`` to ``end`` (s of the segment)."""
    awake, vapour = work.awake, material[4 * net.molar_mass.size :]
    slope = (end_k - start_k) / duration_s
    longest = 1e30
    if slope != 0.0:
        longest = MAX_STEP_K * math.sqrt(tolerance / TOLERANCE) / abs(slope)
    step, smallest = min(longest, (end - time) / 4.0), end * 1e-5
    mean_um = _mean_um(net, material, total)
    enter(net, material, total, 0, work)
    taken, here = 0, start_k + slope * time
    while time < end and supply(awake, work.moles) > EXHAUSTED * total:
        last = time + step >= end * (1.0 - 1e-12)
        if last:
            step = end - time
        taken += 1
        there = here + slope * step
        _melt(net, here, there, work)
        start_step(net, total, step, work)
        awake.size[LINED] = awake.size[RUNNING] = 0
        hot, least = max(here, there), IDLE * tolerance * total
        # Again where the step forms what sets off more reactions.
        while line_up(net, total, hot, step, least, work):
            _take_constants(net, draw, here, there, work)
            part = _until_turn(net, total, step, tolerance, work) if slope != 0.0 else 1.0
            if part < 1.0:
                step, last = step * part, False
                there = here + slope * step
                _melt(net, here, there, work)
                start_step(net, total, step, work)
                _take_constants(net, draw, here, there, work)
            pass_step(net, 1.0, total, draw.melt_speed, step, tolerance * total, work)
            if new_solids(net, material, mean_um, total, work):
                known = awake.size[LIVE]
                wake(net, draw, gas, material, start_k, end_k, duration_s, awake)
                enter(net, material, total, known, work)
            reopen(net, total, work)
        if awake.size[RUNNING] == 0:  # too cold for anything, or nothing left that can react
            time, here = (end if last else time + step), there
            for n in range(1, awake.size[LIVE]):
                work.solid[PACE, n] = 0.0
            step = min(longest, 4.0 * step)
            continue
        cut = pass_step(net, 0.5, total, draw.melt_speed, step, tolerance * total, work)
        error = step_error(slope != 0.0, total, cut, step, tolerance * total, work)
        if error > 1.0 and step > smallest:
            step *= max(0.2, 0.9 / math.sqrt(error))
            continue
        time, here = (end if last else time + step), there
        take(net, work)
        _after(net, slope != 0.0, there, step, vapour, work)
        growth = 4.0 if error < 0.05 else 0.9 / math.sqrt(error)
        step = max(smallest, min(longest, step * max(0.3, growth)))
    leave(net, material, work)
    return taken


@borrowing
def _after(
    net: Net, warming: bool, there_k: float, step_s: float, vapour: FloatArray, work: Scratch
) -> None:
    """Gas given off in a step that was taken, and what the next one starts from."""
    awake = work.awake
    for n in range(1, awake.size[LIVE]):
        work.solid[PACE, n] = work.solid[FORMED, n] / step_s
    for r in range(awake.size[RUNNING]):
        a = awake.run[r]
        j = awake.which[a]
        amount = work.extent[a] / net.number[j, 0]
        for v in range(net.vapour_number.shape[1]):
            vapour[v] += amount * net.vapour_number[j, v]
    if warming:
        for a in range(awake.size[COUNT]):
            if awake.known_k[1, a] == there_k:
                awake.known_k[0, a] = there_k
                for k in range(3):
                    work.early[k, a] = work.late[k, a]


@borrowing
def _melt(net: Net, here_k: float, there_k: float, work: Scratch) -> None:
    """Shares of the melts by temperature at the start, in the middle and at the end of a step."""
    for k in range(3):
        if k > 0 and here_k == there_k:
            for m in range(net.melt.shape[0]):
                work.liquid[k, m] = work.liquid[0, m]
        else:
            liquid_shares(net, here_k + 0.5 * k * (there_k - here_k), work.liquid[k])


@borrowing
def _take_constants(net: Net, draw: Draw, here_k: float, there_k: float, work: Scratch) -> None:
    """Mean constants of the reactions of a step, and the list of those that matter."""
    awake, early, middle, late = work.awake, work.early, work.middle, work.late
    running = 0
    for r in range(awake.size[LINED]):
        a = awake.lined[r]
        if awake.known_k[0, a] != here_k:
            constants_at(net, draw, awake, a, here_k, early)
            awake.known_k[0, a] = here_k
        needed = work.speed[a]
        first = early[0, a] * max(0.0, early[1, a])
        work.constant[a] = work.doubt[a] = 0.0
        if here_k == there_k:
            if first >= needed:
                work.constant[a] = first
                awake.run[running] = a
                running += 1
            continue
        if awake.known_k[1, a] != there_k:
            constants_at(net, draw, awake, a, there_k, late)
            awake.known_k[1, a] = there_k
        if max(first, late[0, a] * late[1, a]) < needed:
            continue
        awake.run[running] = a
        running += 1
        rise_k = awake.rate[1, a]
        if awake.rate[3, a] > 0.0 or net.slowest_s * max(early[0, a], late[0, a]) > 0.05:
            rise_k = 0.0
        whole = mean_constant(rise_k, here_k, there_k, a, early, late)
        work.constant[a] = whole
        near = max(early[2, a], late[2, a]) > -NEARLY and min(early[2, a], late[2, a]) < 0.0
        if near or awake.moody[a] == 1 or abs(early[0, a] - late[0, a]) > 0.5 * early[0, a]:
            middle_k = 0.5 * (here_k + there_k)
            constants_at(net, draw, awake, a, middle_k, middle)
            halves = 0.5 * (
                mean_constant(rise_k, here_k, middle_k, a, early, middle)
                + mean_constant(rise_k, middle_k, there_k, a, middle, late)
            )
            work.constant[a] = max(0.0, halves + (halves - whole) / 3.0)
            if halves > 0.0:
                work.doubt[a] = min(abs(halves - whole) / (3.0 * halves), 1.0)
    awake.size[RUNNING] = running


@borrowing
def _until_turn(net: Net, total: float, step_s: float, tolerance: float, work: Scratch) -> float:
    """Share of a step until a fast reaction starts or stops because its drive changes sign.

    Averaged over a step the reaction would already run at its start, and all that competes with it
    would lose what it had until then.
    """
    awake, part = work.awake, 1.0
    for r in range(awake.size[LINED]):
        a = awake.lined[r]
        x0, x1 = work.early[2, a], work.late[2, a]
        if (x0 < 0.0) == (x1 < 0.0) or work.constant[a] * step_s < FAST:
            continue
        core = awake.place[0, a]
        if work.moles[core] + work.solid[FORMED, core] < tolerance * total:
            continue
        share = x0 / (x0 - x1)
        if NEAR < share < 1.0 - NEAR:
            part = min(part, share)
    return part
