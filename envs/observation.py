"""The observation as a table: what each number is, its unit and scale; no ids of anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from envs.choices import Choices
from envs.tables import PROGRAMS, SLOTS, SingleArray
from sdl.chemistry.system import ChemicalSystem, Phase
from sdl.chemistry.thermo import KJ_PER_MOL_PER_EV
from simulators.network import FloatArray

CATIONS = 5
"""Places for the cations of a target."""
REFERENCE_K = 1000.0
"""Temperature of the formation energies that the observation shows."""
LIMIT = 10.0
"""No number of the observation is beyond this; the bounds of the Box."""


@dataclass(frozen=True)
class Entry:
    """One number of the observation."""

    name: str
    unit: str
    """Unit and scale, as ``1000 degC``; ``1`` for shares and flags."""


def entries(choices: Choices) -> tuple[Entry, ...]:
    """The numbers of the observation in order."""
    table = [("target.melting", "1000 degC, 0 unknown"), ("target.formation", "eV/atom at 1000 K")]
    table += [("target.molar_mass", "100 g/mol")]
    table += [(f"target.cation_{k}", "share of the cations") for k in range(CATIONS)]
    for c, group in enumerate(choices.lots):
        for o in range(len(group)):
            lot = f"shelf.{c}.{o}"
            table += [(f"{lot}.assay", "1 by the label"), (f"{lot}.size", "log10 um by the label")]
            table += [(f"{lot}.price", "log10(1 + EUR/g)"), (f"{lot}.molar_mass", "100 g/mol")]
            table += [(f"{lot}.melting", "1000 degC, 0 unknown")]
    table += [
        ("sample.mixed", "flag"),
        ("sample.hot", "flag"),
        ("sample.thermocouple", "1000 degC"),
    ]
    table += [("sample.mass", "last balance reading over the mass asked for")]
    table += [("sample.milled", "log10(1 + min)"), ("sample.fired", "4 anneals")]
    table += [("sample.ground", "flag: nothing fired since the last milling")]
    table += [("scan.length", "8 min, 0 none"), ("scan.fresh", "flag: unchanged since the scan")]
    table += [("scan.age", "12 decisions")]
    for k in range(SLOTS):
        phase = f"scan.phase_{k}"
        table += [(f"{phase}.fraction", "weight, heaviest first"), (f"{phase}.sigma", "weight")]
        table += [(f"{phase}.is_target", "flag"), (f"{phase}.is_precursor", "flag")]
        table += [(f"{phase}.formation", "eV/atom at 1000 K")]
        table += [(f"{phase}.melting", "1000 degC, 0 unknown")]
    for k in range(PROGRAMS):
        run = f"program_{k}"
        table += [(f"{run}.temperature", "1000 degC, 0 none"), (f"{run}.dwell", "log10 h")]
        table += [(f"{run}.ramp", "log10 degC/min"), (f"{run}.p_co2", "log10 bar / 6")]
        table += [(f"{run}.p_o2", "log10 bar / 6"), (f"{run}.humid", "flag")]
        table += [(f"{run}.cooling", "log10 degC/min")]
    table += [("left.decisions", "share"), ("left.furnace", "share of the furnace time")]
    table += [("spent.total", "reward units"), ("spent.scans", "12 scans")]
    return tuple(Entry(name, unit) for name, unit in table)


def formation_ev_per_atom(phase: Phase) -> float:
    """Free energy of formation from the elements near 1000 K, eV/atom; 0 beyond the data."""
    if not phase.gibbs.start_k <= REFERENCE_K <= phase.gibbs.end_k:
        return 0.0
    atoms = sum(phase.composition.values())
    return phase.gibbs.kj_per_mol(REFERENCE_K) / KJ_PER_MOL_PER_EV / atoms


def constant_part(
    choices: Choices, system: ChemicalSystem, cations: tuple[str, ...]
) -> SingleArray:
    """Features of the target and of the shelf: the part before ``sample.mixed``."""
    target = system.phase(choices.task.target.phase)
    amounts = np.array([target.composition[c] for c in cations])
    shares = np.zeros(CATIONS)
    shares[: len(cations)] = amounts / amounts.sum()
    values = [(target.melting_c or 0.0) / 1000.0, formation_ev_per_atom(target)]
    values += [target.molar_mass_g_per_mol / 100.0, *shares]
    for group in choices.lots:
        for name in group:
            lot = choices.task.laboratory.lot(name)
            if lot is None:  # TaskSpace has refused such a task
                continue
            values += [lot.assay, math.log10(lot.particle_um), math.log10(1 + lot.price_eur_per_g)]
            values += [lot.molar_mass_g_per_mol / 100.0]
            values += [(system.phase(lot.phase).melting_c or 0.0) / 1000.0]
    return np.array(values, dtype=np.float32)


def solid_features(choices: Choices, system: ChemicalSystem, solids: tuple[str, ...]) -> FloatArray:
    """Is target, is precursor, formation energy, melting point of each solid, ``(S, 4)``."""
    shelf = {lot.phase for lot in choices.task.laboratory.shelf}
    rows = [
        [
            float(name == choices.task.target.phase),
            float(name in shelf),
            formation_ev_per_atom(system.phase(name)),
            (system.phase(name).melting_c or 0.0) / 1000.0,
        ]
        for name in solids
    ]
    return np.array(rows, dtype=np.float64)


def gas_features(choices: Choices, system: ChemicalSystem) -> FloatArray:
    """log10 pCO2 / 6, log10 pO2 / 6, humid of each gas, ``(G, 3)``."""
    rows = []
    for gas in choices.gases:
        air = system.gases[gas]
        pressures = [air.p_bar.get("CO2", 1e-6), air.p_bar.get("O2", 1e-6)]
        rows.append([*(math.log10(p) / 6.0 for p in pressures), float(air.kinetics == "steam")])
    return np.array(rows, dtype=np.float64)
