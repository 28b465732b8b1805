"""Plans found by searching: the best fixed recipe of a task, and the oracle of each laboratory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.cross_entropy import Found, Search, search, uniform_tables
from agents.plans import Plans
from agents.trial import TOLERANCE, Outcomes, Trial
from sdl.core.errors import ConfigError
from sdl.core.seeds import generator
from simulators.network import FloatArray, IntArray

FIXED_SEARCH = Search(population=96, generations=12, elite=12)
ORACLE_SEARCH = Search(population=32, generations=8, elite=8)
WARM_SEARCH = Search(population=16, generations=4, elite=4)


@dataclass(frozen=True)
class FixedSettings:
    """How the best fixed recipe is searched.

    Attributes:
        search: Over the mean return in a few training laboratories.
        laboratories: How many.
        finalists: Plans that go on to all tuning laboratories.
        final: Number of these.
        starts: Searches from nothing; the finalists come from all of them.
    """

    search: Search = FIXED_SEARCH
    laboratories: int = 48
    finalists: int = 16
    final: int = 400
    starts: int = 2


@dataclass(frozen=True)
class FixedRecipe:
    """The best fixed recipe of a task.

    Attributes:
        genes: The plan, ``(genes,)``.
        finalists: The other plans of the last round, best first, ``(finalists, genes)``.
        mean: Mean return in the tuning laboratories of the last round; an optimist's figure, for
            the plan was chosen by it.
        tables: Probabilities at the end of the search, ``(genes, most options)``.
        played: Episodes played.
    """

    genes: IntArray
    finalists: IntArray
    mean: float
    tables: FloatArray
    played: int


def best_fixed(
    train: Trial, tune: Trial, settings: FixedSettings | None = None, given: IntArray | None = None
) -> FixedRecipe:
    """The plan with the largest mean return, without ever looking at judged laboratories.

    Args:
        train: Laboratories of the search.
        tune: Laboratories of the last round.
        settings: Sizes.
        given: Plans to try first, ``(some, genes)``.

    Raises:
        ConfigError: One of the trials is of judged laboratories.
    """
    if "judge" in (train.split, tune.split):
        raise ConfigError(
            "a recipe is not chosen in the laboratories that judge it", allowed="train, tune"
        )
    settings = settings or FixedSettings()
    plans, count = train.plans, min(settings.laboratories, len(train))

    def evaluate(genes: IntArray) -> FloatArray:
        problems, population, width = genes.shape
        flat = np.repeat(genes.reshape(-1, width), count, axis=0)
        rows = np.tile(np.arange(count), problems * population)
        return train.play_genes(flat, rows).returns.reshape(problems, population, count).mean(2)

    first = None if given is None else np.repeat(given[None], settings.starts, axis=0)
    found = search(
        plans,
        evaluate,
        uniform_tables(plans, settings.starts),
        generator("best-fixed", train.task.hash, train.seed),
        settings.search,
        first,
    )
    finalists = _finalists(found, settings.finalists)
    final = min(settings.final, len(tune))
    flat = np.repeat(finalists, final, axis=0)
    rows = np.tile(np.arange(final), len(finalists))
    means = tune.play_genes(flat, rows).returns.reshape(len(finalists), final).mean(1)
    order = np.argsort(-means, kind="stable")
    return FixedRecipe(
        genes=finalists[order[0]],
        finalists=finalists[order],
        mean=float(means[order[0]]),
        tables=found.tables.mean(axis=0),
        played=settings.starts * settings.search.budget * count + len(flat),
    )


def _finalists(found: Found, count: int) -> IntArray:
    """The best different plans of all starts."""
    genes = found.genes.reshape(-1, found.genes.shape[2])
    order = np.argsort(-found.values.ravel(), kind="stable")
    _, first = np.unique(genes[order], axis=0, return_index=True)
    return genes[order[np.sort(first)[:count]]]


@dataclass(frozen=True)
class OracleSettings:
    """How the best plan of each laboratory is searched.

    Attributes:
        search: The first search; every further one has twice its population.
        doublings: Largest number of further searches.
        converged: The budget is doubled until the mean return grows by less than this share.
        finalists: Plans of each laboratory that are played again with the exact solver.
        warm: The first search of further samples, which begins with the plans of the laboratory's
            first sample.
        warm_finalists: Plans of each further sample that are played again with the exact solver.
    """

    search: Search = ORACLE_SEARCH
    doublings: int = 4
    converged: float = 0.01
    finalists: int = 4
    warm: Search = WARM_SEARCH
    warm_finalists: int = 2


@dataclass(frozen=True)
class Oracle:
    """The best plan of each entry with its noise, as far as the search got.

    Attributes:
        genes: Plans, ``(entries, genes)``.
        outcomes: What they reach.
        budgets: Plans per entry after each search, all searches together.
        means: Mean return after each search.
        converged: Whether the last doubling moved the mean by less than asked.
    """

    genes: IntArray
    outcomes: Outcomes
    budgets: tuple[int, ...]
    means: tuple[float, ...]
    converged: bool


def oracle(
    judged: Trial,
    given: IntArray,
    tables: FloatArray | None = None,
    settings: OracleSettings | None = None,
) -> Oracle:
    """Cross-entropy planning on the truth: a yardstick, for no policy knows the laboratory.

    The plan sees the laboratory and its noise: it may, for instance, stop after as many decisions
    as make the error of the final scan kind. Each further search starts from nothing and has twice
    the plans of the last, so that its mean tells whether the first ones were caught.

    Args:
        judged: The laboratories; each entry is searched for itself.
        given: Plans that are tried in every laboratory, ``(some, genes)``: the best fixed recipe
            and the published one, so that the oracle is nowhere below them.
        tables: Probabilities of good plans, ``(genes, most options)``; each search starts halfway
            between these and an even hand.
        settings: Sizes.
    """
    settings = settings or OracleSettings()
    rough = judged.with_tolerance(TOLERANCE)
    start = _start(judged.plans, tables, len(judged))
    genes = np.repeat(given[:1], len(judged), axis=0)
    best = judged.play_genes(genes)
    for plan in given[1:]:
        _take_better(judged, genes, best, np.repeat(plan[None], len(judged), axis=0))
    first = np.repeat(given[None], len(judged), axis=0)
    budgets, means, spent, done = list[int](), list[float](), len(given), False
    for doubling in range(settings.doublings + 1):
        size = Search(
            **{**vars(settings.search), "population": settings.search.population << doubling}
        )
        found = _search_all(rough, start, size, ("oracle", doubling), first)
        for n in range(min(settings.finalists, found.shape[1])):
            _take_better(judged, genes, best, found[:, n])
        spent += size.budget
        budgets.append(spent)
        means.append(float(best.returns.mean()))
        done = _converged(means, settings)
        if done:
            break
    return Oracle(genes, best, tuple(budgets), tuple(means), done)


def oracle_again(
    judged: Trial,
    known: IntArray,
    given: IntArray,
    tables: FloatArray | None = None,
    settings: OracleSettings | None = None,
) -> Oracle:
    """The oracle of every sample of laboratories whose first sample has been searched.

    The samples of a laboratory differ in the errors of balance and scan alone, so that a plan for
    one is nearly one for all. Each search starts with the plans found so far for all samples of its
    laboratory and is a quarter as large as one from nothing or smaller; the budget is doubled until
    the mean return grows by less than asked, as in ``oracle``.

    Args:
        judged: The laboratories with their samples.
        known: The best plan of each laboratory's first sample, ``(laboratories, genes)``.
        given: As for ``oracle``.
        tables: As for ``oracle``.
        settings: Sizes.
    """
    settings = settings or OracleSettings()
    rough, samples = judged.with_tolerance(TOLERANCE), judged.samples
    start, count = _start(judged.plans, tables, len(judged)), len(judged)
    genes = np.repeat(known, samples, axis=0)
    best = judged.play_genes(genes)
    for plan in given:
        _take_better(judged, genes, best, np.repeat(plan[None], count, axis=0))
    always = np.repeat(given[None], count, axis=0)
    spent, means = 1 + len(given), [float(best.returns.mean())]
    budgets, done = [spent], False
    for doubling in range(settings.doublings + 1):
        own = genes.reshape(len(known), samples, -1)[:, : 1 if doubling == 0 else samples]
        first = np.concatenate([np.repeat(own, samples, axis=0), always], axis=1)
        size = Search(**{**vars(settings.warm), "population": settings.warm.population << doubling})
        found = _search_all(rough, start, size, ("oracle-again", samples, doubling), first)
        for n in range(min(settings.warm_finalists, found.shape[1])):
            _take_better(judged, genes, best, found[:, n])
        spent += size.budget
        budgets.append(spent)
        means.append(float(best.returns.mean()))
        done = doubling > 0 and _converged(means, settings)
        if done:
            break
    return Oracle(genes, best, tuple(budgets), tuple(means), done)


def _converged(means: list[float], settings: OracleSettings) -> bool:
    """Whether the last search moved the mean by less than asked."""
    if len(means) < 2:
        return False
    return abs(means[-1] - means[-2]) < settings.converged * abs(means[-1])


GROUP = 128
"""Entries that are searched together: as many as batches can be kept for."""


def _search_all(
    rough: Trial, start: FloatArray, settings: Search, key: tuple[str | int, ...], given: IntArray
) -> IntArray:
    """The best plans of every entry, ``(entries, elite, genes)``."""
    found: list[IntArray] = []
    for at in range(0, len(rough), GROUP):
        places = np.arange(at, min(at + GROUP, len(rough)))

        def evaluate(genes: IntArray, places: IntArray = places) -> FloatArray:
            problems, population, width = genes.shape
            rows = np.repeat(places, population)
            played = rough.play_genes(genes.reshape(-1, width), rows)
            return played.returns.reshape(problems, population)

        rng = generator(key[0], rough.task.hash, rough.seed, *key[1:], at)
        part = search(rough.plans, evaluate, start[places], rng, settings, given[places])
        found.append(part.genes)
    return np.concatenate(found)


def _start(plans: Plans, tables: FloatArray | None, count: int) -> FloatArray:
    even = uniform_tables(plans, count)
    return even if tables is None else 0.5 * even + 0.5 * tables


def _take_better(trial: Trial, genes: IntArray, best: Outcomes, other: IntArray) -> None:
    """Plays other plans exactly and keeps them where they are better."""
    played = trial.play_genes(other)
    better = np.flatnonzero(played.returns > best.returns)
    genes[better] = other[better]
    best.put(better, played.take(better))
