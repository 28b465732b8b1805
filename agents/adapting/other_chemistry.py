"""Environments whose matter follows another chemical system than their task says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.batched import CHUNK, BatchedSynthesis
from envs.problem import Problem
from envs.tables import Rules, Scanner
from sdl.chemistry.system import ChemicalSystem
from sdl.tasks.task import Task
from simulators.laboratory import Laboratory, nominal_laboratory
from simulators.network import FloatArray, Network
from simulators.stations import StationModel


class OtherProblem(Problem):
    """A problem whose matter follows another chemical system than the task says.

    The choices, the prices and the shelf stay. A phase that the diffractometer's model lacks is
    seen as the target is: with its errors, but without correlations.
    """

    def __init__(
        self, believed: Problem, system: ChemicalSystem, laboratories: Sequence[Laboratory]
    ) -> None:
        self.__dict__.update(believed.__dict__)
        lots = self.task.laboratory.shelf
        self.network = Network(system)
        names = self.network.solid_names
        known = set(believed.network.solid_names)
        first = believed.rules.scanner
        renumbered = np.array([names.index(n) for n in self.quick.references.names], dtype=np.int64)
        seen = first._replace(solid=renumbered)
        for name in names:
            if name not in known:
                like = self.quick.references.names.index(self.task.target.phase)
                seen = _with_pattern(seen, names.index(name), like)
        self.rules = Rules(
            net=self.network.net,
            nominal=self._draw(nominal_laboratory(system, lots, ())),
            given=self._stack(laboratories),
            desk=self._desk(StationModel()),
            scanner=seen,
            chance=believed.rules.chance,
            tolerance=believed.rules.tolerance,
        )

    def scratch(self) -> Any:
        """As of ``Problem``, with room for the lines of every phase that is seen."""
        own = super().scratch()
        return own._replace(seen=np.zeros((own.seen.shape[0], len(self.rules.scanner.solid))))


def _with_pattern(scanner: Scanner, solid: int, like: int) -> Scanner:
    """A scanner that sees one more solid, as it sees phase number ``like``."""

    def square(tables: FloatArray) -> FloatArray:
        times, n = tables.shape[:2]
        wider = np.zeros((times, n + 1, n + 1))
        wider[:, :n, :n] = tables
        wider[:, n, n] = 1.0
        return wider

    own = scanner.variance
    n = own.shape[2]
    wider = np.zeros((own.shape[0], n + 3, n + 1))
    wider[:, :n, :n], wider[:, n + 1 :, :n] = own[:, :n], own[:, n:]
    wider[:, n, :n] = own[:, like]
    wider[:, :, n] = wider[:, :, like]
    return scanner._replace(
        solid=np.append(scanner.solid, solid),
        variance=wider,
        factor=square(scanner.factor),
        correlation=square(scanner.correlation),
        powder=np.ascontiguousarray(np.hstack([scanner.powder, scanner.powder[:, like, None]])),
    )


class OtherBatch(BatchedSynthesis):
    """Rows in explicit laboratories whose chemistry may differ from the task's.

    Args:
        task: The task.
        laboratories: What is hidden, in turn.
        system: The chemistry that matter follows; the task's own if ``None``.
        tolerance: Of the solver; the environment's own if ``None``.
        more: As of ``BatchedSynthesis``.
    """

    def __init__(
        self,
        task: Task,
        laboratories: Sequence[Laboratory],
        system: ChemicalSystem | None,
        tolerance: float | None,
        **more: Any,
    ) -> None:
        self._true_system, self._true = system, laboratories
        self._asked_tolerance = tolerance
        super().__init__(task, laboratories=laboratories, **more)

    def prepare(self) -> None:
        """Puts the true chemistry in the place of the task's."""
        if self._true_system is not None:
            self.problem = OtherProblem(self.problem, self._true_system, self._true)
            self._labs = self.problem.laboratories(self.rows)
            episode = self._state.whole.copy()
            self._state = self.problem.state(self.rows)
            self._state.whole[:] = episode
            self._scratch = [self.problem.scratch() for _ in range(0, self.rows, CHUNK)]
            self._result = self.problem.result(self.rows)
        self._rules = self.problem.rules
        if self._asked_tolerance is not None:
            self._rules = self._rules._replace(tolerance=self._asked_tolerance)
