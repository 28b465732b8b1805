"""What drives the reactions of one sample: grain sizes, rate constants, which of them can run."""

from __future__ import annotations

import math
from typing import NamedTuple

from simulators.compiled import borrowing, inlined
from simulators.net import LISTED, LONE, WETTING, Draw, FloatArray, IndexArray, IntArray, Net

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
FEW = 1.0e-6
"""Share of the sample's cations of a new solid from which on its own reactions are looked for."""
SOAKED_S = 600.0
"""Time in which a melt that is all there wets the matter without contact, s (unsourced)."""
NO_MELT = 12.0
"""Widths below its melting point at which there is nothing of a melt."""
LOWEST_LOG_SIZE = -8.0
"""No grains are so small or so large that they change a rate by more than this exponent."""


class Awake(NamedTuple):
    """The reactions that can run in a segment and the solids they touch, side by side.

    Solids have numbers of this segment, from 1 in the order in which they were met; 0 is a
    stand-in where a reaction has no second partner or product.
    """

    which: IntArray  # (R,) number of the reaction in ``Net``
    place: IndexArray  # (6, R) core, two partners, three products
    per: FloatArray  # (6, R) moles of those per mole of core
    rate: FloatArray  # (5, R) ln of k at infinite T, activation / R in K, ln Q, barrier, k
    known_k: FloatArray  # (3, R) temperatures of the known constants at start and end, and of k
    moody: IntArray  # (R,) 1 where the state of the sample has a factor on the rate
    lined: IndexArray  # (R,) the reactions that have reactants in a step
    run: IndexArray  # (R,) those of them that matter
    solid: IntArray  # (2 used + 1,) place of each solid in ``Net``
    table: IntArray  # (2 used + 1,) table of the law of each core, -1 where it is none
    number: IndexArray  # (2 used,) number of each place, or 0
    there: IntArray  # (2 used,) see below
    size: IntArray  # (4,) see below


COUNT, LIVE, LINED, RUNNING = range(4)
"""``Awake.size``: reactions that are awake; solids they touch and 1; those that have
their reactants in a step; those that matter in it."""
ABSENT, KNOWN, NEW = range(3)
"""``Awake.there``: no more than a trace; reactions were looked for; they have to be."""


@borrowing
def fall_asleep(net: Net, material: FloatArray, total: float, awake: Awake) -> None:
    """Forgets all reactions; new is what there is more of than a trace, with grains."""
    solids = net.molar_mass.size
    awake.size[COUNT], awake.size[LIVE] = 0, 1
    awake.solid[0] = awake.table[0] = -1
    for p in range(2 * net.used):
        q = p if p < net.used else p - net.used
        awake.number[p] = 0
        awake.there[p] = ABSENT
        amount = material[q] if p < net.used else material[solids + q]
        if amount > FEW * total and material[3 * solids + q] > 0.0:
            awake.there[p] = NEW


@inlined
def _can_start(net: Net, awake: Awake, j: int) -> bool:
    """Whether all that a reaction consumes is there and some of it is new."""
    new = False
    for k in range(3):
        p = net.place[j, k]
        if p >= 0:
            if awake.there[p] == ABSENT:
                return False
            new = new or awake.there[p] == NEW
    return new


@inlined
def _numbered(net: Net, gas: int, p: int, awake: Awake) -> int:
    """The number of a place in this segment; 0 for none."""
    if p < 0:
        return 0
    number = awake.number[p]
    if number == 0:
        number = awake.size[LIVE]
        awake.size[LIVE] += 1
        awake.number[p] = number
        awake.solid[number], awake.table[number] = p, net.table_of[gas, p]
    return int(number)


@borrowing
def wake(
    net: Net, draw: Draw, gas: int, material: FloatArray, start_k: float, end_k: float,
    duration_s: float, awake: Awake,
) -> None:  # fmt: skip
    """Adds the reactions that solids make possible which were not there before.

    Args:
        net: Static arrays.
        draw: The laboratory.
        gas: Number of the furnace gas.
        material: Vector of the sample.
        start_k: Temperature at the start of the segment, K.
        end_k: Temperature at the end, K.
        duration_s: Length, s.
        awake: Changed in place; what was new is known afterwards.
    """
    melts = max(start_k, end_k) >= melts_from_k(net)
    for m in range(net.melt.shape[0]):
        for k in range(2):
            p = net.melt[m, k]
            if melts and p >= 0 and awake.there[p] == NEW:
                _numbered(net, gas, p, awake)
    for j in range(net.kind.size):
        if not _can_start(net, awake, j):
            continue
        a = awake.size[COUNT]
        if net.kind[j] == WETTING:
            if not melts:
                continue
            awake.rate[0, a], awake.rate[1, a] = -math.log(SOAKED_S), 0.0
            awake.rate[2, a], awake.rate[3, a] = -1e3, 0.0
        elif not _matters(net, draw, gas, material, start_k, end_k, duration_s, j, awake):
            continue
        block = net.block[net.listed[j]] if net.kind[j] == LISTED else -1
        awake.which[a] = j
        for k in range(3):
            awake.known_k[k, a] = 0.0
        awake.moody[a] = int(net.kind[j] == WETTING or net.melted_by[j] != 0 or block >= 0)
        if block >= 0 and awake.there[block] != ABSENT:
            _numbered(net, gas, block, awake)
        for k in range(6):
            awake.place[k, a] = _numbered(net, gas, net.place[j, k], awake)
            awake.per[k, a] = net.number[j, k] / net.number[j, 0]
        awake.size[COUNT] += 1
    for p in range(2 * net.used):
        if awake.there[p] == NEW:
            awake.there[p] = KNOWN


@borrowing
def _matters(
    net: Net, draw: Draw, gas: int, material: FloatArray, start_k: float, end_k: float,
    duration_s: float, j: int, awake: Awake,
) -> bool:  # fmt: skip
    """Whether a reaction makes progress in a segment; notes its constants if so.

    It has to be driven at one end of the segment at least (its drive is monotone between them),
    and to progress at the hotter end.
    """
    i, hot = net.listed[j], max(start_k, end_k)
    row = net.row[gas, i]
    rise = draw.activation[row] / GAS_CONSTANT
    log = draw.ln_k[row] + rise * net.inverse_reference_k[row]
    log_time = math.log(duration_s / QUIET)
    lift = MELT_LIFT if net.melted_by[j] != 0 else 0.0
    if log - rise / hot + log_time + lift < LOWEST_LOG_SIZE:
        return False
    if exponent(net, draw, gas, i, end_k) >= 0.0 and (
        start_k == end_k or exponent(net, draw, gas, i, start_k) >= 0.0
    ):
        return False
    scale = size_factor(net, material, i, j, row) * net.brake[gas, i]
    if scale <= 0.0:
        return False
    log += math.log(scale)
    if net.kind[j] == LONE:
        log += net.lone_ln[gas, i]
    # On a ramp the integral of k ends at the hot end: k R T^2 / (E slope), at most k t.
    time, span = duration_s, abs(end_k - start_k)
    if span * rise > hot * hot:
        time = duration_s * hot * hot / (span * rise)
    if log - rise / hot + math.log(time / QUIET) + lift < 0.0:
        return False
    a = awake.size[COUNT]
    awake.rate[0, a], awake.rate[1, a] = log, rise
    awake.rate[2, a] = net.ln_q[gas, i]
    awake.rate[3, a] = net.barrier[i] * draw.nucleation
    return True


@borrowing
def melts_from_k(net: Net) -> float:
    """Temperature below which there is no melt, K."""
    lowest = 1e9
    for m in range(net.melt.shape[0]):
        lowest = min(lowest, float(net.melt_k[m, 0] - NO_MELT * net.melt_k[m, 1]))
    return lowest


@inlined
def size_factor(net: Net, material: FloatArray, i: int, j: int, row: int) -> float:
    """Factor on the rate constant of a reaction ``j``, listed as ``i``, by its grains."""
    solids, core = net.molar_mass.size, net.place[i, 0]
    own = material[3 * solids + core]
    if own <= 0.0:
        return 0.0
    scale = net.reference_um[i] / own
    power = net.size_power[row]
    value = 1.0
    if power == 2.0:
        value = scale * scale
    elif power == 1.0:
        value = scale
    hindrance = net.partner_resistance[i]
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
    i = net.listed[awake.which[a]]
    low = net.energy[i, index]
    energy = low + (position - index) * (net.energy[i, index + 1] - low) + draw.shift[i]
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
    # Not from the activation energy: the ceiling of rates bends them a little, and close to
    # equilibrium the mean is a small difference.
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
        if awake.rate[1, a] <= 0.0:
            lowest = min(lowest, melts_from_k(net))
            continue
        # The integral of k below T is at most k(T) R T^2 / (E slope), here with the highest T.
        time = hot_k * hot_k / (awake.rate[1, a] * abs(slope_k_per_s))
        lift = MELT_LIFT if net.melted_by[awake.which[a]] != 0 else 0.0
        inverse = (awake.rate[0, a] + math.log(time / QUIET) + lift) / awake.rate[1, a]
        lowest = min(lowest, 1.0 / inverse if inverse > 0.0 else 1e9)
    return lowest
