"""A task's recipes as points of the unit cube: the coordinates policies search in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.chemistry.system import load_system
from sdl.core.errors import ConfigError
from sdl.core.material import Lot
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Cooling,
    Dose,
    Mix,
    Quench,
    Recipe,
    Regrind,
    Step,
    Wash,
)
from sdl.tasks.blend import Blend
from sdl.tasks.task import Interval, Task


@dataclass(frozen=True)
class _Axis:
    """One continuous coordinate: range, scale, and the step its values are rounded to."""

    name: str
    interval: Interval
    step: float
    logarithmic: bool = False

    def value(self, u: float) -> float:
        low, high = self.interval.low, self.interval.high
        u = min(max(u, 0.0), 1.0)
        raw = low * (high / low) ** u if self.logarithmic else low + (high - low) * u
        rounded = round(raw / self.step) * self.step
        return round(min(max(rounded, low), high), 6)

    def unit(self, value: float) -> float:
        low, high = self.interval.low, self.interval.high
        if high <= low:
            return 0.0
        if self.logarithmic:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)


def _pick(u: float, count: int) -> int:
    return min(int(u * count), count - 1)


def _centre(index: int, count: int) -> float:
    return (index + 0.5) / count


class TaskSpace:
    """The recipes of a task; implements ``sdl.core.proposal.RecipeSpace``.

    Coordinates, in order: ratio, temperature, log dwell, log ramp, milling time; of a solid
    solution its composition (see ``sdl.tasks.blend``); then the choices with more than one option:
    number of regrinds, washes, gas, cooling, one lot per cation and per reagent. Values are rounded
    to what a laboratory can set (1 °C, 0.1 h, 0.5 °C/min, 1 min, 0.001 of the ratio, 0.1 mg), so
    that ``decode(encode(recipe)) == recipe``.

    Args:
        task: A task with a ``space``.

    Raises:
        ConfigError: The task has no space, or a lot does not bring the cation it stands for.
    """

    def __init__(self, task: Task) -> None:
        if task.space is None:
            raise ConfigError(
                f"the task {task.name} has no search space", do="add the key `space` to the task"
            )
        self.task = task
        self.ranges = task.space
        ranges = task.space
        self.axes = (
            _Axis("ratio", ranges.ratio, 0.001),
            _Axis("temperature_c", ranges.temperature_c, 1.0),
            _Axis("dwell_h", ranges.dwell_h, 0.1, logarithmic=True),
            _Axis("ramp_c_per_min", ranges.ramp_c_per_min, 0.5, logarithmic=True),
            _Axis("mill_min", ranges.mill_min, 1.0),
        )
        choices = [("regrinds", ranges.regrinds + 1), ("washes", ranges.washes + 1)]
        choices += [("gas", len(ranges.gases)), ("cooling", len(ranges.coolings))]
        choices += [(f"lot_{i}", len(lots)) for i, lots in enumerate(self.groups)]
        self.choices = tuple((name, count) for name, count in choices if count > 1)
        self.blend = _blend(task)
        self._stoichiometric_mg = self._stoichiometry()

    def _stoichiometry(self) -> dict[str, float]:
        """Mass of each lot that brings its cation for one batch, by the label, mg.

        Of a solid solution: for a batch of the one member that needs it, in moles of ``phase``.
        """
        system = load_system(self.task.system)
        members = [system.phase(name) for name in self.task.target.members]
        moles = self.ranges.batch_mg / members[0].molar_mass_g_per_mol
        masses: dict[str, float] = {}
        for number, group in enumerate(self.ranges.cation_lots):
            own = number - self.shared
            target = members[own] if own >= 0 else members[0]
            for name in group:
                lot = self._lot(name)
                composition = system.phase(lot.phase).composition
                brought = [e for e in composition if e in target.composition and e != "O"]
                if len(brought) != 1:
                    raise ConfigError(
                        f"the lot {name} must bring one cation of {target.name}",
                        got=", ".join(brought) or "none",
                        do="correct `space.cation_lots`",
                    )
                per_target = target.composition[brought[0]] / composition[brought[0]]
                masses[name] = moles * per_target * lot.molar_mass_g_per_mol / lot.assay
        for reagent in self.ranges.reagents:
            for lot in map(self._lot, reagent.lots):
                brought = system.phase(lot.phase).composition.get(reagent.element, 0.0)
                if brought <= 0.0:
                    raise ConfigError(
                        f"the lot {lot.name} must bring {reagent.element}",
                        got=lot.phase,
                        do="correct `space.reagents`",
                    )
                per_target = reagent.per_target / brought
                masses[lot.name] = moles * per_target * lot.molar_mass_g_per_mol / lot.assay
        return masses

    def _lot(self, name: str) -> Lot:
        lot = self.task.laboratory.lot(name)
        if lot is None:
            raise ConfigError(
                f"the space of task {self.task.name} uses a lot that is not on the shelf",
                got=name,
                allowed=", ".join(item.name for item in self.task.laboratory.shelf),
                do="correct `space.cation_lots` or add the lot to `laboratory.shelf`",
            )
        return lot

    def moles_per_target(self, name: str) -> float:
        """Moles of a lot's phase that one mole of target takes, at a ratio of 1 by the labels."""
        lot, system = self._lot(name), load_system(self.task.system)
        target = system.phase(self.task.target.phase)
        moles = self._stoichiometric_mg[name] * lot.assay / lot.molar_mass_g_per_mol
        return moles * target.molar_mass_g_per_mol / self.ranges.batch_mg

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Lots to choose one of each from: those of the cations, then those of the reagents."""
        return (*self.ranges.cation_lots, *(reagent.lots for reagent in self.ranges.reagents))

    @property
    def shared(self) -> int:
        """Number of groups of lots that every recipe takes from.

        The others, one per member of a solid solution, follow the composition.
        """
        groups = len(self.groups)
        return groups if self.blend is None else groups - len(self.blend.names)

    @property
    def continuous(self) -> int:
        """Number of coordinates that are no choices; they come first."""
        return len(self.axes) + (0 if self.blend is None else self.blend.dimension)

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return self.continuous + len(self.choices)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates, in order."""
        blended = () if self.blend is None else self.blend.coordinates
        axes = tuple(a.name for a in self.axes)
        return (*axes, *blended, *(name for name, _ in self.choices))

    @property
    def categories(self) -> dict[int, int]:
        """Index and number of options of each coordinate that is a choice."""
        return {self.continuous + i: count for i, (_, count) in enumerate(self.choices)}

    def formula(self, recipe: Recipe) -> str:
        """``Ni0.40Zn0.60Fe2O4``: the solid solution a recipe aims at; else the target's name.

        Raises:
            ValueError: The recipe does not belong to the space.
        """
        if self.blend is None:
            return self.task.target.label
        return self.blend.formula(self._parts(recipe))

    @property
    def inputs_width(self) -> int:
        """Number of columns of ``inputs``."""
        return self.dimension + (0 if self.blend is None else 1)

    def inputs(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What a model should see of points: mole fractions instead of shares of a stick.

        Args:
            points: Shape ``(n, dimension)``.

        Returns:
            The points, or, of a solid solution, with the fraction of every member in place of the
            composition's coordinates, shape ``(n, inputs_width)``.
        """
        if self.blend is None:
            return points
        first, last = len(self.axes), self.continuous
        parts = [self.blend.parts(point[first:last].tolist()) for point in points]
        shape = (len(points), len(self.blend.names))
        fractions = np.array(parts, dtype=np.float64).reshape(shape) / self.blend.whole
        return np.hstack([points[:, :first], fractions, points[:, last:]])

    def heaviest(self, group: int) -> int:
        """Index, in a group of lots, of the one that weighs most for one batch."""
        masses = [self._stoichiometric_mg[name] for name in self.groups[group]]
        return masses.index(max(masses))

    def shares(self, recipe: Recipe) -> dict[str, float]:
        """Mole fraction of each member of a solid solution, as charged; empty of one phase.

        Raises:
            ValueError: The recipe does not belong to the space.
        """
        if self.blend is None:
            return {}
        parts = self._parts(recipe)
        return {n: p / self.blend.whole for n, p in zip(self.blend.names, parts, strict=True)}

    def smallest_dose(self) -> tuple[float, str]:
        """Mass and lot of the smallest dose that one step of a composition can ask for, mg."""
        if self.blend is None:
            return min((mass, name) for name, mass in self._stoichiometric_mg.items())
        names = [name for group in self.ranges.cation_lots[self.shared :] for name in group]
        return min((self._stoichiometric_mg[n] / self.blend.whole, n) for n in names)

    def decode(self, point: npt.NDArray[np.float64]) -> Recipe:
        """The recipe at a point, shape ``(dimension,)``; coordinates outside [0, 1] are clipped."""
        values = {a.name: a.value(float(u)) for a, u in zip(self.axes, point, strict=False)}
        picks = {
            name: _pick(min(max(float(u), 0.0), 1.0), count)
            for (name, count), u in zip(self.choices, point[self.continuous :], strict=True)
        }
        lots = [group[picks.get(f"lot_{i}", 0)] for i, group in enumerate(self.groups)]
        factors = [values["ratio"]] + [1.0] * (self.shared - 1)
        if self.blend is not None:
            parts = self.blend.parts(point[len(self.axes) : self.continuous].tolist())
            factors += [part / self.blend.whole for part in parts]
        doses = tuple(
            Dose(lot=lot, mass_mg=round(self._stoichiometric_mg[lot] * factor, 1))
            for lot, factor in zip(lots, factors, strict=True)
            if factor > 0.0
        )
        anneal = Anneal(
            temperature_c=values["temperature_c"],
            dwell_h=values["dwell_h"],
            ramp_c_per_min=values["ramp_c_per_min"],
            gas=self.ranges.gases[picks.get("gas", 0)],
        )
        steps: list[Step] = [Mix(doses=doses, mill_min=values["mill_min"]), anneal]
        for _ in range(picks.get("regrinds", 0)):
            steps += [Regrind(mill_min=values["mill_min"]), anneal]
        cooling = self.ranges.coolings[picks.get("cooling", 0)]
        if cooling is not Cooling.FURNACE:
            steps.append(Quench(cooling=cooling))
        steps += [Wash()] * picks.get("washes", 0)
        steps.append(Characterise(scan_min=self.ranges.scan_min))
        if self.task.objective is not None:
            steps.append(self.task.objective.step())
        return Recipe(steps=tuple(steps))

    def _charged(self, recipe: Recipe) -> dict[int, Dose]:
        """The dose of each group of lots; a group that brings nothing is absent.

        Raises:
            ValueError: A lot of no group, two lots of one group, or one of the shared is missing.
        """
        group_of = {lot: i for i, lots in enumerate(self.groups) for lot in lots}
        doses = recipe.steps[0].doses if isinstance(recipe.steps[0], Mix) else ()
        found = {group_of.get(dose.lot, -1): dose for dose in doses}
        if len(found) < len(doses) or -1 in found or not {*range(self.shared)} <= {*found}:
            raise ValueError("the recipe must mix one lot per cation and reagent")
        return found

    def _parts(self, recipe: Recipe) -> tuple[int, ...]:
        """The composition of a recipe in steps."""
        blend, charged = self.blend, self._charged(recipe)
        if blend is None:
            return ()
        groups = range(self.shared, self.shared + len(blend.names))
        doses = [charged.get(group) for group in groups]
        shares = [0.0 if d is None else d.mass_mg / self._stoichiometric_mg[d.lot] for d in doses]
        return blend.rounded(shares)

    def encode(self, recipe: Recipe) -> npt.NDArray[np.float64]:
        """The point of a recipe of this space, shape ``(dimension,)``; choices sit in bin centres.

        Raises:
            ValueError: The recipe does not belong to the space.
        """
        mix, anneal = recipe.steps[0], recipe.anneals()[0] if recipe.anneals() else None
        if not isinstance(mix, Mix) or anneal is None:
            raise ValueError("the recipe must mix one lot per cation and anneal")
        charged = self._charged(recipe)
        first = charged[0]
        values = {
            "ratio": round(first.mass_mg / self._stoichiometric_mg[first.lot], 3),
            "temperature_c": anneal.temperature_c,
            "dwell_h": anneal.dwell_h,
            "ramp_c_per_min": anneal.ramp_c_per_min,
            "mill_min": mix.mill_min,
        }
        quench = next((s for s in recipe.steps if isinstance(s, Quench)), None)
        cooling = Cooling.FURNACE if quench is None else quench.cooling
        picks = {
            "regrinds": sum(isinstance(s, Regrind) for s in recipe.steps),
            "washes": sum(isinstance(s, Wash) for s in recipe.steps),
            "gas": self.ranges.gases.index(anneal.gas),
            "cooling": self.ranges.coolings.index(cooling),
        }
        for i, group in enumerate(self.groups):
            # Of what is not in the recipe, the first: the choice makes no difference.
            picks[f"lot_{i}"] = group.index(charged[i].lot) if i in charged else 0
        point = [axis.unit(values[axis.name]) for axis in self.axes]
        if self.blend is not None:
            point += self.blend.point(self._parts(recipe))
        point += [_centre(picks[name], count) for name, count in self.choices]
        return np.asarray(point, dtype=np.float64)


def _blend(task: Task) -> Blend | None:
    """Composition coordinates of a task whose target is a solid solution.

    Raises:
        ConfigError: The space does not say how fine compositions are.
    """
    if not task.target.solution:
        return None
    step = None if task.space is None else task.space.composition_step
    if step is None or abs(round(1.0 / step) * step - 1.0) > 1e-9:
        raise ConfigError(
            f"the space of task {task.name} must say how fine compositions are",
            got="no `composition_step`" if step is None else f"composition_step {step:g}",
            allowed="a step that divides 1, as 0.05",
            do="correct `space.composition_step`",
        )
    return Blend(task.target, round(1.0 / step))
