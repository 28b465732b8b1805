"""The hidden laboratory of an episode: a given one, or one drawn from its split; compiled."""

from __future__ import annotations

import math

from envs.chance import key_of, normal, uniform
from envs.compiled import compiled
from envs.tables import Chance
from simulators.batch import Laboratories
from simulators.network import Draw, FloatArray, Net

WHICH, HIDDEN = 1, 2
"""Purposes of keys."""
OFFSET_CUT = 4.0
"""A thermocouple's offset is cut at so many standard deviations."""


@compiled
def draw_of(labs: Laboratories, i: int) -> Draw:
    """The laboratory of a row, as views of its arrays."""
    return Draw(
        labs.energy[i], labs.ln_q[i], labs.brake[i], labs.ln_k[i], labs.inverse_reference_k[i],
        labs.activation[i], labs.assay[i], labs.particle_um[i], labs.mixing[i],
    )  # fmt: skip


@compiled
def copy_row(source: FloatArray, n: int, target: FloatArray, i: int) -> None:
    """Copies row ``n`` of one array of three axes over row ``i`` of another."""
    for j in range(source.shape[1]):
        for k in range(source.shape[2]):
            target[i, j, k] = source[n, j, k]


@compiled
def take_laboratory(
    net: Net, base: Draw, given: Laboratories, chance: Chance, labs: Laboratories, i: int,
    episode: int,
) -> int:  # fmt: skip
    """Gives a row the laboratory of its episode; returns its number.

    The distributions are those of ``simulators.laboratory.draw_laboratory``, the draws are not:
    that one hashes words, which takes milliseconds.
    """
    who = chance.first + i
    if chance.given > 0:
        n = (who + episode) % chance.given
        copy_row(given.energy, n, labs.energy, i)
        copy_row(given.ln_k, n, labs.ln_k, i)
        copy_row(given.activation, n, labs.activation, i)
        for lot in range(base.assay.size):
            labs.assay[i, lot] = given.assay[n, lot]
            labs.particle_um[i, lot] = given.particle_um[n, lot]
        labs.mixing[i] = given.mixing[n]
        for f in range(labs.offset_c.shape[1]):
            labs.offset_c[i, f] = given.offset_c[n, f]
        return n
    pick = uniform(key_of(WHICH, chance.seed, who, episode, 0), 0)
    number = chance.low + int(pick * chance.laboratories)
    key = key_of(HIDDEN, 0, number, 0, 0)
    solids, lots = net.law.size, base.assay.size
    for j in range(net.core.size):
        shift = 0.0
        for p in range(solids):
            if chance.stoichiometry[j, p] != 0.0:
                shift += chance.stoichiometry[j, p] * chance.energy_sd * normal(key, p)
        for k in range(base.energy.shape[1]):
            labs.energy[i, j, k] = base.energy[j, k] + shift
        row, rate, barrier = -1, 0.0, 0.0
        for g in range(base.ln_k.shape[0]):
            if chance.row[g, j] != row:  # most gases share their kinetics with the one before
                row = chance.row[g, j]
                rate = chance.ln_k_sd * normal(key, solids + row)
                barrier = chance.activation_sd * normal(key, solids + chance.rows + row)
            labs.ln_k[i, g, j] = base.ln_k[g, j] + rate
            labs.activation[i, g, j] = max(10.0, base.activation[g, j] + barrier)
    at = solids + 2 * chance.rows
    for n in range(lots):
        assay = base.assay[n] + chance.assay_sd * normal(key, at + n)
        labs.assay[i, n] = min(1.0, max(0.01, assay))
        scatter = math.exp(chance.particle_ln_sd * normal(key, at + lots + n))
        labs.particle_um[i, n] = base.particle_um[n] * scatter
    at += 2 * lots
    labs.mixing[i] = math.exp(chance.mixing_sd * normal(key, at))
    for f in range(labs.offset_c.shape[1]):
        z = max(-OFFSET_CUT, min(OFFSET_CUT, normal(key, at + 1 + f)))
        labs.offset_c[i, f] = chance.thermocouple_sd * z
    return number
