"""How a decision is spelled out, choice by choice: rows of the cursor; compiled."""

from __future__ import annotations

import math

from envs.chance import key_of, uniform
from envs.compiled import compiled
from envs.cursor_tables import (
    ASK_BATCH,
    ASK_MILL,
    ASK_PROGRAM,
    ASK_SLOT,
    ASK_VERB,
    C_DWELL,
    C_MILL,
    C_RAMP,
    C_RATIO,
    C_SLOT,
    C_TEMPERATURE,
    C_VERB,
    CURSOR_AT,
    OUTLOOK_AT,
    PREFIX,
    SHELF_AT,
    SLOT_FEATURES,
    SLOTS,
    STAGES,
    TARGET_PART,
    Belief,
    Cursor,
    CursorResult,
    Grid,
    Notes,
)
from envs.outlook import believe, look_ahead
from envs.rows import restart_rows, step_rows
from envs.tables import (
    ANNEAL,
    DWELL,
    EPISODE,
    GAS,
    LOTS,
    MILL_TIME,
    MIX,
    MIXED,
    RAMP,
    RATIO,
    REGRIND,
    TEMPERATURE,
    TERMINATED,
    VERB,
    WAIT,
    BoolArray,
    Choice,
    Result,
    Rules,
    Scratch,
    SingleArray,
    State,
)
from envs.views import allowed, hours_left
from simulators.batch import Laboratories
from simulators.network import IntArray

SHUFFLE = 7
"""Purpose of keys."""


@compiled
def fits(grid: Grid, chosen: BoolArray, more: int) -> bool:
    """Whether some set holds the chosen lots and one more."""
    for q in range(grid.sets.shape[0]):
        if not grid.sets[q, more]:
            continue
        good = True
        for h in range(chosen.size):
            good = good and (grid.sets[q, h] or not chosen[h])
        if good:
            return True
    return False


@compiled
def complete(grid: Grid, chosen: BoolArray) -> bool:
    """Whether the chosen lots are a set."""
    for q in range(grid.sets.shape[0]):
        same = True
        for h in range(chosen.size):
            same = same and grid.sets[q, h] == chosen[h]
        if same:
            return True
    return False


@compiled
def take_verb(grid: Grid, choice: Choice, state: State, cursor: Cursor, i: int, verb: int) -> bool:
    """Starts a decision; returns whether it is spelled out already."""
    pending = cursor.pending[i]
    for head in range(pending.size):
        pending[head] = 0
    pending[VERB] = choice.kind.size  # no verb of the batch: vetoed
    if verb < 0 or verb >= grid.verb.size or grid.verb[verb] < 0:
        return True
    kind = int(choice.kind[grid.verb[verb]])
    if not allowed(choice, state, i, kind):
        return True
    pending[VERB] = grid.verb[verb]
    if kind == MIX:
        cursor.stage[i] = ASK_SLOT
    elif kind == ANNEAL:
        pending[GAS] = grid.gas[verb]
        cursor.stage[i] = ASK_PROGRAM
    elif kind == REGRIND:
        cursor.stage[i] = ASK_MILL
    else:
        return True
    return False


@compiled
def take_slot(grid: Grid, choice: Choice, cursor: Cursor, i: int, slot: int) -> bool:
    """Adds a bottle; returns whether the decision has gone wrong."""
    chosen, pending = cursor.chosen[i], cursor.pending[i]
    lot = cursor.order[i, slot] if 0 <= slot < SLOTS else -1
    if lot < 0 or chosen[lot] or not fits(grid, chosen, lot):
        pending[VERB] = choice.kind.size
        return True
    chosen[lot] = True
    pending[LOTS + grid.cation[lot]] = grid.place[lot]
    if complete(grid, chosen):
        cursor.stage[i] = ASK_BATCH
    return False


@compiled
def set_head(grid: Grid, choice: Choice, pending: IntArray, head: int, own: int, pick: int) -> None:
    """Takes an option of a cursor's head over into the batch's; a forbidden one spoils the verb."""
    option = grid.option[own, pick] if 0 <= pick < grid.option.shape[1] else -1
    if option < 0:
        pending[VERB] = choice.kind.size
        option = 0
    pending[head] = option


@compiled
def advance(
    grid: Grid, choice: Choice, state: State, cursor: Cursor, i: int, action: IntArray
) -> bool:
    """One choice of a row; returns whether its decision is to be carried out now."""
    stage, pending = cursor.stage[i], cursor.pending[i]
    if stage == ASK_VERB:
        return take_verb(grid, choice, state, cursor, i, action[C_VERB])
    if stage == ASK_SLOT:
        return take_slot(grid, choice, cursor, i, action[C_SLOT])
    if stage == ASK_BATCH:
        set_head(grid, choice, pending, RATIO, C_RATIO, action[C_RATIO])
    if stage == ASK_PROGRAM:
        set_head(grid, choice, pending, TEMPERATURE, C_TEMPERATURE, action[C_TEMPERATURE])
        set_head(grid, choice, pending, DWELL, C_DWELL, action[C_DWELL])
        set_head(grid, choice, pending, RAMP, C_RAMP, action[C_RAMP])
    else:
        set_head(grid, choice, pending, MILL_TIME, C_MILL, action[C_MILL])
    return True


@compiled
def write_cursor_mask(
    grid: Grid, choice: Choice, state: State, cursor: Cursor, i: int, mask: BoolArray
) -> None:
    """Masks of all heads one after the other; of a head that is not live, index 0 alone."""
    stage = cursor.stage[i]
    for n in range(mask.size):
        mask[n] = False
    at, verbs = 0, grid.verb.size
    mask[0] = stage != ASK_VERB
    if stage == ASK_VERB:
        for v in range(verbs):
            own = grid.verb[v]
            mask[v] = own >= 0 and allowed(choice, state, i, choice.kind[own])
    at = verbs
    mask[at] = stage != ASK_SLOT
    if stage == ASK_SLOT:
        for s in range(SLOTS):
            lot = cursor.order[i, s]
            mask[at + s] = lot >= 0 and not cursor.chosen[i, lot] and fits(
                grid, cursor.chosen[i], lot
            )  # fmt: skip
    at += SLOTS
    at = open_head(grid, C_RATIO, 7, stage == ASK_BATCH, mask, at)
    at = open_head(grid, C_MILL, 5, stage in (ASK_BATCH, ASK_MILL), mask, at)
    at = open_head(grid, C_TEMPERATURE, 45, stage == ASK_PROGRAM, mask, at)
    dwell = at
    at = open_head(grid, C_DWELL, 12, stage == ASK_PROGRAM, mask, at)
    open_head(grid, C_RAMP, 4, stage == ASK_PROGRAM, mask, at)
    if stage == ASK_PROGRAM:
        left = hours_left(choice, state, i)
        for k in range(12):
            option = grid.option[C_DWELL, k]
            if option > 0:
                mask[dwell + k] = choice.dwell_h[option] + choice.overhead_h <= left


@compiled
def open_head(grid: Grid, head: int, count: int, live: bool, mask: BoolArray, at: int) -> int:
    """Mask of one head, all of the task's options or index 0; returns the place after it."""
    for k in range(count):
        mask[at + k] = grid.option[head, k] >= 0 if live else k == 0
    return at + count


@compiled
def write_shelf(grid: Grid, state: State, cursor: Cursor, i: int, out: SingleArray) -> None:
    """The slots as the row sees them."""
    for s in range(SLOTS):
        at, lot = SHELF_AT + s * SLOT_FEATURES, cursor.order[i, s]
        for k in range(SLOT_FEATURES):
            out[at + k] = grid.slot[lot, k] if lot >= 0 else 0.0
        if lot < 0:
            continue
        if cursor.chosen[i, lot]:
            out[at + 1] = 1.0
        on_shelf = grid.lot[lot]
        out[at + SLOT_FEATURES - 2] = 20.0 * state.bottle[i, 0, on_shelf]
        out[at + SLOT_FEATURES - 1] = 20.0 * math.sqrt(state.bottle[i, 1 + on_shelf, on_shelf])


@compiled
def charged_lots(grid: Grid, cursor: Cursor, i: int, cations: int) -> tuple[int, int]:
    """The chosen lot of the first cation, and how many others bring a cation."""
    first, others = -1, 0
    for h in range(grid.lot.size):
        if cursor.chosen[i, h] and grid.cation[h] < cations:
            if grid.cation[h] == 0:
                first = h
            else:
                others += 1
    return first, others


@compiled
def write_stage(
    grid: Grid, state: State, cursor: Cursor, i: int, cations: int, out: SingleArray
) -> None:
    """Stage, the gas that is being programmed, and the excess that is believed of a batch.

    The excess is ln of the first cation over the mean of the others, by what earlier samples said
    of the chosen bottles, if they were weighed in by their labels.
    """
    stage = cursor.stage[i]
    for k in range(STAGES):
        out[CURSOR_AT + k] = 1.0 if k == stage else 0.0
    for k in range(grid.gas_part.shape[1]):
        gas = cursor.pending[i, GAS]
        out[CURSOR_AT + STAGES + k] = grid.gas_part[gas, k] if stage == ASK_PROGRAM else 0.0
    excess = spread = 0.0
    first, others = charged_lots(grid, cursor, i, cations)
    if stage == ASK_BATCH and others > 0:
        for h in range(grid.lot.size):
            if cursor.chosen[i, h] and grid.cation[h] < cations:
                weight = 1.0 if h == first else -1.0 / others
                excess += weight * state.bottle[i, 0, grid.lot[h]]
                for k in range(grid.lot.size):
                    if cursor.chosen[i, k] and grid.cation[k] < cations:
                        other = 1.0 if k == first else -1.0 / others
                        shared = state.bottle[i, 1 + grid.lot[h], grid.lot[k]]
                        spread += weight * other * shared
    out[CURSOR_AT + STAGES + 4] = 20.0 * excess
    out[CURSOR_AT + STAGES + 5] = 20.0 * math.sqrt(max(0.0, spread))


@compiled
def open_episode(
    rules: Rules, grid: Grid, belief: Belief, cursor: Cursor, labs: Laboratories, state: State,
    notes: Notes, i: int, out: SingleArray,
) -> None:  # fmt: skip
    """Shuffles the shelf, forms the belief and writes what stays the same for the episode."""
    chance, episode = rules.chance, state.whole[i, EPISODE]
    for h in range(cursor.chosen.shape[1]):
        cursor.chosen[i, h] = False
    cursor.stage[i] = ASK_VERB
    order = cursor.order[i]
    for s in range(SLOTS):
        order[s] = s if s < grid.lot.size else -1
    key = key_of(SHUFFLE, chance.seed, chance.identity[i], episode, 0)
    for s in range(SLOTS - 1, 0, -1):
        other = int(uniform(key, s) * (s + 1))
        order[s], order[other] = order[other], order[s]
    turn = episode // chance.samples
    sample = episode - turn * chance.samples
    believe(rules, grid.sight, labs, belief, i, turn, sample, notes.arrival)
    for k in range(TARGET_PART):
        out[k] = grid.target[k]
    out[grid.samples_at] = sample / 8.0
    look_ahead(rules, grid, belief, i, cursor.chosen[i], True, notes, out[OUTLOOK_AT:CURSOR_AT])


@compiled
def show(
    grid: Grid, choice: Choice, cursor: Cursor, state: State, result: Result, out: CursorResult,
    i: int,
) -> None:  # fmt: skip
    """Writes what may have changed of the observation, and the mask."""
    seen = out.observation[i]
    write_shelf(grid, state, cursor, i, seen)
    write_stage(grid, state, cursor, i, state.charged.shape[1], seen)
    for k in range(PREFIX, seen.size):
        seen[k] = result.observation[i, grid.tail + k - PREFIX]
    write_cursor_mask(grid, choice, state, cursor, i, out.mask[i])


@compiled
def decide_rows(
    rules: Rules, labs: Laboratories, state: State, result: Result, scratch: Scratch, grid: Grid,
    belief: Belief, cursor: Cursor, out: CursorResult, notes: Notes, acting: IntArray, start: int,
    stop: int,
) -> None:  # fmt: skip
    """Carries decisions of the batch out and shows what they changed."""
    choice = rules.desk.choice
    step_rows(rules, labs, state, result, scratch, acting, start, stop)
    for i in range(start, stop):
        if acting[i, VERB] != WAIT:
            if result.flags[TERMINATED, i]:
                for k in range(PREFIX):
                    out.final[i, k] = out.observation[i, k]
                write_stage(grid, state, cursor, i, state.charged.shape[1], out.final[i])
                for k in range(PREFIX, out.final.shape[1]):
                    out.final[i, k] = result.final[i, grid.tail + k - PREFIX]
                seen = out.observation[i]
                open_episode(rules, grid, belief, cursor, labs, state, notes, i, seen)
            elif state.whole[i, MIXED] == 0:
                for h in range(cursor.chosen.shape[1]):
                    cursor.chosen[i, h] = False
            elif choice.kind[min(acting[i, VERB], choice.kind.size - 1)] == MIX:
                look_ahead(
                    rules, grid, belief, i, cursor.chosen[i], False, notes,
                    out.observation[i, OUTLOOK_AT:CURSOR_AT],
                )  # fmt: skip
        show(grid, choice, cursor, state, result, out, i)


@compiled
def step_cursor_rows(
    rules: Rules, labs: Laboratories, state: State, result: Result, scratch: Scratch, grid: Grid,
    belief: Belief, cursor: Cursor, out: CursorResult, notes: Notes, actions: IntArray,
    acting: IntArray, start: int, stop: int,
) -> None:  # fmt: skip
    """One choice of each row ``start:stop``; decisions that are spelled out are carried out."""
    choice = rules.desk.choice
    for i in range(start, stop):
        if advance(grid, choice, state, cursor, i, actions[i]):
            for head in range(acting.shape[1]):
                acting[i, head] = cursor.pending[i, head]
            cursor.stage[i] = ASK_VERB
        else:
            acting[i, VERB] = WAIT
    decide_rows(
        rules, labs, state, result, scratch, grid, belief, cursor, out, notes, acting, start, stop
    )


@compiled
def restart_cursor_rows(
    rules: Rules, labs: Laboratories, state: State, result: Result, scratch: Scratch, grid: Grid,
    belief: Belief, cursor: Cursor, out: CursorResult, notes: Notes, start: int, stop: int,
) -> None:  # fmt: skip
    """Starts the present episode of each row ``start:stop``."""
    restart_rows(rules, labs, state, result, scratch, start, stop)
    for i in range(start, stop):
        open_episode(rules, grid, belief, cursor, labs, state, notes, i, out.observation[i])
        show(grid, rules.desk.choice, cursor, state, result, out, i)
