"""What drives the reactions of one sample: grain sizes, rate constants, which of them can run."""

from __future__ import annotations

import math
from typing import NamedTuple

from simulators.compiled import borrowing, inlined
from simulators.network import Draw, FloatArray, IntArray, Net

GAS_CONSTANT = 8.31446261815324e-3
QUIET = 3.0e-7
"""Progress of a law (k t) below which a reaction, or the cold part of a ramp, is skipped: with the
resistance of a fresh interface a conversion of 1e-4, with any layer far less."""
TRACE = 1.0e-12
"""Share of the sample's cations below which a phase counts as absent; its matter is kept."""
STEEPEST = 9.2
"""Nucleation slows a reaction by at most the exponential of this, 1e-4."""
MELT_LIFT = 6.9
"""A melt may wake a reaction, but not below a thousandth of the threshold."""
FEW = 3.0e-5
"""Share of the sample's cations of a new solid from which on its own reactions are looked for."""
LOWEST_LOG_SIZE = -8.0
"""No grains are so small or so large that they change a rate by more than this exponent."""


class Awake(NamedTuple):
    """The reactions that can run in a segment, side by side: the first columns."""

    place: IntArray  # (6, R) core, partner, three products, number of the reaction
    number: FloatArray  # (5, R) moles of those five per unit of reaction
    rate: FloatArray  # (4, R) ln of k at infinite T, activation / R in K, ln Q, barrier
    known_k: FloatArray  # (R,) temperature for which the constants at a step's start are known
    run: IntArray  # (R,) the reactions that have reactants in a step
    live: IntArray  # (S,) the solids that these reactions touch
    table: IntArray  # (S,) table of the law of each core, -1 where it is none
    size: IntArray  # (4,) see below


COUNT, LIVE, KNOWN, RUNNING = range(4)
"""``Awake.size``: reactions that are awake; solids they touch; bits of the solids whose reactions
have been looked for; reactions that run in a step."""


@borrowing
def solids_there(net: Net, material: FloatArray, total: float) -> int:
    """Bits of the solids in contact of which there is more than a trace, and with grains."""
    solids, bits = net.molar_mass.size, 0
    for p in range(net.used):
        if material[p] > FEW * total and material[3 * solids + p] > 0.0:
            bits |= 1 << p
    return bits


@borrowing
def wake(
    net: Net, draw: Draw, gas: int, material: FloatArray, start_k: float, end_k: float,
    duration_s: float, new: int, awake: Awake,
) -> None:  # fmt: skip
    """Adds the reactions that solids make possible which were not there before.

    A reaction can run if its reactants are there, if it is driven at one end of the segment at
    least (its drive is monotone between them), and if it makes progress at the hotter end.

    Args:
        net: Static arrays.
        draw: The laboratory.
        gas: Number of the furnace gas.
        material: Vector of the sample.
        start_k: Temperature at the start of the segment, K.
        end_k: Temperature at the end, K.
        duration_s: Length, s.
        new: Bits of the solids.
        awake: Changed in place.
    """
    there = awake.size[KNOWN] | new
    awake.size[KNOWN] = there
    hot = max(start_k, end_k)
    span = abs(end_k - start_k) / duration_s
    log_time = math.log(duration_s / QUIET)
    count, touched = awake.size[COUNT], there
    for j in range(net.need.size):
        if net.need[j] & ~there != 0 or net.need[j] & new == 0:
            continue
        row = net.row[gas, j]
        rise = draw.activation[row] / GAS_CONSTANT
        log = draw.ln_k[row] + rise * net.inverse_reference_k[row]
        lift = MELT_LIFT if net.melted_by[j] != 0 else 0.0
        if log - rise / hot + log_time + lift < LOWEST_LOG_SIZE:
            continue
        if exponent(net, draw, gas, j, end_k) >= 0.0 and (
            start_k == end_k or exponent(net, draw, gas, j, start_k) >= 0.0
        ):
            continue
        scale = size_factor(net, material, j, row) * net.brake[gas, j]
        if scale <= 0.0:
            continue
        log += math.log(scale)
        # On a ramp the integral of k ends at the hot end: k R T^2 / (E slope), at most k t.
        time = duration_s
        if span * duration_s * rise > hot * hot:
            time = hot * hot / (span * rise)
        if log - rise / hot + math.log(time / QUIET) + lift < 0.0:
            continue
        for k in range(5):
            awake.place[k, count], awake.number[k, count] = net.place[j, k], net.number[j, k]
        awake.place[5, count], awake.known_k[count] = j, 0.0
        awake.rate[0, count], awake.rate[1, count] = log, rise
        awake.rate[2, count] = net.ln_q[gas, j]
        awake.rate[3, count] = net.barrier[j] * draw.nucleation
        awake.table[net.place[j, 0]] = net.table_of[gas, net.place[j, 0]]
        touched |= net.make[j]
        count += 1
    awake.size[COUNT] = count
    for i in range(awake.size[LIVE]):
        touched |= 1 << awake.live[i]
    live = 0
    for p in range(net.used):
        if (touched >> p) & 1 == 1:
            awake.live[live] = p
            live += 1
    awake.size[LIVE] = live


@borrowing
def fall_asleep(net: Net, awake: Awake) -> None:
    """Forgets all reactions, before a new segment."""
    awake.size[COUNT] = awake.size[LIVE] = awake.size[KNOWN] = 0
    for p in range(net.used):
        awake.table[p] = -1


@inlined
def size_factor(net: Net, material: FloatArray, j: int, row: int) -> float:
    """Factor on the rate constant of a reaction by the sizes of its grains."""
    solids = net.molar_mass.size
    own = material[3 * solids + net.place[j, 0]]
    if own <= 0.0:
        return 0.0
    scale = net.reference_um[j] / own
    power = net.size_power[row]
    value = 1.0
    if power == 2.0:
        value = scale * scale
    elif power == 1.0:
        value = scale
    hindrance = net.partner_resistance[j]
    if net.place[j, 1] >= 0 and hindrance > 0.0:
        other = material[3 * solids + net.place[j, 1]]
        if other > 0.0:
            value *= (1.0 + hindrance) / (1.0 + hindrance * other / own)
    return value


@inlined
def exponent(net: Net, draw: Draw, gas: int, j: int, temperature_k: float) -> float:
    """Free energy over RT of a reaction in a gas.

    Below the first temperature of the energy table (300 K) the first interval is continued;
    nothing reacts there.
    """
    position = (temperature_k - net.energy_start_k) / net.energy_step_k
    index = min(max(int(position), 0), net.energy.shape[1] - 2)
    low, high = net.energy[j, index], net.energy[j, index + 1]
    energy = low + (position - index) * (high - low) + draw.shift[j]
    return energy / (GAS_CONSTANT * temperature_k) + net.ln_q[gas, j]


@borrowing
def constants_at(
    net: Net, draw: Draw, awake: Awake, a: int, temperature_k: float, out: FloatArray
) -> None:
    """Constant and drive of one reaction at a temperature.

    The constant holds the factor of classical nucleation: every contact of grains needs a nucleus
    of its own, so a phase that has formed elsewhere does not help.

    Args:
        net: Static arrays.
        draw: The laboratory.
        awake: The reactions.
        a: Which.
        temperature_k: Temperature, K.
        out: (3, R) result in column ``a``: k in 1/s; 1 - exp(dG/RT), going on below zero as
            -dG/RT; dG/RT.
    """
    position = (temperature_k - net.energy_start_k) / net.energy_step_k
    index = min(max(int(position), 0), net.energy.shape[1] - 2)
    inverse = 1.0 / temperature_k
    beta = inverse / GAS_CONSTANT
    j = awake.place[5, a]
    low = net.energy[j, index]
    energy = low + (position - index) * (net.energy[j, index + 1] - low) + draw.shift[j]
    power = energy * beta + awake.rate[2, a]
    log = awake.rate[0, a] - awake.rate[1, a] * inverse
    if awake.rate[3, a] > 0.0:
        # power = dG / RT, so T dG^2 = R^2 T^3 power^2
        log -= min(awake.rate[3, a] * beta * beta * inverse / (power * power), STEEPEST)
    constant = math.exp(log)
    out[0, a] = constant / (1.0 + constant * net.slowest_s)
    out[1, a], out[2, a] = -power, power
    if power < 0.0:
        out[1, a] = 1.0 - math.exp(power) if power > -30.0 else 1.0


@inlined
def exponential_mean(first: float, last: float, rise: float) -> float:
    """Mean of an exponential between two values whose logarithms differ by ``rise``."""
    if abs(rise) > 1e-4:
        return (last - first) / rise
    return 0.5 * (first + last)


@borrowing
def mean_constant(
    rise_k: float, start_k: float, end_k: float, a: int, early: FloatArray, late: FloatArray
) -> float:
    """Mean of constant times drive of a reaction over one step.

    The constant and its product with exp(dG/RT) are integrated as exponentials of temperature,
    the constant with the curvature of Arrhenius' law as a correction, and only where dG < 0.

    Args:
        rise_k: Activation energy over R, K; 0 where the constant does not follow Arrhenius' law.
        start_k: Temperature at the start, K.
        end_k: Temperature at the end, K.
        a: The reaction.
        early: (3, R) as from ``constants_at`` at the start.
        late: (3, R) at the end.
    """
    first, last = early[0, a], late[0, a]
    x0, x1 = early[2, a], late[2, a]
    if x0 >= 0.0 and x1 >= 0.0:
        return 0.0
    rise = rise_k * (end_k - start_k) / (start_k * end_k)  # ln(k1 / k0)
    if rise_k == 0.0:
        rise = math.log(last / first)
    back0, back1 = first * (1.0 - early[1, a]), last * (1.0 - late[1, a])  # k exp(dG/RT)
    part, fall = 1.0, x1 - x0  # share of the step that counts
    if x0 > 0.0:
        part = x1 / fall
        rise *= part
        first, fall = last * math.exp(-rise), x1
        back0 = first
    elif x1 > 0.0:
        part = x0 / -fall
        rise *= part
        last, fall = first * math.exp(rise), -x0
        back1 = last
    curved = 1.0
    if rise_k > 0.0 and abs(rise) > 1e-2:
        middle = 0.5 * (start_k + end_k)
        bend = -((end_k - start_k) ** 2) / (middle * middle * middle)
        weight = (2.0 - (first + last) * rise / (last - first)) / (rise * rise)
        curved += rise_k * bend * part * part * weight
    mean = exponential_mean(first, last, rise) - exponential_mean(back0, back1, rise + fall)
    return part * max(0.0, mean) * curved


@borrowing
def quiet_temperature(net: Net, awake: Awake, hot_k: float, slope_k_per_s: float) -> float:
    """Temperature in K below which no reaction makes progress worth counting in a ramp."""
    lowest = 1e9
    for a in range(awake.size[COUNT]):
        # The integral of k below T is at most k(T) R T^2 / (E slope), here with the highest T.
        time = hot_k * hot_k / (awake.rate[1, a] * abs(slope_k_per_s))
        lift = MELT_LIFT if net.melted_by[awake.place[5, a]] != 0 else 0.0
        inverse = (awake.rate[0, a] + math.log(time / QUIET) + lift) / awake.rate[1, a]
        lowest = min(lowest, 1.0 / inverse if inverse > 0.0 else 1e9)
    return lowest
