"""Factors on rates by the state of a sample: melts that touch the reactants, layers that block."""

from __future__ import annotations

import math

from simulators.compiled import borrowing, inlined
from simulators.conditions import NO_MELT, Awake
from simulators.net import WETTING, FloatArray, Net

WET = 2.0e-2
"""Share of the sample's cations of each phase of a melt at which half of it has formed."""


@borrowing
def liquid_shares(net: Net, temperature_k: float, out: FloatArray) -> None:
    """Share of each melt by temperature, (M,)."""
    for m in range(net.melt.shape[0]):
        height = (temperature_k - net.melt_k[m, 0]) / net.melt_k[m, 1]
        out[m] = 1.0 / (1.0 + math.exp(-height)) if height > -NO_MELT else 0.0


@inlined
def _mean_share(
    m: int, a: int, liquid: FloatArray, early: FloatArray, middle: FloatArray, late: FloatArray
) -> float:
    """Share of a melt by temperature over a step, weighed with the constant of a reaction.

    A melt comes and goes within the 30 K in which constants change threefold, so the mean of their
    product is not the product of the means: Simpson's rule.
    """
    first, last = liquid[0, m], liquid[2, m]
    if first == last:
        return first
    start = early[0, a] * max(early[1, a], 0.0)
    centre = 4.0 * middle[0, a] * max(middle[1, a], 0.0)
    end = late[0, a] * max(late[1, a], 0.0)
    total = start + centre + end
    if total <= 0.0:
        return liquid[1, m]
    return (start * first + centre * liquid[1, m] + end * last) / total


@inlined
def melt_share(
    net: Net, m: int, awake: Awake, moles: FloatArray, total: float, liquid: float
) -> float:
    """How far a melt has formed: its share by temperature where its phases meet."""
    share = liquid
    for k in range(2):
        p = net.melt[m, k]
        if p >= 0:
            there = moles[awake.number[p]]
            share *= float(there / (there + WET * total))
    return share


@inlined
def state_factor(
    net: Net, awake: Awake, a: int, moles: FloatArray, total: float, liquid: FloatArray,
    speed: FloatArray, early: FloatArray, middle: FloatArray, late: FloatArray,
) -> float:  # fmt: skip
    """Factor on the rate of a reaction in a state: blocking layers and melts.

    Args:
        net: Static arrays.
        awake: The reactions.
        a: Which.
        moles: Of the solids of the segment, mmol; none of number 0.
        total: Cations at the start of the segment, mmol.
        liquid: (3, M) share of each melt by temperature, at start, middle and end of a step.
        speed: (M,) factor on the rates where it has formed.
        early: (3, R) constants and drives at the start.
        middle: (3, R) in the middle, if the temperature changes.
        late: (3, R) at the end, if the temperature changes.
    """
    j = awake.which[a]
    i = net.listed[j]
    value, most = 1.0, 0.0
    for m in range(net.melt.shape[0]):
        touched = (net.melted_by[j] >> m) & 1 == 1
        if not touched and net.kind[j] != WETTING:
            continue
        share = _mean_share(m, a, liquid, early, middle, late)
        if share > 0.0:
            share = melt_share(net, m, awake, moles, total, share)
            most = max(most, share)
            if touched:
                value = max(value, 1.0 + (speed[m] - 1.0) * share)
    if net.kind[j] == WETTING:
        return float(most)
    block = net.block[i]
    if block >= 0:
        value /= (
            1.0 + net.block_strength[i] * net.cations[block] * moles[awake.number[block]] / total
        )
    return float(value)
