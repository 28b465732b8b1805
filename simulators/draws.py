"""Laboratories as arrays: a network's data shifted by what a laboratory hides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.errors import ChemistryError
from sdl.core.material import Lot
from simulators.laboratory import Laboratory, TrueLot
from simulators.network import GASES, Draw, Network


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
    system = network.system
    reactions = system.reactions
    base, numbers = network.energies
    shift = np.array([laboratory.phase_energy_kj_per_mol.get(p.name, 0.0) for p in system.phases])
    ln_q, brake = network.gas_tables()
    ln_k = np.zeros((len(GASES), len(reactions)))
    inverse, activation = np.zeros_like(ln_k), np.zeros_like(ln_k)
    for g, gas in enumerate(GASES):
        for j, reaction in enumerate(reactions):
            variant = network.variant(reaction, gas)
            row, kinetics = f"{reaction.name}/{variant}", reaction.kinetics[variant]
            ln_k[g, j] = np.log(kinetics.k_per_s) + laboratory.ln_k.get(row, 0.0)
            inverse[g, j] = 1.0 / (kinetics.reference_c + ZERO_CELSIUS_K)
            moved = laboratory.activation_kj_per_mol.get(row, 0.0)
            activation[g, j] = max(10.0, kinetics.activation_kj_per_mol + moved)
    labels = {lot.name: TrueLot(lot.assay, lot.particle_um) for lot in lots}
    true = [laboratory.lots.get(name, label) for name, label in labels.items()]
    return Draw(
        energy=np.ascontiguousarray(base + (numbers @ shift)[:, None]),
        ln_q=ln_q,
        brake=brake,
        ln_k=ln_k,
        inverse_reference_k=inverse,
        activation=activation,
        assay=np.array([t.assay for t in true], dtype=np.float64),
        particle_um=np.array([t.particle_um for t in true], dtype=np.float64),
        mixing=float(laboratory.mixing),
    )
