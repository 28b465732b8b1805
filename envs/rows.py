"""Rows of the batch: decisions, heating and resets; compiled.

Rows never see one another. The single environment is a batch of one row.
"""

from __future__ import annotations

import numpy as np

from envs.acts import finish, grind, mix, plan_anneal, plan_cooling, scan, spend, wash, weigh
from envs.bottles import forget_bottles, judge_bottles
from envs.chance import key_of
from envs.compiled import compiled
from envs.hidden import take_laboratory
from envs.tables import (
    ACCEPTED,
    AGE,
    ANNEAL,
    ANNEALS,
    COOLING_C_PER_MIN,
    COST,
    DECISION,
    DWELL,
    EPISODE,
    GAS,
    HOT,
    KEPT,
    LOTS,
    MILL_TIME,
    MIX,
    MIXED,
    NUMBER,
    PURE,
    PURITY,
    QUENCH,
    RAMP,
    RATIO,
    REGRIND,
    REWARD,
    SCAN_2,
    SCAN_8,
    SCANNED,
    SHARE,
    SOAK_C,
    SPENT,
    STOP,
    SUBSTEPS,
    TEMPERATURE,
    TERMINATED,
    VERB,
    VETOED,
    WAIT,
    WASH,
    Desk,
    Result,
    Rules,
    Scanner,
    Scratch,
    State,
)
from envs.views import permitted, write_mask, write_observation
from simulators import kernel
from simulators.batch import Laboratories, draw_of
from simulators.network import Draw, FloatArray, IntArray, Net
from simulators.program import ROOM_C

STEP, MOUNT = 3, 4
"""Purposes of keys."""
NOTHING = -1
"""Kind of a decision that is vetoed."""


@compiled
def record(state: State, i: int, kind: int, verb: int, action: IntArray) -> None:
    """Keeps an accepted action, with the heads that mean nothing for its verb at 0."""
    row = state.history[i, state.whole[i, ACCEPTED]]
    for head in range(row.size):
        row[head] = 0
    row[VERB] = verb
    if kind == ANNEAL:
        row[TEMPERATURE], row[DWELL] = action[TEMPERATURE], action[DWELL]
        row[RAMP], row[GAS] = action[RAMP], action[GAS]
    if kind in (MIX, REGRIND):
        row[MILL_TIME] = action[MILL_TIME]
    if kind == MIX:
        row[RATIO] = action[RATIO]
        for head in range(LOTS, row.size):
            row[head] = action[head]
    state.whole[i, ACCEPTED] += 1


@compiled
def begin(
    desk: Desk, state: State, result: Result, i: int, offset_c: FloatArray, action: IntArray,
    plan: FloatArray,
) -> int:  # fmt: skip
    """Judges a decision, keeps it, plans the cooling that comes before it; returns its kind."""
    choice, whole = desk.choice, state.whole[i]
    good = permitted(choice, state, i, action)
    stops = whole[DECISION] + 1 >= choice.decisions or (good and choice.kind[action[VERB]] == STOP)
    result.flags[VETOED, i] = not good
    result.flags[TERMINATED, i] = stops
    result.scores[REWARD, i] = 0.0
    whole[AGE] += 1
    if stops:
        result.scores[PURITY, i] = result.scores[SHARE, i] = 0.0
        result.flags[PURE, i] = False
    if whole[MIXED] == 0 and (stops or not good):
        return NOTHING
    if not good and not stops:
        return NOTHING
    kind = STOP if stops else int(choice.kind[action[VERB]])
    record(state, i, kind, STOP if stops else int(action[VERB]), action)
    if whole[HOT] == 1:
        speed = COOLING_C_PER_MIN
        if kind >= QUENCH:
            speed = float(choice.cooling_c_per_min[action[VERB]])
        result.scores[REWARD, i] -= plan_cooling(
            desk, state, i, offset_c, speed, kind < QUENCH, plan
        )
    return kind


@compiled
def perform(
    net: Net, desk: Desk, scanner: Scanner, draw: Draw, state: State, result: Result, i: int,
    kind: int, action: IntArray, key: np.uint64, mount: np.uint64, truth: FloatArray,
    seen: FloatArray,
) -> None:  # fmt: skip
    """Everything of a decision but heating, on a cold sample; books the reward."""
    reward = 0.0
    if kind == MIX:
        reward -= spend(desk, state, i, 0.0, 0.0, mix(net, desk, state, i, draw, action, key))
    elif kind == REGRIND:
        reward -= spend(desk, state, i, 0.0, 0.0, grind(net, desk, state, i, draw, action))
    elif kind == WASH:
        wash(net, desk, state, i)
    elif kind in (SCAN_2, SCAN_8):
        long = 1 if kind == SCAN_8 else 0
        reward -= scan(net, desk, scanner, state, result, i, long, key, mount, truth, seen)
    elif kind == STOP:
        reward += finish(net, desk, scanner, state, result, i, key, mount, truth, seen)
    weigh(net, desk, state, i, key)
    result.scores[REWARD, i] += reward


@compiled
def end(net: Net, desk: Desk, state: State, result: Result, i: int) -> None:
    """Counts the decision; keeps what an episode leaves behind."""
    whole = state.whole[i]
    whole[DECISION] += 1
    if result.flags[TERMINATED, i]:
        write_observation(net.used, desk.choice, desk.shown, state, i, result.final[i])
        if whole[SCANNED] > 0:
            judge_bottles(net, desk, state, i)
        result.scores[COST, i] = state.real[i, SPENT]
        for n in range(whole[ACCEPTED]):
            for head in range(state.history.shape[2]):
                result.history[i, n, head] = state.history[i, n, head]
        result.counts[KEPT, i] = whole[ACCEPTED]
        whole[EPISODE] += 1


@compiled
def clear(state: State, i: int) -> None:
    """An empty vial, nothing done; laboratory and episode stay."""
    for column in range(DECISION, state.whole.shape[1]):
        state.whole[i, column] = 0
    for array in (state.vector, state.real, state.charged):
        for column in range(array.shape[1]):
            array[i, column] = 0.0
    for array in (state.estimate, state.program):
        for row in range(array.shape[1]):
            for column in range(array.shape[2]):
                array[i, row, column] = 0.0
    state.real[i, SOAK_C] = ROOM_C


@compiled
def settle(rules: Rules, labs: Laboratories, state: State, i: int, work: FloatArray) -> None:
    """Gives a row the laboratory of its present episode."""
    turn = state.whole[i, EPISODE] // rules.chance.samples
    state.whole[i, NUMBER] = take_laboratory(
        rules.net, rules.nominal, rules.given, rules.chance, labs, i, turn, work
    )


@compiled
def step_rows(
    rules: Rules, labs: Laboratories, state: State, result: Result, scratch: Scratch,
    actions: IntArray, start: int, stop: int,
) -> None:  # fmt: skip
    """One decision of each row ``start:stop``; rows that ended begin their next episode."""
    net, desk, chance = rules.net, rules.desk, rules.chance
    choice, shown = desk.choice, desk.shown
    work, truth, plan = scratch.work, scratch.truth, scratch.plan
    for i in range(start, stop):
        action, whole, draw = actions[i], state.whole[i], draw_of(labs, i)
        result.scanned[i] = 0
        if action[VERB] == WAIT:
            result.flags[VETOED, i] = result.flags[TERMINATED, i] = False
            result.scores[REWARD, i] = 0.0
            continue
        plan[:, 3] = 0.0
        kind = begin(desk, state, result, i, labs.offset_c[i], action, plan)
        for part in range(2):
            if part == 1:
                key = key_of(STEP, chance.seed, chance.identity[i], whole[EPISODE], whole[DECISION])
                plan[:, 3] = 0.0
                if kind >= 0:
                    mount = key_of(MOUNT, chance.seed, chance.identity[i], whole[EPISODE], 0)
                    perform(
                        net, desk, rules.scanner, draw, state, result, i, kind, action, key, mount,
                        truth, scratch.seen,
                    )  # fmt: skip
                if kind == ANNEAL:
                    result.scores[REWARD, i] -= plan_anneal(
                        desk, state, i, labs.offset_c[i], action, plan
                    )
                    result.counts[ANNEALS, i] += 1
            for n in range(2):
                if plan[n, 3] > 0.0:
                    result.counts[SUBSTEPS, i] += kernel.heat(
                        net, draw, state.vector[i], int(plan[n, 0]), plan[n, 1], plan[n, 2],
                        plan[n, 3], rules.tolerance, work,
                    )  # fmt: skip
        end(net, desk, state, result, i)
        if result.flags[TERMINATED, i]:
            clear(state, i)
            if whole[EPISODE] % chance.samples == 0:
                forget_bottles(desk, state, i)
            settle(rules, labs, state, i, truth)
        write_observation(net.used, choice, shown, state, i, result.observation[i])
        write_mask(choice, state, i, result.mask[i])


@compiled
def restart_rows(
    rules: Rules, labs: Laboratories, state: State, result: Result, scratch: Scratch, start: int,
    stop: int,
) -> None:  # fmt: skip
    """Starts the present episode of each row ``start:stop``."""
    desk = rules.desk
    for i in range(start, stop):
        clear(state, i)
        forget_bottles(desk, state, i)
        settle(rules, labs, state, i, scratch.truth)
        write_observation(rules.net.used, desk.choice, desk.shown, state, i, result.observation[i])
        write_mask(desk.choice, state, i, result.mask[i])
