"""What one decision does to one sample: matter, furnace time, prices, scans; compiled.

The same kernel, program and accuracies as the virtual world's (``simulators``); only the scan is
the quick model of the estimate (``envs.detector``) instead of a pattern and its fit. Heating is
planned here and carried out by ``envs.rows``, so that the solver is compiled into one place only.
"""

from __future__ import annotations

import math

import numpy as np

from envs.chance import normal
from envs.compiled import compiled
from envs.detector import measure
from envs.tables import (
    AGE,
    ASKED_MG,
    BALANCE_MG,
    BONUS,
    BONUS_BOUND,
    BONUS_IMPURITY,
    BONUS_PURITY,
    BOUND_SIGMAS,
    COOLING_C_PER_MIN,
    DWELL,
    FIRED,
    FRESH,
    FURNACE_H,
    GAS,
    GROUND,
    HOT,
    LOTS,
    MILL_TIME,
    MILLED_MIN,
    MIXED,
    PLACE,
    PROGRAMS,
    PURE,
    PURITY,
    RAMP,
    RATIO,
    SCANNED,
    SCANS,
    SHARE,
    SOAK_C,
    SPENT,
    TEMPERATURE,
    Desk,
    Result,
    Scanner,
    State,
)
from simulators import kernel, powder
from simulators.network import Draw, FloatArray, IntArray, Net
from simulators.program import ROOM_C

AIR = 0


@compiled
def spend(desk: Desk, state: State, i: int, furnace_h: float, kwh: float, more: float) -> float:
    """Books a price; returns it."""
    price = desk.price.furnace_hour * furnace_h + desk.price.kwh * kwh + more
    state.real[i, FURNACE_H] += furnace_h
    state.real[i, SPENT] += price
    return price


@compiled
def plan_cooling(
    desk: Desk, state: State, i: int, offset_c: FloatArray, speed: float, closed: bool,
    plan: FloatArray,
) -> float:  # fmt: skip
    """Cooling of a hot sample to room temperature, in its furnace or in air; returns the price.

    Args:
        desk: Constants.
        state: Samples.
        i: The row.
        offset_c: (F,) true minus programmed temperature of the furnaces.
        speed: degC/min.
        closed: Whether it stays in the furnace.
        plan: (2, 4) result: gas, K at the start, K at the end, s.
    """
    place = state.whole[i, PLACE]
    shift = 273.15 + offset_c[desk.choice.furnace[place]]
    soak_c = state.real[i, SOAK_C]
    rise = soak_c - ROOM_C
    plan[0, 0] = desk.choice.gas[place] if closed else AIR
    plan[0, 1], plan[0, 2], plan[0, 3] = soak_c + shift, ROOM_C + shift, rise / speed * 60.0
    state.whole[i, HOT] = 0
    state.program[i, 0, 4] = speed
    return spend(desk, state, i, rise / speed / 60.0, 0.0, 0.0) if closed else 0.0


@compiled
def weigh(net: Net, desk: Desk, state: State, i: int, key: np.uint64) -> None:
    """Reads the balance."""
    solids = net.molar_mass.size
    mass = state.vector[i, state.vector.shape[1] - 1]
    for p in range(solids):
        mass += (state.vector[i, p] + state.vector[i, solids + p]) * net.molar_mass[p]
    digit = desk.station.balance_digit_mg
    mass += desk.station.balance_sd_mg * normal(key, LOTS)
    state.real[i, BALANCE_MG] = math.floor(mass / digit + 0.5) * digit


@compiled
def mix(
    net: Net, desk: Desk, state: State, i: int, draw: Draw, action: IntArray, key: np.uint64
) -> float:
    """Doses one lot per cation and mills; returns the price."""
    choice, station, vector = desk.choice, desk.station, state.vector[i]
    solids = net.molar_mass.size
    price = desk.price.sample
    for c in range(choice.lot.shape[0]):
        option = action[LOTS + c]
        lot = choice.lot[c, option]
        asked = choice.dose_mg[action[RATIO], c, option]
        z = max(-station.dosing_cut, min(station.dosing_cut, normal(key, c)))
        fallen = asked * (1.0 + station.dosing_sd * z)
        solid = desk.lot_solid[lot]
        kernel.dispense(net, vector, solid, fallen, draw.assay[lot], draw.particle_um[lot])
        state.real[i, ASKED_MG] += asked
        price += desk.price.lot_mg[lot] * asked
    for c in range(desk.cation.shape[0]):
        for p in range(solids):
            state.charged[i, c] += desk.cation[c, p] * (vector[p] + vector[solids + p])
    state.whole[i, MIXED] = 1
    return price + grind(net, desk, state, i, draw, action)


@compiled
def grind(net: Net, desk: Desk, state: State, i: int, draw: Draw, action: IntArray) -> float:
    """Mills the cold sample; returns the price."""
    minutes = float(desk.choice.mill_min[action[MILL_TIME]])
    kernel.mill(net, state.vector[i], minutes, draw.mixing)
    state.whole[i, GROUND] = 1
    state.whole[i, FRESH] = 0
    state.real[i, MILLED_MIN] += minutes
    return desk.station.mixer_kw * minutes / 60.0 * desk.price.kwh


@compiled
def wash(net: Net, desk: Desk, state: State, i: int) -> None:
    """Washes soluble salts out of the cold sample; water has no price."""
    powder.wash(net, state.vector[i], desk.choice.wash_min)
    state.whole[i, FRESH] = 0


@compiled
def plan_anneal(
    desk: Desk, state: State, i: int, offset_c: FloatArray, action: IntArray, plan: FloatArray
) -> float:
    """Ramp and soak of a cold sample, which then stays hot; returns the price.

    Args:
        desk: Constants.
        state: Samples.
        i: The row.
        offset_c: (F,) true minus programmed temperature of the furnaces.
        action: The heads.
        plan: (2, 4) result: gas, K at the start, K at the end, s of ramp and soak.
    """
    choice, station = desk.choice, desk.station
    top = float(choice.temperature_c[action[TEMPERATURE]])
    dwell = float(choice.dwell_h[action[DWELL]])
    ramp, place = float(choice.ramp_c_per_min[action[RAMP]]), int(action[GAS])
    furnace = choice.furnace[place]
    shift = 273.15 + offset_c[furnace]
    rise = top - ROOM_C
    ramp_h = rise / ramp / 60.0
    plan[0, 0] = plan[1, 0] = choice.gas[place]
    plan[0, 1], plan[0, 2], plan[0, 3] = ROOM_C + shift, top + shift, ramp_h * 3600.0
    plan[1, 1], plan[1, 2], plan[1, 3] = top + shift, top + shift, dwell * 3600.0
    for n in range(PROGRAMS - 1, 0, -1):
        for k in range(state.program.shape[2]):
            state.program[i, n, k] = state.program[i, n - 1, k]
    program = state.program[i, 0]
    program[0], program[1], program[2], program[3] = top, dwell, ramp, float(place)
    program[4] = COOLING_C_PER_MIN
    state.whole[i, HOT], state.whole[i, PLACE], state.real[i, SOAK_C] = 1, place, top
    state.whole[i, FIRED] += 1
    state.whole[i, GROUND] = state.whole[i, FRESH] = 0
    soak_duty = station.soak_duty * rise / (float(station.furnace_limit_c[furnace]) - ROOM_C)
    kwh = float(station.furnace_kw[furnace]) * (station.ramp_duty * ramp_h + soak_duty * dwell)
    return spend(desk, state, i, ramp_h + dwell, kwh, 0.0)


@compiled
def scan(
    net: Net, desk: Desk, scanner: Scanner, state: State, result: Result, i: int, long: int,
    key: np.uint64, mount: np.uint64, truth: FloatArray, work: FloatArray,
) -> float:  # fmt: skip
    """Estimates the phases of the cold sample in 2 (0) or 8 minutes (1); returns the price.

    Args:
        net: Static arrays.
        desk: Constants.
        scanner: The quick model.
        state: Samples.
        result: Takes the truth.
        i: The row.
        long: Which scan.
        key: Of this scan's noise.
        mount: Of the errors that stay for the sample.
        truth: (S,) result: true weight fractions, inert matter left out.
        work: Scratch memory of ``envs.detector``.
    """
    mass = kernel.solid_masses(net, state.vector[i], truth)
    for p in range(net.molar_mass.size):
        truth[p] /= max(mass, 1e-12)
        result.matter[i, p] = truth[p]
    measure(scanner, long, truth, key, mount, state.estimate[i], work)
    minutes = 8 if long == 1 else 2
    result.scanned[i] = minutes
    state.whole[i, SCANNED], state.whole[i, FRESH], state.whole[i, AGE] = minutes, 1, 0
    state.whole[i, SCANS] += 1
    kwh = desk.station.scanner_kw * minutes / 60.0
    return spend(desk, state, i, 0.0, kwh, desk.price.scan_8 if long else desk.price.scan_2)


@compiled
def ended_share(solids: int, desk: Desk, state: State, i: int) -> float:
    """The yield: smallest share, over the target's cations, of what was charged that is in it.

    Of a volatile cation, charged in excess to make good what the furnace loses, no more counts as
    charged than the target needs beside the scarcest of the other cations: an excess costs no
    yield. What is lost below that amount, and a shortage of any cation, count in full; so does an
    excess of the others. In purity the excess counts as the impurity that it is.

    Args:
        solids: Number of solids.
        desk: Constants.
        state: Samples.
        i: The row.
    """
    target = desk.target
    made = state.vector[i, target] + state.vector[i, solids + target]
    room = math.inf  # mmol of target that the cations suffice for that do not evaporate
    for c in range(desk.cation.shape[0]):
        if desk.volatile[c] == 0:
            room = min(room, state.charged[i, c] / desk.cation[c, target])
    share = 1.0
    for c in range(desk.cation.shape[0]):
        charged = state.charged[i, c]
        if desk.volatile[c] == 1:
            charged = min(charged, room * desk.cation[c, target])
        share = min(share, desk.cation[c, target] * made / charged)
    return share


@compiled
def finish(
    net: Net, desk: Desk, scanner: Scanner, state: State, result: Result, i: int, key: np.uint64,
    mount: np.uint64, truth: FloatArray, work: FloatArray,
) -> float:  # fmt: skip
    """Scans the cold sample for 8 minutes and scores it; returns the reward."""
    price = scan(net, desk, scanner, state, result, i, 1, key, mount, truth, work)
    target, solids = desk.target, net.molar_mass.size
    share = ended_share(solids, desk, state, i)
    purity, impurity = truth[target], 0.0
    for p in range(solids):
        if p != target:
            impurity = max(impurity, truth[p])
    bound = state.estimate[i, 0, target] - BOUND_SIGMAS * state.estimate[i, 1, target]
    pure = purity >= BONUS_PURITY and impurity <= BONUS_IMPURITY and bound >= BONUS_BOUND
    result.scores[PURITY, i], result.scores[SHARE, i] = purity, share
    result.flags[PURE, i] = pure
    return share * purity * purity + (BONUS if pure else 0.0) - price
