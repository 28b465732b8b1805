"""Reactions by null space: every balanced way in which two solids, or one and gas, can react.

For each pair and each small set of products, with all gases, the elements leave either no balanced
reaction, or one up to scale, or several; the last are sums of reactions with fewer phases, which
are found on their own. Of the products that a pair can make, those with the largest driving force
are kept. Kinetics are the prior of Tammann's rule: what nobody measured starts there.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sdl.chemistry.system import ChemicalSystem, Enumeration, Kinetics, Law, Phase, Reaction
from sdl.chemistry.thermo import GAS_CONSTANT, KJ_PER_MOL_PER_EV, ZERO_CELSIUS_K

FloatArray = NDArray[np.float64]
LEAST_MEV_PER_ATOM = 3.0
"""Reactions driven by less everywhere are left out: at equilibrium for all we know."""
COLDEST_K, STEP_K = 700.0, 100.0
"""Temperatures at which driving forces are compared start here, and are so far apart; colder, no
two grains of these oxides react within days."""
LARGEST_DENOMINATOR = 48


def with_enumerated(system: ChemicalSystem) -> ChemicalSystem:
    """The system with the reactions of its null space behind the listed ones."""
    if system.network is None:
        return system
    known = {_key(reaction.equation) for reaction in system.reactions}
    added = [
        _reaction(system, system.network, eaten, equation)
        for eaten, equation in driven_equations(system)
        if _key(equation) not in known
    ]
    return system.model_copy(update={"reactions": (*system.reactions, *added)})


def driven_equations(system: ChemicalSystem) -> list[tuple[tuple[str, ...], dict[str, float]]]:
    """Balanced equations that can run in some gas, with the solids they consume.

    Returns:
        (solids consumed, stoichiometric numbers by phase) in a fixed order.
    """
    rules = system.network
    if rules is None:
        return []
    skipped = {frozenset(pair) for pair in rules.skip}
    solids = system.solids
    eaten_sets = [(p,) for p in solids] + list(combinations(solids, 2))
    energies = _Energies(system)
    kept = []
    for eaten in eaten_sets:
        if frozenset(p.name for p in eaten) in skipped:
            continue
        found = _balanced(system, eaten, rules.products)
        if not found:
            continue
        drive = np.array([energies.mev_per_atom(each, eaten) for each in found])
        near = drive <= drive.min(axis=0) + rules.window_mev_per_atom
        near &= drive < -LEAST_MEV_PER_ATOM
        near &= _first_of_kin(system, found, drive)
        for equation, close in zip(found, near, strict=True):
            if bool(np.any(close)):
                kept.append((tuple(p.name for p in eaten), equation))
    return kept


def _first_of_kin(
    system: ChemicalSystem, found: list[dict[str, float]], drive: FloatArray
) -> NDArray[np.bool_]:
    """Of products that differ only by what gas gives and takes, the most driven at each place.

    An oxide that forms with too little oxygen takes it up by a reaction of its own.
    """
    airborne = {e for g in system.vapours for e in g.composition}
    groups: dict[frozenset[tuple[tuple[str, float], ...]], list[int]] = {}
    for i, equation in enumerate(found):
        made = [system.phase(n) for n, v in equation.items() if v > 0]
        kin = frozenset(
            tuple(sorted((e, n) for e, n in p.composition.items() if e not in airborne))
            for p in made
            if p.state == "solid"
        )
        groups.setdefault(kin, []).append(i)
    first = np.zeros(drive.shape, dtype=bool)
    for rows in groups.values():
        best = drive[rows].min(axis=0)
        first[rows] = drive[rows] <= best
    return first


class _Energies:
    """Driving forces of equations at the temperatures and in the gases of a system."""

    def __init__(self, system: ChemicalSystem) -> None:
        rules = system.network
        between = rules.between_c if rules and rules.between_c else None
        low, high = (t + ZERO_CELSIUS_K for t in between) if between else (COLDEST_K, math.inf)
        start = max(low, *(p.gibbs.start_k for p in system.phases))
        end = min(high, *(p.gibbs.end_k for p in system.phases))
        self.grid = np.arange(start, end + 1e-6, STEP_K)
        self.standard = {
            p.name: np.array([p.gibbs.kj_per_mol(float(t)) for t in self.grid])
            for p in system.phases
        }
        gases = rules.gases if rules and rules.gases else tuple(system.gases)
        self.pressures = [system.gases[gas].p_bar for gas in gases]

    def mev_per_atom(self, equation: dict[str, float], eaten: tuple[Phase, ...]) -> FloatArray:
        """Free energy per atom of the solids consumed, meV, (gases x temperatures,)."""
        standard = sum(n * self.standard[name] for name, n in equation.items())
        atoms = sum(-equation[p.name] * sum(p.composition.values()) for p in eaten)
        rows = []
        for p_bar in self.pressures:
            ln_q = sum(n * math.log(p_bar[g]) for g, n in equation.items() if g in p_bar)
            rows.append(standard + GAS_CONSTANT * self.grid * ln_q)
        return 1000.0 / KJ_PER_MOL_PER_EV * np.concatenate(rows) / atoms


def _balanced(
    system: ChemicalSystem, eaten: tuple[Phase, ...], most: int
) -> list[dict[str, float]]:
    """Balanced equations of one set of solids; at most ``most`` solids form."""
    gases = system.vapours
    airborne = {e for g in gases for e in g.composition}
    fixed = {e for p in eaten for e in p.composition} - airborne
    able = [p for p in system.solids if p not in eaten and set(p.composition) - airborne <= fixed]
    equations = []
    for count in range(1, most + 1):
        sets = [
            made
            for made in combinations(able, count)
            if {e for p in made for e in p.composition} - airborne == fixed
        ]
        if not sets:
            continue
        columns = [[*eaten, *made, *gases] for made in sets]
        tables = np.array(
            [
                [[p.composition.get(e, 0.0) for p in each] for e in system.elements]
                for each in columns
            ]
        )
        for each, numbers in zip(columns, _null_vectors(tables), strict=True):
            if numbers is None:
                continue
            equation = _equation(each, numbers, len(eaten), count)
            if equation is not None:
                equations.append(equation)
    return equations


def _null_vectors(tables: FloatArray) -> list[FloatArray | None]:
    """The null vector of each matrix whose null space has one dimension, else ``None``."""
    _, size, right = np.linalg.svd(tables)
    columns = tables.shape[2]
    full = np.zeros((len(tables), columns))
    full[:, : size.shape[1]] = size
    small = full < 1e-9 * full[:, :1]
    return [right[i, -1] if small[i].sum() == 1 else None for i in range(len(tables))]


def _equation(
    phases: list[Phase], numbers: FloatArray, eaten: int, made: int
) -> dict[str, float] | None:
    """Numbers by name with the first reactant at -1; ``None`` where a sign is wrong."""
    if abs(numbers[0]) < 1e-9:
        return None
    scaled = [
        Fraction(float(-n / numbers[0])).limit_denominator(LARGEST_DENOMINATOR) for n in numbers
    ]
    solids = scaled[: eaten + made]
    if any(n >= 0 for n in solids[:eaten]) or any(n <= 0 for n in solids[eaten:]):
        return None
    return {p.name: float(n) for p, n in zip(phases, scaled, strict=True) if n != 0}


def _key(equation: dict[str, float]) -> tuple[tuple[str, float], ...]:
    """The same for equations that differ by a factor."""
    scale = max(abs(n) for n in equation.values())
    return tuple(sorted((name, round(n / scale, 6)) for name, n in equation.items()))


def melting_k(system: ChemicalSystem, name: str) -> float:
    """Melting or decomposition point, K; of phases without one the mean of those of the system."""
    own = system.phase(name).melting_c
    if own is not None:
        return own + ZERO_CELSIUS_K
    known = [p.melting_c for p in system.solids if p.melting_c is not None]
    return (sum(known) / len(known) if known else 1500.0) + ZERO_CELSIUS_K


def _reaction(
    system: ChemicalSystem, rules: Enumeration, eaten: tuple[str, ...], equation: dict[str, float]
) -> Reaction:
    """An enumerated equation with its prior; the solid that melts last is the core."""
    melting = {name: melting_k(system, name) for name in eaten}
    core = max(eaten, key=lambda name: (melting[name], name))
    scaled = {name: n / -equation[core] for name, n in equation.items()}
    made = [n for n, v in scaled.items() if v > 0 and system.phase(n).state == "solid"]
    prior = rules.tammann
    law = prior.law if len(eaten) == 2 else Law.CONTRACTING_VOLUME
    reference_k = prior.share * min(melting.values())
    left = 1.0 - prior.alpha
    integral = {
        Law.JANDER: (1.0 - left ** (1 / 3)) ** 2,
        Law.CONTRACTING_VOLUME: 1.0 - left ** (1 / 3),
        Law.JMAK: -math.log(left),
    }.get(law, 1.0 - 2.0 * prior.alpha / 3.0 - left ** (2 / 3))
    return Reaction(
        name=f"{'-'.join(eaten)}.{'-'.join(made)}",
        equation=scaled,
        core=core,
        reference_um=rules.reference_um,
        barrier=rules.barrier,
        kinetics={
            "default": Kinetics(
                k_per_s=integral / 3600.0,
                reference_c=reference_k - ZERO_CELSIUS_K,
                activation_kj_per_mol=prior.activation_kj_per_mol,
                activation_width_kj_per_mol=prior.activation_width_kj_per_mol,
                ln_k_width=prior.ln_k_width,
                range_c=(reference_k - ZERO_CELSIUS_K - 200, reference_k - ZERO_CELSIUS_K + 400),
                law=law,
                source=prior.source,
            )
        },
        enumerated=True,
        note="enumerated by null space; kinetics from Tammann's rule",
    )
