"""What earlier samples of a laboratory say about its bottles; compiled.

A bottle may hold less of its phase than the label says, and stoichiometry decides how pure a sample
can get. The final scan of a sample tells the ratio of its cations; where it differs from what was
charged by the labels, one of the bottles differs. A Kalman filter of ln(true / label) of the
bottles, contrast by contrast against the first cation's. A cation that is lost to the gas looks
like a weak bottle, which is right for the next sample too.
"""

from __future__ import annotations

import math

from envs.compiled import compiled
from envs.tables import ACCEPTED, LOTS, MIX, RATIO, VERB, Desk, State
from simulators.network import Net

SCAN_ERROR = 0.01
"""Standard deviation of ln of a ratio of cations beside what the scan reports (unsourced)."""
LEAST = 1e-6
"""Moles of a cation per gram below which nothing is said."""


@compiled
def forget_bottles(desk: Desk, state: State, i: int) -> None:
    """Takes all bottles to be as labelled, within what the task hides."""
    lots = desk.bottle_sd.size
    for lot in range(lots):
        for row in range(lots + 1):
            state.bottle[i, row, lot] = 0.0
        state.bottle[i, 1 + lot, lot] = desk.bottle_sd[lot] * desk.bottle_sd[lot]


@compiled
def learn_contrast(state: State, i: int, first: int, lot: int, ln: float, variance: float) -> None:
    """Takes in a measured ln(true / label) of one bottle less that of another."""
    bottle = state.bottle[i]
    lots = bottle.shape[1]
    mean, shared = bottle[0], bottle[lots + 1]
    for one in range(lots):
        shared[one] = bottle[1 + first, one] - bottle[1 + lot, one]
    total = shared[first] - shared[lot] + variance
    wrong = ln - (mean[first] - mean[lot])
    for one in range(lots):
        mean[one] += shared[one] / total * wrong
        for other in range(lots):
            bottle[1 + one, other] -= shared[one] * shared[other] / total


@compiled
def judge_bottles(net: Net, desk: Desk, state: State, i: int) -> None:
    """Learns from the last scan of a row's sample about the bottles that it was made from."""
    row = -1
    for n in range(state.whole[i, ACCEPTED]):
        if state.history[i, n, VERB] == MIX:
            row = n
    if row < 0:
        return
    first, first_ln, first_var = -1, 0.0, 0.0
    for c in range(desk.cation.shape[0]):
        moles = variance = 0.0
        for p in range(net.molar_mass.size):
            per = desk.cation[c, p] / net.molar_mass[p]
            moles += state.estimate[i, 0, p] * per
            variance += (state.estimate[i, 1, p] * per) ** 2 * (state.estimate[i, 0, p] > 0.0)
        option = state.history[i, row, LOTS + c]
        lot = desk.choice.lot[c, option]
        asked = desk.choice.dose_mg[state.history[i, row, RATIO], c, option]
        asked *= desk.label_moles[lot]
        if moles < LEAST or asked <= 0.0:
            return
        ln, variance = math.log(moles / asked), variance / (moles * moles)
        if c == 0:
            first, first_ln, first_var = lot, ln, variance
            continue
        spread = first_var + variance + SCAN_ERROR * SCAN_ERROR
        learn_contrast(state, i, first, lot, first_ln - ln, spread)
