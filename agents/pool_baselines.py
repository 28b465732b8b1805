"""What a learner over a pool must be shown beside: chance, fixed knowledge, a plain forest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agents.pool import PoolDecider
from agents.pool_view import Array, Pool, PoolPolicy, outcomes
from sdl.core.proposal import Prediction, Proposal, Request
from sdl.core.protocols import Policy
from sdl.core.seeds import generator

STABLE_CARBONATES = ("BaCO3",)
"""Carbonates that hold on to their CO2 at common firing temperatures."""


@dataclass
class RandomPool(PoolPolicy):
    """Untried recipes in random order."""

    name: str = "random"

    def propose(self, request: Request) -> Sequence[Proposal]:
        """At most ``request.free_slots`` recipes, drawn without replacement."""
        pool = self.pool(request)
        order = np.zeros(len(pool.recipes))
        return self._drawn(request, order, "drawn at random from {n} untried recipes")

    def _drawn(self, request: Request, order: Array, reason: str) -> list[Proposal]:
        """Untried recipes by rising ``order``, at random where it is equal."""
        pool = self.pool(request)
        candidates = np.flatnonzero(pool.untried(request))
        lottery = generator(request.key, "draw").random(len(candidates))
        best = candidates[np.lexsort((lottery, order[candidates]))][: request.free_slots]
        members = [int(i) for i in best]
        return self.proposals(request, members, [reason.format(n=len(candidates))] * len(members))


@dataclass
class Hottest(RandomPool):
    """The hottest untried recipes first, in random order: fixed knowledge, no learning."""

    name: str = "hottest"

    def propose(self, request: Request) -> Sequence[Proposal]:
        """At most ``request.free_slots`` of the hottest untried recipes."""
        pool = self.pool(request)
        return self._drawn(
            request, -pool.temperature_c, "among the hottest of {n} untried recipes, at random"
        )


@dataclass
class HottestNoCarbonate(RandomPool):
    """As ``Hottest``, but among equally hot recipes those with barium carbonate come last."""

    name: str = "hottest_no_carbonate"

    def propose(self, request: Request) -> Sequence[Proposal]:
        """At most ``request.free_slots`` of the hottest untried recipes without the carbonate."""
        pool = self.pool(request)
        order = -pool.temperature_c + 0.5 * _stable_carbonate(pool)
        return self._drawn(
            request, order, "among the hottest of {n} untried recipes, those without BaCO3 first"
        )


@dataclass
class ForestUcb(RandomPool):
    """A plain random forest on one-hot precursors and temperature, mean + kappa * sd of its trees.

    Attributes:
        trees: Number of trees.
        kappa: Standard deviations added to the mean.
    """

    name: str = "forest_ucb"
    trees: int = 50
    kappa: float = 1.0

    def propose(self, request: Request) -> Sequence[Proposal]:
        """At most ``request.free_slots`` untried recipes of the highest bounds; first at random."""
        pool = self.pool(request)
        data = outcomes(request, pool)
        if not data:
            return super().propose(request)
        mean, sd = self._predict(request, pool, data)
        bound = np.where(pool.untried(request), mean + self.kappa * sd, -np.inf)
        lottery = generator(request.key, "ties").random(len(bound))
        best = np.lexsort((lottery, -bound))[: request.free_slots]
        members = [int(i) for i in best if np.isfinite(bound[i])]
        reasons = [
            f"{pool.names(m)}: the forest expects {100 * mean[m]:.0f} wt%, its trees spread by "
            f"{100 * sd[m]:.0f} wt%, the highest bound of all untried recipes"
            for m in members
        ]
        predictions = [Prediction(mean=float(mean[m]), sigma=float(sd[m])) for m in members]
        return self.proposals(request, members, reasons, predictions)

    def _predict(
        self, request: Request, pool: Pool, data: list[tuple[int, float]]
    ) -> tuple[Array, Array]:
        """Mean and spread over the trees for the whole pool, each of shape ``(pool,)``."""
        # Imported here: scikit-learn takes half a second, and other policies do not need it.
        from sklearn.ensemble import RandomForestRegressor

        features = np.column_stack([pool.presence, pool.temperature_c])
        seed = int(generator(request.key, "forest").integers(2**31))
        forest = RandomForestRegressor(self.trees, random_state=seed, n_jobs=1)
        members = [member for member, _ in data]
        forest.fit(features[members], [outcome for _, outcome in data])
        # Trees predict in single precision.
        narrow = features.astype(np.float32)
        trees = np.array([t.predict(narrow, check_input=False) for t in forest.estimators_])
        return trees.mean(axis=0), trees.std(axis=0)


def _stable_carbonate(pool: Pool) -> Array:
    """1 where a recipe uses a stable carbonate, shape ``(pool,)``."""
    held = [pool.formulas[lot] in STABLE_CARBONATES for lot in pool.lots]
    return (pool.presence @ np.array(held, dtype=np.float64)).clip(0.0, 1.0)


POOL_POLICIES: dict[str, Callable[[], Policy]] = {
    "random": RandomPool,
    "hottest": Hottest,
    "hottest_no_carbonate": HottestNoCarbonate,
    "forest_ucb": ForestUcb,
    "default": PoolDecider,
}
"""Every policy over a pool, by name."""
