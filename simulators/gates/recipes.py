"""Random recipes and lots of any chemical system for gate V1, and the powders of gate V4."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sdl.chemistry.system import ChemicalSystem
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.material import Lot
from sdl.core.recipe import (
    Anneal,
    Cooling,
    Dose,
    Gas,
    Mix,
    Press,
    Quench,
    Recipe,
    Regrind,
    Step,
    Wash,
)
from sdl.core.seeds import generator

COLDEST_C = 300.0
HOTTEST_C = {"mg-al-o": 1300.0}
"""Highest programmed temperature where it is not ``_HOTTEST_C``, degC."""
_HOTTEST_C = 1100.0
_MARGIN_C = 50.0
"""Room for the thermocouple's offset below the end of the free energies."""
_BATCH_MMOL = 10.0


def hottest_c(system: ChemicalSystem) -> float:
    """Highest temperature of the recipes: 1100 degC (1300 for Mg-Al-O), or what the data allow."""
    limit = system.range_k()[1] - ZERO_CELSIUS_K - _MARGIN_C
    return min(HOTTEST_C.get(system.name, _HOTTEST_C), limit)


def system_lots(system: ChemicalSystem, *key: str | int) -> tuple[Lot, ...]:
    """A lot of every solid that some reaction consumes; grains of 0.5 to 5 um by the key."""
    eaten = {p for r in system.reactions for p, n in r.equation.items() if n < 0}
    return tuple(
        Lot(
            name=phase.name,
            phase=phase.name,
            molar_mass_g_per_mol=phase.molar_mass_g_per_mol,
            particle_um=0.5 * 10.0 ** float(generator("gate", *key, phase.name).random()),
        )
        for phase in system.solids
        if phase.name in eaten
    )


def system_recipes(system: ChemicalSystem, count: int, *key: str | int) -> list[Recipe]:
    """Recipes that cover powders, ratio, milling, temperature, time, gas, regrinding, cooling.

    Each starts from the solids that one reaction of the system eats, so that something can happen,
    within 30 % of its stoichiometry, and up to two further ones. Where salts dissolve, a third of
    the recipes end in a wash.

    Args:
        system: The chemistry; lots as from ``system_lots``.
        count: How many.
        key: Names the draw.
    """
    masses = {p.name: p.molar_mass_g_per_mol for p in system.solids}
    eaten = sorted(
        {p for r in system.reactions for p in r.equation if r.equation[p] < 0} & {*masses}
    )
    washes = any(p.soluble for p in system.solids)
    recipes = []
    for i in range(count):
        draw = generator("gate", "recipe", system.name, *key, i)
        reaction = system.reactions[int(draw.integers(len(system.reactions)))]
        moles = {p: -n for p, n in reaction.equation.items() if n < 0 and p in masses}
        for extra in draw.choice(eaten, int(draw.integers(3)) % len(eaten), replace=False):
            moles.setdefault(str(extra), float(np.mean(list(moles.values()))))
        scale = _BATCH_MMOL / sum(moles.values())
        doses = tuple(
            Dose(lot=p, mass_mg=n * scale * masses[p] * (0.7 + 0.6 * float(draw.random())))
            for p, n in moles.items()
        )
        anneal = _anneal(system, draw)
        steps: list[Step] = [Mix(doses=doses, mill_min=60.0 * float(draw.random()))]
        steps += [Press(pressure_mpa=100.0)] if draw.random() < 0.2 else []
        steps += [anneal, *_cooled(draw)]
        if draw.random() < 0.4:
            steps += [Regrind(mill_min=20.0), _anneal(system, draw), *_cooled(draw)]
        if washes and draw.random() < 1 / 3:
            steps.append(Wash(duration_min=30.0))
        recipes.append(Recipe(steps=tuple(steps)))
    return recipes


def _anneal(system: ChemicalSystem, draw: np.random.Generator) -> Anneal:
    gases = sorted(system.gases)
    return Anneal(
        temperature_c=COLDEST_C + float(draw.random()) * (hottest_c(system) - COLDEST_C),
        dwell_h=0.25 * math.exp(float(draw.random()) * math.log(96.0)),
        ramp_c_per_min=2.0 + 18.0 * float(draw.random()),
        gas=gases[int(draw.integers(len(gases)))],
    )


def _cooled(draw: np.random.Generator) -> tuple[Quench, ...]:
    ways = list(Cooling)
    return (Quench(cooling=ways[int(draw.integers(len(ways)))]),)


def gate_lots(particle_um: float = 0.5) -> tuple[Lot, ...]:
    """Pure BaCO3 and rutile of one grain size, the powders of gate V4."""
    return (
        Lot(name="BaCO3", phase="BaCO3", molar_mass_g_per_mol=197.336, particle_um=particle_um),
        Lot(name="TiO2", phase="TiO2", molar_mass_g_per_mol=79.865, particle_um=particle_um),
    )


def random_recipes(count: int, *, hottest_c: float, gases: Sequence[Gas]) -> list[Recipe]:
    """Recipes of BaCO3 and TiO2 over ratio, milling, temperature, time, gas and regrinding."""
    recipes = []
    for i in range(count):
        draw = generator("gate", "recipe", i).random(8)
        anneal = Anneal(
            temperature_c=600 + draw[0] * (hottest_c - 600),
            dwell_h=float(np.exp(np.log(0.25) + draw[1] * np.log(96.0))),
            ramp_c_per_min=2 + 18 * draw[2],
            gas=gases[int(draw[3] * len(gases))],
        )
        doses = (
            Dose(lot="BaCO3", mass_mg=1268 * (0.85 + 0.3 * draw[4])),
            Dose(lot="TiO2", mass_mg=513),
        )
        again = (Regrind(mill_min=20), anneal) if draw[6] < 0.4 else ()
        recipes.append(Recipe(steps=(Mix(doses=doses, mill_min=60 * draw[5]), anneal, *again)))
    return recipes
