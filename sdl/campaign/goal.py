"""What a task wants of a sample: a purity, or a property of a sample that is pure enough."""

from __future__ import annotations

from dataclasses import dataclass

from sdl.analysis.fit import UNEXPLAINED_LIMIT
from sdl.campaign.config import StopConfig
from sdl.core.event import Finished
from sdl.core.material import Observation, Reading
from sdl.tasks.objective import Objective
from sdl.tasks.task import Task


@dataclass(frozen=True)
class Goal:
    """When a measurement reaches what is asked for.

    Args:
        task: Target and objective.
        level: Purity as a fraction; with an objective, its ``success`` in the unit.
    """

    task: Task
    level: float

    @classmethod
    def of(cls, task: Task, stop: StopConfig | None = None) -> Goal:
        """The goal of a campaign: that of its stop rule, else the task's."""
        if task.objective is None:
            purity = None if stop is None else stop.purity
            return cls(task, task.success.purity if purity is None else purity)
        value = None if stop is None else stop.value
        return cls(task, task.objective.success if value is None else value)

    @property
    def least_purity(self) -> float:
        """What a sample must have to count."""
        return self.level if self.task.objective is None else self.task.success.purity

    def counts(self, scan: Observation | None, measurement: Observation | None = None) -> bool:
        """Whether the observations of a sample may carry a claim at all.

        A good fit with nothing unexplained; with an objective, also a good measurement of a sample
        that is pure enough.
        """
        if scan is None or scan.quality != "good" or scan.unexplained > UNEXPLAINED_LIMIT:
            return False
        if self.task.objective is None:
            return True
        pure = scan.amount_of(self.task.target).weight_fraction >= self.task.success.purity
        return pure and measurement is not None and measurement.quality == "good"

    def reached(self, scan: Observation | None, measurement: Observation | None = None) -> bool:
        """Whether the observations of a sample reach the goal."""
        if scan is None or not self.counts(scan, measurement):
            return False
        objective = self.task.objective
        if objective is None:
            return scan.amount_of(self.task.target).weight_fraction >= self.level
        reading = None if measurement is None else measurement.reading
        return reading is not None and objective.reached(reading.value, self.level)

    def words(self) -> str:
        """``BaTiO3 made to 95%``, ``saturation magnetisation of at least 72.0 A m²/kg``."""
        objective = self.task.objective
        if objective is None:
            return f"{self.task.target.label} made to {self.level:.0%}"
        return f"{objective.quantity().title} of {objective.goal(self.level)}"


def merit(
    purity: float | None,
    reading: Reading | None,
    objective: Objective | None,
    least_purity: float,
) -> tuple[bool, float] | None:
    """How good a sample was, larger is better; ``None`` where nothing was measured.

    With an objective, samples that are not pure enough come behind all that are.
    """
    if purity is None:
        return None
    if objective is None:
        return True, purity
    return None if reading is None else (purity >= least_purity, objective.merit(reading.value))


def amount_words(task: Task, finished: Finished) -> str:
    """What was measured of a finished sample, with sigma; its state where nothing was."""
    if finished.purity is None or finished.sigma is None:
        return finished.state.value
    purity = f"{finished.purity:.1%} ± {finished.sigma:.1%}"
    if task.objective is None:
        return purity
    if finished.reading is None:
        return f"no value, {purity} pure"
    quantity = task.objective.quantity()
    value = quantity.words(finished.reading.value, finished.reading.sigma)
    return f"{value}, {purity} pure"
