"""The twin as a function from unknown figures to the phases of experiments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sdl.chemistry.system import ChemicalSystem
from sdl.core.errors import ModelError
from sdl.core.material import Lot
from sdl.core.recipe import Anneal, Recipe
from sdl.tasks.formula import parse_formula
from simulators.batch import COLUMNS, BatchReactor
from simulators.laboratory import Laboratory, nominal_laboratory
from surrogates.outcomes import Experiment
from surrogates.parameters import Circumstances, ParameterSet

Array = npt.NDArray[np.float64]

LONGEST_DWELL_H = 500.0


@dataclass(frozen=True)
class Twin:
    """A chemical system with a shelf, furnaces and parameters.

    Attributes:
        system: The chemistry.
        lots: Bottles that recipes name, by their labels.
        parameters: What is not known.
        furnaces: Names of the furnaces that experiments name.
        tolerance: Of the solver; 3e-3 is off by less than 0.005 of a weight fraction.
        threads: Threads of the reactor; ``None`` means all cores.
    """

    system: ChemicalSystem
    lots: tuple[Lot, ...]
    parameters: ParameterSet
    furnaces: tuple[str, ...] = ("furnace_1",)
    tolerance: float = 3e-3
    threads: int | None = None

    @property
    def phases(self) -> tuple[str, ...]:
        """Solids, in the order of the last axis of ``fractions``."""
        return tuple(p.name for p in self.system.solids)

    @cached_property
    def labelled(self) -> Laboratory:
        """The laboratory in which every label is true."""
        return nominal_laboratory(self.system, self.lots, self.furnaces)

    def fractions(self, values: Array, experiments: Sequence[Experiment]) -> Array:
        """True weight fractions of the solids, shape ``(N, experiments, S)``.

        Args:
            values: Parameters of each member, shape ``(N, P)``.
            experiments: What is done; their measured phases are not looked at.

        Raises:
            ModelError: An experiment names a furnace that is not here.
            ChemistryError: A recipe that the system cannot simulate.
        """
        table = np.zeros((len(values), len(experiments), len(self.phases)))
        if not len(experiments):
            return table
        members: dict[tuple[tuple[str, float], ...], list[int]] = {}
        laboratories = self.parameters.laboratories(values, self.labelled)
        circumstances = self.parameters.circumstances(values)
        for i, each in enumerate(circumstances):
            members.setdefault(each.ln_p, []).append(i)
        for places in members.values():
            system = changed(self.system, circumstances[places[0]])
            table[places] = self._run(
                system,
                [laboratories[i] for i in places],
                [circumstances[i].ln_dwell for i in places],
                experiments,
            )
        return table

    def _run(
        self,
        system: ChemicalSystem,
        laboratories: list[Laboratory],
        ln_dwells: list[float],
        experiments: Sequence[Experiment],
    ) -> Array:
        """Members that share a system: one call of the reactor."""
        reactor = BatchReactor(
            system,
            laboratories,
            self.lots,
            self.furnaces,
            tolerance=self.tolerance,
            threads=self.threads,
        )
        acts: list[list[float]] = []
        spans: dict[float, Array] = {}
        for ln_dwell in ln_dwells:
            if ln_dwell not in spans:
                spans[ln_dwell] = self._acts(reactor, experiments, ln_dwell, acts)
        span = np.concatenate([spans[ln_dwell] for ln_dwell in ln_dwells])
        vectors = reactor.empty(len(span))
        laboratory = np.repeat(np.arange(len(laboratories)), len(experiments))
        rows = np.array(acts, dtype=np.float64).reshape(-1, COLUMNS)
        first = np.ascontiguousarray(span[:, 0]).astype(np.int64)
        last = np.ascontiguousarray(span[:, 1]).astype(np.int64)
        reactor.run(vectors, laboratory, rows, first, last)
        place = [reactor.network.solid_names.index(phase) for phase in self.phases]
        found = reactor.weight_fractions(vectors)[:, place]
        return found.reshape(len(laboratories), len(experiments), len(place))

    def _acts(
        self,
        reactor: BatchReactor,
        experiments: Sequence[Experiment],
        ln_dwell: float,
        acts: list[list[float]],
    ) -> Array:
        """Appends the acts of all experiments; returns first and last of each, ``(E, 2)``."""
        span = np.zeros((len(experiments), 2))
        for row, experiment in enumerate(experiments):
            if experiment.furnace not in self.furnaces:
                raise ModelError(
                    f"the experiment {experiment.name} was in a furnace that the twin lacks",
                    got=experiment.furnace,
                    allowed=", ".join(self.furnaces),
                )
            recipe = lasting(experiment.recipe, ln_dwell)
            span[row, 0] = len(acts)
            acts += reactor.acts_of(recipe, self.furnaces.index(experiment.furnace))
            span[row, 1] = len(acts)
        return span


def changed(system: ChemicalSystem, circumstances: Circumstances) -> ChemicalSystem:
    """The system with other partial pressures in every furnace gas.

    Raises:
        ModelError: No furnace gas holds the vapour.
    """
    shifts = dict(circumstances.ln_p)
    if not shifts:
        return system
    vapours = {v for gas in system.gases.values() for v in gas.p_bar}
    unknown = sorted({*shifts} - vapours)
    if unknown:
        raise ModelError(
            f"no gas of the system {system.name} holds this vapour",
            got=", ".join(unknown),
            allowed=", ".join(sorted(vapours)),
        )
    gases = {
        name: gas.model_copy(
            update={"p_bar": {v: p * math.exp(shifts.get(v, 0.0)) for v, p in gas.p_bar.items()}}
        )
        for name, gas in system.gases.items()
    }
    return system.model_copy(update={"gases": gases})


def lasting(recipe: Recipe, ln_factor: float) -> Recipe:
    """The recipe with every dwell longer by a factor, at most 500 h."""
    if ln_factor == 0.0:
        return recipe
    factor = math.exp(ln_factor)
    steps = tuple(
        step.model_copy(update={"dwell_h": min(step.dwell_h * factor, LONGEST_DWELL_H)})
        if isinstance(step, Anneal)
        else step
        for step in recipe.steps
    )
    return recipe.model_copy(update={"steps": steps})


def lots_in(system: ChemicalSystem, lots: Sequence[Lot]) -> tuple[Lot, ...]:
    """Bottles whose label is a formula, with the phase of the system that has its composition.

    ``Y2(CO3)3`` becomes ``Y2C3O9``. Of several polymorphs the first in the file is taken.

    Raises:
        ModelError: No solid of the system has this composition.
    """
    found: list[Lot] = []
    for lot in lots:
        wanted = parse_formula(lot.phase)
        phases = [p.name for p in system.solids if p.composition == wanted]
        if not phases:
            raise ModelError(
                f"no solid of the system {system.name} is what the lot {lot.name} holds",
                got=lot.phase,
                allowed=", ".join(p.name for p in system.solids),
            )
        found.append(lot.model_copy(update={"phase": phases[0]}))
    return tuple(found)
