"""Scans as a laboratory makes them: a whole pattern with counting noise, and its fit.

Some 20 to 50 ms each: for judging what was learned with the quick estimates, not for training.
"""

from __future__ import annotations

import numpy as np

from envs.problem import Problem
from envs.tables import (
    BONUS,
    BONUS_BOUND,
    BONUS_IMPURITY,
    BONUS_PURITY,
    BOUND_SIGMAS,
    EPISODE,
    PURE,
    PURITY,
    REWARD,
    SCANS,
    SLOTS,
    TERMINATED,
    Result,
    SingleArray,
    State,
)
from sdl.analysis.fit import fit_pattern
from sdl.analysis.pattern import simulate_counts
from sdl.analysis.references import load_references, patterned
from sdl.core.seeds import generator
from simulators.network import FloatArray


class PatternScans:
    """Replaces the quick estimates of a step by fits of simulated patterns.

    Args:
        problem: The task as arrays.
    """

    def __init__(self, problem: Problem) -> None:
        solids = problem.network.solid_names
        self._problem = problem
        system = problem.task.system
        self._fitted = load_references(system)
        self._every = load_references(system, patterned(system))
        self._place = [solids.index(name) for name in self._fitted.names]
        self._target = problem.rules.desk.target

    def replace(
        self, state: State, result: Result, seen: SingleArray, final: SingleArray, at: int
    ) -> None:
        """Corrects what the last step said of its scans, and the bonuses that rest on them.

        Args:
            state: Samples.
            result: What the step reported; rewards and bonuses of ended episodes are corrected.
            seen: (N, D) observations, corrected in place.
            final: (N, D) last observations of the episodes that ended, corrected in place.
            at: First of the numbers about the phases of the scan in an observation.
        """
        for row in np.flatnonzero(result.scanned).tolist():
            ended = bool(result.flags[TERMINATED, row])
            estimate = self._estimate(state, result, row, ended)
            shown = final[row] if ended else seen[row]
            self._show(estimate, shown[at : at + 6 * SLOTS])
            if ended:
                self._judge(estimate, result, row)
            else:
                state.estimate[row] = estimate

    def _estimate(self, state: State, result: Result, row: int, ended: bool) -> FloatArray:
        """Weight fractions and sigma of all solids, shape (2, S)."""
        chance, episode = self._problem.rules.chance, int(state.whole[row, EPISODE]) - int(ended)
        number = -1 if ended else int(state.whole[row, SCANS])
        who = (int(chance.seed), int(chance.identity[row]), episode)
        names, minutes = self._problem.network.solid_names, float(result.scanned[row])
        matter = result.matter[row]
        counts = simulate_counts(
            {n: float(w) for n, w in zip(names, matter, strict=True) if n in self._every.names},
            self._every,
            scan_min=minutes,
            rng=generator("envs-scan", *who, number),
            mount_rng=generator("envs-mount", *who),
        )
        fit = fit_pattern(counts, self._fitted, scan_min=minutes)
        estimate = np.zeros((2, len(names)))
        amounts = [fit.phases[name] for name in self._fitted.names]
        estimate[0, self._place] = [a.weight_fraction for a in amounts]
        estimate[1, self._place] = [a.sigma for a in amounts]
        return estimate

    def _show(self, estimate: FloatArray, out: SingleArray) -> None:
        """Writes the heaviest phases as ``envs.views.write_scan`` does."""
        out[:] = 0.0
        weights = estimate[0]
        order = np.argsort(-weights, kind="stable")[:SLOTS]
        for slot, p in enumerate(order.tolist()):
            if weights[p] > 0.0:
                part = out[6 * slot : 6 * slot + 6]
                part[:2] = weights[p], estimate[1, p]
                part[2:] = self._problem.rules.desk.shown.solid[p]

    def _judge(self, estimate: FloatArray, result: Result, row: int) -> None:
        """The bonus by the fit instead of by the quick estimate."""
        matter = result.matter[row]
        impurity = np.delete(matter, self._target).max(initial=0.0)
        bound = estimate[0, self._target] - BOUND_SIGMAS * estimate[1, self._target]
        good = result.scores[PURITY, row] >= BONUS_PURITY and impurity <= BONUS_IMPURITY
        pure = bool(good and bound >= BONUS_BOUND)
        before = bool(result.flags[PURE, row])
        result.scores[REWARD, row] += BONUS * (int(pure) - int(before))
        result.flags[PURE, row] = pure
