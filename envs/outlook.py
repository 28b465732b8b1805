"""What a belief about the kinetics says of a target: how long at which temperature; compiled.

The time to a phase is that of the slowest step it needs: over all ways from the bottles to the
phase, the least of the largest times to 90 % of the reactions on the way (a bottleneck path through
the network, which reactions of two solids make a hypergraph). Times are those of isothermal
reactions of grains as labelled, without milling, melts and blocking layers: a guide, no prediction.
"""

from __future__ import annotations

import math

from envs.chance import key_of, normal, uniform
from envs.compiled import compiled
from envs.cursor_tables import (
    OUTLOOK_FEATURES,
    OUTLOOKS,
    Belief,
    Grid,
    Notes,
    Sight,
)
from envs.tables import BoolArray, Rules, SingleArray
from simulators.batch import Laboratories
from simulators.conditions import GAS_CONSTANT, STEEPEST, exponent
from simulators.draws import LOWEST_BARRIER
from simulators.network import Draw, FloatArray, Net

BELIEF, WIDTH = 5, 6
"""Purposes of keys."""
NEVER, AT_ONCE = 1e30, -30.0
"""Logarithms of the times to what cannot be reached and to what is there."""
LONGEST, SHORTEST = 6.0, -4.0
"""Powers of ten of hours beyond which times do not differ to an agent."""
MIDDLE = OUTLOOKS // 2
"""Temperature at which gases are compared."""


@compiled
def believe(
    rules: Rules, sight: Sight, labs: Laboratories, belief: Belief, i: int, turn: int, sample: int,
    work: FloatArray,
) -> None:  # fmt: skip
    """Draws what is believed before a sample of a row's laboratory.

    As after a measurement of normal noise: with a width w of the prior's standard deviation the
    mean is (1 - w2) of the truth and w sqrt(1 - w2) of another draw of the prior, so that the
    truth is distributed about the mean as the width says.

    Args:
        rules: Constants.
        sight: Constants.
        labs: The true laboratories.
        belief: Changed in row ``i``.
        i: The row.
        turn: Number of the row's laboratory.
        sample: Number of the sample in the laboratory.
        work: (S,) scratch.
    """
    net, base, chance = rules.net, rules.nominal, rules.chance
    who = chance.identity[i]
    first = uniform(key_of(WIDTH, chance.seed, who, turn, 0), 0)
    width = sight.low + first * (sight.high - sight.low)
    width /= math.sqrt(1.0 + sight.gain * sample * width * width)
    known, scatter = 1.0 - width * width, width * math.sqrt(max(0.0, 1.0 - width * width))
    belief.width[i] = width
    key = key_of(BELIEF, chance.seed, who, turn, sample)
    solids, rows = net.molar_mass.size, base.ln_k.size
    for p in range(solids):
        work[p] = scatter * sight.energy_sd[p] * normal(key, p)
    for j in range(base.shift.size):
        shift = known * labs.shift[i, j]
        for k in range(6):
            p = net.place[j, k]
            if p >= 0:
                shift += net.number[j, k] * (work[p] if k >= 3 else -work[p])
        belief.shift[i, j] = shift
    for row in range(rows):
        rate = known * (labs.ln_k[i, row] - base.ln_k[row])
        rate += scatter * sight.ln_k_sd[row] * normal(key, solids + row)
        barrier = known * (labs.activation[i, row] - base.activation[row])
        barrier += scatter * sight.activation_sd[row] * normal(key, solids + rows + row)
        belief.ln_k[i, row] = base.ln_k[row] + rate
        belief.activation[i, row] = max(LOWEST_BARRIER, base.activation[row] + barrier)


@compiled
def time_reactions(
    net: Net, sight: Sight, draw: Draw, gas: int, temperature_k: float, own_um: float, notes: Notes
) -> None:
    """Ln of the time of each listed reaction to 90 % at a temperature, and its dG."""
    inverse = 1.0 / temperature_k
    beta = inverse / GAS_CONSTANT
    for j in range(draw.shift.size):
        x = exponent(net, draw, gas, j, temperature_k)
        notes.drive[j] = x / beta
        if not x < -1e-9:  # also where the gas is not in the system
            notes.ln_time[j] = NEVER
            continue
        row = net.row[gas, j]
        warmth = net.inverse_reference_k[row] - inverse
        ln_k = draw.ln_k[row] + draw.activation[row] / GAS_CONSTANT * warmth
        ln_k += net.size_power[row] * math.log(net.reference_um[j] / own_um)
        ln_k += math.log(max(net.brake[gas, j], 1e-30))
        barrier = net.barrier[j] * draw.nucleation
        if barrier > 0.0:
            ln_k -= min(barrier * beta * beta * inverse / (x * x), STEEPEST)
        if x > -30.0:
            ln_k += math.log(1.0 - math.exp(x))
        notes.ln_time[j] = sight.ln_ninety[row] - ln_k


@compiled
def arrive(net: Net, notes: Notes) -> None:
    """Least times to all solids from those that are there already."""
    for _ in range(8):
        changed = False
        for j in range(notes.ln_time.size):
            value, slowest = notes.ln_time[j], j
            for k in range(3):
                p = net.place[j, k]
                if p >= 0 and notes.arrival[p] > value:
                    value, slowest = notes.arrival[p], notes.via[p]
            if value >= NEVER:
                continue
            for k in range(3, 6):
                p = net.place[j, k]
                if p >= 0 and value < notes.arrival[p] - 1e-12:
                    notes.arrival[p], notes.via[p] = value, slowest
                    changed = True
        if not changed:
            break


@compiled
def rivals(net: Net, sight: Sight, notes: Notes) -> tuple[float, float]:
    """Largest driving forces, kJ/mol of cations: of what is there past the target; of its loss."""
    past = lost = 0.0
    for j in range(notes.drive.size):
        if not notes.drive[j] < 0.0:
            continue
        there, eats, makes = True, False, False
        for k in range(6):
            p = net.place[j, k]
            if p < 0:
                continue
            if k >= 3:
                makes = makes or p == sight.target
            else:
                eats = eats or p == sight.target
                there = there and notes.arrival[p] == AT_ONCE
        drive = notes.drive[j] / sight.per_core[j]
        if eats:
            lost = min(lost, drive)
        elif there and not makes:
            past = min(past, drive)
    return past, lost


@compiled
def look_ahead(
    rules: Rules, grid: Grid, belief: Belief, i: int, chosen: BoolArray, everything: bool,
    notes: Notes, out: SingleArray,
) -> None:  # fmt: skip
    """The outlook of a row from the bottles that are chosen, or from the whole shelf.

    Args:
        rules: Constants.
        grid: Constants.
        belief: What is believed of the laboratories.
        i: The row.
        chosen: (H,) lots in the sample.
        everything: All lots instead.
        notes: Scratch memory.
        out: (OUTLOOK_PART,) result: of each temperature log10 hours / 2, its standard deviation,
            the rival's and the loss's dG / 50 kJ/mol; then of each kind of gas log10 of how much
            slower it is than the best one at the middle temperature, 3 where there is none.
    """
    net, base, sight = rules.net, rules.nominal, grid.sight
    draw = Draw(
        belief.shift[i], belief.ln_k[i], belief.activation[i], base.melt_speed, base.nucleation,
        base.assay, base.particle_um, base.mixing,
    )  # fmt: skip
    size, count = 0.0, 0
    for h in range(grid.lot.size):
        if everything or chosen[h]:
            size, count = size + math.log(sight.label_um[grid.lot[h]]), count + 1
    own_um = math.exp(size / max(count, 1))
    gases = rules.desk.choice.gas
    at = OUTLOOKS * OUTLOOK_FEATURES
    for k in range(at, out.size):
        out[k] = 3.0
    fastest = NEVER
    for n in range(OUTLOOKS):
        temperature_k = sight.temperature_k[n]
        best, spread, past, lost = NEVER, 0.0, 0.0, 0.0
        for g in range(gases.size):
            time_reactions(net, sight, draw, gases[g], temperature_k, own_um, notes)
            for p in range(notes.arrival.size):
                notes.arrival[p] = NEVER
            for h in range(grid.lot.size):
                if everything or chosen[h]:
                    notes.arrival[sight.solid[grid.lot[h]]] = AT_ONCE
            arrive(net, notes)
            value = notes.arrival[sight.target]
            if n == MIDDLE:
                out[at + gases[g]] = min(value, 1e6)
                fastest = min(fastest, value)
            if value < best or g == 0:
                best = value
                past, lost = rivals(net, sight, notes)
                spread = 0.0
                if value < NEVER:
                    row = net.row[gases[g], notes.via[sight.target]]
                    warmth = net.inverse_reference_k[row] - 1.0 / temperature_k
                    tilt = sight.activation_sd[row] / GAS_CONSTANT * warmth
                    spread = math.sqrt(sight.ln_k_sd[row] ** 2 + tilt * tilt) * belief.width[i]
        hours = min(LONGEST, max(SHORTEST, (best - math.log(3600.0)) / math.log(10.0)))
        out[4 * n], out[4 * n + 1] = hours / 2.0, min(3.0, spread / math.log(10.0))
        out[4 * n + 2], out[4 * n + 3] = max(-3.0, past / 50.0), max(-3.0, lost / 50.0)
    for g in range(gases.size):
        slower = (out[at + gases[g]] - fastest) / math.log(10.0)
        out[at + gases[g]] = min(3.0, max(0.0, slower)) if fastest < NEVER else 3.0
