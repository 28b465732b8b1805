"""How far one step of the solver may be off."""

from __future__ import annotations

from simulators.compiled import borrowing, inlined
from simulators.conditions import LIVE, RUNNING
from simulators.segment import (
    FORMED,
    FRESH,
    GIVEN,
    OPEN,
    OPEN_FIRST,
    OPEN_LAST,
    PACE,
    SHARE,
    TAKEN,
    TAKEN_FIRST,
    TAKEN_LAST,
    Scratch,
)
from simulators.steps import SPILT

ORDER = 1.0
"""Share of what competing reactions may have taken too much or too little that counts as error."""
DOUBT = 0.3
"""Share of what halving a step changes in the mean constant of a reaction that counts as error: the
mean that is used is extrapolated from both."""
OPENING = 0.15
"""Share of what a partner gives that counts as error where its openness changes wholly in a step:
how it changed within the step is not known."""
UNEVEN = 0.2
"""Share of what is eaten of newly formed matter that counts as error where nothing formed in the
step before: it is taken to form evenly."""


@inlined
def _turn(a: int, end: bool, work: Scratch) -> float:
    """Rate of a reaction at the start or the end of a step over its mean."""
    constants, solid = work.late if end else work.early, work.solid
    rate = constants[0, a] * max(0.0, constants[1, a]) / max(work.constant[a], 1e-300)
    for k in range(1, 3):
        n = work.awake.place[k, a]
        if n != 0:
            rate *= solid[OPEN_LAST if end else OPEN_FIRST, n] / max(solid[OPEN, n], 1e-30)
    return min(rate, 1e6)


@borrowing
def order_error(warming: bool, work: Scratch) -> float:
    """How far the shares of competing reactions may be off, mmol.

    A step gives each taker of a solid the share of its mean rate. Where the shares of start and
    end differ, some took theirs earlier and others later, and what came first is not in the mean.
    """
    awake, solid, extent = work.awake, work.solid, work.extent
    for n in range(awake.size[LIVE]):
        solid[TAKEN_FIRST, n] = solid[TAKEN_LAST, n] = 0.0
    for r in range(awake.size[RUNNING]):
        a = awake.run[r]
        if extent[a] <= 0.0:
            continue
        work.first[a] = _turn(a, False, work)
        work.speed[a] = _turn(a, True, work) if warming else work.first[a]
        if not warming:
            for k in range(1, 3):
                n = awake.place[k, a]
                if n != 0:
                    work.speed[a] *= solid[OPEN_LAST, n] / max(solid[OPEN_FIRST, n], 1e-30)
        for k in range(3):
            n = awake.place[k, a]
            amount = extent[a] * awake.per[k, a]
            solid[TAKEN_FIRST, n] += amount * work.first[a]
            solid[TAKEN_LAST, n] += amount * work.speed[a]
    worst = 0.0
    for r in range(awake.size[RUNNING]):
        a = awake.run[r]
        if extent[a] <= 0.0:
            continue
        for k in range(3):
            n = awake.place[k, a]
            if n == 0 or solid[TAKEN_FIRST, n] <= 0.0 or solid[TAKEN_LAST, n] <= 0.0:
                continue
            first = work.first[a] * solid[TAKEN, n] / solid[TAKEN_FIRST, n]
            last = work.speed[a] * solid[TAKEN, n] / solid[TAKEN_LAST, n]
            moved = min(abs(last - first), 2.0) * extent[a] * awake.per[k, a]
            worst = max(worst, float(moved))
    return worst


@borrowing
def step_error(
    warming: bool, total: float, cut: float, step_s: float, tolerance: float, work: Scratch
) -> float:
    """Error of a step in tolerances.

    Args:
        warming: Whether the temperature changes.
        total: Cations at the start of the segment, mmol.
        cut: What had to be cut, mmol.
        step_s: Length, s.
        tolerance: In mmol.
        work: After both passes.
    """
    solid, error = work.solid, ORDER * order_error(warming, work)
    for r in range(work.awake.size[RUNNING]):
        a = work.awake.run[r]
        error = max(error, float(DOUBT * work.doubt[a] * work.extent[a]))
    for n in range(1, work.awake.size[LIVE]):
        error = max(error, float(abs(work.moles_late[n] - work.moles_early[n])))
        formed, share = solid[FORMED, n], solid[SHARE, n]
        if solid[GIVEN, n] > 0.0:
            turn = abs(solid[OPEN_LAST, n] - solid[OPEN_FIRST, n]) / solid[OPEN, n]
            error = max(error, float(OPENING * min(turn, 1.0) * solid[GIVEN, n]))
        if formed > 0.0 and share > 0.0:
            uneven = min(abs(formed - solid[PACE, n] * step_s), formed)
            error = max(error, float(UNEVEN * share * uneven))
            young = formed / (formed + work.moles[n])
            young *= 0.15 * share * (1.0 - solid[FRESH, n])
            error = max(error, float(formed * young))
    return max(error, 4.0 * (cut - SPILT * total)) / tolerance
