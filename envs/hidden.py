"""The hidden laboratory of an episode: a given one, or one drawn from its split; compiled."""

from __future__ import annotations

import math

from envs.chance import key_of, normal, uniform
from envs.compiled import compiled
from envs.tables import Chance
from simulators.batch import Laboratories
from simulators.draws import LOWEST_BARRIER
from simulators.network import Draw, FloatArray, Net

WHICH, HIDDEN = 1, 2
"""Purposes of keys."""
OFFSET_CUT = 4.0
"""A thermocouple's offset is cut at so many standard deviations."""


@compiled
def copy_row(source: FloatArray, n: int, target: FloatArray, i: int) -> None:
    """Copies row ``n`` of one array over row ``i`` of another."""
    for j in range(source.shape[1]):
        target[i, j] = source[n, j]


@compiled
def take_laboratory(
    net: Net, base: Draw, given: Laboratories, chance: Chance, labs: Laboratories, i: int,
    turn: int, work: FloatArray,
) -> int:  # fmt: skip
    """Gives a row the laboratory of its turn; returns its number.

    The distributions are those of ``simulators.laboratory.draw_laboratory``, the draws are not:
    that one hashes words, which takes milliseconds.
    """
    who = chance.identity[i]
    if chance.given > 0:
        n = (who + turn) % chance.given
        copy_row(given.shift, n, labs.shift, i)
        copy_row(given.ln_k, n, labs.ln_k, i)
        copy_row(given.activation, n, labs.activation, i)
        for lot in range(base.assay.size):
            labs.assay[i, lot] = given.assay[n, lot]
            labs.particle_um[i, lot] = given.particle_um[n, lot]
        copy_row(given.melt_speed, n, labs.melt_speed, i)
        labs.nucleation[i] = given.nucleation[n]
        labs.mixing[i] = given.mixing[n]
        for f in range(labs.offset_c.shape[1]):
            labs.offset_c[i, f] = given.offset_c[n, f]
        return n
    pick = uniform(key_of(WHICH, chance.seed, who, turn, 0), 0)
    number = chance.low + int(pick * chance.laboratories)
    key = key_of(HIDDEN, 0, number, 0, 0)
    solids, lots = net.molar_mass.size, base.assay.size
    rows, melts = base.ln_k.size, base.melt_speed.size
    for p in range(solids):
        work[p] = chance.energy_sd[p] * normal(key, p)
    for j in range(labs.shift.shape[1]):
        shift = 0.0
        for k in range(6):
            p = net.place[j, k]
            if p >= 0:
                shift += net.number[j, k] * (work[p] if k >= 3 else -work[p])
        labs.shift[i, j] = shift
    for row in range(rows):
        rate = chance.ln_k_sd[row] * normal(key, solids + row)
        barrier = chance.activation_sd[row] * normal(key, solids + rows + row)
        labs.ln_k[i, row] = base.ln_k[row] + rate
        labs.activation[i, row] = max(LOWEST_BARRIER, base.activation[row] + barrier)
    at = solids + 2 * rows
    for n in range(lots):
        assay = base.assay[n] + chance.assay_sd * normal(key, at + n)
        labs.assay[i, n] = min(1.0, max(0.01, assay))
        scatter = math.exp(chance.particle_ln_sd * normal(key, at + lots + n))
        labs.particle_um[i, n] = base.particle_um[n] * scatter
    at += 2 * lots
    labs.mixing[i] = math.exp(chance.mixing_sd * normal(key, at))
    at += 1
    for f in range(labs.offset_c.shape[1]):
        z = max(-OFFSET_CUT, min(OFFSET_CUT, normal(key, at + f)))
        labs.offset_c[i, f] = chance.thermocouple_sd * z
    at += labs.offset_c.shape[1]
    for m in range(melts):
        scatter = math.exp(chance.melt_sd[m] * normal(key, at + m))
        labs.melt_speed[i, m] = max(1.0, base.melt_speed[m] * scatter)
    labs.nucleation[i] = math.exp(chance.nucleation_sd * normal(key, at + melts))
    return number
