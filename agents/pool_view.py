"""A pool of recipes as a policy sees it: what is untried, and generic features of each recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sdl.core.capabilities import Capabilities
from sdl.core.errors import PolicyError
from sdl.core.event import Event
from sdl.core.proposal import Prediction, Proposal, Request, SampleView
from sdl.core.recipe import Step, Stop

Array = npt.NDArray[np.float64]


class Pool:
    """Recipes of a laboratory that replays a table, with their features.

    Nothing here comes from outcomes: features are what the recipes and the labels of the bottles
    say.

    Args:
        capabilities: A laboratory with a pool.

    Raises:
        PolicyError: The laboratory has none.
    """

    def __init__(self, capabilities: Capabilities) -> None:
        if not capabilities.pool:
            raise PolicyError(
                "this policy chooses from a pool of recipes",
                got=f"the laboratory {capabilities.name} without one",
                allowed="a table laboratory",
                do="choose another policy",
            )
        self.capabilities = capabilities
        self.recipes = capabilities.pool
        self.index = {recipe: i for i, recipe in enumerate(self.recipes)}
        self.lots = tuple(sorted({d.lot for r in self.recipes for d in r.doses()}))
        labels = {lot.name: lot.phase for lot in capabilities.shelf}
        self.formulas = {name: labels.get(name, name) for name in self.lots}
        self.temperature_c = np.array(
            [max((a.temperature_c for a in r.anneals()), default=25.0) for r in self.recipes]
        )

    @cached_property
    def presence(self) -> Array:
        """1 where a recipe uses a lot, shape ``(pool, lots)``."""
        used = [{d.lot for d in r.doses()} for r in self.recipes]
        return np.array([[float(lot in lots) for lot in self.lots] for lots in used])

    def program(self) -> Array:
        """Standardised thermal programme, shape ``(pool, columns)``; constant columns are zero."""
        rows: list[list[float]] = []
        gases = sorted({a.gas.value for r in self.recipes for a in r.anneals()})
        for recipe in self.recipes:
            anneals = recipe.anneals()
            row = [max((a.temperature_c for a in anneals), default=25.0)]
            row += [np.log(sum(a.dwell_h for a in anneals) + 1e-3), float(len(anneals))]
            row += [float(any(a.gas.value == g for a in anneals)) for g in gases]
            rows.append(row)
        return _standardised(np.array(rows))

    def untried(self, request: Request) -> npt.NDArray[np.bool_]:
        """Which members are neither made nor on their way, booleans of shape ``(pool,)``."""
        free = np.ones(len(self.recipes), dtype=bool)
        for recipe in [r.recipe for r in request.results] + [p.recipe for p in request.pending]:
            if recipe in self.index:
                free[self.index[recipe]] = False
        return free

    def names(self, member: int) -> str:
        """A member in a chemist's words: ``BaO + CuO + Y2O3 at 900 °C``."""
        recipe = self.recipes[member]
        lots = " + ".join(self.formulas[d.lot] for d in recipe.doses())
        return f"{lots} at {self.temperature_c[member]:.0f} °C"


@dataclass
class PoolPolicy:
    """Base of policies over a pool: keeps nothing that a restart would lose.

    Subclasses answer ``rank``; recipes are never proposed twice.
    """

    name: str

    def __post_init__(self) -> None:
        self._pool: Pool | None = None

    def pool(self, request: Request) -> Pool:
        """The pool of a request, built once per laboratory."""
        if self._pool is None or self._pool.capabilities is not request.capabilities:
            self._pool = Pool(request.capabilities)
        return self._pool

    def next(self, view: SampleView) -> Step:
        """Recipes of a pool are closed: always ``Stop``."""
        return Stop()

    def ingest(self, event: Event) -> None:
        """Requests carry everything a pool policy needs."""

    def proposals(
        self,
        request: Request,
        members: Sequence[int],
        reasons: Sequence[str],
        predictions: Sequence[Prediction | None] | None = None,
        details: Sequence[dict[str, float]] | None = None,
    ) -> list[Proposal]:
        """Proposals for members of the pool, numbered from ``request.next_id``."""
        pool = self.pool(request)
        return [
            Proposal(
                id=f"P{request.next_id + i}",
                target=request.targets[0],
                recipe=pool.recipes[member],
                prediction=None if predictions is None else predictions[i],
                reason=reasons[i],
                policy=self.name,
                details={} if details is None else dict(details[i]),
            )
            for i, member in enumerate(members)
        ]


def outcomes(request: Request, pool: Pool) -> list[tuple[int, float]]:
    """Member and measured weight fraction of the target of each finished experiment, in order."""
    phase = request.targets[0].phase
    return [
        (pool.index[r.recipe], r.observation.purity(phase).weight_fraction)
        for r in request.results
        if r.observation is not None and r.recipe in pool.index
    ]


def _standardised(table: Array) -> Array:
    centred = table - table.mean(axis=0)
    spread = centred.std(axis=0)
    constant = spread <= 1e-9 * np.maximum(np.abs(table).max(axis=0), 1.0)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))
