"""What the indices of an action mean, and steps and actions as inverses of one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from envs.tables import (
    DWELL,
    GAS,
    HEADS,
    LOTS,
    MILL_TIME,
    RAMP,
    RATIO,
    TEMPERATURE,
    VERB,
)
from sdl.core.capabilities import Station, StationKind
from sdl.core.errors import ConfigError, PolicyError
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Cooling,
    Dose,
    Gas,
    Mix,
    Quench,
    Regrind,
    Step,
    Stop,
    Wash,
)
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Interval, Task
from simulators.network import IntArray

VERBS = ("mix", "anneal", "regrind", "scan_2", "scan_8", "stop", "wash")
"""Verbs before the quenches, in the order of the kinds in ``envs.tables``."""
TEMPERATURES_C = tuple(300.0 + 25.0 * n for n in range(45))
DWELLS_H = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 16.0, 24.0, 48.0)
RAMPS_C_PER_MIN = (2.0, 5.0, 10.0, 20.0)
MILLS_MIN = (2.0, 5.0, 10.0, 30.0, 60.0)
RATIOS = 7
RATIO_PARTS = (0.12, 0.36, 1.0)
WASH_MIN = 30.0
"""The grid of all tasks; a task takes those values that its space and its stations allow. Ratios
lie closer near stoichiometry, at these parts of the way to the ends: labels are off by some %."""


@dataclass(frozen=True)
class Choices:
    """Options of every head of an action.

    Args:
        task: A task with a search space.
        hottest_c: Highest temperature the chemical system has data for, degC.
    """

    task: Task
    hottest_c: float

    @cached_property
    def space(self) -> TaskSpace:
        """The task's recipes."""
        return TaskSpace(self.task)

    @cached_property
    def furnaces(self) -> tuple[Station, ...]:
        """For each gas, the furnace that is taken: the first that has it."""
        found = self.task.laboratory.of_kind(StationKind.FURNACE)
        return tuple(next(f for f in found if gas in (f.gases or (Gas.AIR,))) for gas in self.gases)

    @cached_property
    def gases(self) -> tuple[Gas, ...]:
        """Gases of the space that some furnace has."""
        furnaces = self.task.laboratory.of_kind(StationKind.FURNACE)
        there = {gas for f in furnaces for gas in (f.gases or (Gas.AIR,))}
        gases = tuple(gas for gas in self.space.ranges.gases if gas in there)
        if not gases:
            raise ConfigError(
                f"no furnace of task {self.task.name} has a gas of its space",
                got=", ".join(self.space.ranges.gases),
                allowed=", ".join(sorted(there)),
            )
        return gases

    @cached_property
    def coolings(self) -> tuple[Cooling, ...]:
        """Ways to quench."""
        stations = self.task.laboratory.of_kind(StationKind.QUENCH)
        able = {c for s in stations for c in s.coolings}
        ranges = self.space.ranges
        return tuple(c for c in ranges.coolings if c in able and c is not Cooling.FURNACE)

    @property
    def verbs(self) -> tuple[str, ...]:
        """Names of the verbs."""
        return (*VERBS, *(f"quench_{c.value}" for c in self.coolings))

    @cached_property
    def temperatures_c(self) -> tuple[float, ...]:
        """Temperatures that every furnace taken allows, degC."""
        limits = [f.max_temperature_c or self.hottest_c for f in self.furnaces]
        low, high = self.space.ranges.temperature_c.low, self.space.ranges.temperature_c.high
        high = min(high, self.hottest_c, *limits)
        inside = Interval(low=low, high=max(low, high))
        return self._some("temperature", TEMPERATURES_C, inside, high)

    @cached_property
    def dwells_h(self) -> tuple[float, ...]:
        """Soaks, h."""
        limit = min(f.max_dwell_h or 500.0 for f in self.furnaces)
        return self._some("dwell", DWELLS_H, self.space.ranges.dwell_h, limit)

    @cached_property
    def ramps_c_per_min(self) -> tuple[float, ...]:
        """Heating rates, degC/min."""
        limit = min(f.max_ramp_c_per_min or 20.0 for f in self.furnaces)
        ranges = self.space.ranges.ramp_c_per_min
        return self._some("ramp", RAMPS_C_PER_MIN, ranges, limit)

    @cached_property
    def ratios(self) -> tuple[float, ...]:
        """Charged amount of the first cation over the stoichiometric one, by the labels."""
        ranges = self.space.ranges.ratio
        if not ranges.low < 1.0 < ranges.high:
            return tuple(_spread(ranges, RATIOS, 3))
        below = [round(1.0 - (1.0 - ranges.low) * part, 3) for part in RATIO_PARTS]
        above = [round(1.0 + (ranges.high - 1.0) * part, 3) for part in RATIO_PARTS]
        return tuple(sorted({*below, 1.0, *above}))

    @cached_property
    def mill_min(self) -> tuple[float, ...]:
        """Milling times, min."""
        limits = self.task.laboratory.of_kind(StationKind.MIXER)
        limit = max((s.max_mill_min or 60.0 for s in limits), default=0.0)
        return self._some("milling time", MILLS_MIN, self.space.ranges.mill_min, limit)

    @property
    def lots(self) -> tuple[tuple[str, ...], ...]:
        """For each cation and reagent, the lots to choose one from."""
        return self.space.groups

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads of an action."""
        return (*HEADS, *(f"lot_{i}" for i in range(len(self.lots))))

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of options of each head."""
        values = (self.verbs, self.temperatures_c, self.dwells_h, self.ramps_c_per_min)
        more = (self.gases, self.ratios, self.mill_min, *self.lots)
        return tuple(len(options) for options in (*values, *more))

    def doses(self, ratio: int, lots: Sequence[int]) -> tuple[Dose, ...]:
        """What is weighed in for a ratio and one lot per cation, by their indices."""
        point = np.full(self.space.dimension, 0.5)
        point[0] = self.space.axes[0].unit(self.ratios[ratio])
        for i, name in enumerate(self.space.names):
            if name.startswith("lot_"):
                cation = int(name.removeprefix("lot_"))
                point[i] = (lots[cation] + 0.5) / len(self.lots[cation])
        return self.space.decode(point).doses()

    def steps(self, actions: Iterable[Sequence[int] | IntArray]) -> list[Step]:
        """The steps that actions stand for; ``stop`` is a scan of 8 minutes and a stop."""
        steps: list[Step] = []
        for action in actions:
            verb = self.verbs[int(action[VERB])]
            mill = self.mill_min[int(action[MILL_TIME])]
            if verb == "mix":
                doses = self.doses(int(action[RATIO]), [int(n) for n in action[LOTS:]])
                steps.append(Mix(doses=doses, mill_min=mill))
            elif verb == "anneal":
                steps.append(self._anneal(action))
            elif verb == "regrind":
                steps.append(Regrind(mill_min=mill))
            elif verb in ("scan_2", "scan_8"):
                steps.append(Characterise(scan_min=2.0 if verb == "scan_2" else 8.0))
            elif verb == "wash":
                steps.append(Wash(duration_min=WASH_MIN))
            elif verb == "stop":
                steps += [Characterise(scan_min=8.0), Stop()]
            else:
                steps.append(Quench(cooling=Cooling(verb.removeprefix("quench_"))))
        return steps

    def actions(self, steps: Sequence[Step]) -> IntArray:
        """The actions behind steps, shape ``(decisions, heads)``; the inverse of ``steps``.

        Heads that mean nothing for a verb are 0.

        Raises:
            PolicyError: A step that no action stands for.
        """
        stops = len(steps) >= 2 and isinstance(steps[-1], Stop)
        if stops and steps[-2] != Characterise(scan_min=8.0):
            raise PolicyError("a stop comes after a scan of 8 minutes", got=steps[-2].kind)
        rows = [self._action(step) for step in (steps[:-2] if stops else steps)]
        if stops:
            rows.append(self._row(VERBS.index("stop")))
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.counts))

    def _anneal(self, action: Sequence[int] | IntArray) -> Anneal:
        return Anneal(
            temperature_c=self.temperatures_c[int(action[TEMPERATURE])],
            dwell_h=self.dwells_h[int(action[DWELL])],
            ramp_c_per_min=self.ramps_c_per_min[int(action[RAMP])],
            gas=self.gases[int(action[GAS])],
        )

    def _row(self, verb: int, **heads: int) -> list[int]:
        return [verb, *(heads.get(name, 0) for name in self.heads[1:])]

    def _action(self, step: Step) -> list[int]:
        try:
            match step:
                case Mix():
                    return self._mix_row(step)
                case Anneal():
                    return self._row(
                        VERBS.index("anneal"),
                        temperature=self.temperatures_c.index(step.temperature_c),
                        dwell=self.dwells_h.index(step.dwell_h),
                        ramp=self.ramps_c_per_min.index(step.ramp_c_per_min),
                        gas=self.gases.index(step.gas),
                    )
                case Regrind():
                    return self._row(
                        VERBS.index("regrind"), mill=self.mill_min.index(step.mill_min)
                    )
                case Characterise():
                    return self._row(VERBS.index(f"scan_{step.scan_min:g}"))
                case Wash() if step == Wash(duration_min=WASH_MIN):
                    return self._row(VERBS.index("wash"))
                case Quench():
                    return self._row(self.verbs.index(f"quench_{step.cooling.value}"))
                case _:
                    raise ValueError(step.kind)
        except (ValueError, StopIteration) as err:
            raise PolicyError(
                "no action of this environment stands for the step",
                got=repr(step),
                do="use the values of its grid (`choices`)",
            ) from err

    def _mix_row(self, step: Mix) -> list[int]:
        lots = [group.index(dose.lot) for group, dose in zip(self.lots, step.doses, strict=True)]
        ratio = next(r for r in range(len(self.ratios)) if self.doses(r, lots) == step.doses)
        heads = {f"lot_{i}": n for i, n in enumerate(lots)}
        mill = self.mill_min.index(step.mill_min)
        return self._row(VERBS.index("mix"), ratio=ratio, mill=mill, **heads)

    def _some(
        self, what: str, grid: tuple[float, ...], inside: Interval, limit: float
    ) -> tuple[float, ...]:
        kept = tuple(v for v in grid if inside.low <= v <= min(inside.high, limit))
        if not kept:
            raise ConfigError(
                f"the laboratory and the space of task {self.task.name} leave no {what}",
                got=f"{inside.low:g} to {inside.high:g}, stations at most {limit:g}",
                allowed=f"at least one of {', '.join(f'{v:g}' for v in grid)}",
                do="widen the space of the task or the limits of the stations",
            )
        return kept


def _spread(interval: Interval, count: int, digits: int) -> list[float]:
    """``count`` values over an interval, rounded inside it, ascending, without repeats."""
    values = {round(float(v), digits) for v in np.linspace(interval.low, interval.high, count)}
    return sorted(v for v in values if interval.low <= v <= interval.high)
