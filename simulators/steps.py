"""One step of the solver for the reactions that are awake: rates, extents, grains.

Each core is advanced in the integral of its law, which is exact for one isothermal reaction; all
reactions that eat a core share its layer. Partners are given from whole grains, so they leave the
layer of their own kind alone. How much of a partner is left at the end of a step is solved for
together with what forms of it in the step, so that short-lived phases need no short steps.
"""

from __future__ import annotations

import math

from simulators.compiled import borrowing, cube_root, inlined
from simulators.conditions import ABSENT, COUNT, FEW, LINED, LIVE, NEW, RUNNING, TRACE
from simulators.laws import law_integral, unreacted
from simulators.melts import state_factor
from simulators.net import FloatArray, Net
from simulators.segment import (
    ATE,
    FORMED,
    FRESH,
    GAIN,
    GIVEN,
    INTEGRAL,
    KEPT,
    LEFT,
    MADE,
    NEXT,
    OPEN,
    OPEN_FIRST,
    OPEN_LAST,
    PACE,
    PLACED,
    PORTION,
    RATIO,
    SHARE,
    SHUT,
    TAKEN,
    WANTED,
    Scratch,
    opened,
)

SWEEPS, CUTS = 20, 200
YOUNG = 0.0774
"""1 / sqrt(3) - 1 / 2; also how wrong a long step may be that starts without a core."""
CLOSE = 0.05
"""Change of what a partner gives in a sweep, as a share of the tolerance, that ends the sweeps."""
SCRAPS = 1.0e-8
"""Share of the sample's cations up to which a solid is left alone in a step."""
LEAST_LEFT = 1.0e-6
"""Unreacted share of grains below which their law is not followed further."""
IDLE = 1.0e-3
"""Share of the tolerance below which a reaction is left out of a step."""
LEAST_LIFT = 1.0e-3
"""One over the factor by which a melt may speed a reaction up, for that purpose."""
SPILT = 1.0e-13
"""Share of the sample's cations that may fall below zero by round-off."""


@borrowing
def line_up(
    net: Net, total: float, hot_k: float, step_s: float, least: float, work: Scratch
) -> bool:
    """Lists the reactions that may do something worth counting in a step.

    Fresh grains under any law of layers are converted by at most 3 sqrt(k t), and by 3 k t over
    the resistance of the interface; under the others by at most 3 k t. From that follows the least
    constant, into ``work.speed``.

    Args:
        net: Static arrays.
        total: Cations at the start of the segment, mmol.
        hot_k: Highest temperature of the step, K.
        step_s: Length, s.
        least: What is worth counting, mmol.
        work: What is there and what forms in the step.

    Returns:
        Whether there are more than when it was called before in this step.
    """
    awake, moles, formed = work.awake, work.moles, work.solid[FORMED]
    listed, scarce, scraps = 0, net.scarcity * total, SCRAPS * total
    inverse, longest = 1.0 / hot_k, 1.0 / step_s
    for a in range(awake.size[COUNT]):
        core, one, two = awake.place[0, a], awake.place[1, a], awake.place[2, a]
        there = moles[core] + formed[core]
        if there <= scraps:
            continue
        rate = longest
        if one != 0:
            amount = moles[one] + formed[one]
            if amount <= scraps:
                continue
            rate *= (amount + scarce) / amount
        if two != 0:
            amount = moles[two] + formed[two]
            if amount <= scraps:
                continue
            rate *= (amount + scarce) / amount
        part = least / there
        if net.law[awake.table[core]] < 3:
            rate *= max(part * net.interface * (1.0 / 3.0), part * part * (1.0 / 9.0))
        else:
            rate *= part * (1.0 / 3.0)
        if awake.moody[a] == 1:
            rate *= LEAST_LIFT
        if awake.known_k[2, a] != hot_k:
            awake.rate[4, a] = math.exp(awake.rate[0, a] - awake.rate[1, a] * inverse)
            awake.known_k[2, a] = hot_k
        if rate > awake.rate[4, a]:
            continue
        work.speed[a] = rate
        awake.lined[listed] = a
        listed += 1
    more = listed > awake.size[LINED]
    awake.size[LINED] = listed
    return more


@borrowing
def reopen(net: Net, total: float, work: Scratch) -> None:
    """Partners that were not there and form in a step: how open they may be."""
    for n in range(1, work.awake.size[LIVE]):
        if work.solid[FORMED, n] > 0.0 and work.solid[OPEN, n] <= SHUT:
            opened(n, work.moles[n], net.scarcity * total, work)


@inlined
def start_step(net: Net, total: float, step_s: float, work: Scratch) -> None:
    """How open each partner is at the start of a step, and what may form in it."""
    solid, scarce = work.solid, net.scarcity * total
    for n in range(1, work.awake.size[LIVE]):
        solid[SHARE, n] = solid[FRESH, n] = solid[ATE, n] = 0.0
        solid[FORMED, n] = solid[PACE, n] * step_s
        opened(n, work.moles[n], scarce, work)


@inlined
def _place_cores(net: Net, total: float, work: Scratch) -> None:
    """Where each core stands in its law: half of what forms in the step is there from its start."""
    solid, awake = work.solid, work.awake
    least = TRACE * total
    for n in range(1, awake.size[LIVE]):
        t = awake.table[n]
        if t < 0:
            continue
        half, there, grains = 0.5 * solid[FORMED, n], work.moles[n], work.charge[n]
        left = 1.0
        if there > least and grains > there:
            left = (there * there / grains + half) / (there + half)
        if left == solid[PLACED, n]:
            continue
        solid[PLACED, n], solid[ATE, n], integral = left, 0.0, 0.0
        if left < 1.0:
            u = cube_root(left)
            integral = law_integral(net.law[t], u, net.ratio[t], net.interface)
        solid[INTEGRAL, n] = integral
        solid[LEFT, n] = unreacted(net.law[t], net.ratio[t], net.table[t], integral)


@inlined
def _eat(net: Net, n: int, least: float, step_s: float, work: Scratch) -> float:
    """What a step takes of a core per unit of ``GAIN``, mmol s."""
    solid = work.solid
    gain, formed = solid[GAIN, n], solid[FORMED, n]
    there = work.moles[n] if work.moles[n] > least else 0.0
    if there + formed <= 0.0:
        solid[SHARE, n] = solid[FRESH, n] = solid[ATE, n] = 0.0
        return 0.0
    if gain != solid[ATE, n] or formed != solid[MADE, n]:  # else as in the sweep before
        solid[ATE, n], solid[MADE, n] = gain, formed
        _find_shares(net, n, there, step_s, work)
    eaten = (solid[SHARE, n] * there + solid[FRESH, n] * formed) * solid[KEPT, n]
    return min(eaten, there + formed) / gain


@inlined
def _find_shares(net: Net, n: int, there: float, step_s: float, work: Scratch) -> None:
    """Shares of the old and of the newly formed matter of a core that a step eats."""
    solid, t = work.solid, work.awake.table[n]
    left, formed, share, fresh = solid[LEFT, n], solid[FORMED, n], 1.0, 0.0
    if left > 0.0:
        integral = solid[INTEGRAL, n] + solid[GAIN, n] * step_s
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
    solid[SHARE, n], solid[FRESH, n] = share, fresh


@inlined
def _open(n: int, there: float, scarce: float, work: Scratch) -> float:
    """Openness of a partner over the step, from what forms and what is wanted of it."""
    solid = work.solid
    share, whole = solid[SHARE, n], there + solid[NEXT, n]
    rest = there * (1.0 - share) + solid[NEXT, n] * (1.0 - solid[FRESH, n])
    demand = solid[WANTED, n] / solid[OPEN, n]
    # What is given would not have been eaten as a core: half of that share if both are slow, and
    # all that is eaten otherwise.
    slow = (1.0 - 0.5 * share) * (1.0 - share)
    capacity = demand * (slow + share * rest / whole) if whole > 0.0 else 0.0
    middle = 0.5 * (scarce + capacity - rest)
    root = math.sqrt(middle * middle + rest * scarce)
    end = rest * scarce / (middle + root) if middle > 0.0 else root - middle
    openness = end / (end + scarce)
    stiff = capacity * scarce / ((end + scarce) * (end + scarce))
    if whole > rest:
        stiff -= math.log(max(rest / whole, 1e-12))
    weight = 1.0 / (2.0 + stiff)
    mean = weight * solid[OPEN_FIRST, n] + (1.0 - weight) * openness
    solid[OPEN_LAST, n] = openness
    alone = weight * there + (1.0 - weight) * rest
    if alone > 0.0:
        solid[KEPT, n] = min(1.0, (weight * there + (1.0 - weight) * end) / alone)
    return min(mean, whole / demand)


@inlined
def _sweep(net: Net, speed: FloatArray, total: float, step_s: float, work: Scratch) -> float:
    """Extents at the present openness, then a new one; returns the largest change in mmol."""
    awake, extent, solid = work.awake, work.extent, work.solid
    place, per, run = awake.place, awake.per, awake.run
    running, live = awake.size[RUNNING], awake.size[LIVE]
    least, scarce = TRACE * total, net.scarcity * total
    for n in range(live):
        solid[GAIN, n] = solid[NEXT, n] = solid[WANTED, n] = 0.0
    for r in range(running):
        a = run[r]
        rate = speed[a] * solid[OPEN, place[1, a]] * solid[OPEN, place[2, a]]
        extent[a] = rate
        solid[GAIN, place[0, a]] += rate
    for n in range(1, live):
        if solid[GAIN, n] > 0.0:
            solid[PORTION, n] = _eat(net, n, least, step_s, work)
        else:
            solid[PORTION, n] = solid[SHARE, n] = solid[FRESH, n] = solid[ATE, n] = 0.0
    for r in range(running):
        a = run[r]
        amount = extent[a] * solid[PORTION, place[0, a]]
        extent[a] = amount
        solid[WANTED, place[1, a]] += amount * per[1, a]
        solid[WANTED, place[2, a]] += amount * per[2, a]
        solid[NEXT, place[3, a]] += amount * per[3, a]
        solid[NEXT, place[4, a]] += amount * per[4, a]
        solid[NEXT, place[5, a]] += amount * per[5, a]
    change = 0.0
    for n in range(1, live):
        change = max(change, abs(solid[NEXT, n] - solid[FORMED, n]))
        solid[FORMED, n] = solid[NEXT, n]
        solid[RATIO, n] = 1.0
        wanted = solid[WANTED, n]
        if wanted <= 0.0:
            solid[KEPT, n] = 1.0
        else:
            openness = max(_open(n, work.moles[n], scarce, work), SHUT)
            ratio = openness / solid[OPEN, n]
            change = max(change, abs(ratio - 1.0) * wanted)
            solid[OPEN, n] = openness
            solid[RATIO, n] = ratio
    for r in range(running):
        a = run[r]
        extent[a] *= solid[RATIO, place[1, a]] * solid[RATIO, place[2, a]]
    return change


@inlined
def _settle(work: Scratch, least: float, out: FloatArray) -> float:
    """Moles after the extents, which are cut where a solid would fall below zero.

    Returns:
        The largest amount that was cut, mmol.
    """
    awake, extent, solid = work.awake, work.extent, work.solid
    place, per = awake.place, awake.per
    cut = 0.0
    for _ in range(CUTS):
        for n in range(awake.size[LIVE]):
            solid[FORMED, n] = solid[GIVEN, n] = solid[TAKEN, n] = 0.0
        for r in range(awake.size[RUNNING]):
            a = awake.run[r]
            amount = extent[a]
            solid[TAKEN, place[0, a]] += amount
            solid[GIVEN, place[1, a]] += amount * per[1, a]
            solid[GIVEN, place[2, a]] += amount * per[2, a]
            solid[FORMED, place[3, a]] += amount * per[3, a]
            solid[FORMED, place[4, a]] += amount * per[4, a]
            solid[FORMED, place[5, a]] += amount * per[5, a]
        short = 0.0
        for n in range(1, awake.size[LIVE]):
            solid[TAKEN, n] += solid[GIVEN, n]
            out[n] = work.moles[n] + solid[FORMED, n] - solid[TAKEN, n]
            solid[RATIO, n] = 1.0
            if out[n] < 0.0:
                short = max(short, float(-out[n]))
                solid[RATIO, n] = max(0.0, 1.0 + out[n] / solid[TAKEN, n])
        cut = max(cut, short)
        if short <= least:
            break
        for r in range(awake.size[RUNNING]):
            a = awake.run[r]
            scale = min(solid[RATIO, place[0, a]], solid[RATIO, place[1, a]])
            extent[a] *= min(scale, solid[RATIO, place[2, a]])
    return cut


@borrowing
def take(net: Net, work: Scratch) -> None:
    """Accepts a step: what is given goes as whole grains, what forms is fresh.

    The unreacted share of grains is the mean over the matter that is there, so that grains which
    are gone are forgotten: else a short-lived phase would remember all that ever formed of it.
    """
    solid = work.solid
    for n in range(1, work.awake.size[LIVE]):
        end = max(0.0, work.moles_late[n])  # a last bit below zero is round-off
        left, share = 1.0, solid[SHARE, n]
        if work.awake.solid[n] < net.used and end > 0.0:
            there, formed = work.moles[n], solid[FORMED, n]
            left = there / work.charge[n] if work.charge[n] > there else 1.0
            if formed > 0.0:  # half of it at the start, what is left of the rest at the end
                left = (there * left + 0.5 * formed) / (there + 0.5 * formed)
            left *= 1.0 - share
            if formed > 0.0:
                old = (there + 0.5 * formed) * (1.0 - share)
                new = there * (1.0 - share) + formed * (1.0 - solid[FRESH, n]) - old
                young = 1.0 - share * share / 3.0  # evenly formed and eaten since
                left = (old * left + new * young) / (old + new)
        work.moles[n] = end
        work.charge[n] = end / max(left, LEAST_LEFT)


@borrowing
def new_solids(net: Net, material: FloatArray, mean_um: float, total: float, work: Scratch) -> bool:
    """Marks the solids that a trial step forms and that were not there; sets their grains.

    New grains get the mean size of the sample: what they grow on changes from moment to moment,
    and a figure that depended on it would depend on the length of the steps.
    """
    awake, new = work.awake, False
    for n in range(1, awake.size[LIVE]):
        p = awake.solid[n]
        if awake.there[p] == ABSENT and work.moles_early[n] > FEW * total:
            awake.there[p] = NEW
            new = True
            place = p if p < net.used else p - net.used
            other = place if p >= net.used else place + net.used
            if awake.there[other] == ABSENT:
                material[3 * net.molar_mass.size + place] = mean_um
            opened(n, work.moles[n], net.scarcity * total, work)
    return new


@borrowing
def pass_step(
    net: Net, start: float, total: float, melt_speed: FloatArray, step_s: float, tolerance: float,
    work: Scratch,
) -> float:  # fmt: skip
    """One pass over a step: with the factors of its start, or with those of start and end.

    Args:
        net: Static arrays.
        start: Weight of the factors at its start: 1 in the first pass, 0.5 in the second. No
            truth value: numba would compile the pass once for each.
        total: Cations at the start of the segment, mmol.
        melt_speed: (M,) factor on the rates where a melt has formed.
        step_s: Length, s.
        tolerance: In mmol.
        work: Scratch; the result is in ``moles_early`` or ``moles_late``.

    Returns:
        What had to be cut, mmol.
    """
    awake, late = work.awake, start < 1.0
    speed = work.speed if late else work.first
    state = work.moles_early if late else work.moles
    for r in range(awake.size[RUNNING]):
        a = awake.run[r]
        value = work.constant[a]
        if awake.moody[a] == 1:
            value *= state_factor(
                net, awake, a, state, total, work.liquid, melt_speed, work.early, work.middle,
                work.late,
            )  # fmt: skip
        speed[a] = start * work.first[a] + (1.0 - start) * value if late else value
    _place_cores(net, total, work)
    for sweep in range(SWEEPS):
        change = _sweep(net, speed, total, step_s, work)
        if change <= CLOSE * tolerance and (late or sweep > 0):
            break
    return _settle(work, SPILT * total, work.moles_late if late else work.moles_early)
