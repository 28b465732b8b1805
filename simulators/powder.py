"""What is done to one sample beside heating: dose, mill, press, wash; and how grains grow."""

from __future__ import annotations

import math

from simulators.compiled import borrowing, cube_root
from simulators.conditions import TRACE
from simulators.network import FloatArray, Net

PRESSED_MPA, DISSOLVED_MIN = 100.0, 5.0


@borrowing
def dispense(
    net: Net, material: FloatArray, solid: int, mass_mg: float, assay: float, particle_um: float
) -> None:
    """Pours a powder on top: its grains have no partner until the vial is milled."""
    solids = net.molar_mass.size
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
    solids = net.molar_mass.size
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
                core = min(1.0, cube_root(touching / charge))
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
    for p in range(net.molar_mass.size):
        out[p] = (material[p] + material[net.molar_mass.size + p]) * net.molar_mass[p]
        total += out[p]
    return total


@borrowing
def press(net: Net, material: FloatArray, pressure_mpa: float) -> None:
    """Presses a pellet: loose grains find a partner; their layers stay.

    The pressure that leaves a third of them loose is 100 MPa (unsourced, within a factor of 3).
    """
    solids = net.molar_mass.size
    kept = math.exp(-pressure_mpa / PRESSED_MPA)
    for p in range(solids):
        moved = (1.0 - kept) * material[solids + p]
        material[solids + p] -= moved
        material[p] += moved
        material[2 * solids + p] += moved


@borrowing
def wash(net: Net, material: FloatArray, minutes: float) -> None:
    """Takes soluble solids away; what they held leaves the sample, inert matter stays.

    A third is left after 5 min, a millionth after 70 (unsourced: stirred powder, much water).

    Args:
        net: Static arrays; ``net.soluble`` says which solids dissolve.
        material: (size,) vector of the sample, changed in place.
        minutes: Time in water, min.
    """
    solids = net.molar_mass.size
    kept = math.exp(-minutes / DISSOLVED_MIN)
    for p in range(solids):
        if net.soluble[p] == 1:
            for column in range(3):
                material[column * solids + p] *= kept


@borrowing
def coarsen(
    net: Net, material: FloatArray, start_k: float, end_k: float, duration_s: float
) -> None:
    """Grain growth over a segment of linear temperature: d^n - d0^n = K t.

    On a ramp the integral of K ends at the hot end: K R T^2 / (E slope), at most K t.
    """
    solids = net.molar_mass.size
    hot = max(start_k, end_k)
    span = abs(end_k - start_k)
    for p in range(solids):
        n, there = net.coarsening[p, 0], material[p] + material[solids + p]
        d = material[3 * solids + p]
        if n <= 0.0 or there <= 0.0 or d <= 0.0:
            continue
        barrier_k = net.coarsening[p, 2]
        log = net.coarsening[p, 1] - barrier_k * (1.0 / hot - net.coarsening[p, 3])
        time = duration_s
        if span > 0.0:
            time = min(time, duration_s * hot * hot / (barrier_k * span))
        grown = math.exp(log) * time
        if grown > 1e-6 * d**n:
            material[3 * solids + p] = (d**n + grown) ** (1.0 / n)
