"""Trials: what plans and players reach in numbered laboratories, the same draws for all.

An episode is named by (task, split, seed, identity, sample): its hidden laboratory follows from the
first four, the errors of its balance and of its scans from all five. Whoever plays sample 3 of
identity 17 of a trial meets what everybody else met there, so that differences between players are
not those between laboratories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.plans import Plans
from envs.batched import BatchedSynthesis
from envs.tables import VERB, WAIT, BoolArray
from sdl.core.errors import ConfigError
from sdl.tasks.task import Task, load_task
from simulators.laboratory import Split
from simulators.network import FloatArray, IntArray

JUDGED = 500
"""Laboratories that policies are judged in."""
SEEDS: dict[Split, int] = {"train": 1_000_003, "tune": 2_000_003, "judge": 3_000_017}
"""Seed of each split's trials; frozen, for figures are compared over months."""
ROWS = 4096
"""Rows of one batch."""
KEPT = 8
"""Batches that are kept for the next plans in the same laboratories."""
TOLERANCE = 3e-3
"""Of the solver while searching: a return is off by 0.001 on average and by 0.012 at most (YBCO,
512 plans against the setting of gate V1), in less than a third of the time."""


@dataclass(frozen=True)
class Outcomes:
    """How episodes ended, one entry each.

    Attributes:
        returns: Sum of the rewards: what the sample is worth less what it cost.
        cost: Prices paid.
        purity: True weight fraction of the target.
        share: Smallest share, over the cations, of what was charged that ended in the target.
        pure: Whether the bonus was earned; of means over repeats, in which share of them.
        decisions: Decisions taken.
    """

    returns: FloatArray
    cost: FloatArray
    purity: FloatArray
    share: FloatArray
    pure: BoolArray | FloatArray
    decisions: IntArray

    @property
    def value(self) -> FloatArray:
        """What the sample is worth, prices left out: the cost-free return."""
        return self.returns + self.cost

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.returns)

    @classmethod
    def empty(cls, count: int) -> Outcomes:
        """Outcomes of episodes that have not been played."""
        return cls(
            returns=np.zeros(count),
            cost=np.zeros(count),
            purity=np.zeros(count),
            share=np.zeros(count),
            pure=np.zeros(count, dtype=np.bool_),
            decisions=np.zeros(count, dtype=np.int64),
        )

    def put(self, rows: IntArray | slice, other: Outcomes) -> None:
        """Overwrites some episodes."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(other, field.name)

    def take(self, rows: IntArray | slice) -> Outcomes:
        """Some of the episodes."""
        return Outcomes(*(getattr(self, field.name)[rows] for field in fields(self)))


class Player(Protocol):
    """Decides step by step in many episodes at once."""

    name: str

    def begin(self, identities: IntArray) -> None:
        """Before the first decision; row ``i`` will be in the laboratory ``identities[i]``.

        A player may seed its dice with the numbers and knows nothing else by them.
        """
        ...

    def renew(self, rows: BoolArray) -> None:
        """Some rows, shape ``(rows,)``, begin the next sample of the same laboratory."""
        ...

    def act(self, observation: NDArray[np.float32], mask: BoolArray) -> NDArray[Any]:
        """One action per row.

        Args:
            observation: Shape ``(rows, numbers)``; overwritten by the next step.
            mask: Shape ``(rows, sum of options)``, head after head.

        Returns:
            Integers, shape ``(rows, heads)``. Rows whose episode has ended are not looked at.
        """
        ...


class Environment(Protocol):
    """What a trial needs of a batched environment; ``BatchedSynthesis`` has it."""

    def reset(self, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts the first episode of a seed."""
        ...

    def step(self, actions: NDArray[Any]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One decision of each row."""
        ...

    def action_masks(self) -> BoolArray:
        """What is possible now."""
        ...


EnvironmentMaker = Callable[["Trial", IntArray], Environment]
"""Makes the environment that a player was trained on, for some identities of a trial."""


class _Batch(BatchedSynthesis):
    """A batch whose solver is as exact as asked."""

    def __init__(self, tolerance: float | None, **settings: Any) -> None:
        super().__init__(**settings)
        if tolerance is not None:
            self._rules = self._rules._replace(tolerance=tolerance)


class Trial:
    """Numbered laboratories of one split, and what is reached in them.

    Entries are samples, laboratory by laboratory: entry ``n`` is sample ``n % samples`` of the
    laboratory ``n // samples``. Plans are played in any of them; players make the samples of a
    laboratory one after the other, so that they may learn from the earlier ones.

    Args:
        task: A task with a space, or its name.
        split: Which laboratories.
        count: How many, numbered from ``first``.
        samples: Samples of each laboratory.
        first: Number of the first laboratory.
        seed: Seed of every draw; the split's own if ``None``.
        max_decisions: Decisions of an episode.
        tolerance: Of the solver; the environment's own if ``None``. A search may use ``TOLERANCE``;
            whatever is reported is played again without.
        threads: Threads to use; all cores if ``None``.

    Raises:
        ConfigError: No laboratory or no sample is asked for.
    """

    def __init__(
        self,
        task: Task | str,
        split: Split,
        count: int,
        samples: int = 1,
        *,
        first: int = 0,
        seed: int | None = None,
        max_decisions: int = 12,
        tolerance: float | None = None,
        threads: int | None = None,
    ) -> None:
        if count < 1 or samples < 1:
            raise ConfigError(
                "a trial needs a laboratory and a sample",
                got=f"{count} laboratories, {samples} samples",
                allowed=">= 1",
            )
        self.task = load_task(task) if isinstance(task, str) else task
        self.split: Split = split
        self.seed = SEEDS[split] if seed is None else seed
        self.samples = samples
        self.laboratories = np.arange(first, first + count, dtype=np.int64)
        """Identities of the laboratories, ``(count,)``."""
        self.identities = np.repeat(self.laboratories, samples)
        """Identity of the laboratory of each entry, ``(count * samples,)``."""
        self.numbers = np.tile(np.arange(samples, dtype=np.int64), count)
        """Number of the sample of each entry, ``(count * samples,)``."""
        self.max_decisions = max_decisions
        self.tolerance = tolerance
        self.threads = threads
        self._batches: dict[bytes, _Batch] = {}
        self.plans = Plans(self.batch(self.laboratories[:1]).problem.choices, max_decisions)

    def __len__(self) -> int:
        """Number of entries: laboratories times samples."""
        return len(self.identities)

    def with_tolerance(self, tolerance: float | None) -> Trial:
        """The same laboratories with another accuracy of the solver."""
        return Trial(
            self.task,
            self.split,
            len(self.laboratories),
            self.samples,
            first=int(self.laboratories[0]),
            seed=self.seed,
            max_decisions=self.max_decisions,
            tolerance=tolerance,
            threads=self.threads,
        )

    def batch(self, identities: IntArray, numbers: IntArray | int = 0) -> BatchedSynthesis:
        """The environment of some identities, at the start of one of their samples.

        The last few are kept: a search plays the same laboratories again and again.

        Args:
            identities: Shape ``(rows,)``.
            numbers: Which sample each row, or every one, begins with.
        """
        begins = np.broadcast_to(np.asarray(numbers, dtype=np.int64), np.shape(identities))
        key = np.stack([np.asarray(identities, dtype=np.int64), begins]).tobytes()
        kept = self._batches.pop(key, None)
        if kept is None:
            kept = _Batch(
                self.tolerance,
                task=self.task,
                rows=len(identities),
                seed=self.seed,
                identities=identities,
                split=self.split,
                samples_per_lab=self.samples,
                first_episode=begins,
                max_decisions=self.max_decisions,
                threads=self.threads,
            )
        else:
            kept.reset(self.seed)
        self._batches[key] = kept
        while len(self._batches) > KEPT:
            self._batches.pop(next(iter(self._batches))).close()
        return kept

    def play_plans(self, actions: IntArray, rows: IntArray | None = None) -> Outcomes:
        """Plays one plan in each of some entries.

        An action that is forbidden when its turn comes is lost, as for everybody.

        Args:
            actions: Shape ``(plans, decisions, heads)``; a plan ends with its first stop.
            rows: For each plan the number of its entry; in order if ``None``.
        """
        where = np.arange(len(actions)) if rows is None else np.asarray(rows)
        found = Outcomes.empty(len(actions))
        for start in range(0, len(actions), ROWS):
            part = slice(start, min(start + ROWS, len(actions)))
            batch = self.batch(self.identities[where[part]], self.numbers[where[part]])
            found.put(part, _planned(batch, actions[part], self.max_decisions))
        return found

    def play_genes(self, genes: IntArray, rows: IntArray | None = None) -> Outcomes:
        """As ``play_plans``, for plans as whole numbers, shape ``(plans, genes)``."""
        return self.play_plans(self.plans.actions(genes), rows)

    def play_one(self, genes: IntArray) -> Outcomes:
        """One plan, shape ``(genes,)``, in all entries."""
        return self.play_genes(np.repeat(genes[None], len(self), axis=0))

    def play(self, player: Player, environment: EnvironmentMaker | None = None) -> Outcomes:
        """A player in all laboratories, the samples of each one after the other.

        Args:
            player: Who decides.
            environment: Where it does; the physical environment of the trial if ``None``.
        """
        found = Outcomes.empty(len(self))
        for start in range(0, len(self.laboratories), ROWS):
            identities = self.laboratories[start : start + ROWS]
            batch = _make(self, identities, environment)
            played = _decided(batch, player, identities, self.seed, self.samples)
            at = start * self.samples
            found.put(slice(at, at + len(played)), played)
        return found


def _make(trial: Trial, identities: IntArray, make: EnvironmentMaker | None) -> Environment:
    return trial.batch(identities) if make is None else make(trial, identities)


LONGEST = 1000
"""Steps after which an episode counts as endless."""


def _planned(batch: Environment, plans: IntArray, decisions: int) -> Outcomes:
    """Plays every row's plan to the end of its episode; whoever has ended waits."""
    found, running = Outcomes.empty(len(plans)), np.ones(len(plans), dtype=np.bool_)
    for n in range(decisions):
        actions = np.where(running[:, None], plans[:, min(n, plans.shape[1] - 1)], 0)
        actions[~running, VERB] = WAIT
        _, reward, ended, _, info = batch.step(actions)
        rows = np.flatnonzero(running)
        _book(found, rows, rows, reward, ended, info)
        running &= ~ended
        if not running.any():
            return found
    raise _endless(running)


def _decided(
    batch: Environment, player: Player, identities: IntArray, seed: int, samples: int
) -> Outcomes:
    """Plays the first samples of every row, each row at its own pace."""
    found = Outcomes.empty(len(identities) * samples)
    entry = np.arange(len(identities)) * samples
    end = entry + samples
    player.begin(identities)
    observation = batch.reset(seed)[0]
    for _ in range(LONGEST * samples):
        rows = np.flatnonzero(entry < end)
        observation, reward, ended, _, info = batch.step(
            player.act(observation, batch.action_masks())
        )
        _book(found, entry[rows], rows, reward, ended, info)
        entry[rows] += ended[rows]
        again = ended & (entry < end)
        if (entry == end).all():
            return found
        if again.any():
            player.renew(again)
    raise _endless(entry < end)


def _book(
    found: Outcomes, entries: IntArray, rows: IntArray, reward: Any, ended: Any, info: Any
) -> None:
    """Books one step of some rows to their entries."""
    found.returns[entries] += reward[rows]
    found.decisions[entries] += 1
    over, last = entries[ended[rows]], rows[ended[rows]]
    found.purity[over], found.share[over] = info["purity"][last], info["yield"][last]
    found.cost[over], found.pure[over] = info["cost"][last], info["bonus"][last]


def _endless(running: BoolArray) -> ConfigError:
    return ConfigError(
        "an episode does not end", got=f"{int(running.sum())} rows are still running"
    )


def mean_of(played: Sequence[Outcomes]) -> Outcomes:
    """Means over repeats of the same episodes."""
    first = played[0]
    means = {
        field.name: np.mean([getattr(each, field.name) for each in played], axis=0)
        for field in fields(first)
    }
    decisions = np.rint(means["decisions"]).astype(np.int64)
    return replace(first, **{**means, "decisions": decisions})
