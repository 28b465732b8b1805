"""What the compiled kernel knows of a chemical system and of one laboratory: flat arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
IndexArray = NDArray[np.uint64]
"""Places in arrays: without a sign, compiled code need not ask whether they count from the end."""

LISTED, LONE, WETTING = range(3)
"""Kinds of reactions: of the system; the same of matter without partners, where it needs none; a
melt that reaches such matter."""


class Net(NamedTuple):
    """Static arrays of a network.

    R reactions, listed ones first, of which L are listed; S solids, V vapours, W rows of kinetics,
    M melts, T tables of laws, K temperatures, G gases. A place is that of a solid in contact, or
    ``used`` more where it is out of contact, or -1.
    """

    used: int  # the first solids, which stand in a reaction
    kind: IntArray  # (R,) see above
    listed: IntArray  # (R,) the listed reaction whose energies and kinetics hold
    place: IntArray  # (R, 6) core, two partners, three products
    number: FloatArray  # (R, 6) moles of those per unit of reaction
    vapour_number: FloatArray  # (R, V) moles of gas evolved
    row: IntArray  # (G, L) kinetics that hold in a gas
    lone_ln: FloatArray  # (G, L) ln of the rate of lone matter, which has no law but its half time
    energy: FloatArray  # (L, K) dG of each reaction at unit activities, kJ/mol
    energy_start_k: float
    energy_step_k: float
    ln_q: FloatArray  # (G, L) ln of the reaction quotient in the furnace gas
    brake: FloatArray  # (G, L) factor by which CO2 slows the reaction
    inverse_reference_k: FloatArray  # (W,) 1/K
    table_of: IntArray  # (G, 2 used) table of the law of each core in a gas, -1 where it is none
    size_power: FloatArray  # (W,)
    reference_um: FloatArray  # (L,)
    partner_resistance: FloatArray  # (L,)
    barrier: FloatArray  # (L,) B of the nucleation factor exp(-B / (T dG^2)), K kJ2/mol2, or 0
    block: IntArray  # (L,) solid that blocks, or -1
    block_strength: FloatArray  # (L,)
    melted_by: IntArray  # (R,) bits of the melts that speed it up
    melt: IntArray  # (M, 2) solids that meet, or -1
    melt_k: FloatArray  # (M, 2) temperature and width, K
    law: IntArray  # (T,) law of the table
    ratio: FloatArray  # (T,) volume of layer per volume of core, or exponent of JMAK
    table: FloatArray  # (T, nodes + 1, 2) ``laws.tabulate``
    coarsening: FloatArray  # (S, 4) exponent or 0, ln K (um^n/s), E/R in K, 1/T of reference
    soluble: IntArray  # (S,) 1 if water takes it away
    molar_mass: FloatArray  # (S,) g/mol
    cations: FloatArray  # (S,) atoms per formula that no gas takes away
    interface: float
    scarcity: float
    slowest_s: float  # least time constant of a reaction
    loose_share: float
    best_share: float
    mixing_min: float
    grinding_min: float
    limit_um: float


class Draw(NamedTuple):
    """What one laboratory adds: L reactions, W rows of kinetics, M melts, N lots."""

    shift: FloatArray  # (L,) on the free energy of each reaction, kJ/mol
    ln_k: FloatArray  # (W,) at the reference temperature, k in 1/s
    activation: FloatArray  # (W,) kJ/mol
    melt_speed: FloatArray  # (M,) factor on the rates
    nucleation: float  # factor on every barrier
    assay: FloatArray  # (N,) true mass share of the phase
    particle_um: FloatArray  # (N,) true grain diameter
    mixing: float  # factor on milling time
