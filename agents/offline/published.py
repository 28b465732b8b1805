"""Published recipes spelled out as episodes: a prior for cloning, and never reward.

The table of first firings (``sdl.tasks.firings``) says at which temperatures chemists fire. It
holds successes alone and no outcome, so that every reward here is 0 and every probability unknown:
a learner that asks for either has nothing to learn from these episodes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.baselines import published_steps
from agents.learning.distribution import choose
from agents.offline.behaviour import keep, source_of
from agents.offline.episodes import Episodes
from agents.plans import STOP, Plans
from envs.cursor_batch import CursorSynthesis
from envs.tables import VERB, BoolArray
from sdl.core.errors import PolicyError
from sdl.core.recipe import Anneal, Step
from sdl.core.seeds import generator
from sdl.tasks.firings import load_first_firings
from sdl.tasks.task import Task, load_task
from simulators.network import FloatArray, IntArray


def published_logs(task: Task | str, count: int, seed: int = 0) -> Episodes:
    """Episodes that follow published recipes, their first firing spread as the literature's is.

    Args:
        task: A task whose target has a published recipe.
        count: Recipes; those that the task's furnace cannot follow are left out.
        seed: Of temperatures, laboratories and shelves.

    Raises:
        PolicyError: No recipe of the target is known, or none can be followed.
    """
    task = load_task(task) if isinstance(task, str) else task
    batch = CursorSynthesis(task, count, seed=seed, threads=1)
    scripts = _scripts(task, batch, _temperatures(task, count, seed))
    followed, turn = np.ones(count, dtype=np.bool_), 0

    def decide(seen: NDArray[np.float32], masks: BoolArray) -> tuple[IntArray, FloatArray]:
        nonlocal turn
        actions = np.stack([s[min(turn, len(s) - 1)] for s in scripts])
        options = actions + np.cumsum([0, *batch.nvec[:-1]])
        followed[:] &= np.take_along_axis(masks, options, axis=1).all(1) | (ends <= turn)
        turn += 1
        other = choose(np.zeros(masks.shape, dtype=np.float32), masks, batch.nvec)
        return np.where(followed[:, None], actions, other), np.full(count, np.nan)

    ends = np.array([len(s) for s in scripts])
    source = source_of(
        batch,
        name=f"{task.name}-published",
        behaviour="published recipes, first firing over the quartiles of the literature",
        tasks={task.name: task.hash},
    )
    played = keep(batch, decide, source)
    kept = np.flatnonzero(followed & (np.diff(played.starts) == ends))
    if not kept.size:
        raise PolicyError("no published recipe can be followed", got=task.name)
    chosen = played.take(kept)
    return replace(chosen, rewards=np.zeros(len(chosen)))


def _temperatures(task: Task, count: int, seed: int) -> FloatArray | None:
    """(count,) drawn between the quartiles and as far beyond them, degC; ``None`` without a row."""
    for reading in ("inside", "all"):
        for row in load_first_firings(reading):
            if (row.system, row.target) == (task.system, task.target.phase):
                low, mid, high = row.low_c, row.median_c, row.high_c
                places = np.array([2.0 * low - mid, low, mid, high, 2.0 * high - mid])
                drawn = generator("published-logs", task.hash, seed).random(count)
                return np.interp(drawn, np.linspace(0.0, 1.0, 5), places)
    return None


def _scripts(task: Task, batch: CursorSynthesis, drawn: FloatArray | None) -> list[IntArray]:
    """The choices of each row, (choices, heads)."""
    plans, steps = Plans(batch.problem.choices), published_steps(task)
    found = list[IntArray]()
    for row in range(batch.rows):
        own = steps if drawn is None else _fired_at(steps, float(drawn[row]))
        decisions = plans.actions(plans.snap(own)[None])[0]
        last = int(np.argmax(decisions[:, VERB] == STOP))
        spelled = [batch.spelling.spell(a, batch.order[row]) for a in decisions[: last + 1]]
        found.append(np.concatenate(spelled))
    return found


def _fired_at(steps: tuple[Step, ...], temperature_c: float) -> tuple[Step, ...]:
    """The recipe with another temperature of its first anneal."""
    at = next(n for n, step in enumerate(steps) if isinstance(step, Anneal))
    first = steps[at].model_copy(update={"temperature_c": temperature_c})
    return (*steps[:at], first, *steps[at + 1 :])
