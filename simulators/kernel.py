"""The physics of one sample as scalar functions for numba; single and batched paths share them.

A sample's matter is one float64 vector: moles (mmol) of each solid in contact with its partners,
moles out of contact, moles of each core at the last renewal of contact, grain diameters (um),
moles of gas evolved, inert mass (mg).

Integration: Heun's method with an error estimate and its own steps for each sample. Cores that no
reaction forms (TiO2) are advanced in the integral of their law, which is exact for one isothermal
reaction; the others by their rate. What a step may take from a phase is bent below what is there,
in proportion for all its takers, so nothing goes negative and no order of reactions matters.
"""

from __future__ import annotations

import math

import numpy as np

from simulators.compiled import compiled
from simulators.conditions import constants, quiet_temperature, sizes, step_constants, wake
from simulators.laws import core_at, first_guess, law_bend, law_integral, law_resistance
from simulators.network import Draw, FloatArray, Net
from simulators.powder import dispense, mill, solid_masses

__all__ = ["TOLERANCE", "dispense", "heat", "mill", "rates", "scratch", "solid_masses"]

TOLERANCE = 3.0e-4
"""Error of one step as a share of the sample's moles; the setting of gate V1."""
MAX_STEP_K = 60.0
"""Longest step of a ramp, K: no reaction window is jumped over."""


@compiled
def conductances(
    net: Net, moles: FloatArray, charge: FloatArray, constant: FloatArray, out: FloatArray
) -> None:
    """Rate of each reaction per mole of its partner (where there is one).

    Scarcity of core and partner is inside. For cores that are integrated in closed form it is the
    rate of the law's integral in 1/s, for others the loss of core in mmol/s per mole of core.
    """
    for j in range(net.core.size):
        out[j] = 0.0
        core = net.core[j]
        left = moles[core]
        if constant[j] <= 0.0 or left <= 0.0:
            continue
        scarce = net.scarcity * charge[core]
        value = constant[j] / (left + scarce)
        other = net.partner[j]
        if other >= 0:
            value /= moles[other] + scarce
        if net.exact[core] == 1:
            value *= left
        else:
            u = min(1.0, np.cbrt(left / charge[core]))
            value *= charge[core] / law_resistance(net.law[core], u, net.ratio[core], net.interface)
        out[j] = value


@compiled
def rates(
    net: Net, moles: FloatArray, charge: FloatArray, constant: FloatArray, out: FloatArray
) -> None:
    """Rate of each reaction, mmol/s of reaction: the right-hand side that LSODA integrates."""
    conductances(net, moles, charge, constant, out)
    for j in range(net.core.size):
        core, other = net.core[j], net.partner[j]
        if out[j] > 0.0 and net.exact[core] == 1:
            u = min(1.0, np.cbrt(moles[core] / charge[core]))
            out[j] *= charge[core] / law_resistance(
                net.law[core], u, net.ratio[core], net.interface
            )
        elif out[j] > 0.0:
            out[j] *= moles[core]
        if other >= 0:
            out[j] *= moles[other]
        out[j] /= net.core_number[j]


@compiled
def prepare_cores(net: Net, moles: FloatArray, charge: FloatArray, cores: FloatArray) -> None:
    """Radius, integral, resistance, bend of each core that is integrated in closed form.

    Args:
        net: Static arrays.
        moles: (used,) amounts.
        charge: (used,) amounts at the last renewal.
        cores: (5, used) result: the four figures, and a place for the radius after the step.
    """
    for p in range(net.used):
        if net.exact[p] == 1 and net.law[p] >= 0 and moles[p] > 0.0:
            law, ratio = net.law[p], net.ratio[p]
            u = min(1.0, np.cbrt(moles[p] / charge[p]))
            cores[0, p] = u
            cores[1, p] = law_integral(law, u, ratio, net.interface)
            cores[2, p] = law_resistance(law, u, ratio, net.interface)
            cores[3, p] = law_bend(law, u, ratio)
            cores[4, p] = -1.0


@compiled
def core_progress(
    net: Net,
    moles: FloatArray,
    charge: FloatArray,
    activity: FloatArray,
    step_s: float,
    cores: FloatArray,
    out: FloatArray,
) -> None:
    """Core consumed per activity in one step; all takers of one core share its layer."""
    for p in range(net.used):
        out[p] = step_s
        if net.exact[p] == 0 or net.law[p] < 0 or moles[p] <= 0.0:
            continue
        total = 0.0
        for j in range(net.core.size):
            if net.core[j] == p:
                total += activity[j]
        gain = total * step_s
        if gain < 1e-14:
            out[p] = step_s * charge[p] / cores[2, p]
            continue
        u, guess = cores[0, p], cores[4, p]
        if net.law[p] == 3:
            after = max(0.0, u - gain)
        else:
            if not 0.0 < guess < u:
                guess = first_guess(u, gain, cores[2, p], cores[3, p])
            goal = cores[1, p] + gain
            after = core_at(net.law[p], goal, u, guess, net.ratio[p], net.interface)
        cores[4, p] = after
        out[p] = max(0.0, moles[p] - charge[p] * after * after * after) / total


@compiled
def extents(
    net: Net,
    moles: FloatArray,
    charge: FloatArray,
    conductance: FloatArray,
    step_s: float,
    close: float,
    cores: FloatArray,
    mean: FloatArray,
    work: FloatArray,
    out: FloatArray,
) -> None:
    """Progress of each reaction in one step, mmol, at given conductances.

    A partner's mean over the step solves dn/dt = gain - loss n exactly (exponential fitting), with
    what other reactions form in the same step: a short-lived phase is used as fast as it forms, and
    none is used beyond what there is. Jacobi sweeps, so that no order of reactions matters.

    Args:
        net: Static arrays.
        moles: (S,) at the start.
        charge: (S,) cores at the last renewal and what has formed since.
        conductance: (R,) from ``conductances``.
        step_s: Length of the step, s.
        close: Change of a mean, mmol, at which the sweeps end.
        cores: (5, S) from ``prepare_cores``.
        mean: (S,) first guess of the means over the step; replaced by the result.
        work: (3, S or more) scratch.
        out: (R,) extents.
    """
    solids = net.used
    progress, gain, loss = work[0, :solids], work[1, :solids], work[2, :solids]
    for sweep in range(12):
        for j in range(net.core.size):
            core, other = net.core[j], net.partner[j]
            out[j] = conductance[j] * mean[other] if other >= 0 else conductance[j]
            if net.exact[core] == 0:
                out[j] *= mean[core]
        core_progress(net, moles, charge, out, step_s, cores, progress)
        gain[:] = 0.0
        loss[:] = 0.0
        for j in range(net.core.size):
            if conductance[j] <= 0.0:
                continue
            core, other = net.core[j], net.partner[j]
            unit = conductance[j] * progress[core] / net.core_number[j]
            out[j] *= progress[core] / net.core_number[j]
            if net.exact[core] == 1:
                gain[core] -= out[j] * net.core_number[j]
            else:
                share = mean[other] if other >= 0 else 1.0
                loss[core] += unit * share * net.core_number[j]
                unit *= mean[core]
            if other >= 0:
                loss[other] += unit * net.partner_number[j]
            for q in range(2):
                formed = net.product[j, q]
                if formed >= 0:
                    gain[formed] += out[j] * net.product_number[j, q]
        change = 0.0
        for p in range(solids):
            speed = loss[p]
            if speed > 0.0:
                weight = 0.5 + speed / 12.0
                if speed > 0.05:
                    weight = -1.0 / math.expm1(-speed) - 1.0 / speed
                value = max(0.0, (moles[p] + weight * gain[p]) / (1.0 + weight * speed))
                change = max(change, abs(value - mean[p]) * speed)
                mean[p] = value
        if change <= close and sweep > 0:
            break


@compiled
def apply_extents(
    net: Net,
    extent: FloatArray,
    moles: FloatArray,
    charge: FloatArray,
    moles_out: FloatArray,
    charge_out: FloatArray,
) -> None:
    """Moles and charges after the reactions have progressed by ``extent``."""
    moles_out[:] = moles
    charge_out[:] = charge
    for j in range(net.core.size):
        amount = extent[j]
        if amount <= 0.0:
            continue
        moles_out[net.core[j]] -= amount * net.core_number[j]
        if net.partner[j] >= 0:
            moles_out[net.partner[j]] -= amount * net.partner_number[j]
        for q in range(2):
            formed = net.product[j, q]
            if formed >= 0:
                moles_out[formed] += amount * net.product_number[j, q]
                charge_out[formed] += amount * net.product_number[j, q]


@compiled
def heat(
    net: Net,
    draw: Draw,
    material: FloatArray,
    gas: int,
    start_k: float,
    end_k: float,
    duration_s: float,
    tolerance: float,
    work: FloatArray,
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
        work: Scratch, as from ``scratch``.
    """
    solids, reactions, used = net.law.size, net.core.size, net.used
    moles, charge = material[:used], material[2 * solids : 2 * solids + used]
    total = 0.0
    for p in range(used):
        total += moles[p]
    if total <= 0.0 or duration_s <= 0.0:
        return 0
    factor, extent, constant = work[0, :reactions], work[1, :reactions], work[2, :reactions]
    k0, k1, d0, d1 = (
        work[3, :reactions], work[4, :reactions], work[5, :reactions], work[6, :reactions],
    )  # fmt: skip
    b0, b1, mean = work[7, :reactions], work[8, :reactions], work[9, :used]
    moles_a, charge_a = work[10, :used], work[11, :used]
    moles_b, charge_b = work[12, :used], work[13, :used]
    sweeps, cores = work[14:17], work[17:22]
    sizes(net, material, factor)
    constants(net, draw, gas, start_k, factor, k0, d0)
    constants(net, draw, gas, end_k, factor, k1, d1)
    if not wake(net, moles, d0, d1, factor):
        return 0
    quiet = quiet_temperature(net, draw, gas, factor, duration_s)
    if max(start_k, end_k) <= quiet:
        return 0
    slope = (end_k - start_k) / duration_s
    time, end = 0.0, duration_s
    if start_k < quiet:
        time = (quiet - start_k) / slope
    elif end_k < quiet:
        end = (quiet - start_k) / slope
    constants(net, draw, gas, start_k + slope * time, factor, k0, d0)
    longest = MAX_STEP_K / abs(slope) if slope != 0.0 else 1e30
    step = min(longest, (end - time) / 4.0)
    smallest, close = duration_s * 1e-5, 0.05 * tolerance * total
    for j in range(reactions):
        constant[j] = k0[j] * d0[j]
    count = 0
    fresh = True
    while time < end:
        last = time + step >= end * (1.0 - 1e-12)
        if last:
            step = end - time
        count += 1
        if slope != 0.0:
            here = start_k + slope * time
            there = here + slope * step
            constants(net, draw, gas, there, factor, k1, d1)
            step_constants(net, draw, gas, here, there, k0, k1, d0, d1, constant)
        if fresh:
            prepare_cores(net, moles, charge, cores)
        conductances(net, moles, charge, constant, b0)
        mean[:] = moles
        extents(net, moles, charge, b0, step, close, cores, mean, sweeps, extent)
        apply_extents(net, extent, moles, charge, moles_a, charge_a)
        conductances(net, moles_a, charge_a, constant, b1)
        for j in range(reactions):
            b1[j] = 0.5 * (b0[j] + b1[j])
        extents(net, moles, charge, b1, step, close, cores, mean, sweeps, extent)
        apply_extents(net, extent, moles, charge, moles_b, charge_b)
        error = 0.0
        for p in range(used):
            error = max(error, abs(moles_b[p] - moles_a[p]))
            if moles_b[p] < -1e-13 * total:
                error = max(error, 25.0 * total * tolerance)
        error /= total * tolerance
        fresh = error <= 1.0 or step <= smallest
        if not fresh:
            step *= max(0.2, 0.9 / math.sqrt(error))
            for p in range(used):
                cores[4, p] = -1.0
            continue
        time = end if last else time + step
        for p in range(used):
            moles[p] = max(0.0, moles_b[p])  # a last bit below zero is round-off
        charge[:] = charge_b
        for j in range(reactions):
            if extent[j] > 0.0:
                for v in range(net.vapour_number.shape[1]):
                    material[4 * solids + v] += extent[j] * net.vapour_number[j, v]
        if slope != 0.0:
            k0[:] = k1
            d0[:] = d1
        growth = 4.0 if error < 0.05 else 0.9 / math.sqrt(error)
        step = min(longest, step * max(0.3, growth))
    return count


WORK_ROWS = 22


@compiled
def scratch(net: Net) -> FloatArray:
    """Scratch memory for ``heat``."""
    return np.empty((WORK_ROWS, max(net.law.size, net.core.size)))
