"""What the solver knows of a segment while it steps through it, and how matter gets in and out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.compiled import borrowing, compiled, inlined
from simulators.conditions import COUNT, LIVE, Awake
from simulators.net import FloatArray, Net

ROWS = 22
SHUT = 1.0e-12
"""Least openness: a partner that seems to be used up in one sweep may be left in the next."""


class Scratch(NamedTuple):
    """Scratch memory: over reactions (R), then over the solids of a segment (N = 2 used + 1)."""

    awake: Awake
    early: FloatArray  # (3, R) constants and drives at the start of a step
    middle: FloatArray  # (3, R) in its middle, where that is needed
    late: FloatArray  # (3, R) at its end
    constant: FloatArray  # mean over the step of constant times drive
    doubt: FloatArray  # how far that mean may be off, as a share of it
    first: FloatArray  # factor by the state at the start, times the constant
    speed: FloatArray  # its mean over the step
    extent: FloatArray  # mmol of the core
    moles: FloatArray  # (N,) at the start of a step, mmol
    charge: FloatArray  # (N,) grains from which each solid was eaten
    moles_early: FloatArray  # (N,) at the end of the step by the factors at its start
    moles_late: FloatArray  # (N,) at the end of the step
    solid: FloatArray  # (ROWS, N) see below
    liquid: FloatArray  # (3, M + 1) share of each melt at start, middle and end of a step


(
    INTEGRAL, LEFT, PLACED, GAIN, PORTION, SHARE, FRESH, FORMED, NEXT, GIVEN, WANTED,
    OPEN, OPEN_FIRST, OPEN_LAST, KEPT, RATIO, PACE, TAKEN, TAKEN_FIRST, TAKEN_LAST, ATE, MADE,
) = range(ROWS)  # fmt: skip
"""Rows of ``Scratch.solid``: integral of the core's law at the start, the unreacted share by the
same table, and the share they were found for; progress per s; what a unit of it takes;
share of the old and of the newly formed matter that the step eats; moles formed, in the running
sweep, given as a partner, wanted; openness n / (n + s) of a partner, at the start and at the end;
what there is of it on average over what there would be if nothing were given; its change in a
sweep; mmol formed per s in the step before; what is taken of a solid, and with the rates of start
and end of the step; progress per s and moles formed for which the shares were found, 0 if none."""


@compiled
def scratch(net: Net) -> Scratch:
    """Scratch memory for ``heat``."""
    reactions, solids = net.kind.size, 2 * net.used + 1
    awake = Awake(
        np.zeros(reactions, np.int64), np.zeros((6, reactions), np.uint64),
        np.zeros((6, reactions)), np.zeros((5, reactions)), np.zeros((3, reactions)),
        np.zeros(reactions, np.int64), np.zeros(reactions, np.uint64),
        np.zeros(reactions, np.uint64),
        np.zeros(solids, np.int64), np.zeros(solids, np.int64), np.zeros(solids, np.uint64),
        np.zeros(solids, np.int64), np.zeros(4, np.int64),
    )  # fmt: skip
    rows, states = np.zeros((5, reactions)), np.zeros((4, solids))
    return Scratch(
        awake, np.zeros((3, reactions)), np.zeros((3, reactions)), np.zeros((3, reactions)),
        rows[0], rows[1], rows[2], rows[3], rows[4],
        states[0], states[1], states[2], states[3], np.zeros((ROWS, solids)),
        np.zeros((3, net.melt.shape[0] + 1)),
    )  # fmt: skip


@borrowing
def enter(net: Net, material: FloatArray, total: float, first: int, work: Scratch) -> None:
    """Loads the solids from number ``first`` on: none of them has formed in this segment."""
    solids, awake = net.molar_mass.size, work.awake
    for n in range(first, awake.size[LIVE]):
        p = awake.solid[n]
        for row in range(ROWS):
            work.solid[row, n] = 0.0
        work.solid[PLACED, n], work.solid[KEPT, n] = -1.0, 1.0
        if p < 0:  # stands for no partner, which is always there
            work.moles[n] = work.charge[n] = 0.0
            work.solid[OPEN, n] = work.solid[RATIO, n] = 1.0
        else:
            lone = p >= net.used
            work.moles[n] = material[solids + p - net.used] if lone else material[p]
            work.charge[n] = work.moles[n] if lone else material[2 * solids + p]
            opened(n, work.moles[n], net.scarcity * total, work)
        work.moles_early[n] = work.moles_late[n] = work.moles[n]


@inlined
def opened(n: int, there: float, scarce: float, work: Scratch) -> None:
    """Openness of a partner at the start of a step, and what to expect of it."""
    solid = work.solid
    solid[OPEN_FIRST, n] = there / (there + scarce)
    there += 0.5 * solid[FORMED, n]
    solid[OPEN, n] = max(there / (there + scarce), SHUT)
    solid[OPEN_LAST, n] = solid[OPEN, n]


@borrowing
def leave(net: Net, material: FloatArray, work: Scratch) -> None:
    """Stores the solids of the segment."""
    solids, awake = net.molar_mass.size, work.awake
    for n in range(1, awake.size[LIVE]):
        p = awake.solid[n]
        if p >= net.used:
            material[solids + p - net.used] = work.moles[n]
        else:
            material[p], material[2 * solids + p] = work.moles[n], work.charge[n]


@borrowing
def supply(awake: Awake, moles: FloatArray) -> float:
    """Upper bound of the reactants that reactions could still take, mmol."""
    left = 0.0
    for a in range(awake.size[COUNT]):
        amount = float(moles[awake.place[0, a]])
        for k in range(1, 3):
            if awake.place[k, a] != 0:
                amount = min(amount, float(moles[awake.place[k, a]]))
        left += amount
    return left
