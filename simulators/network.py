"""A chemical system as flat arrays for the compiled kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sdl.chemistry.system import ChemicalSystem, Kinetics, Law, Reaction
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.recipe import Gas
from simulators.laws import law_integral, tabulate
from simulators.net import LISTED, LONE, WETTING, Draw, FloatArray, IntArray, Net

__all__ = ["GASES", "GAS_NUMBER", "Draw", "FloatArray", "IntArray", "Net", "Network"]

LAW_NUMBERS = {
    Law.CARTER: 0,
    Law.GINSTLING_BROUNSHTEIN: 1,
    Law.JANDER: 2,
    Law.CONTRACTING_VOLUME: 3,
    Law.JMAK: 4,
}
SIZE_POWER = {0: 2.0, 1: 2.0, 2: 2.0, 3: 1.0, 4: 0.0}
"""How the rate constant falls with grain size: layers as 1/d^2, moving surfaces as 1/d."""

TABLE_NODES = 256
"""Nodes of the tables of the laws."""
BOLTZMANN_J_PER_K, R = 1.380649e-23, 8.31446261815324e-3
COMPARED_K = 1100.0

GASES = tuple(Gas)
GAS_NUMBER = {gas: index for index, gas in enumerate(GASES)}


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
    def rows(self) -> tuple[tuple[Reaction, str], ...]:
        """Every kinetics of every reaction, in the order of the arrays."""
        return tuple((r, variant) for r in self.system.reactions for variant in r.kinetics)

    @property
    def row_names(self) -> tuple[str, ...]:
        """Names of the rows: ``reaction/variant``."""
        return tuple(f"{reaction.name}/{variant}" for reaction, variant in self.rows)

    @cached_property
    def stoichiometry(self) -> FloatArray:
        """Numbers of every phase in every reaction, (R, phases)."""
        phases = self.system.phases
        return np.array(
            [[r.equation.get(p.name, 0.0) for p in phases] for r in self.system.reactions]
        )

    @cached_property
    def net(self) -> Net:
        """The static arrays."""
        return _net(self)

    def pressures(self, gas: Gas) -> dict[str, float]:
        """Partial pressures of a gas, bar."""
        pressures = dict(self.system.gases[gas].p_bar)
        if self.p_co2_bar is not None and "CO2" in pressures:
            pressures["CO2"] = self.p_co2_bar
        return pressures

    def variant(self, reaction: Reaction, gas: Gas) -> str:
        """Name of the kinetics that hold for a reaction in a gas."""
        atmosphere = self.system.gases.get(gas)
        wanted = "default" if atmosphere is None else atmosphere.kinetics
        return wanted if wanted in reaction.kinetics else "default"


def _net(network: Network) -> Net:
    system, solids = network.system, network.solid_names
    reactions, powder = system.reactions, system.powder
    reacting = {name for r in reactions for name in r.equation}
    used = sum(name in reacting for name in solids)
    place, number = _places(network)
    laws = _laws(network)
    ln_q, brake = _gas_tables(network)
    melts, lists = system.melts, _lists(network, place, number, used)
    tables = _core_tables(network, laws.table_of)
    return Net(
        used=used,
        **lists._asdict(),
        row=_kinetics_rows(network),
        # In rows even where there is one column, or the solver is compiled once more for it.
        lone_ln=_lone_ln(system, laws, tables, place),
        energy=_energies(network),
        energy_start_k=system.range_k()[0],
        energy_step_k=min(p.gibbs.step_k for p in system.phases),
        ln_q=ln_q,
        brake=brake,
        inverse_reference_k=np.array(
            [1.0 / (r.kinetics[v].reference_c + ZERO_CELSIUS_K) for r, v in network.rows]
        ),
        table_of=np.hstack([tables[:, :used], np.full((len(GASES), used), laws.lone)]),
        size_power=np.array([SIZE_POWER[int(laws.law[t])] for t in laws.table_of]),
        reference_um=np.array([r.reference_um for r in reactions]),
        partner_resistance=np.array([r.partner_resistance for r in reactions]),
        barrier=np.array([_barrier(system, r) for r in reactions]),
        block=np.array(
            [solids.index(next(iter(r.blocked_by))) if r.blocked_by else -1 for r in reactions],
            dtype=np.int64,
        ),
        block_strength=np.array([sum(r.blocked_by.values()) for r in reactions], dtype=np.float64),
        melt=np.array(
            [[*(solids.index(n) for n in m.phases), -1][:2] for m in melts], dtype=np.int64
        ).reshape(-1, 2),
        melt_k=np.array([[m.melts_c + ZERO_CELSIUS_K, m.width_c] for m in melts]).reshape(-1, 2),
        law=laws.law,
        ratio=laws.ratio,
        table=laws.table,
        coarsening=_coarsening(network),
        soluble=np.array([int(system.phase(n).soluble) for n in solids], dtype=np.int64),
        molar_mass=np.array([system.phase(n).molar_mass_g_per_mol for n in solids]),
        cations=_cations(network),
        interface=system.interface,
        scarcity=system.scarcity,
        slowest_s=1.0 / system.fastest_per_s,
        loose_share=powder.loose_share,
        best_share=powder.best_share,
        mixing_min=powder.mixing_min,
        grinding_min=powder.grinding_min,
        limit_um=powder.limit_um,
    )


def _places(network: Network) -> tuple[IntArray, FloatArray]:
    """``place`` and ``number`` of the listed reactions; products in the order of the equation."""
    solids = {name: i for i, name in enumerate(network.solid_names)}
    count = len(network.system.reactions)
    place = np.full((count, 6), -1, dtype=np.int64)
    number = np.zeros((count, 6))
    for j, reaction in enumerate(network.system.reactions):
        place[j, 0], number[j, 0] = solids[reaction.core], -reaction.equation[reaction.core]
        eaten, formed = 1, 3
        for name, n in reaction.equation.items():
            if name not in solids or name == reaction.core:
                continue
            slot = eaten if n < 0 else formed
            eaten, formed = eaten + (n < 0), formed + (n > 0)
            place[j, slot], number[j, slot] = solids[name], abs(n)
    return place, number


class _Lists(NamedTuple):
    """Fields of ``Net`` over all reactions."""

    kind: IntArray
    listed: IntArray
    place: IntArray
    number: FloatArray
    vapour_number: FloatArray
    melted_by: IntArray


def _lists(network: Network, place: IntArray, number: FloatArray, used: int) -> _Lists:
    """The listed reactions, those of lone matter, and what melts do to it."""
    system, count = network.system, len(place)
    vapour = np.array(
        [[r.equation.get(v, 0.0) for v in network.vapour_names] for r in system.reactions]
    )
    melted = np.array([_melted_by(system, r) for r in system.reactions], dtype=np.int64)
    lone = np.flatnonzero(place[:, 1] < 0)
    wet = used if system.melts else 0
    soaked, one = np.full((wet, 6), -1, dtype=np.int64), np.zeros((wet, 6))
    soaked[:, 3] = np.arange(wet)
    soaked[:, 0] = soaked[:, 3] + used
    one[:, [0, 3]] = 1.0
    none = np.zeros(wet, dtype=np.int64)
    return _Lists(
        kind=np.repeat([LISTED, LONE, WETTING], [count, lone.size, wet]),
        listed=np.concatenate([np.arange(count), lone, none]),
        place=np.vstack([place, np.where(place[lone] >= 0, place[lone] + used, -1), soaked]),
        number=np.vstack([number, number[lone], one]),
        vapour_number=np.vstack([vapour, vapour[lone], np.zeros((wet, vapour.shape[1]))]),
        melted_by=np.concatenate([melted, np.zeros_like(lone), none]),
    )


def _lone_ln(system: ChemicalSystem, laws: _Laws, tables: IntArray, place: IntArray) -> FloatArray:
    """``lone_ln`` of ``Net``: an exponential with the half time of the core's law."""
    half_radius = 0.5 ** (1.0 / 3.0)
    half = np.array(
        [
            law_integral(int(law), half_radius, float(ratio), system.interface)
            for law, ratio in zip(laws.law, laws.ratio, strict=True)
        ]
    )
    # In C order like all other arrays: the kernel would be compiled again for another order.
    return np.ascontiguousarray(np.log(np.log(2.0) / half)[tables[:, place[:, 0]]])


def _kinetics_rows(network: Network) -> IntArray:
    numbers = {name: i for i, name in enumerate(network.row_names)}
    return np.array(
        [
            [numbers[f"{r.name}/{network.variant(r, gas)}"] for r in network.system.reactions]
            for gas in GASES
        ],
        dtype=np.int64,
    )


def _energies(network: Network) -> FloatArray:
    system = network.system
    low, high = system.range_k()
    grid = np.arange(low, high + 1e-6, min(p.gibbs.step_k for p in system.phases))
    numbers = network.stoichiometry
    used = np.abs(numbers).sum(axis=0) > 0
    phase = np.zeros((len(system.phases), grid.size))
    for i, p in enumerate(system.phases):
        if used[i]:
            phase[i] = [p.gibbs.kj_per_mol(float(t)) for t in grid]
    return np.ascontiguousarray(numbers @ phase)


def _gas_tables(network: Network) -> tuple[FloatArray, FloatArray]:
    """``ln_q`` and ``brake`` of ``Net``; a gas the system lacks is NaN."""
    system = network.system
    ln_q = np.full((len(GASES), len(system.reactions)), np.nan)
    brake = np.full_like(ln_q, np.nan)
    for gas in GASES:
        if gas not in system.gases:
            continue
        pressures, g = network.pressures(gas), GAS_NUMBER[gas]
        for j, reaction in enumerate(system.reactions):
            ln_q[g, j] = sum(
                reaction.equation.get(name, 0.0) * np.log(pressures[name])
                for name in network.vapour_names
                if name in pressures
            )
            half = reaction.co2_half_bar
            brake[g, j] = 1.0 if half is None else 1.0 / (1.0 + pressures["CO2"] / half)
    return ln_q, brake


class _Laws(NamedTuple):
    lone: int
    table_of: IntArray
    law: IntArray
    ratio: FloatArray
    table: FloatArray


def _laws(network: Network) -> _Laws:
    """Tables of the distinct (law, ratio); ratio is the exponent where the law is JMAK."""
    kinds = [_law(network.system, r, r.kinetics[v]) for r, v in network.rows]
    lone = (LAW_NUMBERS[Law.JMAK], 1.0)
    distinct = sorted({*kinds, lone})
    table = np.zeros((len(distinct), TABLE_NODES + 1, 2))
    for t, (law, ratio) in enumerate(distinct):
        if law != LAW_NUMBERS[Law.JMAK]:
            tabulate(law, ratio, network.system.interface, table[t])
    return _Laws(
        lone=distinct.index(lone),
        table_of=np.array([distinct.index(kind) for kind in kinds], dtype=np.int64),
        law=np.array([law for law, _ in distinct], dtype=np.int64),
        ratio=np.array([ratio for _, ratio in distinct]),
        table=table,
    )


def _core_tables(network: Network, of_row: IntArray) -> IntArray:
    """The law of each core in each gas: that of the reaction fastest at ``COMPARED_K``.

    All that eat a grain share its layer, so one law has to hold for all. It must not depend on
    which of them can run at the moment, or matter would change its past.
    """
    solids = {name: i for i, name in enumerate(network.solid_names)}
    rows = {name: i for i, name in enumerate(network.row_names)}
    table = np.full((len(GASES), len(solids)), -1, dtype=np.int64)
    for g, gas in enumerate(GASES):
        best: dict[str, tuple[float, str]] = {}
        for reaction in network.system.reactions:
            variant = network.variant(reaction, gas)
            kinetics, name = reaction.kinetics[variant], f"{reaction.name}/{variant}"
            warmth = 1.0 / (kinetics.reference_c + ZERO_CELSIUS_K) - 1.0 / COMPARED_K
            ln_k = math.log(kinetics.k_per_s) + kinetics.activation_kj_per_mol / R * warmth
            if reaction.core not in best or (ln_k, name) > best[reaction.core]:
                best[reaction.core] = (ln_k, name)
        for core, (_, name) in best.items():
            table[g, solids[core]] = of_row[rows[name]]
    return table


def _law(system: ChemicalSystem, reaction: Reaction, kinetics: Kinetics) -> tuple[int, float]:
    core = next((c for c in system.cores if c.phase == reaction.core), None)
    law = kinetics.law or (core.law if core else Law.GINSTLING_BROUNSHTEIN)
    if law is Law.JMAK:
        return LAW_NUMBERS[law], kinetics.avrami or (core.avrami if core else 1.0)
    if law is not Law.CARTER:
        return LAW_NUMBERS[law], 1.0
    own = system.phase(reaction.core).molar_volume_cm3_per_mol or 1.0
    if core is not None:
        layer = system.phase(core.layer).molar_volume_cm3_per_mol or own
    else:
        made = [(n, system.phase(p)) for p, n in reaction.equation.items() if n > 0]
        layer = sum(n * (p.molar_volume_cm3_per_mol or 0.0) for n, p in made) or own
        layer /= -reaction.equation[reaction.core]
    return LAW_NUMBERS[law], round(layer / own, 12)


def _barrier(system: ChemicalSystem, reaction: Reaction) -> float:
    """B of ``exp(-B / (T dG^2))`` with dG of the reaction in kJ/mol and T in K.

    Classical nucleation of the first product: 16 pi g^3 V^2 / (3 k), V its molar volume and dG
    per mole of it.
    """
    if reaction.barrier is None:
        return 0.0
    name, number = next(
        (p, n) for p, n in reaction.equation.items() if n > 0 and system.phase(p).state == "solid"
    )
    volume_m3 = 1e-6 * (system.phase(name).molar_volume_cm3_per_mol or 0.0)
    energy = 16.0 * math.pi / 3.0 * reaction.barrier.interface_j_per_m2**3 * volume_m3**2
    return energy * number**2 / BOLTZMANN_J_PER_K / 1e6


def _melted_by(system: ChemicalSystem, reaction: Reaction) -> int:
    bits = 0
    for i, melt in enumerate(system.melts):
        if any(reaction.equation.get(name, 0.0) < 0 for name in melt.phases):
            bits |= 1 << i
    return bits


def _cations(network: Network) -> FloatArray:
    """Atoms of each solid's formula that are in no gas of the system but a vapour of loss."""
    system = network.system
    airborne = {e for p in system.vapours for e in p.composition}
    kept = [
        sum(n for e, n in system.phase(name).composition.items() if e not in airborne)
        for name in network.solid_names
    ]
    return np.array([count or 1.0 for count in kept], dtype=np.float64)


def _coarsening(network: Network) -> FloatArray:
    table = np.zeros((len(network.solid_names), 4))
    for i, name in enumerate(network.solid_names):
        growth = network.system.phase(name).coarsening
        if growth is not None:
            barrier_k = growth.activation_kj_per_mol / R
            table[i] = (
                growth.exponent,
                math.log(growth.rate_um_n_per_h / 3600.0),
                barrier_k,
                1.0 / (growth.reference_c + ZERO_CELSIUS_K),
            )
    return table
