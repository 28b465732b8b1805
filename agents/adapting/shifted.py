"""Laboratories off the prior: two standard deviations in everything that decides.

A shifted laboratory begins as an ordinary draw of its split. Then every rate constant is moved by
two standard deviations the same way (kinetics slower or faster as a whole), so are all activation
energies, all grain sizes and all thermocouples, each kind with a sign of its own, and every
bottle's assay with a sign of its own, for assays that were all off the same way would leave the
stoichiometry as it was. An assay cannot exceed 1, so that a bottle labelled 0.985 moves up by less.
Energies, mixing, melts and nucleation stay as drawn.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sdl.chemistry.system import load_system
from sdl.core.capabilities import StationKind
from sdl.core.seeds import generator
from sdl.tasks.task import Task
from simulators.laboratory import (
    Laboratory,
    Split,
    TrueLot,
    draw_laboratory,
    laboratory_key,
    widths_of,
)

OFF_SD = 2.0
"""Prior standard deviations that a shifted laboratory lies off."""
FIRST = 60_000
"""Number of the first laboratory in its split: those of the other benches lie elsewhere."""


def drawn_laboratory(task: Task, split: Split, number: int) -> Laboratory:
    """An ordinary laboratory of a split, with all its furnaces."""
    furnaces = [s.name for s in task.laboratory.of_kind(StationKind.FURNACE)]
    return draw_laboratory(
        load_system(task.system),
        task.hidden,
        task.laboratory.shelf,
        furnaces,
        *laboratory_key(split, FIRST + number),
    )


def shifted_laboratory(task: Task, split: Split, number: int, off_sd: float = OFF_SD) -> Laboratory:
    """A laboratory ``off_sd`` prior standard deviations off, see the module.

    Args:
        task: What is hidden, and how widely.
        split: From whose range the rest is drawn.
        number: Which one, from 0.
        off_sd: How far off.
    """
    base = drawn_laboratory(task, split, number)
    widths, hidden = widths_of(load_system(task.system), task.hidden), task.hidden

    def sign(*what: str) -> float:
        rng = generator("shifted", task.name, split, number, *what)
        return 1.0 if rng.random() < 0.5 else -1.0

    rate, barrier = off_sd * sign("ln_k"), off_sd * sign("activation")
    size, heat = off_sd * sign("particle"), off_sd * sign("thermocouple")
    lots = {
        lot.name: TrueLot(
            assay=min(1.0, lot.assay + off_sd * sign("assay", lot.name) * hidden.assay_sd),
            particle_um=lot.particle_um * math.exp(size * hidden.particle_ln_sd),
        )
        for lot in task.laboratory.shelf
    }
    return replace(
        base,
        ln_k={row: rate * width for row, width in widths.ln_k.items()},
        activation_kj_per_mol={
            row: barrier * width for row, width in widths.activation_kj_per_mol.items()
        },
        lots=lots,
        thermocouple_c=dict.fromkeys(base.thermocouple_c, heat * hidden.thermocouple_sd_c),
    )
