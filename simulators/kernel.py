"""The physics of one sample as scalar functions for numba; single and batched paths share them.

A sample's matter is one float64 vector: moles (mmol) of each solid in contact with its partners,
moles out of contact, moles of each core at the last renewal of contact and what has formed since,
grain diameters (um), moles of gas evolved, inert mass (mg).

Integration: Heun's method with an error estimate and its own steps for each sample
(``simulators.steps`` makes one step). A segment starts with the list of the reactions that can run
in it; it ends as soon as no reactant of theirs is left.
"""

from __future__ import annotations

import math

import numpy as np

from simulators.compiled import borrowing, compiled
from simulators.conditions import (
    TRACE,
    Awake,
    awake_constants,
    find_awake,
    quiet_temperature,
    sizes,
    step_constants,
)
from simulators.laws import law_resistance
from simulators.network import Draw, FloatArray, Net
from simulators.powder import dispense, mill, solid_masses
from simulators.steps import Scratch, supply, try_step

__all__ = ["TOLERANCE", "dispense", "heat", "mill", "rates", "scratch", "solid_masses"]

TOLERANCE = 6.0e-4
"""Error of one step as a share of the sample's moles; the setting of gate V1."""
MAX_STEP_K = 60.0
"""Longest step of a ramp, K: no reaction window is jumped over."""
EXHAUSTED = 1.0e-7
"""Share of the sample's moles; when the reactants left are less, nothing more happens."""


@borrowing
def rates(
    net: Net, moles: FloatArray, charge: FloatArray, constant: FloatArray, out: FloatArray
) -> None:
    """Rate of each reaction, mmol/s of reaction: the right-hand side that LSODA integrates."""
    least = 0.0
    for p in range(net.used):
        least += TRACE * moles[p]
    for j in range(net.core.size):
        core, other = net.core[j], net.partner[j]
        out[j] = 0.0
        left = moles[core]
        if constant[j] <= 0.0 or left <= least:
            continue
        scarce = net.scarcity * charge[core]
        u = min(1.0, np.cbrt(left / charge[core]))
        out[j] = constant[j] * charge[core] * left / (left + scarce) / net.core_number[j]
        out[j] /= law_resistance(net.law[core], u, net.ratio[core], net.interface)
        if other >= 0:
            out[j] *= moles[other] / (moles[other] + scarce)


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
        tolerance: Error of one step as a share of the sample's moles.
        work: Scratch memory, as from ``scratch``.
    """
    used = net.used
    moles = material[:used]
    total = 0.0
    for p in range(used):
        total += moles[p]
    if total <= 0.0 or duration_s <= 0.0:
        return 0
    sizes(net, material, work.factor)
    count = find_awake(net, draw, gas, moles, work.factor, start_k, end_k, duration_s, work.awake)
    if count == 0:
        return 0
    slope = (end_k - start_k) / duration_s
    time, end = 0.0, duration_s
    if slope != 0.0:
        quiet = quiet_temperature(work.awake, count, max(start_k, end_k), slope)
        if max(start_k, end_k) <= quiet:
            return 0
        if start_k < quiet:
            time = (quiet - start_k) / slope
        elif end_k < quiet:
            end = (quiet - start_k) / slope
    return _integrate(
        net, draw, material, count, start_k, slope, time, end, tolerance * total,
        EXHAUSTED * total, work,
    )  # fmt: skip


@borrowing
def _integrate(
    net: Net, draw: Draw, material: FloatArray, count: int, start_k: float, slope: float,
    time: float, end: float, tolerance: float, exhausted: float, work: Scratch,
) -> int:  # fmt: skip
    """Steps from ``time`` to ``end`` (s of the segment); tolerances in mmol."""
    solids, used = net.law.size, net.used
    moles, charge = material[:used], material[2 * solids : 2 * solids + used]
    vapour = material[4 * solids :]
    awake, k0, k1, d0, d1 = work.awake, work.k0, work.k1, work.d0, work.d1
    longest = MAX_STEP_K / abs(slope) if slope != 0.0 else 1e30
    step = min(longest, (end - time) / 4.0)
    smallest = end * 1e-5
    awake_constants(net, draw, awake, count, start_k + slope * time, k0, d0)
    for a in range(count):
        work.constant[a] = k0[a] * max(0.0, d0[a])
    taken = 0
    while time < end and supply(awake, count, moles) > exhausted:
        last = time + step >= end * (1.0 - 1e-12)
        if last:
            step = end - time
        taken += 1
        if slope != 0.0:
            here = start_k + slope * time
            awake_constants(net, draw, awake, count, here + slope * step, k1, d1)
            step_constants(awake, count, here, here + slope * step, k0, k1, d0, d1, work.constant)
        error = try_step(net, count, moles, charge, step, tolerance, work)
        if error > 1.0 and step > smallest:
            step *= max(0.2, 0.9 / math.sqrt(error))
            continue
        time = end if last else time + step
        for p in range(used):
            moles[p], charge[p] = work.moles[p], work.charge[p]
        for a in range(count):
            for v in range(net.vapour_number.shape[1]):
                vapour[v] += work.extent[a] * net.vapour_number[awake.place[4, a], v]
            k0[a], d0[a] = k1[a], d1[a]
        growth = 4.0 if error < 0.05 else 0.9 / math.sqrt(error)
        step = min(longest, step * max(0.3, growth))
    return taken


@compiled
def scratch(net: Net) -> Scratch:
    """Scratch memory for ``heat``."""
    reactions, used = net.core.size, net.used
    rows = np.zeros((11, reactions))
    solids = np.zeros((10, used))
    awake = Awake(
        np.zeros((5, reactions), np.int64), np.zeros((4, reactions)), np.zeros((3, reactions))
    )
    return Scratch(
        awake, rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7], rows[8],
        rows[9], rows[10], solids[0], solids[1], solids[2], solids[3], solids[4], solids[5],
        solids[6], solids[7], solids[8], solids[9], np.zeros((4, used)),
    )  # fmt: skip
