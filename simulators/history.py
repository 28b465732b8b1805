"""A recipe as a history: phases, temperature and mass against time, true values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.core.recipe import (
    Anneal,
    Characterise,
    Gas,
    Mix,
    Press,
    Recipe,
    Regrind,
    Step,
    Wash,
    describe_step,
)
from simulators.matter import Material
from simulators.program import ROOM_C, program, with_cooling
from simulators.reactor import Reactor, Segment

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Detail:
    """How finely a history is told; the final state does not depend on it."""

    ramp_c: float = 10.0
    """Longest piece of a ramp, degC."""
    soak_pieces: int = 24
    """Pieces of a soak, short ones first: what happens, happens early."""


DETAIL = Detail()


@dataclass(frozen=True)
class Moment:
    """An instant of a history with a name."""

    row: int
    """Index into the arrays."""
    step: int
    """Index of the step of the recipe that ends or begins here."""
    words: str


@dataclass(frozen=True, eq=False)
class History:
    """What became of a sample; arrays are read-only, rows in order of time."""

    phases: tuple[str, ...]
    """Every solid of the system."""
    elements: tuple[str, ...]
    time_h: FloatArray
    """Without waiting between stations, shape ``(n,)``."""
    program_c: FloatArray
    """What the furnace's thermocouple reads, shape ``(n,)``."""
    temperature_c: FloatArray
    """Of the sample, shape ``(n,)``."""
    weight_fraction: FloatArray
    """Of the crystalline part; rows sum to 1, shape ``(n, phases)``."""
    mass_mg: FloatArray
    """In the vial, inert matter included, shape ``(n,)``."""
    elements_mmol: FloatArray
    """In the solids and in what has left as gas, shape ``(n, elements)``."""
    gas: tuple[str, ...]
    """Around the sample; empty outside a furnace, shape ``(n,)``."""
    step: npt.NDArray[np.int64]
    """Index of the step that each row belongs to, shape ``(n,)``."""
    moments: tuple[Moment, ...]

    def fractions(self, row: int = -1) -> dict[str, float]:
        """Weight fractions of the phases that are there, the largest first."""
        values = self.weight_fraction[row]
        order = np.argsort(-values, kind="stable")
        return {self.phases[i]: float(values[i]) for i in order if values[i] > 0.0}


class _Recorder:
    """Collects rows while a sample goes through its recipe."""

    def __init__(self, reactor: Reactor, furnace: str) -> None:
        self.reactor = reactor
        self.furnace = furnace
        self.material = reactor.empty()
        self.time_s = 0.0
        self._rows: list[tuple[float, float, float, float, str, int]] = []
        self._fractions: list[list[float]] = []
        self._elements: list[list[float]] = []
        self.moments: list[Moment] = []
        self.phases = tuple(p.name for p in reactor.system.solids)

    def note(self, step: int, words: str = "", *, program_c: float = ROOM_C, gas: str = "") -> None:
        """A row of the present state; with ``words`` it is a moment."""
        hot = bool(gas)
        true_c = self.reactor.true_temperature_c(self.furnace, program_c) if hot else program_c
        mass_mg = self.reactor.mass_mg(self.material)
        self._rows.append((self.time_s / 3600.0, program_c, true_c, mass_mg, gas, step))
        found = self.reactor.weight_fractions(self.material)
        self._fractions.append([found.get(name, 0.0) for name in self.phases])
        kept = self.reactor.moles_of_elements(self.material, gases=True)
        self._elements.append([kept[e] for e in self.reactor.system.elements])
        if words:
            self.moments.append(Moment(len(self._rows) - 1, step, words))

    def history(self) -> History:
        """Everything noted, as arrays."""
        columns = list(zip(*self._rows, strict=True))
        numbers = [_fixed(column) for column in columns[:4]]
        steps = np.array(columns[5], dtype=np.int64)
        steps.setflags(write=False)
        return History(
            phases=self.phases,
            elements=self.reactor.system.elements,
            time_h=numbers[0],
            program_c=numbers[1],
            temperature_c=numbers[2],
            weight_fraction=_fixed(self._fractions),
            mass_mg=numbers[3],
            elements_mmol=_fixed(self._elements),
            gas=tuple(str(gas) for gas in columns[4]),
            step=steps,
            moments=tuple(self.moments),
        )


def _fixed(values: npt.ArrayLike) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


@dataclass(frozen=True)
class Made:
    """A sample at the end, and at each scan on the way."""

    history: History
    material: Material
    scanned: tuple[tuple[int, Material], ...]
    """Index of the scan's moment, and what was scanned."""


def make(reactor: Reactor, recipe: Recipe, furnace: str, detail: Detail = DETAIL) -> Made:
    """Takes a sample through a recipe.

    Args:
        reactor: The physics of one laboratory; its shelf holds every lot of the recipe.
        recipe: Closed: mixes, anneals with quenches, regrinds, presses, washes, scans.
        furnace: Where every anneal happens: its thermocouple has an offset.
        detail: How finely to tell it.

    Raises:
        ChemistryError: A lot, gas or temperature that the reactor has no data for.
    """
    teller = _Recorder(reactor, furnace)
    scanned = []
    for index, (step, cooling) in enumerate(with_cooling(recipe)):
        if isinstance(step, Anneal):
            for number, (segment, gas) in enumerate(program(step, cooling)):
                words = (
                    f"{step.temperature_c:g} °C reached in {gas.value}",
                    f"after {step.dwell_h:.3g} h at {step.temperature_c:g} °C",
                    "cold again" if gas is step.gas else f"cold again, in {gas.value}",
                )[number]
                _heat(teller, index, segment, gas, detail, words)
        else:
            _at_room(teller, index, step)
        if isinstance(step, Characterise):
            scanned.append((len(teller.moments) - 1, teller.material))
    return Made(teller.history(), teller.material, tuple(scanned))


def _at_room(teller: _Recorder, index: int, step: Step) -> None:
    """A step on the cold sample."""
    reactor, minutes = teller.reactor, 0.0
    if isinstance(step, Mix):
        for dose in step.doses:
            teller.material = reactor.dispense(teller.material, dose.lot, dose.mass_mg)
        teller.note(index)
        teller.material = reactor.mill(teller.material, step.mill_min)
        minutes = step.mill_min
    elif isinstance(step, Regrind):
        teller.material = reactor.mill(teller.material, step.mill_min)
        minutes = step.mill_min
    elif isinstance(step, Press):
        teller.material = reactor.press(teller.material, step.pressure_mpa)
    elif isinstance(step, Wash):
        teller.note(index)
        teller.material = reactor.wash(teller.material, step.duration_min)
        minutes = step.duration_min
    elif isinstance(step, Characterise):
        minutes = step.scan_min
    else:
        return
    teller.time_s += 60.0 * minutes
    teller.note(index, describe_step(step))


def _heat(
    teller: _Recorder, index: int, segment: Segment, gas: Gas, detail: Detail, words: str
) -> None:
    """One segment of a program, piece by piece."""
    if segment.duration_s <= 0.0:
        return
    teller.note(index, program_c=segment.start_c, gas=gas.value)
    every = list(pieces(segment, detail))
    for number, piece in enumerate(every, 1):
        true = Segment(
            teller.reactor.true_temperature_c(teller.furnace, piece.start_c),
            teller.reactor.true_temperature_c(teller.furnace, piece.end_c),
            piece.duration_s,
        )
        teller.material = teller.reactor.heat(teller.material, [true], gas)
        teller.time_s += piece.duration_s
        last = number == len(every)
        teller.note(index, words if last else "", program_c=piece.end_c, gas=gas.value)


def pieces(segment: Segment, detail: Detail = DETAIL) -> Iterator[Segment]:
    """A segment cut at its output times: ramps evenly, soaks finer at the start."""
    rise, soak = segment.end_c - segment.start_c, segment.end_c == segment.start_c
    count = max(1, detail.soak_pieces if soak else math.ceil(abs(rise) / detail.ramp_c - 1e-9))
    power = 2.0 if soak else 1.0
    ends = [(i / count) ** power for i in range(count + 1)]
    for early, late in itertools.pairwise(ends):
        yield Segment(
            segment.start_c + early * rise,
            segment.start_c + late * rise,
            (late - early) * segment.duration_s,
        )
