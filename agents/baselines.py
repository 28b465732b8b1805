"""Baselines that learn nothing: at random, Sobol, published, ranked by free energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import qmc

from agents.published import PublishedPolicy, purest
from agents.trial import Trial
from envs.tables import BoolArray
from sdl.chemistry.system import ChemicalSystem, Phase, load_system
from sdl.chemistry.thermo import GAS_CONSTANT, KJ_PER_MOL_PER_EV, ZERO_CELSIUS_K
from sdl.core.errors import PolicyError
from sdl.core.recipe import Anneal, Dose, Gas, Mix, Step
from sdl.core.seeds import generator
from sdl.tasks.firings import FirstFiring, load_first_firings
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task
from simulators.network import IntArray

LEAST_BAR = 1e-9
"""Pressure from which on a vapour is part of the air of a furnace."""


class RandomPlayer:
    """Each head of each decision evenly among what the mask allows; the heads independently.

    The dice of an episode follow from (seed, identity, sample) alone, one uniform number per
    decision and head, so that an episode does not depend on which others are played with it.

    Args:
        options: Options of each head.
        seed: Of the dice; another one makes another draw in the same laboratories.
    """

    name = "random"

    def __init__(self, options: Sequence[int], seed: int = 0) -> None:
        self._options, self._seed = tuple(options), seed
        self._dice: list[np.random.Generator] = []
        self._identities = self._sample = np.zeros(0, dtype=np.int64)

    def begin(self, identities: IntArray) -> None:
        """One generator per episode."""
        self._dice = [generator("random-player", self._seed, int(n)) for n in identities]
        self._identities, self._sample = identities, np.zeros_like(identities)

    def renew(self, rows: BoolArray) -> None:
        """A new generator for some rows."""
        self._sample[rows] += 1
        for i in np.flatnonzero(rows):
            key = (int(self._identities[i]), int(self._sample[i]))
            self._dice[i] = generator("random-player", self._seed, *key)

    def act(self, observation: NDArray[np.float32], mask: BoolArray) -> NDArray[Any]:
        """One action per row."""
        u = np.stack([dice.random(len(self._options)) for dice in self._dice])
        actions = np.zeros(u.shape, dtype=np.int64)
        at = 0
        for head, size in enumerate(self._options):
            allowed = mask[:, at : at + size]
            number = np.floor(u[:, head] * allowed.sum(axis=1)).astype(np.int64)
            actions[:, head] = np.argmax(np.cumsum(allowed, axis=1) > number[:, None], axis=1)
            at += size
        return actions


class PlanPlayer:
    """Plays one plan whatever it sees.

    Args:
        name: Of the player.
        actions: Shape ``(decisions, heads)``, or one plan per identity, ``(plans, ...)``: identity
            ``n`` plays plan ``n % plans``.
    """

    def __init__(self, name: str, actions: IntArray) -> None:
        self.name = name
        self._actions = actions if actions.ndim == 3 else actions[None]
        self._mine, self._step = self._actions, np.zeros(0, dtype=np.int64)

    def begin(self, identities: IntArray) -> None:
        """Back to the first decision."""
        self._mine = self._actions[identities % len(self._actions)]
        self._step = np.zeros(len(identities), dtype=np.int64)

    def renew(self, rows: BoolArray) -> None:
        """The same plans again."""
        self._step[rows] = 0

    def act(self, observation: NDArray[np.float32], mask: BoolArray) -> NDArray[Any]:
        """The next action of each plan."""
        step = np.minimum(self._step, self._mine.shape[1] - 1)
        self._step += 1
        return self._mine[np.arange(len(step)), step]


def sobol_genes(trial: Trial, draw: int = 0) -> IntArray:
    """One recipe of the task's space per entry, from a scrambled Sobol sequence, snapped.

    Args:
        trial: The laboratories.
        draw: Scrambling.

    Returns:
        Shape ``(entries, genes)``.
    """
    space = trial.plans.choices.space
    rng = generator("sobol-plans", trial.task.hash, draw)
    sampler = qmc.Sobol(space.dimension, scramble=True, rng=rng)
    points = sampler.random_base2(int(np.ceil(np.log2(max(2, len(trial))))))
    return np.stack([trial.plans.snap(space.decode(p)) for p in points[: len(trial)]])


def published_steps(task: Task) -> tuple[Step, ...]:
    """The literature's median recipe as the laboratory can follow it, before the grid.

    Of the task itself where it names one (``agents.published``), else the median first firing of
    the text-mined recipes of its target, with the precursors used most often, of each the purest
    bottle by the label.

    Raises:
        PolicyError: No recipe of the target is known.
    """
    if task.published is not None:
        return PublishedPolicy(task).recipe(task.laboratory).steps
    firing = _firing(task)
    groups = task.space.cation_lots if task.space else ()
    lots = [_lot_of(task, group, firing.precursors) for group in groups]
    return (
        Mix(doses=_stoichiometric(task, lots), mill_min=10.0),
        Anneal(
            temperature_c=firing.median_c, dwell_h=firing.dwell_h, ramp_c_per_min=5.0, gas=Gas.AIR
        ),
    )


def _firing(task: Task) -> FirstFiring:
    for reading in ("inside", "all"):
        for firing in load_first_firings(reading):
            if (firing.system, firing.target) == (task.system, task.target.phase):
                return firing
    raise PolicyError(
        f"no published recipe of {task.target.label} is known",
        do="add the key `published` to the task, or leave the baseline out",
    )


def _lot_of(task: Task, group: Sequence[str], phases: Sequence[str]) -> str:
    """The purest lot of a group among those whose phase is used most often, else of them all."""
    used = [n for n in group if (lot := task.laboratory.lot(n)) is not None and lot.phase in phases]
    return purest(task, used or group)


def _stoichiometric(task: Task, lots: Sequence[str]) -> tuple[Dose, ...]:
    space = TaskSpace(task)
    point = np.full(space.dimension, 0.5)
    point[0] = space.axes[0].unit(1.0)
    for i, name in enumerate(space.names):
        if name.startswith("lot_"):
            group = task.space.cation_lots[int(name.removeprefix("lot_"))] if task.space else ()
            point[i] = (group.index(lots[int(name.removeprefix("lot_"))]) + 0.5) / len(group)
    return space.decode(point).doses()


def published_genes(trial: Trial) -> IntArray:
    """The published recipe on the grid, ``(genes,)``."""
    return trial.plans.snap(published_steps(trial.task))


def driving_force(
    system: ChemicalSystem, target: str, precursors: Sequence[str], kelvin: float, gas: Gas
) -> float:
    """Free energy of making the target from precursors and gas, eV per atom of target.

    The amounts of the precursors follow from what no gas carries, the cations.

    Args:
        system: The chemistry.
        target: Name of a phase.
        precursors: Names of phases, one per cation or fewer.
        kelvin: Temperature, K.
        gas: In the furnace.

    Raises:
        PolicyError: The precursors cannot make the target.
    """
    airborne = {e for vapour in air_of(system, gas) for e in vapour.composition}
    compositions = [dict(system.phase(name).composition) for name in (target, *precursors)]
    cations = sorted({e for each in compositions for e in each} - airborne)
    matrix = np.array([[each.get(e, 0.0) for each in compositions[1:]] for e in cations])
    amounts, miss = nnls(matrix, np.array([compositions[0].get(e, 0.0) for e in cations]))
    if miss > 1e-6:
        raise PolicyError("the precursors cannot make the target", got=", ".join(precursors))
    mixture = dict(zip(precursors, amounts.tolist(), strict=True))
    return mixture_force(system, target, mixture, kelvin, gas)


def mixture_force(
    system: ChemicalSystem, target: str, mixture: Mapping[str, float], kelvin: float, gas: Gas
) -> float:
    """Free energy of turning a mixture into one mole of target, eV per atom of target.

    What the cations leave open is taken from or given to the gases, at their pressures in the
    furnace.

    Args:
        system: The chemistry.
        target: Name of a phase.
        mixture: Moles by phase, with the cations of one mole of target.
        kelvin: Temperature, K.
        gas: In the furnace.

    Raises:
        PolicyError: The gases cannot make up for the difference.
    """
    goal = system.phase(target)
    open_moles = dict(goal.composition)
    energy = goal.gibbs.kj_per_mol(kelvin)
    for name, moles in mixture.items():
        phase = system.phase(name)
        energy -= moles * phase.gibbs.kj_per_mol(kelvin)
        for element, number in phase.composition.items():
            open_moles[element] = open_moles.get(element, 0.0) - moles * number
    air = air_of(system, gas)
    elements = sorted({*open_moles, *(e for vapour in air for e in vapour.composition)})
    matrix = np.array([[v.composition.get(e, 0.0) for v in air] for e in elements])
    missing = np.array([open_moles.get(e, 0.0) for e in elements])
    taken, *_ = np.linalg.lstsq(matrix, missing, rcond=None)
    if np.abs(matrix @ taken - missing).max() > 1e-6:
        raise PolicyError("the mixture cannot make the target", got=", ".join(mixture))
    for moles, vapour in zip(taken.tolist(), air, strict=True):
        pressure = np.log(system.gases[gas].p_bar[vapour.name])
        energy -= moles * (vapour.gibbs.kj_per_mol(kelvin) + GAS_CONSTANT * kelvin * pressure)
    return float(energy / KJ_PER_MOL_PER_EV / sum(goal.composition.values()))


def air_of(system: ChemicalSystem, gas: Gas) -> list[Phase]:
    """The vapours a furnace is full of; one that only leaves the sample, as Li2O, is not."""
    pressures = system.gases[gas].p_bar
    return [v for v in system.vapours if pressures.get(v.name, 0.0) >= LEAST_BAR]


def ranked_lots(task: Task) -> list[tuple[float, tuple[str, ...]]]:
    """Sets of one lot per cation by driving force at the published temperature, best first.

    Lots of equal phases come cheapest first.

    Returns:
        Driving force, eV per atom of target, and the lots.
    """
    system, groups = load_system(task.system), task.space.cation_lots if task.space else ()
    anneal = next(step for step in published_steps(task) if isinstance(step, Anneal))
    kelvin = min(anneal.temperature_c + ZERO_CELSIUS_K, system.range_k()[1])
    found: list[tuple[float, float, tuple[str, ...]]] = []
    for names in product(*groups):
        lots = [lot for lot in map(task.laboratory.lot, names) if lot is not None]
        force = driving_force(
            system, task.target.phase, [lot.phase for lot in lots], kelvin, anneal.gas
        )
        found.append((round(force, 6), sum(lot.price_eur_per_g for lot in lots), names))
    return [(force, names) for force, _, names in sorted(found)]


def ranked_genes(trial: Trial) -> IntArray:
    """The published program with the precursors of the largest driving force, ``(genes,)``."""
    task = trial.task
    anneal = next(step for step in published_steps(task) if isinstance(step, Anneal))
    _, lots = ranked_lots(task)[0]
    return trial.plans.snap((Mix(doses=_stoichiometric(task, lots), mill_min=10.0), anneal))
