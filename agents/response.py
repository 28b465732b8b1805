"""How a trained policy answers to what it is told: colder furnaces, gases, a wide or narrow belief.

What a policy has understood of the physics shows where the laboratory changes and the policy does
not: it should fire longer where it may not fire hotter, take steam where steam helps, and pay for a
scan where it does not know. Played in laboratories of the split ``tune``, or ``judge`` where the
belief is as wide as the prior.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agents.learning.actor import Actor
from agents.trial import SEEDS
from envs.cursor_batch import PRIOR, CursorSynthesis
from envs.tables import ANNEAL, DWELL, GAS, SCAN_2, SCAN_8, TEMPERATURE, VERB, Choice
from sdl.core.errors import ConfigError
from sdl.core.recipe import Gas
from sdl.tasks.task import Task
from simulators.laboratory import Split
from simulators.network import FloatArray, IntArray

LONGEST = 4000
"""Choices after which samples count as endless."""


@dataclass(frozen=True)
class Habits:
    """What a policy did to each sample, (laboratories, samples) each.

    Attributes:
        dwell_h: Sum over its anneals, h.
        hottest_c: Programmed temperature of the hottest anneal, degC; NaN where there was none.
        anneals: Number of them.
        steam: Number of them in steam.
        scans: Scans that were paid for before the one that a stop appends.
        returns: Sum of the rewards.
        purity: True weight fraction of the target.
    """

    dwell_h: FloatArray
    hottest_c: FloatArray
    anneals: FloatArray
    steam: FloatArray
    scans: FloatArray
    returns: FloatArray
    purity: FloatArray

    @classmethod
    def empty(cls, laboratories: int, samples: int) -> Habits:
        """Nothing done yet."""
        tables = [np.zeros((laboratories, samples)) for _ in range(7)]
        return replace(cls(*tables), hottest_c=np.full((laboratories, samples), np.nan))


def habits(
    actor: Actor,
    task: Task,
    laboratories: int,
    samples: int,
    *,
    split: Split = "tune",
    belief: tuple[float, float] = PRIOR,
    seed: int | None = None,
) -> Habits:
    """Plays the most probable choices of an actor and keeps what they came to.

    Args:
        actor: Trained choice by choice.
        task: Where.
        laboratories: Number of hidden laboratories.
        samples: Samples of each, one after the other.
        split: Which laboratories.
        belief: Width of the belief as shares of the prior's; a narrower one than the prior is drawn
            about the truth, which is for tuning laboratories only.
        seed: Of the laboratories and their noise; the split's own if ``None``.

    Raises:
        ConfigError: A narrow belief is asked for in laboratories that judge.
        ModelError: The actor was made for other spaces.
    """
    if split == "judge" and belief != PRIOR:
        raise ConfigError(
            "a belief about laboratories that judge is as wide as the prior",
            got=belief,
            allowed=PRIOR,
            do="use the split tune",
        )
    batch = CursorSynthesis(
        task, laboratories, split=split, samples_per_lab=samples, belief=belief, threads=1
    )
    actor.check_spaces(batch)
    batch.reset(SEEDS[split] if seed is None else seed)
    found = Habits.empty(laboratories, samples)
    memory = actor.memory(laboratories)
    sample = np.zeros(laboratories, dtype=np.int64)
    for _ in range(LONGEST * samples):
        actions = actor.act(batch.observations, batch.action_masks(), None, memory)
        _, reward, ended, _, info = batch.step(actions)
        rows = np.flatnonzero(sample < samples)
        _book(found, batch, rows, sample)
        found.returns[rows, sample[rows]] += reward[rows]
        over = rows[ended[rows]]
        found.purity[over, sample[over]] = info["purity"][over]
        sample[over] += 1
        if memory is not None:
            memory.forget(ended)
        if (sample == samples).all():
            batch.close()
            return found
    raise ConfigError("an episode does not end", got=f"{int((sample < samples).sum())} rows run")


def _book(found: Habits, batch: CursorSynthesis, rows: IntArray, sample: IntArray) -> None:
    """Keeps what the last choices of some rows did, where they ended a decision."""
    choice: Choice = batch.problem.rules.desk.choice
    acting = batch.acting
    verb = acting[:, VERB]
    kinds = np.full(len(verb), -1)
    real = (verb >= 0) & (verb < choice.kind.size)
    kinds[real] = choice.kind[verb[real]]
    fired = rows[kinds[rows] == ANNEAL]
    at = (fired, sample[fired])
    found.anneals[at] += 1.0
    found.dwell_h[at] += choice.dwell_h[acting[fired, DWELL]]
    hottest = choice.temperature_c[acting[fired, TEMPERATURE]]
    found.hottest_c[at] = np.fmax(found.hottest_c[at], hottest)
    gases = batch.problem.choices.gases
    if Gas.STEAM in gases:
        found.steam[at] += acting[fired, GAS] == gases.index(Gas.STEAM)
    looked = rows[np.isin(kinds[rows], (SCAN_2, SCAN_8))]
    found.scans[looked, sample[looked]] += 1.0
