"""Bayesian choice from a finite pool of recipes: find every good one, not only the best.

The choice is the upper confidence bound ``mean + kappa * sd`` with ``kappa = 2`` over a Gaussian
process whose hyper-parameters are averaged, not fitted (``surrogates.pool_gp``). Its features are
which bottles a recipe uses and its thermal programme, nothing else.

Where the settings come from: bounds at 2 lead on the three pools of Liang et al. 2021
(doi:10.1038/s41524-021-00656-9) when the best 5 % of a pool are wanted. That value and the
covariance were compared on 80 synthetic pools (effects of precursors and of pairs, an onset and a
decay with heat, scatter, all drawn at random), where they needed the fewest experiments for all
winners, by little. The YBCO routes were not scanned for it, but one run of a plain product
covariance had been looked at there (62 experiments), which is why others were tried at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agents.pool_view import Array, Pool, PoolPolicy, outcomes
from sdl.core.proposal import PendingSample, Prediction, Proposal, Request
from sdl.core.seeds import generator
from surrogates.pool_gp import PoolGP, PoolPrior

KAPPA = 2.0
"""Standard deviations added to the mean."""


@dataclass
class PoolDecider(PoolPolicy):
    """The default policy of laboratories that hold a pool.

    Attributes:
        kappa: Standard deviations added to the predicted mean.
        prior: Prior of the Gaussian process.
    """

    name: str = "default"
    kappa: float = KAPPA
    prior: PoolPrior = field(default_factory=PoolPrior)

    def __post_init__(self) -> None:
        """Begins without factors."""
        super().__post_init__()
        self._model: PoolGP | None = None
        self._owner: Pool | None = None
        self._known: list[tuple[int, float]] = []

    def propose(self, request: Request) -> Sequence[Proposal]:
        """At most ``request.free_slots`` untried recipes, each in view of those before it."""
        pool = self.pool(request)
        free = pool.untried(request)
        data = outcomes(request, pool)
        if not data:
            return self._first(request, pool, free)
        model = self._conditioned(request, pool, data)
        _believe(model, pool, request.pending)
        rng = generator(request.key, "ties")
        members: list[int] = []
        reasons: list[str] = []
        predictions: list[Prediction | None] = []
        details: list[dict[str, float]] = []
        while len(members) < request.free_slots and free.any():
            mean, sd = model.predict()
            bound = np.where(free, mean + self.kappa * sd, -np.inf)
            ties = np.flatnonzero(bound >= bound.max() - 1e-9)
            pick = int(ties[rng.integers(len(ties))])
            reasons.append(_reason(pool, request, data, pick, mean, sd, int(free.sum())))
            centre = float(np.clip(mean[pick], 0.0, 1.0))
            predictions.append(Prediction(mean=centre, sigma=float(sd[pick])))
            details.append({"upper_bound": float(bound[pick]), "untried": float(free.sum())})
            members.append(pick)
            free[pick] = False
            model.append(pick, float(mean[pick]))
        model.truncate(len(data))
        return self.proposals(request, members, reasons, predictions, details)

    def _first(self, request: Request, pool: Pool, free: npt.NDArray[np.bool_]) -> list[Proposal]:
        """While nothing is known, untried recipes at random."""
        candidates = np.flatnonzero(free)
        count = min(request.free_slots, len(candidates))
        drawn = generator(request.key, "first").choice(candidates, size=count, replace=False)
        reason = f"nothing has been measured yet: drawn at random from {len(candidates)} recipes"
        return self.proposals(request, [int(i) for i in drawn], [reason] * count)

    def _conditioned(self, request: Request, pool: Pool, data: list[tuple[int, float]]) -> PoolGP:
        """The model on the data in their order; rows of an earlier question are kept."""
        if self._model is None or self._owner is not pool:
            self._model = PoolGP([pool.presence, pool.program()], self.prior)
            self._known, self._owner = [], pool
        shared = 0
        while shared < min(len(data), len(self._known)) and data[shared] == self._known[shared]:
            shared += 1
        self._model.truncate(shared)
        for member, outcome in data[shared:]:
            self._model.append(member, outcome)
        self._known = list(data)
        return self._model


def _believe(model: PoolGP, pool: Pool, pending: Sequence[PendingSample]) -> None:
    """Takes what is on its way as if it gave what is expected of it (kriging believer)."""
    for sample in pending:
        if sample.recipe in pool.index:
            member = pool.index[sample.recipe]
            mean, _ = model.predict()
            model.append(member, float(mean[member]))


def _reason(
    pool: Pool,
    request: Request,
    data: list[tuple[int, float]],
    pick: int,
    mean: Array,
    sd: Array,
    untried: int,
) -> str:
    """Prediction and the most similar experiment, in a sentence."""
    target = request.targets[0].phase
    lots = pool.presence
    heat_c = pool.temperature_c
    member, outcome = min(
        data,
        key=lambda d: (np.abs(lots[d[0]] - lots[pick]).sum(), abs(heat_c[d[0]] - heat_c[pick])),
    )
    return (
        f"{pool.names(pick)}: expected {100 * mean[pick]:.0f} ± {100 * sd[pick]:.0f} wt% {target}, "
        f"the best prospect among {untried} untried recipes; the most similar one made, "
        f"{pool.names(member)}, gave {100 * outcome:.0f} wt%"
    )
