"""Checks of the reactions: elements, cycles, loops that would never rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdl.chemistry.doctor.finding import Finding, judged
from sdl.chemistry.doctor.reading import Draft
from sdl.chemistry.system import ChemicalSystem, Reaction
from sdl.chemistry.thermo import GAS_CONSTANT, KJ_PER_MOL_PER_EV

FloatArray = NDArray[np.float64]
GRID_K = 100.0
"""Spacing of the temperatures at which cycles and loops are looked for."""
CLOSES_KJ_PER_MOL = 1e-6
"""A cycle of reactions closes within this."""
DRIVEN_KJ_PER_MOL = -1e-6
"""A step counts as driven below this free energy."""


def check_balance(draft: Draft) -> Finding:
    """Elements balance in every reaction, and in every sum of free energies."""
    system = draft.system
    compositions = {p.name: p.composition for p in system.phases}
    wrong = [
        f"{reaction.name}: {fault}"
        for reaction in system.reactions
        if (fault := _unbalanced(reaction.equation, compositions))
    ]
    for name, each in sorted(draft.sums.items()):
        formation = {**{parent: -n for parent, n in each.from_.items()}}
        formation[name] = formation.get(name, 0.0) + 1.0
        fault = _unbalanced(formation, compositions)
        if fault:
            wrong.append(f"free energy of {name} as a sum: {fault}")
    added = sum(r.enumerated for r in system.reactions)
    good = (
        f"{len(system.reactions) - added} listed and {added} enumerated reactions, "
        f"{len(draft.sums)} sums of free energies"
    )
    return judged("elements balance", good, failed=wrong, what="do not balance")


def _unbalanced(
    equation: Mapping[str, float], compositions: Mapping[str, Mapping[str, float]]
) -> str:
    unknown = sorted(set(equation) - set(compositions))
    if unknown:
        return f"no phase {', '.join(unknown)}"
    totals: dict[str, float] = {}
    for name, number in equation.items():
        for element, atoms in compositions[name].items():
            totals[element] = totals.get(element, 0.0) + number * atoms
    scale = max(abs(n) for n in equation.values())
    off = {e: t for e, t in totals.items() if abs(t) > 1e-9 * max(1.0, scale)}
    return ", ".join(f"{e} {t:+g}" for e, t in sorted(off.items()))


def check_cycles(draft: Draft) -> Finding:
    """No cycle of reactions gains energy: every energy is a difference of phase energies.

    Reactions combined so that every phase cancels, gases too, must have free energies that
    cancel. A free energy stated as a sum must equal its parents' plus its line.
    """
    system = draft.system
    numbers = _numbers(system)
    cycles = _left_null_space(numbers)
    worst, hottest = 0.0, 0.0
    for t in temperatures_k(system):
        energies = np.array([system.reaction_kj_per_mol(r.name, t) for r in system.reactions])
        gain = float(np.abs(cycles @ energies).max(initial=0.0))
        if gain > worst:
            worst, hottest = gain, t
    wrong = []
    if worst > CLOSES_KJ_PER_MOL:
        wrong.append(f"a cycle gains {worst:.3g} kJ/mol at {hottest:.0f} K")
    wrong += _sums_off(draft)
    good = (
        f"{len(cycles)} independent cycles of {len(system.reactions)} reactions close within "
        f"{worst:.0e} kJ/mol"
    )
    return judged("no cycle gains energy", good, failed=wrong, what="gain energy")


def _sums_off(draft: Draft) -> list[str]:
    """Sums whose table is not their parents' plus their line where the parents have entries."""
    tables = {phase.name: phase.gibbs for phase in draft.system.phases}
    wrong = []
    for name, each in sorted(draft.sums.items()):
        own = tables[name]
        for i in range(len(own.ev_per_formula)):
            t = own.start_k + i * own.step_k
            line = each.a_kj_per_mol + each.b_kj_per_mol_k * t
            parents = sum(n * tables[p].kj_per_mol(t) for p, n in each.from_.items())
            off = own.ev_per_formula[i] * KJ_PER_MOL_PER_EV - parents - line
            if abs(off) > CLOSES_KJ_PER_MOL * max(1.0, abs(parents)):
                wrong.append(f"{name} is {off:+.3g} kJ/mol off its sum at {t:.0f} K")
                break
    return wrong


@dataclass(frozen=True)
class Loop:
    """Reactions that are all driven and leave every solid as it was."""

    gas: str
    temperature_k: float
    reactions: tuple[str, ...]
    gases: dict[str, float]
    """What the loop takes (negative) and gives, moles of each gas."""

    def words(self) -> str:
        """The loop in one line."""
        net = ", ".join(f"{n:+.3g} {g}" for g, n in sorted(self.gases.items()))
        steps = " + ".join(self.reactions)
        return f"{self.gas}, {self.temperature_k:.0f} K: {steps} (net {net or 'nothing'})"


def check_loops(draft: Draft) -> Finding:
    """At fixed temperature and gas no set of reactions forms a loop of driven steps only.

    Solids that return while gases are turned into one another would go round for ever: the
    pressures of that gas are out of equilibrium with each other. Decided by linear programming.
    """
    check = "no loop is driven all round"
    try:
        loops = driven_loops(draft.system)
    except ImportError:
        words = "needs scipy (pip install 'solid-state-sdl[twin]')"
        return Finding(check=check, state="skipped", words=words)
    grid = temperatures_k(draft.system)
    good = f"{len(grid)} temperatures in {len(draft.system.gases)} gases"
    return judged(check, good, failed=[each.words() for each in loops], what="loops")


def driven_loops(system: ChemicalSystem) -> list[Loop]:
    """The first driven loop, by temperature, of every gas.

    Raises:
        ImportError: scipy is not installed.
    """
    from scipy.optimize import linprog  # on first use: chemistry must load without scipy

    numbers, grid = _numbers(system), temperatures_k(system)
    solid = np.array([p.state == "solid" for p in system.phases])
    standard = np.array(
        [[system.reaction_kj_per_mol(r.name, t) for r in system.reactions] for t in grid]
    )
    loops = []
    for gas, atmosphere in system.gases.items():
        ln_p = np.array([np.log(atmosphere.p_bar.get(p.name, 1.0)) for p in system.phases])
        for t, energies in zip(grid, standard, strict=True):
            drive = energies + GAS_CONSTANT * t * (numbers @ ln_p)
            driven = np.flatnonzero(drive < DRIVEN_KJ_PER_MOL)
            if not driven.size:
                continue
            table = numbers[driven]
            balance = np.vstack([table[:, solid].T, np.ones(len(driven))])
            target = np.append(np.zeros(int(solid.sum())), 1.0)
            found: Any = linprog(np.zeros(len(driven)), A_eq=balance, b_eq=target, method="highs")
            if found.status == 0:
                loops.append(_loop(system, gas.value, t, driven, table, found.x))
                break
    return loops


def _loop(
    system: ChemicalSystem,
    gas: str,
    temperature_k: float,
    driven: NDArray[np.int64],
    table: FloatArray,
    weights: FloatArray,
) -> Loop:
    net = weights @ table / weights.max()
    return Loop(
        gas=gas,
        temperature_k=temperature_k,
        reactions=tuple(
            system.reactions[j].name
            for j, w in zip(driven, weights, strict=True)
            if w > 1e-9 * weights.max()
        ),
        gases={
            p.name: float(n)
            for p, n in zip(system.phases, net, strict=True)
            if p.state == "gas" and abs(n) > 1e-9
        },
    )


def check_enumerated(draft: Draft) -> Finding:
    """How many reactions the null space gave, and which reacting pairs have none."""
    check, system = "reactions by null space", draft.system
    if system.network is None:
        words = "none: the file lists its reactions and has no `network`"
        return Finding(check=check, state="ok", words=words)
    added = [r for r in system.reactions if r.enumerated]
    pairs, listed = {_eaten(system, r) for r in added}, len(system.reactions) - len(added)
    words = (
        f"{len(added)} for {len(pairs)} solids and pairs, beside {listed} listed; "
        f"{len(system.network.skip)} pairs skipped"
    )
    reacting = {name for reaction in system.reactions for name in reaction.equation}
    idle = [p.name for p in system.solids if p.name not in reacting]
    warned = [f"in no reaction: {', '.join(idle)}"] if idle else []
    return judged(check, words, warned=warned)


def _eaten(system: ChemicalSystem, reaction: Reaction) -> frozenset[str]:
    solids = {p.name for p in system.solids}
    return frozenset(n for n, v in reaction.equation.items() if v < 0 and n in solids)


def temperatures_k(system: ChemicalSystem) -> list[float]:
    """Temperatures at which every reaction has a free energy, ``GRID_K`` apart."""
    low, high = system.range_k()
    return [float(t) for t in np.arange(low, high + 1e-6, GRID_K)]


def _numbers(system: ChemicalSystem) -> FloatArray:
    """Stoichiometric numbers, shape (reactions, phases)."""
    names = [p.name for p in system.phases]
    return np.array(
        [[r.equation.get(name, 0.0) for name in names] for r in system.reactions]
    ).reshape(len(system.reactions), len(names))


def _left_null_space(numbers: FloatArray) -> FloatArray:
    """Combinations of reactions in which every phase cancels, shape (cycles, reactions)."""
    left, size, _ = np.linalg.svd(numbers, full_matrices=True)
    rank = int((size > 1e-9 * max(1.0, size.max(initial=0.0))).sum())
    return left[:, rank:].T
