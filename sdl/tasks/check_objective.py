"""Whether a task's laboratory can measure the property that its objective names."""

from __future__ import annotations

from collections.abc import Iterator

from sdl.core.capabilities import MEASURED_AT
from sdl.safety import check_measurement
from sdl.tasks.check_space import Fault
from sdl.tasks.objective import CARRIERS, Near
from sdl.tasks.task import Task


def objective_faults(task: Task) -> Iterator[Fault]:
    """What is wrong with the objective, if there is one."""
    objective = task.objective
    if objective is None:
        if task.prices.measurement:
            what, got = "nothing is measured that could cost this", f"{task.prices.measurement:g}"
            yield ("prices", "measurement"), what, got, "0, or a task with an `objective`"
        return
    carriers = CARRIERS[objective.property]
    for i, name in enumerate(task.target.members):
        if name not in carriers:
            keys = ("target", "solution", i - 1) if i else ("target", "phase")
            what = f"no law gives the {objective.quantity().title} of this phase"
            yield keys, what, name, ", ".join(carriers)
    kind = MEASURED_AT[objective.property]
    for violation in check_measurement(objective.step(), task.laboratory):
        missing = violation.rule == "station-exists"
        keys = ("laboratory", "stations") if missing else ("objective", "temperature_c")
        got, _, allowed = violation.message.partition("; allowed: ")
        what = f"the {objective.quantity().title} cannot be measured here"
        yield keys, what, got, allowed or f"at least one station of the kind {kind.value}"
    if isinstance(objective.aim, Near) and objective.success <= 0.0:
        got, what = f"{objective.success:g}", "how near is near enough must be above zero"
        yield ("objective", "success"), what, got, "> 0"
