"""Bayesian optimisation with the twin as prior, driven experiment by experiment: the rival.

The statistics are those of the policy ``default``: an ensemble of the twin's laboratories weighted
by how well they explain the results (``surrogates.belief``), a Gaussian process with their
directions on what is left, expected improvement. Recipes are those of the environments' grid, and
the candidates are simulated once per task: twice as many as ``default`` starts with.
The hyper-parameters stay at the modes of their priors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from agents.adapting.chooser import seen_value
from agents.adapting.residual import features
from agents.adapting.truth import Seen
from agents.adapting.twin import Twin
from agents.cross_entropy import draw, step_from, uniform_tables
from agents.recipe_model import DISCREPANCY, LEAST_MEMBERS, TWIN_PRIORS
from agents.twin_prior import MEMBERS
from sdl.core.seeds import generator
from simulators.network import FloatArray, IntArray
from surrogates.acquisition import log_bounded_improvement, log_expected_improvement
from surrogates.belief import believe
from surrogates.gaussian_process import GaussianProcess
from surrogates.kernel import Layout

Aim = Literal["purity", "return", "greedy"]
"""``purity``: as ``default``, never the same recipe twice. ``return``: expected improvement of the
return, where a recipe may be made again. ``greedy``: the largest expected return."""
LEAST_SIGMA = 1e-3


@dataclass(frozen=True)
class Table:
    """Candidates and what the twin's laboratories make of them.

    Attributes:
        genes: ``(n, genes)``.
        points: The same for the process, ``(n, d)``.
        purity: ``(members, n)``.
        value: Expected returns, ``(members, n)``.
    """

    genes: IntArray
    points: FloatArray
    purity: FloatArray
    value: FloatArray


def table_of(twin: Twin, given: IntArray, candidates: int = 512, members: int = MEMBERS) -> Table:
    """Candidates of a task: plans over the whole space, good ones in many members, and near those.

    Args:
        twin: The believed chemistry.
        given: Plans that are among them, ``(some, genes)``.
        candidates: How many.
        members: Laboratories of the prior, not widened.
    """
    rng = generator("bayes-table", twin.task.hash)
    z = rng.standard_normal((members, len(twin.space)))
    plans, few = twin.plans, 8
    pool = draw(plans, uniform_tables(plans, 1), candidates // 2, rng)[0]
    pool = np.concatenate([given, pool])
    promise = _promise(twin.grid(z[:few], pool))
    for _ in range(4):
        best = pool[np.argsort(-promise, kind="stable")[:32]]
        near = step_from(plans, best[None], candidates // 4, rng)[0]
        pool = np.concatenate([pool, near])
        promise = np.concatenate([promise, _promise(twin.grid(z[:few], near))])
    pool, first = np.unique(pool, axis=0, return_index=True)
    order = np.argsort(-promise[first], kind="stable")
    spread = rng.permutation(order[3 * candidates // 4 :])[: candidates // 4]
    genes = np.unique(
        np.concatenate([given, pool[order[: 3 * candidates // 4]], pool[spread]]), axis=0
    )
    runs = twin.run(np.repeat(z, len(genes), axis=0), np.tile(genes, (members, 1)))
    shape = (members, len(genes))
    purity = runs.matter[:, twin.target].reshape(shape)
    return Table(genes, features(plans, genes), purity, runs.value.reshape(shape))


def _promise(values: FloatArray) -> FloatArray:
    return values.mean(axis=0) + 0.5 * values.std(axis=0)


class BayesChooser:
    """Bayesian optimisation in L laboratories, each for itself.

    Args:
        twin: The believed chemistry.
        table: Its candidates.
        laboratories: How many.
        aim: What it maximises.
    """

    def __init__(self, twin: Twin, table: Table, laboratories: int, aim: Aim) -> None:
        self.name = "bayes" if aim == "purity" else f"bayes_{aim}"
        self._twin, self._table, self._aim = twin, table, aim
        self._predicted = table.purity if aim == "purity" else table.value
        self._picked: list[list[int]] = [[] for _ in range(laboratories)]
        self._data: list[list[float]] = [[] for _ in range(laboratories)]
        self._sigma: list[list[float]] = [[] for _ in range(laboratories)]
        low, high = table.points.min(axis=0), table.points.max(axis=0)
        self._points = (table.points - low) / np.maximum(high - low, 1e-9)
        self._next = np.array([self._pick(n) for n in range(laboratories)])

    def choose(self) -> IntArray:
        """As of ``Chooser``."""
        return self._twin.plans.actions(self._table.genes[self._next])

    def learn(self, seen: Seen) -> None:
        """As of ``Chooser``."""
        purity, sigma = seen.fractions[:, self._twin.target], seen.sigma[:, self._twin.target]
        value = seen_value(self._twin, seen)
        for n, row in enumerate(self._next.tolist()):
            own = self._aim == "purity"
            self._picked[n].append(row)
            self._data[n].append(float(purity[n] if own else value[n]))
            # d(return)/d(purity) is about 2, and the bonus comes and goes.
            self._sigma[n].append(max(float(sigma[n]) * (1.0 if own else 4.0), LEAST_SIGMA))
        self._next = np.array([self._pick(n) for n in range(len(self._next))])

    def _pick(self, n: int) -> int:
        rows = np.array(self._picked[n], dtype=np.int64)
        data, sigma = np.array(self._data[n]), np.array(self._sigma[n])
        predicted = self._predicted
        belief = believe(
            predicted[:, rows], data, np.hypot(sigma, DISCREPANCY), least=LEAST_MEMBERS
        )
        inputs = np.hstack([self._points, belief.directions(predicted)])
        layout = Layout(tuple(range(self._points.shape[1])), (), len(belief.weights))
        prior = belief.mean(predicted)
        model = GaussianProcess.of_priors(layout, TWIN_PRIORS)
        posterior = model.condition(inputs[rows], data - prior[rows], sigma)
        table = posterior.table(inputs)
        mean, sd = table.mean + prior, table.sd
        if self._aim == "greedy":
            return int(np.argmax(mean))
        incumbent = float(mean[rows].max()) if len(rows) else 0.0
        if self._aim == "purity":
            gain = log_bounded_improvement(mean, sd, max(incumbent, 0.0), 1.0)
            gain[rows] = -np.inf
            return int(np.argmax(gain))
        return int(np.argmax(log_expected_improvement(mean, sd, incumbent)))
