"""Factors on rates by the state of a sample: melts that touch the reactants, layers that block."""

from __future__ import annotations

from simulators.compiled import inlined
from simulators.network import FloatArray, Net

WET = 2.0e-2
"""Share of the sample's cations of each phase of a melt at which half of it has formed."""


@inlined
def melt_share(net: Net, m: int, moles: FloatArray, total: float, liquid: float) -> float:
    """How far a melt has formed: its share by temperature where its phases meet."""
    share = liquid
    for k in range(2):
        p = net.melt[m, k]
        if p >= 0:
            share *= float(moles[p] / (moles[p] + WET * total))
    return share


@inlined
def melted_factor(
    net: Net, j: int, moles: FloatArray, total: float, liquid: FloatArray, speed: FloatArray
) -> float:
    """Factor on a reaction by the melts that touch its reactants."""
    value = 1.0
    for m in range(net.melt.shape[0]):
        if (net.melted_by[j] >> m) & 1 == 1 and liquid[m] > 0.0:
            share = melt_share(net, m, moles, total, liquid[m])
            value = max(value, 1.0 + (speed[m] - 1.0) * share)
    return value


@inlined
def state_factor(
    net: Net, j: int, moles: FloatArray, total: float, liquid: FloatArray, speed: FloatArray
) -> float:
    """Factor on the rate of a reaction in a state: blocking layers and melts.

    Args:
        net: Static arrays.
        j: The reaction.
        moles: (S,) in contact, mmol.
        total: Cations in contact at the start of the segment, mmol.
        liquid: (M,) share of each melt by temperature.
        speed: (M,) factor on the rates where it has formed.
    """
    value = 1.0
    if net.melted_by[j] != 0:
        value = melted_factor(net, j, moles, total, liquid, speed)
    block = net.block[j]
    if block >= 0:
        value /= 1.0 + net.block_strength[j] * net.cations[block] * moles[block] / total
    return value
