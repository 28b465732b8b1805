"""Tasks beside a task: the same target in laboratories with other limits, bottles and widths.

A policy that has met one laboratory class per target can learn its recipe by heart. In these it
has to look: furnaces stop earlier, a gas is missing, bottles are missing or of another size, and
the hidden distribution is narrower or wider. For training only; figures are of the tasks that ship.
"""

from __future__ import annotations

import math

import numpy as np

from sdl.core.capabilities import Capabilities, Station, StationKind
from sdl.core.material import Lot
from sdl.core.recipe import Gas
from sdl.core.seeds import generator
from sdl.tasks.task import Hidden, Space, Task

COLDER_C = (0.0, 0.0, 25.0, 50.0, 100.0)
"""By how much the furnaces stop earlier; each as likely as another."""
LEAST_SPAN_C = 100.0
"""Temperatures that are left to choose from."""
GAS_GONE, LOT_GONE = 0.3, 0.3
"""Probability that a gas but the first, or one of a cation's bottles, is missing."""
SIZE_LN_SD, PRICE_LN_SD, LABEL_SD = 0.35, 0.5, 0.01
"""By how much the labels of the bottles differ from the task's."""
NARROWER, WIDER = math.log(0.4), math.log(1.8)
"""Range of the logarithm of the factor on the widths of energies and kinetics; another draw of the
same range is the factor on those of the bottles."""
WIDEST_SHARE = 2.0
"""Of ``share_of_system``, as the task model allows."""


def varied(task: Task, number: int) -> Task:
    """A task like another one.

    Args:
        task: A task with a space, about one phase.
        number: Which; 0 is the task itself.

    Returns:
        A task of the name ``NAME.vNUMBER`` that differs in limits of furnaces, gases, bottles and
        hidden widths; target, chemistry, prices and ranges of ratio, dwell and milling stay.
    """
    if number == 0 or task.space is None:
        return task
    rng = generator("varied task", task.name, number)
    colder = float(rng.choice(COLDER_C))
    space = _space(task.space, colder, rng)
    laboratory = _laboratory(task.laboratory, space, rng)
    return task.model_copy(
        update={
            "name": f"{task.name}.v{number}",
            "title": f"{task.title}; other limits and bottles, variant {number}",
            "space": space,
            "laboratory": laboratory,
            "hidden": _hidden(task.hidden, rng),
            "published": None,
        }
    )


def _space(space: Space, colder: float, rng: np.random.Generator) -> Space:
    """Fewer choices, at least one of each."""
    reach = space.temperature_c
    high = max(reach.high - colder, min(reach.high, reach.low + LEAST_SPAN_C))
    gases = tuple(g for n, g in enumerate(space.gases) if n == 0 or rng.random() >= GAS_GONE)
    lots = []
    for group in space.cation_lots:
        kept = list(group)
        if len(kept) > 1 and rng.random() < LOT_GONE:
            kept.pop(int(rng.integers(len(kept))))
        lots.append(tuple(kept))
    return space.model_copy(
        update={
            "temperature_c": reach.model_copy(update={"high": high}),
            "gases": gases,
            "cation_lots": tuple(lots),
        }
    )


def _laboratory(
    laboratory: Capabilities, space: Space, rng: np.random.Generator
) -> Capabilities:
    """Furnaces with the gases and limits of the space, bottles with other labels."""
    stations = [_station(each, space.temperature_c.high, space.gases) for each in laboratory.stations]
    return laboratory.model_copy(
        update={
            "stations": tuple(s for s in stations if s is not None),
            "shelf": tuple(_lot(lot, rng) for lot in laboratory.shelf),
        }
    )


def _station(station: Station, hottest_c: float, gases: tuple[Gas, ...]) -> Station | None:
    """A furnace within the limits, or ``None`` where it has no gas left; others as they are."""
    if station.kind is not StationKind.FURNACE:
        return station
    left = tuple(g for g in station.gases if g in gases)
    if not left:
        return None
    top = station.max_temperature_c
    return station.model_copy(
        update={
            "gases": left,
            "max_temperature_c": hottest_c if top is None else min(top, hottest_c),
        }
    )


def _lot(lot: Lot, rng: np.random.Generator) -> Lot:
    """A bottle of the same phase with another label."""
    size, price, label = rng.normal(size=3)
    return lot.model_copy(
        update={
            "particle_um": round(lot.particle_um * math.exp(SIZE_LN_SD * size), 3),
            "price_eur_per_g": round(lot.price_eur_per_g * math.exp(PRICE_LN_SD * price), 4),
            "assay": round(min(1.0, max(0.5, lot.assay + LABEL_SD * label)), 4),
        }
    )


def _hidden(hidden: Hidden, rng: np.random.Generator) -> Hidden:
    """Other widths of what a laboratory hides."""
    wide, bottles = np.exp(rng.uniform(NARROWER, WIDER, 2)).tolist()
    share = hidden.share_of_system
    return hidden.model_copy(
        update={
            "share_of_system": None if share is None else min(WIDEST_SHARE, share * wide),
            "ln_k_sd": hidden.ln_k_sd * wide,
            "activation_energy_sd_kj_per_mol": hidden.activation_energy_sd_kj_per_mol * wide,
            "phase_energy_sd_kj_per_mol": hidden.phase_energy_sd_kj_per_mol * wide,
            "assay_sd": hidden.assay_sd * bottles,
            "particle_ln_sd": hidden.particle_ln_sd * bottles,
        }
    )
