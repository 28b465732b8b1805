"""How far one step of the solver may be off."""

from __future__ import annotations

from simulators.compiled import borrowing, inlined
from simulators.network import FloatArray, Net
from simulators.steps import (
    FORMED,
    FRESH,
    LIVE,
    OPEN,
    OPEN_FIRST,
    OPEN_LAST,
    RUNNING,
    SHARE,
    SPILT,
    TAKEN,
    TAKEN_FIRST,
    TAKEN_LAST,
    Scratch,
    end_charges,
)

ORDER = 0.1
"""Share of what competing reactions may have taken too much or too little that counts as error."""


@inlined
def _turn(net: Net, a: int, end: bool, work: Scratch) -> float:
    """Rate of a reaction at the start or the end of a step over its mean."""
    constants = work.late if end else work.early
    rate = constants[0, a] * max(0.0, constants[1, a]) / max(work.constant[a], 1e-300)
    other = work.awake.place[1, a]
    if other >= 0:
        rate *= work.solid[OPEN_LAST if end else OPEN_FIRST, other]
        rate /= max(work.solid[OPEN, other], 1e-30)
    return min(rate, 1e6)


@borrowing
def order_error(net: Net, warming: bool, work: Scratch) -> float:
    """How far the shares of competing reactions may be off, mmol.

    A step gives each taker of a solid the share of its mean rate. Where the shares of start and
    end differ, some took theirs earlier and others later, and what came first is not in the mean.
    """
    awake, solid, extent = work.awake, work.solid, work.extent
    for i in range(awake.size[LIVE]):
        p = awake.live[i]
        solid[TAKEN, p] = solid[TAKEN_FIRST, p] = solid[TAKEN_LAST, p] = 0.0
    for r in range(awake.size[RUNNING]):
        a = awake.run[r]
        if extent[a] <= 0.0:
            continue
        work.first[a] = _turn(net, a, False, work)
        work.speed[a] = _turn(net, a, warming, work) if warming else work.first[a]
        if not warming and awake.place[1, a] >= 0:
            other = awake.place[1, a]
            work.speed[a] *= solid[OPEN_LAST, other] / max(solid[OPEN_FIRST, other], 1e-30)
        for k in range(2):
            p = awake.place[k, a]
            if p >= 0:
                amount = extent[a] * awake.number[k, a]
                solid[TAKEN, p] += amount
                solid[TAKEN_FIRST, p] += amount * work.first[a]
                solid[TAKEN_LAST, p] += amount * work.speed[a]
    worst = 0.0
    for r in range(awake.size[RUNNING]):
        a = awake.run[r]
        if extent[a] <= 0.0:
            continue
        for k in range(2):
            p = awake.place[k, a]
            if p < 0 or solid[TAKEN_FIRST, p] <= 0.0 or solid[TAKEN_LAST, p] <= 0.0:
                continue
            first = work.first[a] * solid[TAKEN, p] / solid[TAKEN_FIRST, p]
            last = work.speed[a] * solid[TAKEN, p] / solid[TAKEN_LAST, p]
            moved = min(abs(last - first), 2.0) * extent[a] * awake.number[k, a]
            worst = max(worst, float(moved))
    return worst


@borrowing
def step_error(
    net: Net, warming: bool, moles: FloatArray, charge: FloatArray, total: float, cut: float,
    tolerance: float, work: Scratch,
) -> float:  # fmt: skip
    """Ends a step: grains into ``work.charge``; returns its error in tolerances."""
    awake, error = work.awake, ORDER * order_error(net, warming, work)
    for i in range(awake.size[LIVE]):
        p = awake.live[i]
        error = max(error, float(abs(work.moles[p] - work.moles_early[p])))
        formed, share = work.solid[FORMED, p], work.solid[SHARE, p]
        if formed > 0.0 and share > 0.0:
            young = formed / (formed + moles[p])
            young *= 0.15 * share * (1.0 - work.solid[FRESH, p])
            error = max(error, float(formed * young))
        work.moles[p] = max(0.0, work.moles[p])  # a last bit below zero is round-off
    end_charges(charge, work)
    return max(error, 4.0 * (cut - SPILT * total)) / tolerance
