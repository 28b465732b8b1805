"""One step of the solver for the reactions that are awake: conductances, extents, error.

Cores that are no partner (TiO2, BaTiO3) are advanced in the integral of their law, which is exact
for one isothermal reaction; other cores and all partners by the exact solution of linear loss. What
a step may take from a phase is bent below what is there, in proportion for all its takers, so
nothing goes negative and no order of reactions matters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from simulators.compiled import borrowing
from simulators.conditions import TRACE, Awake
from simulators.laws import fresh_share, law_integral, law_resistance
from simulators.network import FloatArray, Net

SWEEPS = 12
CLOSE = 0.05
"""Change of a phase in a sweep, as a share of the tolerance, at which the sweeps end."""
SLIGHT = 1.0e-8
"""Progress of a law up to which it is linear."""


class Scratch(NamedTuple):
    """Scratch memory: rows over reactions (R), then over solids that react (S)."""

    awake: Awake
    factor: FloatArray
    constant: FloatArray
    k0: FloatArray
    k1: FloatArray
    d0: FloatArray
    d1: FloatArray
    first: FloatArray  # conductance at the start of a step
    mean: FloatArray  # its mean over the step
    scarce_first: FloatArray  # amount of partner that halves the rate, at the start
    scarce_mean: FloatArray
    extent: FloatArray
    moles: FloatArray  # at the end of a step
    charge: FloatArray
    moles_early: FloatArray  # at the end of the step by the conductance at its start
    charge_early: FloatArray
    level: FloatArray  # mean amount over the step
    loss: FloatArray  # share of a solid that a step takes, in proportion to what is there
    capacity: FloatArray  # what takers that saturate could take of it in a step
    taken: FloatArray  # share of it that they take
    formed: FloatArray  # what a step forms of each solid
    progress: FloatArray  # core consumed per activity
    core: FloatArray  # (4, S) of closed cores: half of what forms, integral, resistance, activity


@borrowing
def supply(awake: Awake, count: int, moles: FloatArray) -> float:
    """Upper bound of the reactants that reactions could still take, mmol."""
    left = 0.0
    for a in range(count):
        amount = float(moles[awake.place[0, a]])
        if awake.place[1, a] >= 0:
            amount = min(amount, float(moles[awake.place[1, a]]))
        left += amount
    return left


@borrowing
def conductances(
    net: Net,
    awake: Awake,
    count: int,
    moles: FloatArray,
    charge: FloatArray,
    constant: FloatArray,
    least: float,
    out: FloatArray,
    scarce: FloatArray,
) -> None:
    """Rate of each reaction with plenty of partner, and the amount of partner that halves it.

    Scarcity of the core is inside. For closed cores it is the rate of the law's integral in 1/s,
    for others the loss of core in mmol/s per mole of core.
    """
    for a in range(count):
        core = awake.place[0, a]
        left = moles[core]
        scarce[a] = net.scarcity * charge[core]
        if left <= least:
            out[a] = 0.0
            continue
        below = left + scarce[a]
        if net.closed[core] == 1:
            out[a] = constant[a] * left / below
        else:
            u = min(1.0, np.cbrt(left / charge[core]))
            below *= law_resistance(net.law[core], u, net.ratio[core], net.interface)
            out[a] = constant[a] * charge[core] / below


@borrowing
def _core_progress(
    net: Net,
    p: int,
    moles: FloatArray,
    charge: FloatArray,
    step_s: float,
    formed: float,
    core: FloatArray,
) -> float:
    """Core consumed per activity in one step; all takers of one core share its layer.

    Half of what forms in the step is there from its start; the other half stays fresh.
    """
    half = 0.5 * formed
    there, grains = moles[p] + half, charge[p] + half
    if there <= 0.0:
        return 0.0
    if half != core[0, p]:
        core[0, p] = half
        u = min(1.0, np.cbrt(there / grains))
        core[1, p] = law_integral(net.law[p], u, net.ratio[p], net.interface)
        core[2, p] = law_resistance(net.law[p], u, net.ratio[p], net.interface)
    progress = core[3, p] * step_s
    if progress < SLIGHT:
        return step_s * grains / core[2, p]
    left = grains * fresh_share(net.table[p], core[1, p] + progress)
    return max(0.0, there - left) / core[3, p]


@borrowing
def _sweep(
    net: Net,
    count: int,
    conductance: FloatArray,
    scarce: FloatArray,
    moles: FloatArray,
    charge: FloatArray,
    step_s: float,
    work: Scratch,
) -> float:
    """Extents at the present levels, then new levels; returns the largest change in mmol."""
    place, number = work.awake.place, work.awake.number
    level, loss, formed, core = work.level, work.loss, work.formed, work.core
    capacity, taken = work.capacity, work.taken
    for p in range(net.used):
        core[3, p] = 0.0
    for a in range(count):
        p, other = place[0, a], place[1, a]
        activity = conductance[a]
        if other >= 0 and activity > 0.0:
            activity *= level[other] / (level[other] + scarce[a])
        if net.closed[p] == 1:
            core[3, p] += activity
        else:
            activity *= level[p]
        work.extent[a] = activity
    for p in range(net.used):
        work.progress[p] = step_s
        if net.closed[p] == 1:
            work.progress[p] = _core_progress(net, p, moles, charge, step_s, formed[p], core)
        loss[p], formed[p], capacity[p], taken[p] = 0.0, 0.0, 0.0, 0.0
    for a in range(count):
        p, other = place[0, a], place[1, a]
        if conductance[a] == 0.0:
            continue
        share = work.progress[p] / number[0, a]
        work.extent[a] *= share
        most = conductance[a] * share
        if net.closed[p] == 0:
            loss[p] += (
                most
                * number[0, a]
                * (level[other] / (level[other] + scarce[a]) if other >= 0 else 1.0)
            )
            most *= level[p]
        if other >= 0:
            capacity[other] += most * number[1, a]
            taken[other] += most * number[1, a] / (level[other] + scarce[a])
        for q in range(2, 4):
            if place[q, a] >= 0:
                formed[place[q, a]] += work.extent[a] * number[q, a]
    change = 0.0
    for p in range(net.used):
        speed = loss[p] + taken[p]
        if speed > 0.0:
            # Mean over the step of dn/dt = gain - loss n, with exp(-x) as 1 / (1 + x + x2/2 + x3/6)
            weight = (3.0 + speed * (2.0 + speed)) / (6.0 + speed * (3.0 + speed))
            there = moles[p] + weight * formed[p]
            slope = 1.0 + weight * loss[p]
            value = there / slope
            if taken[p] > 0.0:
                # Takers saturate: what they take is capacity * n / (n + half)
                half = max(0.0, capacity[p] / taken[p] - level[p])
                middle = 0.5 * (slope * half + weight * capacity[p] - there)
                root = math.sqrt(middle * middle + slope * there * half)
                value = there * half / (middle + root) if middle > 0.0 else (root - middle) / slope
                speed = loss[p] + taken[p] * half / (level[p] + half)
            change = max(change, abs(value - level[p]) * speed)
            level[p] = value
    return change


@borrowing
def _settle(
    count: int, moles: FloatArray, charge: FloatArray, work: Scratch,
    moles_out: FloatArray, charge_out: FloatArray,
) -> None:  # fmt: skip
    """Moles and charges after the reactions have progressed by ``work.extent``."""
    place, number, extent = work.awake.place, work.awake.number, work.extent
    for p in range(moles.size):
        moles_out[p], charge_out[p] = moles[p], charge[p]
    for a in range(count):
        amount = extent[a]
        moles_out[place[0, a]] -= amount * number[0, a]
        if place[1, a] >= 0:
            moles_out[place[1, a]] -= amount * number[1, a]
        for q in range(2, 4):
            if place[q, a] >= 0:
                moles_out[place[q, a]] += amount * number[q, a]
                charge_out[place[q, a]] += amount * number[q, a]


@borrowing
def try_step(
    net: Net,
    count: int,
    moles: FloatArray,
    charge: FloatArray,
    step_s: float,
    tolerance: float,
    work: Scratch,
) -> float:
    """One step into ``work.moles`` and ``work.charge``; returns its error in tolerances.

    A first sweep with the levels and conductances of the start predicts the conductances of the
    end; what it forms, beside the result, is the estimate of the error.

    Args:
        net: Static arrays.
        count: Reactions that are awake.
        moles: (S,) at the start, mmol.
        charge: (S,) cores at the last renewal of contact and what has formed since.
        step_s: Length, s.
        tolerance: In mmol.
        work: Scratch; holds the reactions and their mean constants.
    """
    close, least = CLOSE * tolerance, 0.0
    for p in range(net.used):
        least += TRACE * moles[p]
        work.level[p] = moles[p]
        work.formed[p] = 0.0
        work.core[0, p] = -1.0
    conductance, scarce = work.first, work.scarce_first
    from_moles, from_charge, to_moles, to_charge = (
        moles, charge, work.moles_early, work.charge_early,
    )  # fmt: skip
    for late in range(2):  # a loop, so that the compiler copies the sweeps once
        conductances(
            net, work.awake, count, from_moles, from_charge, work.constant, least,
            conductance, scarce,
        )  # fmt: skip
        if late == 1:
            for a in range(count):
                if work.first[a] > 0.0:  # a core that was not there yet is taken as at the end
                    conductance[a] = 0.5 * (work.first[a] + conductance[a])
                    scarce[a] = 0.5 * (work.scarce_first[a] + scarce[a])
        for sweep in range(SWEEPS):
            change = _sweep(net, count, conductance, scarce, moles, charge, step_s, work)
            if late == 0 or (change <= close and sweep > 0):
                break
        _settle(count, moles, charge, work, to_moles, to_charge)
        conductance, scarce = work.mean, work.scarce_mean
        from_moles, from_charge = work.moles_early, work.charge_early
        to_moles, to_charge = work.moles, work.charge
    error = 0.0
    for p in range(net.used):
        error = max(error, abs(work.moles[p] - work.moles_early[p]))
        if work.moles[p] < -0.1 * least:
            error = max(error, 25.0 * tolerance)
        work.moles[p] = max(0.0, work.moles[p])  # a last bit below zero is round-off
    return error / tolerance
