"""A chemical system as flat arrays for the compiled kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdl.chemistry.system import ChemicalSystem, Law, Reaction
from sdl.core.recipe import Gas
from simulators.laws import tabulate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LAW_NUMBERS = {
    Law.CARTER: 0,
    Law.GINSTLING_BROUNSHTEIN: 1,
    Law.JANDER: 2,
    Law.CONTRACTING_VOLUME: 3,
}
SIZE_POWER = {0: 2.0, 1: 2.0, 2: 2.0, 3: 1.0}
"""How the rate constant falls with grain size: layers as 1/d^2, moving surfaces as 1/d."""

TABLE_NODES = 256
"""Nodes of the tables of the laws."""

GASES = tuple(Gas)
GAS_NUMBER = {gas: index for index, gas in enumerate(GASES)}


class Net(NamedTuple):
    """Static arrays of a network; R reactions, S solids, V vapours.

    A solid index of -1 means that there is none.
    """

    used: int  # the first solids, which stand in a reaction
    core: IntArray  # (R,) solid whose grains are eaten
    core_number: FloatArray  # (R,) moles of it per unit of reaction
    partner: IntArray  # (R,) second solid consumed, or -1
    partner_number: FloatArray  # (R,)
    product: IntArray  # (R, 2) solids formed, or -1
    product_number: FloatArray  # (R, 2)
    vapour_number: FloatArray  # (R, V) moles of gas evolved
    size_power: FloatArray  # (R,)
    reference_um: FloatArray  # (R,)
    partner_resistance: FloatArray  # (R,)
    law: IntArray  # (S,) law of the solid as a core, -1 if never a core
    ratio: FloatArray  # (S,) volume of layer per volume of core
    closed: IntArray  # (S,) 1 for a core that is no partner: its law is advanced in closed form
    table: FloatArray  # (S, nodes + 1, 2) ``laws.tabulate`` of those
    grows_on: IntArray  # (S,) solid whose grain size a new phase takes, or -1
    molar_mass: FloatArray  # (S,) g/mol
    energy_start_k: float
    energy_step_k: float
    interface: float
    scarcity: float
    loose_share: float
    best_share: float
    mixing_min: float
    grinding_min: float
    limit_um: float


class Draw(NamedTuple):
    """What one laboratory adds: G gases, K temperatures of the energy table, L lots."""

    energy: FloatArray  # (R, K) dG of each reaction at unit activities, kJ/mol
    ln_q: FloatArray  # (G, R) ln of the reaction quotient in the furnace gas
    brake: FloatArray  # (G, R) factor by which CO2 slows the reaction
    ln_k: FloatArray  # (G, R) at the reference temperature, k in 1/s
    inverse_reference_k: FloatArray  # (G, R) 1/K
    activation: FloatArray  # (G, R) kJ/mol
    assay: FloatArray  # (L,) true mass share of the phase
    particle_um: FloatArray  # (L,) true grain diameter
    mixing: float  # factor on milling time


@dataclass(frozen=True)
class Network:
    """A system with its arrays and the places of its phases.

    Args:
        system: The chemical system.
        p_co2_bar: Replaces the CO2 pressure of every gas, bar; ``None`` keeps the file's figures.
    """

    system: ChemicalSystem
    p_co2_bar: float | None = None

    @cached_property
    def solid_names(self) -> tuple[str, ...]:
        """Names of the solids in the order of the arrays: first those that react."""
        used = {name for r in self.system.reactions for name in r.equation}
        names = [p.name for p in self.system.solids]
        return tuple(sorted(names, key=lambda name: name not in used))

    @cached_property
    def vapour_names(self) -> tuple[str, ...]:
        """Names of the gases in the order of the arrays."""
        return tuple(p.name for p in self.system.vapours)

    @property
    def size(self) -> int:
        """Length of a material's vector."""
        return 4 * len(self.solid_names) + len(self.vapour_names) + 1

    @cached_property
    def net(self) -> Net:
        """The static arrays."""
        return _net(self.system, self.solid_names, self.vapour_names)

    @cached_property
    def energies(self) -> tuple[FloatArray, FloatArray]:
        """Free energies of the reactions, (R, K) in kJ/mol, and stoichiometry (R, phases)."""
        system = self.system
        low, high = system.range_k()
        step = min(p.gibbs.step_k for p in system.phases)
        grid = np.arange(low, high + 1e-6, step)
        numbers = np.array(
            [[r.equation.get(p.name, 0.0) for p in system.phases] for r in system.reactions]
        )
        used = np.abs(numbers).sum(axis=0) > 0
        phase = np.zeros((len(system.phases), grid.size))
        for i, p in enumerate(system.phases):
            if used[i]:
                phase[i] = [p.gibbs.kj_per_mol(float(t)) for t in grid]
        return numbers @ phase, numbers

    def pressures(self, gas: Gas) -> dict[str, float]:
        """Partial pressures of a gas, bar."""
        pressures = dict(self.system.gases[gas].p_bar)
        if self.p_co2_bar is not None and "CO2" in pressures:
            pressures["CO2"] = self.p_co2_bar
        return pressures

    def gas_tables(self) -> tuple[FloatArray, FloatArray]:
        """``ln_q`` and ``brake`` of ``Draw``, (G, R) each; a gas the system lacks is NaN."""
        system = self.system
        ln_q = np.full((len(GASES), len(system.reactions)), np.nan)
        brake = np.full_like(ln_q, np.nan)
        for gas in GASES:
            if gas not in system.gases:
                continue
            pressures, g = self.pressures(gas), GAS_NUMBER[gas]
            for j, reaction in enumerate(system.reactions):
                ln_q[g, j] = sum(
                    reaction.equation.get(name, 0.0) * np.log(pressures[name])
                    for name in self.vapour_names
                    if name in pressures
                )
                half = reaction.co2_half_bar
                brake[g, j] = 1.0 if half is None else 1.0 / (1.0 + pressures["CO2"] / half)
        return ln_q, brake

    def variant(self, reaction: Reaction, gas: Gas) -> str:
        """Name of the kinetics that hold for a reaction in a gas."""
        atmosphere = self.system.gases.get(gas)
        wanted = "default" if atmosphere is None else atmosphere.kinetics
        return wanted if wanted in reaction.kinetics else "default"


def _net(system: ChemicalSystem, solids: Sequence[str], vapours: Sequence[str]) -> Net:
    place = {name: i for i, name in enumerate(solids)}
    count = len(system.reactions)
    law = np.full(len(solids), -1, dtype=np.int64)
    ratio = np.ones(len(solids))
    for core in system.cores:
        law[place[core.phase]] = LAW_NUMBERS[core.law]
        layer = system.phase(core.layer).molar_volume_cm3_per_mol
        own = system.phase(core.phase).molar_volume_cm3_per_mol
        if layer is not None and own is not None:  # the system has checked that they are there
            ratio[place[core.phase]] = layer / own
    partner, product = np.full(count, -1, np.int64), np.full((count, 2), -1, np.int64)
    partner_number, product_number = np.zeros(count), np.zeros((count, 2))
    core_index, core_number = np.zeros(count, np.int64), np.zeros(count)
    for j, reaction in enumerate(system.reactions):
        core_index[j] = place[reaction.core]
        core_number[j] = -reaction.equation[reaction.core]
        formed = 0
        for name, number in reaction.equation.items():
            if name not in place or name == reaction.core:
                continue
            if number < 0:
                partner[j], partner_number[j] = place[name], -number
            else:
                product[j, formed], product_number[j, formed] = place[name], number
                formed += 1
    powder = system.powder
    reactions = system.reactions
    closed = np.array([int(law[p] >= 0 and p not in partner) for p in range(len(solids))], np.int64)
    table = np.zeros((len(solids), TABLE_NODES + 1, 2))
    for p in np.flatnonzero(closed):
        tabulate(law[p], ratio[p], system.interface, table[p])
    reacting = {n for r in system.reactions for n in r.equation}
    return Net(
        used=sum(name in reacting for name in solids),
        core=core_index,
        core_number=core_number,
        partner=partner,
        partner_number=partner_number,
        product=product,
        product_number=product_number,
        vapour_number=np.array([[r.equation.get(v, 0.0) for v in vapours] for r in reactions]),
        size_power=np.array([SIZE_POWER[int(law[i])] for i in core_index]),
        reference_um=np.array([r.reference_um for r in reactions]),
        partner_resistance=np.array([r.partner_resistance for r in reactions]),
        law=law,
        ratio=ratio,
        closed=closed,
        table=table,
        grows_on=np.array(
            [place.get(system.phase(n).grows_on or "", -1) for n in solids], dtype=np.int64
        ),
        molar_mass=np.array([system.phase(n).molar_mass_g_per_mol for n in solids]),
        energy_start_k=system.range_k()[0],
        energy_step_k=min(p.gibbs.step_k for p in system.phases),
        interface=system.interface,
        scarcity=system.scarcity,
        loose_share=powder.loose_share,
        best_share=powder.best_share,
        mixing_min=powder.mixing_min,
        grinding_min=powder.grinding_min,
        limit_um=powder.limit_um,
    )
