"""What drives the reactions of one sample: grain sizes, rate constants, which of them can run."""

from __future__ import annotations

import math

from simulators.compiled import compiled
from simulators.network import Draw, FloatArray, Net

GAS_CONSTANT = 8.31446261815324e-3
QUIET = 1.0e-8
"""Progress of a law below which a segment, or the cold part of a ramp, is skipped."""


@compiled
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


@compiled
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


@compiled
def step_constants(
    net: Net,
    draw: Draw,
    gas: int,
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
    law as a first correction; the drive enters as the mean of its ends.
    """
    middle = 0.5 * (start_k + end_k)
    bend = -((end_k - start_k) ** 2) / (GAS_CONSTANT * middle * middle * middle)
    for j in range(k0.size):
        drive = 0.5 * (d0[j] + d1[j])
        if drive <= 0.0 or k0[j] <= 0.0 or k1[j] <= 0.0:
            out[j] = 0.0
            continue
        change, total = k1[j] - k0[j], k0[j] + k1[j]
        if abs(change) < 1e-2 * k0[j]:
            out[j] = drive * 0.5 * total
            continue
        rise = math.log(k1[j] / k0[j])
        weight = (2.0 - rise * total / change) / (rise * rise)
        out[j] = drive * change / rise * (1.0 + draw.activation[gas, j] * bend * weight)


@compiled
def wake(net: Net, moles: FloatArray, d0: FloatArray, d1: FloatArray, factor: FloatArray) -> bool:
    """Puts to sleep (factor 0) the reactions that cannot run in a segment; whether one can.

    A reaction can run if its drive is above zero at one end (it is monotone in temperature between
    them) and its reactants are there or can be formed.
    """
    awake = 0
    for j in range(net.core.size):
        if factor[j] > 0.0 and d0[j] <= 0.0 and d1[j] <= 0.0:
            factor[j] = 0.0
        elif factor[j] > 0.0:
            factor[j] = -factor[j]  # a candidate
    changed = True
    while changed:
        changed = False
        for j in range(net.core.size):
            if factor[j] >= 0.0:
                continue
            for p in (net.core[j], net.partner[j]):
                there = p < 0 or moles[p] > 0.0
                for i in range(net.core.size):
                    makes = net.product[i, 0] == p or net.product[i, 1] == p
                    there = there or (makes and factor[i] > 0.0)
                if not there:
                    break
            else:
                factor[j] = -factor[j]
                awake += 1
                changed = True
    for j in range(net.core.size):
        factor[j] = max(0.0, factor[j])
    return awake > 0


@compiled
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
