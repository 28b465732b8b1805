"""Bayesian over a recipe space, on top of what the twin believes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agents.candidates import Candidates, around, join, of_points, point_of, points_of, spread
from agents.ledger import Ledger, text_of
from agents.reasons import reason
from agents.recipe_model import Measured, RecipeModel, Twin, View
from agents.worth import worth_of
from sdl.core.errors import ModelError
from sdl.core.event import Event
from sdl.core.proposal import ModelVersion, Prediction, Proposal, Request, Result, SampleView
from sdl.core.protocols import BlobStore
from sdl.core.recipe import Recipe, Step, Stop
from sdl.core.seeds import generator
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task
from surrogates.gaussian_process import GaussianProcess
from surrogates.model_file import dump, restore
from surrogates.posterior import CandidateTable, log_density

Array = npt.NDArray[np.float64]

FIRST_FIT = 4
"""Results with a number before the first fit."""
HELD_BACK = 4
"""Every fourth result is kept from every fit and judges the models."""


class BayesPolicy:
    """Proposes the recipe with the largest expected improvement, one per free slot.

    The prior mean is the twin's: an ensemble of simulated laboratories, weighted by how well each
    explains the results. A Gaussian process holds what the twin leaves unexplained. Samples on
    their way count as made, at their predicted purity, so that proposals of one batch differ.

    A failed experiment is no purity of zero. It is left out of the process and makes recipes near
    it less likely to be chosen, in proportion to the failures among the experiments around them.

    Hyper-parameters come from the last promoted model file alone, the data from the request, so
    that a resumed campaign decides as the uninterrupted one.

    Args:
        task: A task with a space.
        blobs: Where the journal keeps model files.
        twin: Ensemble to believe in; ``None`` for a bare Gaussian process.

    Raises:
        ConfigError: The task has no space.
    """

    name = "default"

    def __init__(
        self, task: Task, blobs: BlobStore | None = None, *, twin: Twin | None = None
    ) -> None:
        self._task, self._blobs, self._twin = task, blobs, twin
        self._ledger = Ledger()
        space = TaskSpace(task)
        self._worth = worth_of(task, space)
        self._surrogate = RecipeModel(space, twin, standardise=task.objective is not None)
        self._loaded: tuple[str, GaussianProcess] | None = None

    def ingest(self, event: Event) -> None:
        """Takes note of one journalled event."""
        self._ledger.ingest(event)

    def next(self, view: SampleView) -> Step:
        """Recipes of this policy are never open; a sample that asks is finished."""
        return Stop()

    def propose(self, request: Request) -> Sequence[Proposal]:
        """One recipe per free slot.

        Raises:
            ModelError: The file of the promoted model is not at hand.
        """
        surrogate = self._surrogate
        data = self._worth.data(request.results)
        view = surrogate.view(self._model(surrogate, data), data)
        candidates = self._candidates(request, view, data)
        return self._pick(request, view, data, candidates)

    def learn(self, model_id: str, key: str, blobs: BlobStore) -> ModelVersion | None:
        """Fits hyper-parameters on the results so far and stores the model.

        Every fourth result is held back from every fit. The new model is promoted if it gives the
        held-back results a larger log density than the present one, both knowing the same others.
        """
        surrogate = self._surrogate
        data = self._worth.data(self._ledger.results)
        if len(data) < FIRST_FIT:
            return None
        self._blobs = blobs if self._blobs is None else self._blobs
        held = np.arange(len(data)) % HELD_BACK == HELD_BACK - 1
        known, parent = data.rows(~held), self._ledger.model
        present, model = self._model(surrogate, known), surrogate.fit(known)
        scores = [_held_back(surrogate.view(m, known), data.rows(held)) for m in (model, present)]
        promoted = scores[0] > scores[1]
        view = surrogate.view(model, data)
        metrics = view.posterior.leave_one_out().metrics() | {
            "n": float(len(data)),
            "failed": float(len(data.failed)),
            "held_back": float(held.sum()),
            "held_back_log_density": scores[0],
            "present_log_density": scores[1],
        }
        if view.belief is not None:
            metrics["effective_members"] = view.belief.effective
        content = dump(
            model,
            data=data.hash,
            lineage={
                "id": model_id,
                "parent": None if parent is None else parent.file,
                "key": key,
                "task": self._task.hash,
            },
            metrics=metrics,
            arrays={"points": data.points, "purity": data.purity, "sigma": data.sigma},
        )
        against = "the prior" if parent is None else parent.id
        return ModelVersion(
            id=model_id,
            kind="gaussian-process",
            file=blobs.put(content),
            data=data.hash,
            parent=None if parent is None else parent.id,
            metrics=metrics,
            promoted=promoted,
            reason=(
                f"log density of {int(held.sum())} held-back results {scores[0]:.2f}, "
                f"{scores[1]:.2f} by {against}"
            ),
        )

    def _model(self, surrogate: RecipeModel, data: Measured) -> GaussianProcess:
        """The last promoted model, or the prior before there is one."""
        version = self._ledger.model
        if version is None:
            return surrogate.start(data)
        if self._loaded is None or self._loaded[0] != version.file:
            if self._blobs is None:
                raise ModelError(
                    "the promoted model's file is not at hand",
                    got=f"{version.id}, {version.file}",
                    do="make the policy with the journal's blobs",
                )
            self._loaded = (version.file, restore(self._blobs.get(version.file)))
        return self._loaded[1]

    def _candidates(self, request: Request, view: View, data: Measured) -> Candidates:
        """Recipes of the whole space and steps around the best, without what was tried."""
        space = view.surrogate.space
        tried = [result.recipe for result in request.results]
        tried += [pending.recipe for pending in request.pending]
        without = frozenset(text_of(recipe) for recipe in [*tried, *self._ledger.refused])
        rng = generator(request.key, "candidates")
        if self._twin is None:
            far = of_points(space, spread(space, 1024, rng), without=without)
        else:
            known = self._twin.candidates
            rows = [i for i, recipe in enumerate(known.recipes) if text_of(recipe) not in without]
            far = known.take(np.asarray(rows, dtype=np.intp))
        table = view.table(far.points, far.recipes)
        merit = self._worth.merit(table.mean)
        centres = [far.points[np.argsort(-merit, kind="stable")[:1]]]
        centres.append(far.points[np.argsort(-(merit + table.sd), kind="stable")[:1]])
        if len(data):
            best = np.argsort(-self._worth.merit(data.purity), kind="stable")[:2]
            centres.append(data.points[best])
        near = around(space, np.vstack(centres), self._worth.near, rng, width=0.08)
        return join(far, of_points(space, near, without=without))

    def _pick(
        self, request: Request, view: View, data: Measured, candidates: Candidates
    ) -> list[Proposal]:
        space = view.surrogate.space
        under_way, waiting = points_of(space, [pending.recipe for pending in request.pending])
        points = [candidates.points, data.points, under_way]
        recipes = [*candidates.recipes, *data.recipes, *waiting]
        table = view.table(np.vstack(points), recipes)
        count, known = len(candidates), len(candidates) + len(data)
        for row in range(known, len(recipes)):
            table.pend(row)
        worth = self._worth
        pure = worth.log_allowed(request.results, np.vstack(points))
        known_means = table.mean[count:] if len(data) else table.mean[:0]
        incumbent = worth.incumbent(known_means, pure[count : count + len(known_means)])
        allowed = _log_success(candidates.points, data, space) + pure[:count]
        open_rows = np.ones(count, dtype=bool)
        proposals: list[Proposal] = []
        for _ in range(min(request.free_slots, count)):
            gain = worth.log_gain(table.mean[:count], table.sd[:count], incumbent)
            row = int(np.argmax(np.where(open_rows, gain + allowed, -np.inf)))
            proposals.append(
                self._proposal(
                    request, view, table, row, recipes[row], proposals, incumbent, float(gain[row])
                )
            )
            open_rows[row] = False
            if pure[row] > np.log(0.5) and np.isfinite(incumbent):
                incumbent = max(incumbent, float(worth.merit(table.mean[row : row + 1])[0]))
            table.pend(row)
        return proposals

    def _proposal(
        self,
        request: Request,
        view: View,
        table: CandidateTable,
        row: int,
        recipe: Recipe,
        before: Sequence[Proposal],
        incumbent: float,
        gain: float,
    ) -> Proposal:
        mean, sd = float(table.mean[row]), float(table.sd[row])
        chance, shown = self._worth.chance(mean, sd, incumbent), self._worth.shown(mean)
        sigma = float(np.hypot(sd, table.future_noise))
        version, belief = self._ledger.model, view.belief
        # Nobody knows the size of a property before the first has been measured.
        foreseen = self._task.objective is None or np.isfinite(incumbent)
        details = {
            "log_acquisition": gain,
            "chance": chance,
            "incumbent": incumbent if np.isfinite(incumbent) else None,
            "twin_mean": float(view.prior([recipe])[0]),
        }
        if belief is not None:
            details["effective_members"] = belief.effective
        return Proposal(
            id=f"P{request.next_id + len(before)}",
            target=request.targets[0],
            recipe=recipe,
            prediction=Prediction(mean=shown, sigma=sigma) if foreseen else None,
            reason=reason(
                recipe,
                request.results,
                _nearest(recipe, request.results, view.surrogate.space),
                on_the_way=[p.recipe for p in (*request.pending, *before)],
                chance=chance,
                predicted=self._worth.words(shown, sigma) if foreseen else "",
                subject=self._worth.subject(recipe),
                believer="the model" if belief is None else "the twin",
            ),
            policy=self.name,
            model=None if version is None else version.file,
            details=details,
        )


def _held_back(view: View, data: Measured) -> float:
    """Mean log density of results that the view does not know."""
    table = view.table(data.points, data.recipes)
    sd = np.sqrt(table.sd**2 + table.future_noise**2)
    return float(np.mean(log_density((data.purity - table.mean) / sd, sd)))


def _log_success(points: Array, data: Measured, space: TaskSpace) -> Array:
    """Log of the chance that an experiment gives a number, from failures nearby, ``(m,)``."""
    if not data.failed:
        return np.zeros(len(points))

    def nearness(others: Array) -> Array:
        squared = ((points[:, None, :] - others[None]) ** 2).sum(-1)
        return np.exp(-0.5 * squared / 0.2**2).sum(1)

    failed = nearness(points_of(space, data.failed)[0])
    good = nearness(data.points) if len(data) else np.zeros(len(points))
    return np.log((1.0 + good) / (1.0 + good + failed))


def _nearest(recipe: Recipe, results: Sequence[Result], space: TaskSpace) -> Result | None:
    own, nearest, least = space.encode(recipe), None, np.inf
    for result in results:
        point = point_of(space, result.recipe)
        if result.observation is not None and point is not None:
            apart = float(np.abs(point - own).sum())
            if apart < least:
                nearest, least = result, apart
    return nearest
