"""Tasks beside a task: the same target in laboratories with other limits, bottles and widths.

A policy that has met one laboratory class per target can learn its recipe by heart. In these it
has to look: furnaces stop earlier, a gas is missing, bottles are missing or of another size, and
the hidden distribution is narrower or wider. For training only; figures are of the tasks that ship.
"""

from __future__ import annotations

import math

import numpy as np

from sdl.core.capabilities import Station, StationKind
from sdl.core.errors import ConfigError
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
    less = _less(task, task.space, rng)
    shelf = tuple(_lot(lot, rng) for lot in task.laboratory.shelf)
    return less.model_copy(
        update={
            "name": f"{task.name}.v{number}",
            "title": f"{task.title}; other limits and bottles, variant {number}",
            "laboratory": less.laboratory.model_copy(update={"shelf": shelf}),
            "hidden": _hidden(task.hidden, rng),
            "published": None,
        }
    )


def limited(
    task: Task,
    *,
    hottest_c: float | None = None,
    gases: tuple[Gas, ...] | None = None,
    cation_lots: tuple[tuple[str, ...], ...] | None = None,
) -> Task:
    """A task whose laboratory can do less.

    Args:
        task: A task with a space.
        hottest_c: Where its furnaces stop, degC; as before if ``None``.
        gases: Those that are left, in the order of the task; all if ``None``.
        cation_lots: Bottles that are left; all if ``None``.

    Raises:
        ConfigError: The task has no space, no gas would be left, or the furnaces would stop below
            the temperatures of the task.
    """
    space = task.space
    if space is None:
        raise ConfigError(f"the task {task.name} has no space", do="choose a task with one")
    reach = space.temperature_c
    high = reach.high if hottest_c is None else min(reach.high, hottest_c)
    left = tuple(g for g in space.gases if gases is None or g in gases)
    if not left or high < reach.low:
        raise ConfigError(
            f"nothing is left of the laboratory of the task {task.name}",
            got=f"furnaces up to {high:g} °C, {len(left)} gases",
            allowed=f"{reach.low:g} °C or more, and one of {', '.join(space.gases)}",
        )
    stations = [_station(each, high, left) for each in task.laboratory.stations]
    return task.model_copy(
        update={
            "space": space.model_copy(
                update={
                    "temperature_c": reach.model_copy(update={"high": high}),
                    "gases": left,
                    "cation_lots": cation_lots or space.cation_lots,
                }
            ),
            "laboratory": task.laboratory.model_copy(
                update={"stations": tuple(s for s in stations if s is not None)}
            ),
        }
    )


def _less(task: Task, space: Space, rng: np.random.Generator) -> Task:
    """Colder furnaces, fewer gases and bottles, at least one of each."""
    reach = space.temperature_c
    colder = float(rng.choice(COLDER_C))
    lots: list[tuple[str, ...]] = []
    gases = tuple(g for n, g in enumerate(space.gases) if n == 0 or rng.random() >= GAS_GONE)
    for group in space.cation_lots:
        kept = list(group)
        if len(kept) > 1 and rng.random() < LOT_GONE:
            kept.pop(int(rng.integers(len(kept))))
        lots.append(tuple(kept))
    return limited(
        task,
        hottest_c=max(reach.high - colder, min(reach.high, reach.low + LEAST_SPAN_C)),
        gases=gases,
        cation_lots=tuple(lots),
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
