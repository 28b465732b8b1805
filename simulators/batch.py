"""Many samples at once: the same kernel over rows of one array, on as many threads as asked.

Rows never see one another and every row takes its own steps, so results do not depend on the size
of the batch, its order or the number of threads. Threads are Python's own around kernels that
release the lock: no thread pool of numba survives in the process, so forking later is safe.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from sdl.chemistry.system import ChemicalSystem
from sdl.core.errors import ChemistryError
from sdl.core.material import Lot
from sdl.core.recipe import Anneal, Mix, Press, Recipe, Regrind, Wash
from simulators import kernel, powder
from simulators.compiled import compiled
from simulators.draws import check_lots, draw_arrays
from simulators.laboratory import Laboratory
from simulators.network import GAS_NUMBER, Draw, FloatArray, IntArray, Net, Network
from simulators.program import COOLING_C_PER_MIN, ROOM_C, cooling_gas, with_cooling

IDLE, DISPENSE, MILL, ANNEAL, WASH, PRESS = range(6)
COLUMNS = 8
"""An act is a row: kind, then (lot, mass mg) or (minutes) or (MPa) or (gas, T degC, dwell h, ramp
degC/min, cooling degC/min, gas while cooling, furnace)."""
CHUNK = 32


class Laboratories(NamedTuple):
    """``Draw`` of several laboratories, stacked along a first axis; F furnaces."""

    shift: FloatArray
    ln_k: FloatArray
    activation: FloatArray
    melt_speed: FloatArray
    nucleation: FloatArray
    assay: FloatArray
    particle_um: FloatArray
    mixing: FloatArray
    offset_c: FloatArray  # (laboratories, F)


@compiled
def draw_of(laboratories: Laboratories, i: int) -> Draw:
    """One laboratory, as views of the arrays of all."""
    return Draw(
        laboratories.shift[i], laboratories.ln_k[i], laboratories.activation[i],
        laboratories.melt_speed[i],
        laboratories.nucleation[i],  # pyright: ignore[reportArgumentType]
        laboratories.assay[i], laboratories.particle_um[i],
        laboratories.mixing[i],  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


@compiled
def perform(
    net: Net, draw: Draw, offset: FloatArray, lot_solid: IntArray, act: FloatArray,
    vector: FloatArray, tolerance: float, work: FloatArray,
) -> int:  # fmt: skip
    """Performs one act on one sample; returns the solver's steps."""
    kind = int(act[0])
    if kind == DISPENSE:
        lot = int(act[1])
        powder.dispense(net, vector, lot_solid[lot], act[2], draw.assay[lot], draw.particle_um[lot])
        return 0
    if kind == MILL:
        powder.mill(net, vector, act[1], draw.mixing)
        return 0
    if kind == WASH:
        powder.wash(net, vector, act[1])
        return 0
    if kind == PRESS:
        powder.press(net, vector, act[1])
        return 0
    if kind != ANNEAL:
        return 0
    shift = 273.15 + offset[int(act[7])]
    room, top, rise = ROOM_C + shift, max(act[2], ROOM_C) + shift, max(act[2] - ROOM_C, 0.0)
    steps = 0
    for part in range(3):  # ramp, soak, cooling; one call, so that the solver is compiled in once
        start, end = (room if part == 0 else top), (room if part == 2 else top)
        duration = act[3] * 3600.0 if part == 1 else rise / act[4 if part == 0 else 5] * 60.0
        gas = int(act[6 if part == 2 else 1])
        steps += kernel.heat(net, draw, vector, gas, start, end, duration, tolerance, work)
    return steps


@compiled
def _run_rows(
    net: Net, laboratories: Laboratories, lot_solid: IntArray, laboratory: IntArray,
    acts: FloatArray, first: IntArray, last: IntArray, vectors: FloatArray,
    start: int, stop: int, tolerance: float,
) -> int:  # fmt: skip
    """Performs acts ``first[i]:last[i]`` on row ``i``, for rows ``start:stop``."""
    work = kernel.scratch(net)
    steps = 0
    for i in range(start, stop):
        b = laboratory[i]
        draw = draw_of(laboratories, b)
        for a in range(first[i], last[i]):
            steps += perform(
                net, draw, laboratories.offset_c[b], lot_solid, acts[a], vectors[i],
                tolerance, work,
            )  # fmt: skip
    return steps


class BatchReactor:
    """Samples as rows of an array; one act per row and call, or a list of acts per row.

    Args:
        system: The chemistry.
        laboratories: The laboratories.
        lots: The shelf; an act names a lot by its place here.
        furnaces: Names of the furnaces; an act names one by its place here.
        p_co2_bar: Replaces the CO2 pressure of every gas, bar.
        tolerance: Error of one step of the solver as a share of the sample's moles.
        threads: Threads to use; ``None`` means all cores.
    """

    def __init__(
        self,
        system: ChemicalSystem,
        laboratories: Sequence[Laboratory],
        lots: Sequence[Lot],
        furnaces: Sequence[str] = ("furnace_1",),
        *,
        p_co2_bar: float | None = None,
        tolerance: float = kernel.TOLERANCE,
        threads: int | None = None,
    ) -> None:
        self.network = Network(system, p_co2_bar)
        check_lots(self.network, lots)
        if not laboratories:
            raise ChemistryError("a batch needs a laboratory", got="none", allowed="one or more")
        draws = [draw_arrays(self.network, laboratory, lots) for laboratory in laboratories]
        offsets = [[lab.thermocouple_c.get(f, 0.0) for f in furnaces] for lab in laboratories]
        fields: list[Any] = [
            np.ascontiguousarray(np.stack([np.asarray(d[k]) for d in draws]))
            for k in range(len(Draw._fields))
        ]
        self.laboratories = Laboratories(*fields, offset_c=np.array(offsets, dtype=np.float64))
        solids = self.network.solid_names
        self.lot_solid = np.array([solids.index(lot.phase) for lot in lots], dtype=np.int64)
        self.lot_number = {lot.name: i for i, lot in enumerate(lots)}
        self.tolerance = tolerance
        self.threads = max(1, threads if threads is not None else os.cpu_count() or 1)
        self.steps = 0
        """Solver steps taken so far."""

    def empty(self, rows: int) -> FloatArray:
        """Empty vials, shape (rows, size)."""
        return np.zeros((rows, self.network.size))

    def act(self, vectors: FloatArray, laboratory: IntArray, acts: FloatArray) -> None:
        """Performs one act on every row, in place.

        Args:
            vectors: (rows, size) samples.
            laboratory: (rows,) number of each row's laboratory.
            acts: (rows, 8) one act each; kind 0 leaves the row alone.
        """
        first = np.arange(len(vectors), dtype=np.int64)
        self.run(vectors, laboratory, acts, first, first + 1)

    def run(
        self,
        vectors: FloatArray,
        laboratory: IntArray,
        acts: FloatArray,
        first: IntArray,
        last: IntArray,
    ) -> None:
        """Performs acts ``first[i]`` to ``last[i]`` (exclusive) on row ``i``, in place.

        Args:
            vectors: (rows, size) samples.
            laboratory: (rows,) number of each row's laboratory.
            acts: (acts, 8) acts, shared by rows where they point at the same ones.
            first: (rows,) index of the first act.
            last: (rows,) index after the last act.
        """
        rows = len(vectors)

        def part(start: int) -> int:
            return _run_rows(
                self.network.net, self.laboratories, self.lot_solid, laboratory, acts,
                first, last, vectors, start, min(start + CHUNK, rows), self.tolerance,
            )  # fmt: skip

        starts = range(0, rows, CHUNK)
        if self.threads == 1 or len(starts) < 2:
            self.steps += sum(part(start) for start in starts)
            return
        with ThreadPoolExecutor(min(self.threads, len(starts))) as pool:
            self.steps += sum(pool.map(part, starts))

    def acts_of(self, recipe: Recipe, furnace: int = 0) -> list[list[float]]:
        """A recipe as acts; steps that do not change the solid (scans, stops) are left out.

        Raises:
            ChemistryError: A lot that is not on the shelf, a gas the system lacks, or a
                temperature beyond its free energies in some laboratory.
        """
        acts: list[list[float]] = []
        for step, cooling in with_cooling(recipe):
            if isinstance(step, Mix):
                for dose in step.doses:
                    if dose.lot not in self.lot_number:
                        raise ChemistryError(
                            "there is no such lot on the shelf",
                            got=dose.lot,
                            allowed=", ".join(self.lot_number),
                        )
                    acts.append(_row(DISPENSE, self.lot_number[dose.lot], dose.mass_mg))
                acts.append(_row(MILL, step.mill_min))
            elif isinstance(step, Regrind):
                acts.append(_row(MILL, step.mill_min))
            elif isinstance(step, Wash):
                acts.append(_row(WASH, step.duration_min))
            elif isinstance(step, Press):
                acts.append(_row(PRESS, step.pressure_mpa))
            elif isinstance(step, Anneal):
                self._check_anneal(step, furnace)
                acts.append(
                    _row(
                        ANNEAL, GAS_NUMBER[step.gas], step.temperature_c, step.dwell_h,
                        step.ramp_c_per_min, COOLING_C_PER_MIN[cooling],
                        GAS_NUMBER[cooling_gas(step, cooling)], furnace,
                    )
                )  # fmt: skip
        return acts

    def weight_fractions(self, vectors: FloatArray) -> FloatArray:
        """True weight fractions of the solids without inert matter, (rows, solids)."""
        count = len(self.network.solid_names)
        moles = vectors[:, :count] + vectors[:, count : 2 * count]
        masses = moles * self.network.net.molar_mass
        total = masses.sum(axis=1, keepdims=True)
        return masses / np.where(total > 0.0, total, 1.0)

    def _check_anneal(self, step: Anneal, furnace: int) -> None:
        system = self.network.system
        hottest = step.temperature_c + float(self.laboratories.offset_c[:, furnace].max())
        limit = system.range_k()[1] - 273.15
        if step.gas not in system.gases or hottest > limit:
            raise ChemistryError(
                f"the system {system.name} has no data for this anneal",
                got=f"{hottest:.0f} degC in {step.gas.value}",
                allowed=f"up to {limit:.0f} degC in {', '.join(system.gases)}",
                do="change the step or the furnace's limit",
            )


def _row(kind: int, *values: float) -> list[float]:
    return [float(kind), *map(float, values), *([0.0] * (COLUMNS - 1 - len(values)))]


def purities(
    system: ChemicalSystem,
    recipes: Sequence[Recipe],
    laboratories: Sequence[Laboratory],
    lots: Sequence[Lot],
    target: str,
    *,
    furnace: str = "furnace_1",
    threads: int | None = None,
    tolerance: float = kernel.TOLERANCE,
) -> FloatArray:
    """True purity of every recipe in every laboratory.

    Args:
        system: The chemistry.
        recipes: Closed recipes: mix, anneals, regrinds, quench.
        laboratories: The laboratories.
        lots: The shelf.
        target: Name of the phase whose weight fraction counts.
        furnace: Every anneal happens in this furnace.
        threads: Threads to use; ``None`` means all cores.
        tolerance: Of the solver.

    Returns:
        Weight fractions, shape (laboratories, recipes).

    Raises:
        ChemistryError: Unknown target, lot or gas, or a temperature beyond the data.
    """
    reactor = BatchReactor(
        system, laboratories, lots, (furnace,), threads=threads, tolerance=tolerance
    )
    solids = reactor.network.solid_names
    if target not in solids:
        raise ChemistryError("the target is no solid", got=target, allowed=", ".join(solids))
    if not recipes:
        return np.zeros((len(laboratories), 0))
    lists = [reactor.acts_of(recipe) for recipe in recipes]
    ends = np.cumsum([len(acts) for acts in lists])
    starts = ends - np.array([len(acts) for acts in lists])
    acts = np.array([row for acts in lists for row in acts], dtype=np.float64)
    acts = acts.reshape(-1, COLUMNS)
    count = len(laboratories)
    vectors = reactor.empty(count * len(recipes))
    laboratory = np.repeat(np.arange(count), len(recipes))
    reactor.run(vectors, laboratory, acts, np.tile(starts, count), np.tile(ends, count))
    fractions = reactor.weight_fractions(vectors)[:, solids.index(target)]
    return fractions.reshape(count, len(recipes))
