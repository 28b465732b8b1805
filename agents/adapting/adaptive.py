"""The adapting policy: belief, residual, and the plan of the largest expected return.

The first sample is what the policy that it starts from would make, or, without one, the best plan
under the widened prior. After each sample the belief is moved,
and plans are looked for in three rounds, each of fewer plans in more members: a library of plans
that suit one laboratory or another, the best plans of the last decision and steps from them, and
the finalists. What was made before is always among the finalists. Of these it takes the one that
promises most: its return, which is the twin's expectation under the belief corrected by what the
samples showed beyond it, and for each experiment that is left a share of how much better than the
best one it may turn out to be. Without that a bottle that was never tried stays untried wherever
the belief is in doubt about its grains.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from agents.adapting.belief import Belief, BeliefSettings, closed, prior_members
from agents.adapting.chooser import Base, seen_value
from agents.adapting.residual import ResidualSettings
from agents.adapting.trust import Made, weighed
from agents.adapting.truth import Seen
from agents.adapting.twin import Twin
from agents.cross_entropy import Search, search, step_from, uniform_tables
from agents.ensemble import diverse
from envs.tables import STOP, VERB
from sdl.core.seeds import generator
from simulators.network import FloatArray, IntArray


@dataclass(frozen=True)
class AdaptiveSettings:
    """Sizes of an adapting policy.

    Attributes:
        belief: Of the ensembles.
        residual: Of the process on what the twin gets wrong.
        library: Plans of the library.
        scouts: Members that look through the library.
        steps: Plans that step from good ones, per decision.
        judges: Members that look at these.
        finalists: Plans that all members see, beside those that were made.
        prospect: Share of a possible gain that counts for each experiment that is left: one sample
            does not show everything, and of many plans that may be better the likeliest to be
            overrated is tried first.
        horizon: Experiments in all.
        unjudged: Steps from the best sample that the twin does not judge beforehand.
        abroad: Decisions in which the whole library is looked through; later ones stay near.
    """

    belief: BeliefSettings = field(default_factory=BeliefSettings)
    residual: ResidualSettings = field(default_factory=ResidualSettings)
    library: int = 64
    scouts: int = 5
    steps: int = 24
    judges: int = 10
    finalists: int = 8
    prospect: float = 0.3
    horizon: int = 12
    unjudged: int = 4
    abroad: int = 6


@dataclass(frozen=True)
class Library:
    """Plans for laboratories of all kinds.

    Attributes:
        genes: ``(plans, genes)``; the first has the largest mean return under the task's own prior.
        best: The plan of the largest mean return under the widened prior, ``(genes,)``.
    """

    genes: IntArray
    best: IntArray


NO_MORE_DOUBT = 1e-3
"""Beside what the members disagree about, in the rounds before the last."""
LIBRARY_SEARCH = Search(population=32, generations=7, elite=6)
MEAN_SEARCH = Search(population=64, generations=8, elite=8)


def library_of(
    twin: Twin,
    settings: AdaptiveSettings,
    *,
    laboratories: int = 40,
    given: IntArray | None = None,
    sizes: tuple[Search, Search] = (LIBRARY_SEARCH, MEAN_SEARCH),
) -> Library:
    """Searches plans for single laboratories of the widened prior and for their mean.

    Args:
        twin: The believed chemistry.
        settings: Sizes.
        laboratories: How many single laboratories.
        given: Plans to try first, ``(some, genes)``, as the best fixed recipe.
        sizes: Of the searches for single laboratories and for the mean.
    """
    task, plans = twin.task, twin.plans
    z = prior_members(twin.space, laboratories, settings.belief, task.hash, "library")
    z[::2] = closed(z[::2], twin.space)
    first = None if given is None else np.repeat(given[None], laboratories, axis=0)

    def alone(genes: IntArray) -> FloatArray:
        problems, population, width = genes.shape
        flat = np.repeat(z, population, axis=0)
        return twin.run(flat, genes.reshape(-1, width)).value.reshape(problems, population)

    def mean(genes: IntArray) -> FloatArray:
        return twin.grid(z, genes[0]).mean(axis=0)[None]

    rng = generator("adaptive-library", task.hash)
    single = search(plans, alone, uniform_tables(plans, laboratories), rng, sizes[0], first)
    shared = search(
        plans, mean, uniform_tables(plans, 1), rng, sizes[1], None if first is None else first[:1]
    )
    best = shared.genes[0, 0]
    pool = np.unique(single.genes[:, :2].reshape(-1, len(plans.genes)), axis=0)
    pool = np.concatenate([best[None], shared.genes[0, 1:], pool])
    if given is not None:
        pool = np.concatenate([pool[:1], given, pool[1:]])
    return Library(pool[diverse(twin.grid(z, pool), settings.library)], best)


class AdaptivePolicy:
    """Chooses plans for L laboratories, each from what was seen of it alone.

    Args:
        twin: The believed chemistry.
        library: Plans to choose from.
        laboratories: How many.
        settings: Sizes.
        key: Names the draws.
        base: The policy to start from: it makes the first sample, and what it would do next is
            among the candidates of every decision.
    """

    name = "adaptive"

    def __init__(
        self,
        twin: Twin,
        library: Library,
        laboratories: int,
        settings: AdaptiveSettings | None = None,
        *key: str | int,
        base: Base | None = None,
    ) -> None:
        self._twin, self._library, self._base = twin, library, base
        self._settings = settings or AdaptiveSettings()
        self._key = (twin.task.hash, *key)
        self.belief = Belief(twin, laboratories, self._settings.belief, *self._key)
        self.trust = np.ones(laboratories)
        self._made: list[IntArray] = []
        self._values: list[FloatArray] = []
        self._next = np.repeat(library.best[None], laboratories, axis=0)
        self._elite = np.repeat(library.genes[None, :4], laboratories, axis=0)
        if base is not None:
            self._next = self._of(base)

    @property
    def genes(self) -> IntArray:
        """The next plan of each laboratory, ``(L, genes)``."""
        return self._next

    @property
    def elite(self) -> IntArray:
        """The plans next to it, best first, ``(L, elite, genes)``."""
        return self._elite

    def foresee(self, genes: IntArray, laboratory: int = 0) -> tuple[float, float, float]:
        """Mean and deviation of a plan's purity, and its mean return, under the belief."""
        z = self.belief.z[laboratory]
        runs = self._twin.run(z, np.repeat(genes[None], len(z), axis=0))
        purity = runs.matter[:, self._twin.target]
        return float(purity.mean()), float(purity.std(ddof=1)), float(runs.value.mean())

    def choose(self) -> IntArray:
        """As of ``Chooser``."""
        return self._twin.plans.actions(self._next)

    def _of(self, base: Base) -> IntArray:
        """What the base would do next, as genes, ``(L, genes)``."""
        plans, choices = self._twin.plans, self._twin.plans.choices
        return np.stack([plans.snap(choices.steps(a)) for a in _ended(base.choose())])

    def learn(self, seen: Seen) -> None:
        """As of ``Chooser``; works out the next plan."""
        self.take_in(self._next, seen)
        self.decide()

    def take_in(self, genes: IntArray, seen: Seen) -> None:
        """Moves the belief by one sample of each laboratory, whoever chose it."""
        self.belief.learn(genes, seen)
        if self._base is not None:
            self._base.learn_of(self._twin.plans.actions(genes), seen)
        self._made.append(genes.copy())
        self._values.append(seen_value(self._twin, seen))

    def decide(self) -> None:
        """Works out the next plan of each laboratory."""
        asked, done = self._settings, len(self._made)
        pool = self._narrowed()
        made = np.stack(self._made, axis=1) if done else pool[:, :0]
        candidates = np.concatenate([made, pool], axis=1)
        if self._base is not None:
            candidates = np.concatenate([candidates, self._of(self._base)[:, None]], axis=1)
        expected, bills = self._look(candidates, asked.belief.members)
        mean, cost = expected.mean(axis=1), bills.mean(axis=1)
        for n in range(len(candidates)):
            seen = np.array([v[n] for v in self._values])
            told = Made(made[n], seen, mean[n, :done], cost[n, :done])
            account, share = weighed(
                self._twin.plans, told, candidates[n], mean[n], cost[n], asked.residual
            )
            self.trust[n] = share
            each = expected[n] + (account.mean - mean[n])
            gain = prospects(each, account.sd)
            self._next[n] = candidates[n, np.argmax(account.mean + self._prospect * gain)]
            order = np.argsort(-account.mean, kind="stable")
            self._elite[n] = _different(candidates[n, order], self._elite.shape[1])

    @property
    def _prospect(self) -> float:
        """Worth of a possible gain, in experiments."""
        left = self._settings.horizon - len(self._made) - 1
        return self._settings.prospect * max(0, left)

    def _narrowed(self) -> IntArray:
        """Finalists of each laboratory, ``(L, finalists, genes)``."""
        asked = self._settings
        labs = len(self.belief.z)
        first = self._elite
        if len(self._made) <= asked.abroad:
            library = np.repeat(self._library.genes[None], labs, axis=0)
            first = self._best(library, asked.scouts, asked.finalists)
        rng = generator("adaptive-steps", *self._key, len(self._made))
        near = np.concatenate([self._elite, first[:, :2]], axis=1)
        # The same draws for all: a laboratory's choices do not depend on who stands beside it.
        stepped = np.stack(
            [
                step_from(self._twin.plans, near[n : n + 1], asked.steps, _copy(rng))[0]
                for n in range(labs)
            ]
        )
        pool = np.concatenate([first, self._elite, stepped], axis=1)
        judged = self._best(pool, asked.judges, asked.finalists)
        # Steps from the best plan go on unjudged: where the twin is wrong, so is its judgement.
        return np.concatenate([judged, self._near_best()], axis=1)

    def _near_best(self) -> IntArray:
        """Steps from the best sample so far, ``(L, unjudged, genes)``."""
        count = self._settings.unjudged if self._made else 0
        if not count:
            return self._elite[:, :0]
        rng = generator("adaptive-unjudged", *self._key, len(self._made))
        best = np.argmax(np.stack(self._values, axis=1), axis=1)
        centres = np.stack(self._made, axis=1)[np.arange(len(best)), best]
        return np.stack(
            [step_from(self._twin.plans, c[None, None], count, _copy(rng))[0] for c in centres]
        )

    def _best(self, pool: IntArray, members: int, count: int) -> IntArray:
        """The plans that some members like best, ``(L, count, genes)``."""
        values = self._look(pool, members)[0]
        promise = values.mean(axis=1)
        promise += self._prospect * np.stack([prospects(each, NO_MORE_DOUBT) for each in values])
        order = np.argsort(-promise, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(pool, order[:, :, None], axis=1)

    def _look(self, pool: IntArray, members: int) -> tuple[FloatArray, FloatArray]:
        """Values and bills of plans in the first members, ``(L, members, plans)`` each."""
        labs, plans, width = pool.shape
        owner = np.repeat(np.arange(labs), plans)
        rows = np.hstack([owner[:, None], pool.reshape(-1, width)])
        # Plans come up again and again; each is run once.
        rows, back = np.unique(rows, axis=0, return_inverse=True)
        z = self.belief.z[rows[:, 0], :members].reshape(-1, self.belief.z.shape[2])
        runs = self._twin.run(z, np.repeat(rows[:, 1:], members, axis=0))

        def spread_out(values: FloatArray) -> FloatArray:
            each = values.reshape(len(rows), members)[back.ravel()]
            return each.reshape(labs, plans, members).transpose(0, 2, 1)

        return spread_out(runs.value), spread_out(runs.cost)


def prospects(each: FloatArray, sd: FloatArray | float) -> FloatArray:
    """How much better than the best plan each may turn out to be, ``(plans,)``.

    The mean over the members of what is above the best plan's return there.

    Args:
        each: Returns by member, ``(members, plans)``.
        sd: Doubt beside what the members disagree about, ``(plans,)`` or one.
    """
    best = int(np.argmax(each.mean(axis=0)))
    gap = each - each[:, best, None]
    return (gap * ndtr(gap / sd) + sd * _density(gap / sd)).mean(axis=0)


def _density(x: FloatArray) -> FloatArray:
    return np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)


def _ended(actions: IntArray) -> list[IntArray]:
    """Plans up to their stop."""
    return [plan[: int(np.argmax(plan[:, VERB] == STOP)) + 1] for plan in actions]


def _different(ranked: IntArray, count: int) -> IntArray:
    """The first different plans, ``(count, genes)``; the best again where there are too few."""
    _, first = np.unique(ranked, axis=0, return_index=True)
    rows = [*np.sort(first)[:count], *[0] * count][:count]
    return ranked[rows]


def _copy(rng: np.random.Generator) -> np.random.Generator:
    """A generator that will draw what this one would, without moving it."""
    made = np.random.Generator(np.random.Philox())
    made.bit_generator.state = rng.bit_generator.state
    return made
