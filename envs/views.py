"""Masks and observations of one row; compiled."""

from __future__ import annotations

import math

from envs.compiled import compiled
from envs.tables import (
    AGE,
    ANNEAL,
    ASKED_MG,
    BALANCE_MG,
    COOLING_C_PER_MIN,
    DECISION,
    DWELL,
    FIRED,
    FRESH,
    FURNACE_H,
    GROUND,
    HOT,
    MILLED_MIN,
    MIX,
    MIXED,
    PROGRAMS,
    REGRIND,
    SCAN_2,
    SCAN_8,
    SCANNED,
    SCANS,
    SLOTS,
    SOAK_C,
    SPENT,
    STOP,
    TEMPERATURE,
    VERB,
    WASH,
    BoolArray,
    Choice,
    SingleArray,
    State,
    View,
)
from simulators.network import IntArray
from simulators.program import ROOM_C


@compiled
def hours_left(choice: Choice, state: State, i: int) -> float:
    """Furnace time that may still be used, after a hot sample has cooled, h."""
    left = choice.furnace_h - state.real[i, FURNACE_H]
    if state.whole[i, HOT] == 1:
        left -= (state.real[i, SOAK_C] - ROOM_C) / COOLING_C_PER_MIN / 60.0
    return left


@compiled
def allowed(choice: Choice, state: State, i: int, kind: int) -> bool:
    """Whether a decision of a kind is possible now."""
    last = state.whole[i, DECISION] + 1 >= choice.decisions
    if kind == STOP:
        return state.whole[i, MIXED] == 1 or last
    if last:
        return False
    if kind == MIX:
        return state.whole[i, MIXED] == 0
    if state.whole[i, MIXED] == 0:
        return False
    if kind == ANNEAL:
        return choice.overhead_h + choice.dwell_h[0] <= hours_left(choice, state, i)
    if kind == WASH:
        return choice.wash_min > 0.0 and state.whole[i, FIRED] > 0
    if kind == REGRIND:
        return state.whole[i, GROUND] == 0
    if kind in (SCAN_2, SCAN_8):
        return state.whole[i, FRESH] == 0
    return state.whole[i, HOT] == 1


@compiled
def permitted(choice: Choice, state: State, i: int, action: IntArray) -> bool:
    """Whether the mask allows an action and all its indices exist."""
    for h in range(choice.options.size):
        if action[h] < 0 or action[h] >= choice.options[h]:
            return False
    kind = int(choice.kind[action[VERB]])
    if not allowed(choice, state, i, kind):
        return False
    if kind != ANNEAL:
        return True
    hours = float(choice.dwell_h[action[DWELL]]) + choice.overhead_h
    return hours <= hours_left(choice, state, i)


@compiled
def write_mask(choice: Choice, state: State, i: int, mask: BoolArray) -> None:
    """Masks of all heads, one after the other; only verbs and dwells are ever masked."""
    for n in range(mask.size):
        mask[n] = True
    for v in range(choice.kind.size):
        mask[v] = allowed(choice, state, i, choice.kind[v])
    at = choice.options[VERB] + choice.options[TEMPERATURE]
    left = hours_left(choice, state, i)
    for n in range(1, choice.dwell_h.size):
        mask[at + n] = choice.dwell_h[n] + choice.overhead_h <= left


@compiled
def write_scan(used: int, shown: View, state: State, i: int, out: SingleArray, at: int) -> int:
    """The phases of the last scan, heaviest first; returns the place after them."""
    estimate = state.estimate
    before, before_at = math.inf, -1
    for _ in range(SLOTS):
        best, place = 0.0, -1
        for p in range(used):
            w = estimate[i, 0, p]
            follows = w < before or (w == before and p > before_at)
            if follows and w > best:
                best, place = w, p
        for k in range(6):
            out[at + k] = 0.0
        if place >= 0:
            out[at], out[at + 1] = best, estimate[i, 1, place]
            for k in range(4):
                out[at + 2 + k] = shown.solid[place, k]
            before, before_at = best, place
        at += 6
    return at


@compiled
def write_observation(
    used: int, choice: Choice, shown: View, state: State, i: int, out: SingleArray
) -> None:
    """The observation; its layout is the table of ``envs.observation``.

    Args:
        used: Solids that a scan can show.
        choice: Constants.
        shown: Constants.
        state: Samples.
        i: The row.
        out: (D,) result.
    """
    whole, real, program = state.whole, state.real, state.program
    at = shown.constant.size
    for n in range(at):
        out[n] = shown.constant[n]
    out[at], out[at + 1] = whole[i, MIXED], whole[i, HOT]
    out[at + 2] = (real[i, SOAK_C] if whole[i, HOT] == 1 else ROOM_C) / 1000.0
    out[at + 3] = real[i, BALANCE_MG] / max(real[i, ASKED_MG], 1.0)
    out[at + 4] = math.log10(1.0 + real[i, MILLED_MIN])
    out[at + 5], out[at + 6] = whole[i, FIRED] / 4.0, whole[i, GROUND]
    out[at + 7], out[at + 8] = whole[i, SCANNED] / 8.0, whole[i, FRESH]
    out[at + 9] = whole[i, AGE] / 12.0
    at = write_scan(used, shown, state, i, out, at + 10)
    for n in range(PROGRAMS):
        for k in range(7):
            out[at + k] = 0.0
        if program[i, n, 1] > 0.0:
            out[at] = program[i, n, 0] / 1000.0
            out[at + 1] = math.log10(program[i, n, 1])
            out[at + 2] = math.log10(program[i, n, 2])
            for k in range(3):
                out[at + 3 + k] = shown.gas[int(program[i, n, 3]), k]
            out[at + 6] = math.log10(program[i, n, 4])
        at += 7
    out[at] = 1.0 - whole[i, DECISION] / choice.decisions
    out[at + 1] = hours_left(choice, state, i) / choice.furnace_h
    out[at + 2], out[at + 3] = real[i, SPENT], whole[i, SCANS] / 12.0
