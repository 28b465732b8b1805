"""What drives the reactions of one sample: grain sizes, rate constants, which of them can run."""

from __future__ import annotations

import math
from typing import NamedTuple

from simulators.compiled import borrowing
from simulators.network import Draw, FloatArray, IntArray, Net

GAS_CONSTANT = 8.31446261815324e-3
QUIET = 1.0e-7
"""Progress of a law (k t) below which a reaction, or the cold part of a ramp, is skipped: with the
resistance of a fresh interface a conversion of 3e-5, with any layer far less."""
TRACE = 1.0e-12
"""Share of the sample's moles below which a phase counts as absent; its matter is kept."""


class Awake(NamedTuple):
    """The reactions that can run in a segment, side by side: the first ``count`` columns."""

    place: IntArray  # (5, R) core, partner, two products, number of the reaction
    number: FloatArray  # (4, R) moles of those four per unit of reaction
    law: FloatArray  # (3, R) ln of k at infinite temperature, activation energy / R in K, ln Q


@borrowing
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


@borrowing
def constants(
    net: Net,
    draw: Draw,
    gas: int,
    temperature_k: float,
    factor: FloatArray,
    constant: FloatArray,
    drive: FloatArray,
) -> None:
    """Rate constant of each reaction in 1/s (Arrhenius, size, CO2) and its 1 - exp(dG/RT), not < 0.

    Below the first temperature of the energy table (300 K) the first interval is continued;
    nothing reacts there.
    """
    position = (temperature_k - net.energy_start_k) / net.energy_step_k
    index = min(max(int(position), 0), draw.energy.shape[1] - 2)
    part = position - index
    inverse = 1.0 / temperature_k
    for j in range(net.core.size):
        if factor[j] <= 0.0:
            constant[j], drive[j] = 0.0, 0.0
            continue
        low = draw.energy[j, index]
        energy = low + part * (draw.energy[j, index + 1] - low)
        exponent = energy * inverse / GAS_CONSTANT + draw.ln_q[gas, j]
        rise = draw.activation[gas, j] / GAS_CONSTANT
        rise *= inverse - draw.inverse_reference_k[gas, j]
        constant[j] = math.exp(draw.ln_k[gas, j] - rise) * factor[j] * draw.brake[gas, j]
        drive[j] = max(0.0, -math.expm1(exponent)) if exponent < 40.0 else 0.0


@borrowing
def find_awake(
    net: Net,
    draw: Draw,
    gas: int,
    moles: FloatArray,
    factor: FloatArray,
    start_k: float,
    end_k: float,
    duration_s: float,
    awake: Awake,
) -> int:
    """Gathers the reactions that can run in a segment; returns how many.

    A reaction can run if it makes progress at the hotter end, if its drive is above zero at one end
    (it is monotone in temperature between them), and if its reactants are there or can be formed.
    """
    least = 0.0
    for p in range(net.used):
        least += TRACE * moles[p]
    hot = max(start_k, end_k)
    for j in range(net.core.size):
        if factor[j] <= 0.0:
            continue
        rise = draw.activation[gas, j] / GAS_CONSTANT
        log = draw.ln_k[gas, j] - rise * (1.0 / hot - draw.inverse_reference_k[gas, j])
        time = duration_s
        if start_k != end_k:
            time = min(time, hot * hot / rise * duration_s / abs(end_k - start_k))
        drives = exponent(net, draw, gas, j, start_k) < 0.0
        drives = drives or exponent(net, draw, gas, j, end_k) < 0.0
        runs = drives and math.exp(log) * factor[j] * draw.brake[gas, j] * time > QUIET
        factor[j] = -factor[j] if runs else 0.0  # below zero: a candidate
    count = 0
    changed = True
    while changed:
        changed = False
        for j in range(net.core.size):
            if factor[j] >= 0.0:
                continue
            for p in (net.core[j], net.partner[j]):
                there = p < 0 or moles[p] > least
                for i in range(net.core.size):
                    makes = net.product[i, 0] == p or net.product[i, 1] == p
                    there = there or (makes and factor[i] > 0.0)
                if not there:
                    break
            else:
                factor[j] = -factor[j]
                changed = True
    for j in range(net.core.size):
        if factor[j] > 0.0:
            awake.place[0, count], awake.place[1, count] = net.core[j], net.partner[j]
            awake.place[2, count], awake.place[3, count] = net.product[j, 0], net.product[j, 1]
            awake.place[4, count] = j
            awake.number[0, count] = net.core_number[j]
            awake.number[1, count] = net.partner_number[j]
            awake.number[2, count] = net.product_number[j, 0]
            awake.number[3, count] = net.product_number[j, 1]
            rise = draw.activation[gas, j] / GAS_CONSTANT
            prefactor = draw.ln_k[gas, j] + rise * draw.inverse_reference_k[gas, j]
            awake.law[0, count] = prefactor + math.log(factor[j] * draw.brake[gas, j])
            awake.law[1, count], awake.law[2, count] = rise, draw.ln_q[gas, j]
            count += 1
    return count


@borrowing
def exponent(net: Net, draw: Draw, gas: int, j: int, temperature_k: float) -> float:
    """Free energy over RT of a reaction in a gas; at low temperatures as in ``constants``."""
    position = (temperature_k - net.energy_start_k) / net.energy_step_k
    index = min(max(int(position), 0), draw.energy.shape[1] - 2)
    low, high = draw.energy[j, index], draw.energy[j, index + 1]
    energy = low + (position - index) * (high - low)
    return energy / (GAS_CONSTANT * temperature_k) + draw.ln_q[gas, j]


@borrowing
def awake_constants(
    net: Net,
    draw: Draw,
    awake: Awake,
    count: int,
    temperature_k: float,
    constant: FloatArray,
    drive: FloatArray,
) -> None:
    """Constants of the reactions that are awake; the drive goes on below zero as -dG/RT."""
    position = (temperature_k - net.energy_start_k) / net.energy_step_k
    index = min(max(int(position), 0), draw.energy.shape[1] - 2)
    part = position - index
    inverse = 1.0 / temperature_k
    for a in range(count):
        j = awake.place[4, a]
        low = draw.energy[j, index]
        energy = low + part * (draw.energy[j, index + 1] - low)
        power = energy * inverse / GAS_CONSTANT + awake.law[2, a]
        constant[a] = math.exp(awake.law[0, a] - awake.law[1, a] * inverse)
        drive[a] = 1.0 - math.exp(power) if power < 0.0 else -power


@borrowing
def step_constants(
    awake: Awake,
    count: int,
    start_k: float,
    end_k: float,
    k0: FloatArray,
    k1: FloatArray,
    d0: FloatArray,
    d1: FloatArray,
    out: FloatArray,
) -> None:
    """Mean of constant times drive over one step of a ramp.

    The constant is integrated as an exponential of temperature with the curvature of Arrhenius'
    law as a first correction; the drive is linear, and counts only where it is above zero.
    """
    middle = 0.5 * (start_k + end_k)
    bend = -((end_k - start_k) ** 2) / (middle * middle * middle)
    step = (end_k - start_k) / (start_k * end_k)
    for a in range(count):
        first, last, low, high = k0[a], k1[a], d0[a], d1[a]
        rise, part = awake.law[1, a] * step, 1.0  # ln(k1 / k0), share of the step that counts
        if low <= 0.0 and high <= 0.0:
            out[a] = 0.0
            continue
        if low < 0.0:
            part = high / (high - low)
            rise *= part
            first, low = last * math.exp(-rise), 0.0
        elif high < 0.0:
            part = low / (low - high)
            rise *= part
            last, high = first * math.exp(rise), 0.0
        if abs(rise) < 1e-2:
            out[a] = part * 0.5 * (first * low + last * high)
            continue
        mean = (last - first) / rise
        late = (last - mean) / rise  # mean of the constant weighted by time
        weight = (2.0 - (first + last) / mean) / (rise * rise)
        curved = 1.0 + awake.law[1, a] * bend * part * part * weight
        out[a] = part * (low * (mean - late) + high * late) * curved


@borrowing
def quiet_temperature(awake: Awake, count: int, hot_k: float, slope_k_per_s: float) -> float:
    """Temperature in K below which no reaction makes progress worth counting in a ramp."""
    lowest = 1e9
    for a in range(count):
        # The integral of k below T is at most k(T) R T^2 / (E slope), here with the highest T.
        time = hot_k * hot_k / (awake.law[1, a] * abs(slope_k_per_s))
        inverse = (awake.law[0, a] + math.log(time / QUIET)) / awake.law[1, a]
        lowest = min(lowest, 1.0 / inverse if inverse > 0.0 else 1e9)
    return lowest
