"""One step of the solver for the reactions that are awake: rates, extents, error.

Each core is advanced in the integral of its law, which is exact for one isothermal reaction; all
reactions that eat a core share its layer. Partners are given from whole grains, so they leave the
layer of their own kind alone. How much of a partner is left at the end of a step is solved for
together with what forms of it in the step, so that short-lived phases need no short steps.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from simulators.compiled import borrowing, cube_root, inlined
from simulators.conditions import (
    COUNT,
    FEW,
    KNOWN,
    LIVE,
    RUNNING,
    TRACE,
    Awake,
)
from simulators.laws import law_integral, unreacted
from simulators.melts import state_factor
from simulators.network import FloatArray, Net

SWEEPS, CUTS = 20, 200
YOUNG = 0.0774
"""1 / sqrt(3) - 1 / 2; also how wrong a long step may be that starts without a core."""
CLOSE = 0.05
"""Change of what a partner gives in a sweep, as a share of the tolerance, that ends the sweeps."""
SCRAPS = 1.0e-5
"""Share of the sample's cations up to which a solid is left alone in a step."""
SPILT = 1.0e-13
"""Share of the sample's cations that may fall below zero by round-off."""


class Scratch(NamedTuple):
    """Scratch memory: over reactions (R), then over solids that react (S)."""

    awake: Awake
    early: FloatArray  # (3, R) constants and drives at the start of a step
    late: FloatArray  # (3, R) at its end
    constant: FloatArray  # mean over the step of constant times drive
    first: FloatArray  # factor by the state at the start, times the constant
    speed: FloatArray  # its mean over the step
    extent: FloatArray
    moles: FloatArray  # at the end of a step
    charge: FloatArray
    moles_early: FloatArray  # at the end of the step by the factors at its start
    solid: FloatArray  # (16, S) see below
    spread: FloatArray  # (S,) of several uses within a sweep
    liquid: FloatArray  # (M + 1,) share of each melt by temperature


INTEGRAL, LEFT, GAIN, SHARE, FRESH, FORMED, GIVEN, OPEN, OPEN_FIRST, NEXT, WANTED, PACE = range(12)
OPEN_LAST, TAKEN, TAKEN_FIRST, TAKEN_LAST = 12, 13, 14, 15
"""Rows of ``Scratch.solid``: integral of the core's law at the start; unreacted share by the same
table; progress per s; share of the old and of the newly formed matter that
the step eats; moles formed and given as a partner; openness n / (n + s) of a partner, at the start;
what forms and what is wanted in the running sweep; mmol formed per s in the step before; openness
at its end; what is taken of a solid, and with the rates of start and end of the step."""


@borrowing
def supply(awake: Awake, moles: FloatArray) -> float:
    """Upper bound of the reactants that reactions could still take, mmol."""
    left = 0.0
    for a in range(awake.size[COUNT]):
        amount = float(moles[awake.place[0, a]])
        if awake.place[1, a] >= 0:
            amount = min(amount, float(moles[awake.place[1, a]]))
        left += amount
    return left


@borrowing
def line_up(awake: Awake, moles: FloatArray, total: float, work: Scratch) -> None:
    """Lists the reactions whose reactants are there or formed in the step before."""
    running, least = 0, SCRAPS * total
    for a in range(awake.size[COUNT]):
        core, other = awake.place[0, a], awake.place[1, a]
        if moles[core] + work.solid[FORMED, core] <= least:
            continue
        if other >= 0 and moles[other] + work.solid[FORMED, other] <= least:
            continue
        awake.run[running] = a
        running += 1
    awake.size[RUNNING] = running


@inlined
def start_step(net: Net, moles: FloatArray, total: float, step_s: float, work: Scratch) -> None:
    """How open each partner is at the start of a step, and what may form in it."""
    solid, scarce = work.solid, net.scarcity * total
    for i in range(work.awake.size[LIVE]):
        p = work.awake.live[i]
        solid[GIVEN, p] = solid[SHARE, p] = solid[FRESH, p] = 0.0
        solid[FORMED, p] = solid[PACE, p] * step_s
        solid[OPEN_FIRST, p] = moles[p] / (moles[p] + scarce)
        there = moles[p] + 0.5 * solid[FORMED, p]
        solid[OPEN, p] = there / (there + scarce)
        solid[OPEN_LAST, p] = solid[OPEN, p]


@inlined
def place_cores(
    net: Net, moles: FloatArray, charge: FloatArray, total: float, work: Scratch
) -> None:
    """Where each core stands in its law: half of what forms in the step is there from its start."""
    solid, awake = work.solid, work.awake
    least = TRACE * total
    for i in range(awake.size[LIVE]):
        p = awake.live[i]
        t = awake.table[p]
        if t < 0:
            continue
        law, ratio = net.law[t], net.ratio[t]
        integral, u = 0.0, 1.0
        if moles[p] > least and charge[p] > moles[p]:
            half = 0.5 * solid[FORMED, p]
            u = cube_root((moles[p] + half) / (charge[p] + half))
            integral = law_integral(law, u, ratio, net.interface)
        solid[INTEGRAL, p] = integral
        solid[LEFT, p] = unreacted(law, ratio, net.table[t], integral)


@inlined
def _eat(net: Net, p: int, moles: FloatArray, least: float, step_s: float, work: Scratch) -> float:
    """What a step takes of a core per unit of ``GAIN``, mmol s."""
    solid, t = work.solid, work.awake.table[p]
    gain = solid[GAIN, p]
    formed = solid[FORMED, p]
    there = moles[p] if moles[p] > least else 0.0
    if there + formed <= 0.0:
        return 0.0
    left, share, fresh = solid[LEFT, p], 1.0, 0.0
    if left > 0.0:
        integral = solid[INTEGRAL, p] + gain * step_s
        after = unreacted(net.law[t], net.ratio[t], net.table[t], integral)
        share = max(0.0, 1.0 - after / left)
    if formed > 0.0:
        # What forms evenly over the step is eaten for half of it on average, and more if fast.
        if share > 0.3:
            fresh = 1.0 + share / math.log(max(1.0 - share, 1e-12))
        else:
            fresh = share * (1 / 2 + share * (1 / 12 + share * (1 / 24 + share * 19 / 720)))
        # Where all is new, layers grow with the root of time: 1 / sqrt(3) instead of a half.
        fresh += (1.0 - share) * YOUNG * share * formed / (formed + there)
    solid[SHARE, p], solid[FRESH, p] = share, fresh
    eaten = share * max(0.0, there - 0.5 * solid[GIVEN, p]) + fresh * formed
    return min(eaten, there + formed) / gain


@inlined
def _open(p: int, there: float, scarce: float, work: Scratch) -> float:
    """Openness of a partner over the step, from what forms and what is wanted of it."""
    solid = work.solid
    share = solid[SHARE, p]
    rest = there * (1.0 - share) + solid[NEXT, p] * (1.0 - solid[FRESH, p])
    capacity = solid[WANTED, p] / max(solid[OPEN, p], 1e-30) * (1.0 - 0.5 * share)
    middle = 0.5 * (scarce + capacity - rest)
    root = math.sqrt(middle * middle + rest * scarce)
    end = rest * scarce / (middle + root) if middle > 0.0 else root - middle
    openness = end / (end + scarce)
    stiff = capacity * scarce / ((end + scarce) * (end + scarce))
    weight = 1.0 / (2.0 + stiff)
    mean = weight * solid[OPEN_FIRST, p] + (1.0 - weight) * openness
    solid[OPEN_LAST, p] = openness
    return min(mean, rest / capacity) if capacity > 0.0 else mean


@inlined
def _sweep(
    net: Net, speed: FloatArray, moles: FloatArray, total: float, step_s: float, work: Scratch
) -> float:
    """Extents at the present openness, then a new one; returns the largest change in mmol."""
    place, number, extent, solid = work.awake.place, work.awake.number, work.extent, work.solid
    least = TRACE * total
    for i in range(work.awake.size[LIVE]):
        p = work.awake.live[i]
        solid[GAIN, p] = solid[NEXT, p] = solid[WANTED, p] = 0.0
    run = work.awake.run
    for i in range(work.awake.size[RUNNING]):
        a = run[i]
        rate, other = speed[a], place[1, a]
        if other >= 0:
            rate *= solid[OPEN, other]
        extent[a] = rate
        solid[GAIN, place[0, a]] += rate
    for i in range(work.awake.size[LIVE]):
        p = work.awake.live[i]
        work.spread[p] = solid[SHARE, p] = solid[FRESH, p] = 0.0
        if solid[GAIN, p] > 0.0:
            work.spread[p] = _eat(net, p, moles, least, step_s, work)
    for i in range(work.awake.size[RUNNING]):
        a = run[i]
        core, other = place[0, a], place[1, a]
        amount = extent[a] * work.spread[core]
        if amount <= 0.0:
            extent[a] = 0.0
            continue
        amount /= number[0, a]
        extent[a] = amount
        if other >= 0:
            solid[WANTED, other] += amount * number[1, a]
        for k in range(2, 5):
            p = place[k, a]
            if p < 0:
                break
            solid[NEXT, p] += amount * number[k, a]
    change = 0.0
    for i in range(work.awake.size[LIVE]):
        p = work.awake.live[i]
        change = max(change, abs(solid[NEXT, p] - solid[FORMED, p]))
        solid[FORMED, p] = solid[NEXT, p]
        work.spread[p] = 1.0
        wanted = solid[WANTED, p]
        if wanted > 0.0:
            openness = _open(p, moles[p], net.scarcity * total, work)
            ratio = openness / max(solid[OPEN, p], 1e-30)
            change = max(change, abs(ratio - 1.0) * wanted)
            solid[GIVEN, p] = wanted * ratio
            solid[OPEN, p] = openness
            work.spread[p] = ratio
    for i in range(work.awake.size[RUNNING]):
        a = run[i]
        if place[1, a] >= 0:
            extent[a] *= work.spread[place[1, a]]
    return change


@inlined
def _settle(
    moles: FloatArray, awake: Awake, extent: FloatArray, least: float, spread: FloatArray,
    out: FloatArray,
) -> float:  # fmt: skip
    """Moles after the extents, which are cut where a solid would fall below zero.

    Returns:
        The largest amount that was cut, mmol.
    """
    place, number = awake.place, awake.number
    cut = 0.0
    for _ in range(CUTS):
        for i in range(awake.size[LIVE]):
            p = awake.live[i]
            out[p] = moles[p]
            spread[p] = 0.0
        for r in range(awake.size[RUNNING]):
            a = awake.run[r]
            amount = extent[a]
            if amount == 0.0:
                continue
            out[place[0, a]] -= amount * number[0, a]
            spread[place[0, a]] += amount * number[0, a]
            if place[1, a] >= 0:
                out[place[1, a]] -= amount * number[1, a]
                spread[place[1, a]] += amount * number[1, a]
            for k in range(2, 5):
                p = place[k, a]
                if p < 0:
                    break
                out[p] += amount * number[k, a]
        short = 0.0
        for i in range(awake.size[LIVE]):
            p = awake.live[i]
            if out[p] < 0.0:
                short = max(short, float(-out[p]))
                spread[p] = max(0.0, 1.0 + out[p] / spread[p])
            else:
                spread[p] = 1.0
        cut = max(cut, short)
        if short <= least:
            break
        for r in range(awake.size[RUNNING]):
            a = awake.run[r]
            scale = spread[place[0, a]]
            if place[1, a] >= 0:
                scale = min(scale, spread[place[1, a]])
            extent[a] *= scale
    return cut


@inlined
def end_charges(charge: FloatArray, work: Scratch) -> None:
    """Grains at the end of a step: what forms is fresh, what is given goes as whole grains."""
    place, number, extent, solid = work.awake.place, work.awake.number, work.extent, work.solid
    for i in range(work.awake.size[LIVE]):
        p = work.awake.live[i]
        solid[GIVEN, p] = solid[FORMED, p] = 0.0
    for i in range(work.awake.size[RUNNING]):
        a = work.awake.run[i]
        amount = extent[a]
        if amount == 0.0:
            continue
        if place[1, a] >= 0:
            solid[GIVEN, place[1, a]] += amount * number[1, a]
        for k in range(2, 5):
            p = place[k, a]
            if p < 0:
                break
            solid[FORMED, p] += amount * number[k, a]
    for i in range(work.awake.size[LIVE]):
        p = work.awake.live[i]
        end, grains = work.moles[p], charge[p] + solid[FORMED, p]
        before = end + solid[GIVEN, p]
        work.charge[p] = max(end, grains * end / before) if before > 0.0 else 0.0


@borrowing
def new_solids(net: Net, material: FloatArray, mean_um: float, total: float, work: Scratch) -> int:
    """Bits of the solids that a trial step forms and that were not there; sets their grains.

    New grains get the mean size of the sample: what they grow on changes from moment to moment,
    and a figure that depended on it would depend on the length of the steps.
    """
    awake, bits = work.awake, 0
    for i in range(awake.size[LIVE]):
        p = awake.live[i]
        if (awake.size[KNOWN] >> p) & 1 == 0 and work.moles_early[p] > FEW * total:
            bits |= 1 << p
            material[3 * net.molar_mass.size + p] = mean_um
    return bits


@borrowing
def pass_step(
    net: Net, late: bool, moles: FloatArray, charge: FloatArray, total: float,
    melt_speed: FloatArray, step_s: float, tolerance: float, work: Scratch,
) -> float:  # fmt: skip
    """One pass over a step: with the factors of its start, or with those of start and end.

    Args:
        net: Static arrays.
        late: Which.
        moles: (S,) at the start, mmol.
        charge: (S,) grains from which each solid was eaten.
        total: Moles in contact at the start of the segment, mmol.
        melt_speed: (M,) factor on the rates where a melt has formed.
        step_s: Length, s.
        tolerance: In mmol.
        work: Scratch; the result is in ``moles_early`` or ``moles``.

    Returns:
        What had to be cut, mmol.
    """
    awake = work.awake
    speed = work.speed if late else work.first
    state = work.moles_early if late else moles
    for r in range(awake.size[RUNNING]):
        a = awake.run[r]
        value = work.constant[a] * state_factor(
            net, awake.place[5, a], state, total, work.liquid, melt_speed
        )
        speed[a] = 0.5 * (work.first[a] + value) if late else value
    place_cores(net, moles, charge, total, work)
    for sweep in range(SWEEPS):
        change = _sweep(net, speed, moles, total, step_s, work)
        if change <= CLOSE * tolerance and sweep > 0:
            break
    target = work.moles if late else work.moles_early
    return _settle(moles, awake, work.extent, SPILT * total, work.spread, target)
