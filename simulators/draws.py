"""Laboratories as arrays: a network's data shifted by what a laboratory hides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdl.core.errors import ChemistryError
from sdl.core.material import Lot
from simulators.laboratory import Laboratory, TrueLot
from simulators.network import Draw, Network

LOWEST_BARRIER = 10.0
"""Activation energies are not drawn below this, kJ/mol."""


def check_lots(network: Network, lots: Sequence[Lot]) -> None:
    """Refuses a lot whose phase the network does not have as a solid.

    Raises:
        ChemistryError: Such a lot, or two lots of one name.
    """
    if len({lot.name for lot in lots}) != len(lots):
        raise ChemistryError("two lots have one name", got=[lot.name for lot in lots])
    for lot in lots:
        if lot.phase not in network.solid_names:
            raise ChemistryError(
                f"the lot {lot.name} holds a phase that the system {network.system.name} lacks",
                got=lot.phase,
                allowed=", ".join(network.solid_names),
            )


def draw_arrays(network: Network, laboratory: Laboratory, lots: Sequence[Lot]) -> Draw:
    """The arrays of one laboratory.

    Args:
        network: The network.
        laboratory: What it hides; a lot or a row it does not name is as labelled.
        lots: The shelf, in the order in which the kernel numbers it.
    """
    phases, shifts = network.system.phases, laboratory.activation_kj_per_mol
    moved = np.array([laboratory.phase_energy_kj_per_mol.get(p.name, 0.0) for p in phases])
    names = network.row_names
    kinetics = [reaction.kinetics[variant] for reaction, variant in network.rows]
    labels = {lot.name: TrueLot(lot.assay, lot.particle_um) for lot in lots}
    true = [laboratory.lots.get(name, label) for name, label in labels.items()]
    melts = network.system.melts
    return Draw(
        shift=np.ascontiguousarray(network.stoichiometry @ moved),
        ln_k=np.array(
            [
                np.log(k.k_per_s) + laboratory.ln_k.get(name, 0.0)
                for name, k in zip(names, kinetics, strict=True)
            ]
        ),
        activation=np.array(
            [
                max(LOWEST_BARRIER, k.activation_kj_per_mol + shifts.get(name, 0.0))
                for name, k in zip(names, kinetics, strict=True)
            ]
        ),
        melt_speed=np.array(
            [m.speed_up * np.exp(laboratory.ln_melt.get(m.name, 0.0)) for m in melts],
            dtype=np.float64,
        ),
        nucleation=float(laboratory.nucleation),
        assay=np.array([t.assay for t in true], dtype=np.float64),
        particle_um=np.array([t.particle_um for t in true], dtype=np.float64),
        mixing=float(laboratory.mixing),
    )
