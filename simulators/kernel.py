"""The physics of one sample as scalar functions for numba; single and batched paths share them.

A sample's matter is one float64 vector: moles (mmol) of each solid in contact with its partners,
moles out of contact, moles of each core at the last renewal of contact, grain diameters (um),
moles of gas evolved, inert mass (mg). See ``Layout``.

Integration: Heun's method with an error estimate and its own steps for each sample. Cores that no
reaction forms (TiO2) are advanced in the integral of their law, which is exact for one isothermal
reaction; the others by their rate. What a step may take from a phase is bent below what is there,
in proportion for all its takers, so nothing goes negative and no order of reactions matters.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from simulators.network import Draw, FloatArray, Net

GAS_CONSTANT = 8.31446261815324e-3
TOLERANCE = 1.0e-4
"""Error of one step as a share of the sample's moles; the setting of gate V1."""
MAX_STEP_K = 40.0
"""Longest step of a ramp, K: no reaction window is jumped over."""
QUIET = 1.0e-8
"""Progress of a law below which a segment, or the cold part of a ramp, is skipped."""

_options = {"cache": True, "fastmath": False, "nogil": True, "error_model": "numpy"}


@njit(**_options)
def law_integral(law: int, u: float, ratio: float, interface: float) -> float:
    """g(alpha) = k t of a law at core radius ``u`` (1 fresh, 0 gone), interface included."""
    left = u * u * u
    if law == 0:
        grown = 1.0 + (ratio - 1.0) * (1.0 - left)
        if abs(ratio - 1.0) < 1e-6:  # Carter's limit for equal volumes
            value = 0.5 - (1.0 - left) / 3.0 - 0.5 * u * u
        else:
            value = (ratio - grown ** (2.0 / 3.0) - (ratio - 1.0) * u * u) / (2.0 * (ratio - 1.0))
    elif law == 1:
        value = 1.0 - 2.0 * (1.0 - left) / 3.0 - u * u
    elif law == 2:
        value = (1.0 - u) * (1.0 - u)
    else:
        return 1.0 - u
    return value + interface * (1.0 - left) / 3.0


@njit(**_options)
def law_resistance(law: int, u: float, ratio: float, interface: float) -> float:
    """d g / d alpha of a law at core radius ``u``; the rate of alpha is k over this."""
    u = max(u, 1e-9)
    if law == 0:
        grown = (1.0 + (ratio - 1.0) * (1.0 - u * u * u)) ** (1.0 / 3.0)
        return (1.0 / u - 1.0 / grown + interface) / 3.0
    if law == 1:
        return (2.0 * (1.0 / u - 1.0) + interface) / 3.0
    if law == 2:
        return (2.0 * (1.0 - u) / (u * u) + interface) / 3.0
    return 1.0 / (3.0 * u * u)


@njit(**_options)
def advance_core(law: int, u: float, ratio: float, interface: float, progress: float) -> float:
    """Core radius after the law's integral has grown by ``progress`` (= k t).

    Newton's method inside a bracket, from the local quadratic.
    """
    if progress <= 0.0 or u <= 0.0:
        return u
    if law == 3:
        return max(0.0, u - progress)
    goal = law_integral(law, u, ratio, interface) + progress
    if goal >= law_integral(law, 0.0, ratio, interface):
        return 0.0
    slope = law_resistance(law, u, ratio, interface)
    inverse = 1.0 / u
    bend = inverse**4 / 9.0
    if law == 0:
        bend += (ratio - 1.0) * (1.0 + (ratio - 1.0) * (1.0 - u**3)) ** (-4.0 / 3.0) / 9.0
    elif law == 1:
        bend *= 2.0
    else:
        bend *= 2.0 * (2.0 - u) * inverse
    step = 2.0 * progress / (slope + math.sqrt(slope * slope + 2.0 * bend * progress))
    left = u * u * u - step
    low, high = 0.0, u
    guess = left ** (1.0 / 3.0) if left > 0.0 else 0.5 * u
    for _ in range(60):
        error = law_integral(law, guess, ratio, interface) - goal
        if error > 0.0:
            low = guess
        else:
            high = guess
        if abs(error) < 1e-14 or high - low < 1e-14:
            break
        change = error / (3.0 * guess * guess * law_resistance(law, guess, ratio, interface))
        following = guess + change
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - guess) < 1e-13:
            guess = following
            break
        guess = following
    return guess


@njit(**_options)
def sizes(net: Net, material: FloatArray, factor: FloatArray) -> None:
    """Grain sizes of new phases, and the factor of each reaction's rate constant by size."""
    solids = net.law.size
    diameter = material[3 * solids : 4 * solids]
    for _ in range(3):  # a chain of phases that grow on one another is at most three long
        for p in range(solids):
            if diameter[p] <= 0.0 and net.grows_on[p] >= 0:
                diameter[p] = max(diameter[net.grows_on[p]], 0.0)
    for j in range(net.core.size):
        own = diameter[net.core[j]]
        if own <= 0.0:
            factor[j] = 0.0
            continue
        scale = net.reference_um[j] / own
        value = scale * scale if net.size_power[j] == 2.0 else scale
        other = net.partner[j]
        if other >= 0 and diameter[other] > 0.0:
            hindrance = net.partner_resistance[j]
            value *= (1.0 + hindrance) / (1.0 + hindrance * diameter[other] / own)
        factor[j] = value


@njit(**_options)
def constants(
    net: Net, draw: Draw, gas: int, temperature_k: float, factor: FloatArray, out: FloatArray
) -> None:
    """Rate constant of each reaction in 1/s: Arrhenius, size, CO2, and 1 - exp(dG/RT).

    Below the first temperature of the energy table (300 K) the first interval is continued;
    nothing reacts there.
    """
    position = (temperature_k - net.energy_start_k) / net.energy_step_k
    index = min(max(int(position), 0), draw.energy.shape[1] - 2)
    part = position - index
    inverse = 1.0 / temperature_k
    for j in range(net.core.size):
        if factor[j] <= 0.0:
            out[j] = 0.0
            continue
        low = draw.energy[j, index]
        energy = low + part * (draw.energy[j, index + 1] - low)
        exponent = energy * inverse / GAS_CONSTANT + draw.ln_q[gas, j]
        if exponent >= 0.0:
            out[j] = 0.0
            continue
        rise = draw.activation[gas, j] / GAS_CONSTANT
        rise *= inverse - draw.inverse_reference_k[gas, j]
        out[j] = (
            math.exp(draw.ln_k[gas, j] - rise)
            * factor[j]
            * draw.brake[gas, j]
            * -math.expm1(exponent)
        )


@njit(**_options)
def activities(
    net: Net, moles: FloatArray, charge: FloatArray, constant: FloatArray, out: FloatArray
) -> None:
    """What drives each reaction: k times the scarcity of its reactants, and for cores that
    reactions form also charge over resistance, so that it is a rate in mmol/s of core."""
    for j in range(net.core.size):
        out[j] = 0.0
        core = net.core[j]
        left = moles[core]
        if constant[j] <= 0.0 or left <= 0.0:
            continue
        scarce = net.scarcity * charge[core]
        value = constant[j] * left / (left + scarce)
        other = net.partner[j]
        if other >= 0:
            value *= moles[other] / (moles[other] + scarce)
        if value > 0.0 and net.exact[core] == 0:
            u = min(1.0, (left / charge[core]) ** (1.0 / 3.0))
            value *= charge[core] / law_resistance(net.law[core], u, net.ratio[core], net.interface)
        out[j] = value


@njit(**_options)
def rates(
    net: Net, moles: FloatArray, charge: FloatArray, constant: FloatArray, out: FloatArray
) -> None:
    """Rate of each reaction, mmol/s of reaction: the right-hand side that LSODA integrates."""
    activities(net, moles, charge, constant, out)
    for j in range(net.core.size):
        core = net.core[j]
        if out[j] > 0.0 and net.exact[core] == 1:
            u = min(1.0, (moles[core] / charge[core]) ** (1.0 / 3.0))
            out[j] *= charge[core] / law_resistance(
                net.law[core], u, net.ratio[core], net.interface
            )
        out[j] /= net.core_number[j]


@njit(**_options)
def extents(
    net: Net,
    moles: FloatArray,
    charge: FloatArray,
    activity: FloatArray,
    step_s: float,
    loss: FloatArray,
    out: FloatArray,
) -> None:
    """Progress of each reaction in one step, mmol, such that no phase goes negative."""
    loss[:] = 0.0
    for p in range(net.law.size):  # closed form: all takers of one core share its progress
        if net.exact[p] == 1 and net.law[p] >= 0 and moles[p] > 0.0:
            total = 0.0
            for j in range(net.core.size):
                if net.core[j] == p:
                    total += activity[j]
            if total > 0.0:
                u = min(1.0, (moles[p] / charge[p]) ** (1.0 / 3.0))
                after = advance_core(net.law[p], u, net.ratio[p], net.interface, total * step_s)
                loss[p] = (moles[p] - charge[p] * after * after * after) / total
    for j in range(net.core.size):
        core = net.core[j]
        amount = loss[core] if net.exact[core] == 1 else step_s
        out[j] = max(0.0, amount * activity[j] / net.core_number[j])
    loss[:] = 0.0
    for j in range(net.core.size):
        if out[j] > 0.0:
            loss[net.core[j]] += out[j] * net.core_number[j]
            if net.partner[j] >= 0:
                loss[net.partner[j]] += out[j] * net.partner_number[j]
    for p in range(net.law.size):  # loss becomes the factor that the takers must respect
        share = loss[p] / moles[p] if loss[p] > 0.0 else 0.0
        loss[p] = (1.0 + share**8) ** -0.125 if share > 0.25 else 1.0
    for j in range(net.core.size):
        if out[j] > 0.0:
            limit = loss[net.core[j]]
            if net.partner[j] >= 0:
                limit = min(limit, loss[net.partner[j]])
            out[j] *= limit


@njit(**_options)
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
    for p in range(net.law.size):
        if moles_out[p] < 0.0:  # the last bit of a subtraction
            moles_out[p] = 0.0


@njit(**_options)
def quiet_temperature(
    net: Net, draw: Draw, gas: int, factor: FloatArray, duration_s: float
) -> float:
    """Temperature in K below which no reaction makes progress worth counting."""
    lowest = 1e9
    for j in range(net.core.size):
        if factor[j] > 0.0:
            log = draw.ln_k[gas, j] + math.log(factor[j] * max(duration_s, 1.0) / QUIET)
            inverse = (
                draw.inverse_reference_k[gas, j] + log * GAS_CONSTANT / draw.activation[gas, j]
            )
            lowest = min(lowest, 1.0 / inverse if inverse > 0.0 else 1e9)
    return lowest


@njit(**_options)
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
    solids, reactions = net.law.size, net.core.size
    moles, charge = material[:solids], material[2 * solids : 3 * solids]
    total = 0.0
    for p in range(solids):
        total += moles[p]
    if total <= 0.0 or duration_s <= 0.0:
        return 0
    factor, k0, k1 = work[0, :reactions], work[1, :reactions], work[2, :reactions]
    a0, a1, extent = work[3, :reactions], work[4, :reactions], work[5, :reactions]
    loss, moles_a, charge_a = work[6, :solids], work[7, :solids], work[8, :solids]
    moles_b, charge_b = work[9, :solids], work[10, :solids]
    sizes(net, material, factor)
    quiet = quiet_temperature(net, draw, gas, factor, duration_s)
    if max(start_k, end_k) <= quiet:
        return 0
    slope = (end_k - start_k) / duration_s
    time, end = 0.0, duration_s
    if start_k < quiet:
        time = (quiet - start_k) / slope
    elif end_k < quiet:
        end = (quiet - start_k) / slope
    longest = MAX_STEP_K / abs(slope) if slope != 0.0 else 1e30
    step = min(longest, (end - time) / 4.0)
    smallest = duration_s * 1e-9
    constants(net, draw, gas, start_k + slope * time, factor, k0)
    activities(net, moles, charge, k0, a0)
    count = 0
    while time < end:
        last = time + step >= end * (1.0 - 1e-12)
        if last:
            step = end - time
        count += 1
        extents(net, moles, charge, a0, step, loss, extent)
        apply_extents(net, extent, moles, charge, moles_a, charge_a)
        if slope != 0.0:
            constants(net, draw, gas, start_k + slope * (time + step), factor, k1)
        else:
            k1[:] = k0
        activities(net, moles_a, charge_a, k1, a1)
        for j in range(reactions):
            a1[j] = 0.5 * (a0[j] + a1[j])
        extents(net, moles, charge, a1, step, loss, extent)
        apply_extents(net, extent, moles, charge, moles_b, charge_b)
        error = 0.0
        for p in range(solids):
            error = max(error, abs(moles_b[p] - moles_a[p]))
        error /= total * tolerance
        if error > 1.0 and step > smallest:
            step *= max(0.2, 0.9 / math.sqrt(error))
            continue
        time = end if last else time + step
        moles[:] = moles_b
        charge[:] = charge_b
        for j in range(reactions):
            if extent[j] > 0.0:
                for v in range(net.vapour_number.shape[1]):
                    material[4 * solids + v] += extent[j] * net.vapour_number[j, v]
        k0[:] = k1
        activities(net, moles, charge, k0, a0)
        growth = 4.0 if error < 0.04 else 0.9 / math.sqrt(error)
        step = min(longest, step * max(0.3, growth))
    return count


@njit(**_options)
def dispense(
    net: Net, material: FloatArray, solid: int, mass_mg: float, assay: float, particle_um: float
) -> None:
    """Pours a powder on top: its grains have no partner until the vial is milled."""
    solids = net.law.size
    added = mass_mg * assay / net.molar_mass[solid]
    there = material[solid] + material[solids + solid]
    place = 3 * solids + solid
    if there > 0.0:
        material[place] = (material[place] * there + particle_um * added) / (there + added)
    else:
        material[place] = particle_um
    material[solids + solid] += added
    material[material.size - 1] += mass_mg * (1.0 - assay)


@njit(**_options)
def mill(net: Net, material: FloatArray, minutes: float, mixing: float) -> None:
    """Mixes and grinds: layers come off, cores get smaller, most grains find a partner."""
    solids = net.law.size
    loose = net.best_share + (net.loose_share - net.best_share) * math.exp(
        -minutes * mixing / net.mixing_min
    )
    kept = math.exp(-minutes * mixing / net.grinding_min)
    for p in range(solids):
        touching, apart = material[p], material[solids + p]
        charge, diameter = material[2 * solids + p], material[3 * solids + p]
        total = touching + apart
        if total > 0.0:
            core = 1.0
            if charge > 0.0:
                core = min(1.0, (touching / charge) ** (1.0 / 3.0))
            diameter *= (touching * core + apart) / total
            finest = min(diameter, net.limit_um)
            material[3 * solids + p] = finest + (diameter - finest) * kept
        else:
            material[3 * solids + p] = 0.0
        material[p] = (1.0 - loose) * total
        material[solids + p] = loose * total
        material[2 * solids + p] = material[p]


@njit(**_options)
def solid_masses(net: Net, material: FloatArray, out: FloatArray) -> float:
    """Mass of each solid, mg, in contact or not; returns their sum without inert matter."""
    total = 0.0
    for p in range(net.law.size):
        out[p] = (material[p] + material[net.law.size + p]) * net.molar_mass[p]
        total += out[p]
    return total


WORK_ROWS = 11


@njit(**_options)
def scratch(net: Net) -> FloatArray:
    """Scratch memory for ``heat``."""
    return np.empty((WORK_ROWS, max(net.law.size, net.core.size)))
