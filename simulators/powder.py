"""Dispensing and milling of one sample, compiled."""

from __future__ import annotations

import math

import numpy as np

from simulators.compiled import borrowing
from simulators.conditions import TRACE
from simulators.network import FloatArray, Net


@borrowing
def dispense(
    net: Net, material: FloatArray, solid: int, mass_mg: float, assay: float, particle_um: float
) -> None:
    """Pours a powder on top: its grains have no partner until the vial is milled."""
    solids = net.law.size
    added = mass_mg * assay / net.molar_mass[solid]
    there = material[solid] + material[solids + solid]
    place = 3 * solids + solid
    if there > 0.0:
        material[place] = (material[place] * there + particle_um * added) / (there + added)
    else:
        material[place] = particle_um
    material[solids + solid] += added
    material[material.size - 1] += mass_mg * (1.0 - assay)


@borrowing
def mill(net: Net, material: FloatArray, minutes: float, mixing: float) -> None:
    """Mixes and grinds: layers come off, cores get smaller, most grains find a partner."""
    solids = net.law.size
    loose = net.best_share + (net.loose_share - net.best_share) * math.exp(
        -minutes * mixing / net.mixing_min
    )
    kept = math.exp(-minutes * mixing / net.grinding_min)
    least = 0.0
    for p in range(solids):
        least += TRACE * (material[p] + material[solids + p])
    for p in range(solids):
        touching, apart = material[p], material[solids + p]
        charge, diameter = material[2 * solids + p], material[3 * solids + p]
        total = touching + apart
        if total > least:
            core = 1.0
            if charge > 0.0:
                core = min(1.0, np.cbrt(touching / charge))
            diameter *= (touching * core + apart) / total
            finest = min(diameter, net.limit_um)
            material[3 * solids + p] = finest + (diameter - finest) * kept
        else:  # no grains to speak of: what forms again starts as a new phase
            material[3 * solids + p] = 0.0
        material[p] = (1.0 - loose) * total
        material[solids + p] = loose * total
        material[2 * solids + p] = material[p]


@borrowing
def solid_masses(net: Net, material: FloatArray, out: FloatArray) -> float:
    """Mass of each solid, mg, in contact or not; returns their sum without inert matter."""
    total = 0.0
    for p in range(net.law.size):
        out[p] = (material[p] + material[net.law.size + p]) * net.molar_mass[p]
        total += out[p]
    return total
