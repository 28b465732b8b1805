"""Open-loop plans as whole numbers: what a search draws, and the actions it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from envs.choices import Choices
from envs.tables import (
    ANNEAL,
    DWELL,
    GAS,
    LOTS,
    MILL_TIME,
    MIX,
    QUENCH,
    RAMP,
    RATIO,
    REGRIND,
    STOP,
    TEMPERATURE,
    VERB,
    WASH,
)
from sdl.core.capabilities import StationKind
from sdl.core.errors import PolicyError
from sdl.core.recipe import Anneal, Mix, Quench, Recipe, Regrind, Step, Wash
from simulators.network import IntArray

ANNEALS = 3
"""Largest number of anneals of a plan."""


@dataclass(frozen=True)
class Gene:
    """One choice of a plan."""

    name: str
    options: int
    ordered: bool
    """Whether neighbouring options are alike."""


@dataclass(frozen=True)
class Plans:
    """Plans of one environment: mix, up to three anneals with what lies between them, stop.

    A plan is one whole number per gene: number of anneals, ratio, milling, one lot per cation; of
    each anneal temperature, dwell, ramp, gas and cooling (0: in the furnace), and of each but the
    first whether the sample is ground before it (0: no, else how long); where the laboratory has a
    washer, whether it is washed at the end. Genes of anneals beyond the number count for nothing.
    Scans are in no plan: one that nobody reads is money lost.

    Args:
        choices: The grid of the environment.
        max_decisions: Decisions of an episode.
    """

    choices: Choices
    max_decisions: int = 12

    @property
    def anneals(self) -> int:
        """Largest number of anneals."""
        return max(1, min(ANNEALS, (self.max_decisions - 1 - self.washes) // 3))

    @property
    def washes(self) -> bool:
        """Whether the laboratory has a washer."""
        return bool(self.choices.task.laboratory.of_kind(StationKind.WASHER))

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """All genes in order."""
        choices = self.choices
        found = [
            Gene("anneals", self.anneals, ordered=True),
            Gene("ratio", len(choices.ratios), ordered=True),
            Gene("mill", len(choices.mill_min), ordered=True),
        ]
        found += [Gene(f"lot_{c}", len(g), ordered=False) for c, g in enumerate(choices.lots)]
        for k in range(self.anneals):
            found += [
                Gene(f"temperature_{k}", len(choices.temperatures_c), ordered=True),
                Gene(f"dwell_{k}", len(choices.dwells_h), ordered=True),
                Gene(f"ramp_{k}", len(choices.ramps_c_per_min), ordered=True),
                Gene(f"gas_{k}", len(choices.gases), ordered=False),
                Gene(f"cooling_{k}", len(choices.coolings) + 1, ordered=False),
            ]
            if k > 0:
                found.append(Gene(f"regrind_{k}", len(choices.mill_min) + 1, ordered=True))
        if self.washes:
            found.append(Gene("wash", 2, ordered=False))
        return tuple(found)

    @cached_property
    def sizes(self) -> IntArray:
        """Options of each gene."""
        return np.array([gene.options for gene in self.genes], dtype=np.int64)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {gene.name: i for i, gene in enumerate(self.genes)}

    def actions(self, genes: IntArray) -> IntArray:
        """The actions of plans, padded with stops.

        Args:
            genes: Shape ``(plans, genes)``.

        Returns:
            Shape ``(plans, decisions, heads)``.
        """
        count, heads = len(genes), len(self.choices.counts)
        slots = np.zeros((count, 3 * self.anneals + 1 + self.washes, heads), dtype=np.int64)
        slots[:, :, VERB] = -1
        slots[:, 0, VERB] = MIX
        slots[:, 0, RATIO] = self._of(genes, "ratio")
        slots[:, 0, MILL_TIME] = self._of(genes, "mill")
        for c in range(len(self.choices.lots)):
            slots[:, 0, LOTS + c] = self._of(genes, f"lot_{c}")
        for k in range(self.anneals):
            self._anneal(genes, k, slots[:, 3 * k : 3 * k + 3])
        if self.washes:
            slots[:, -2, VERB] = np.where(self._of(genes, "wash") > 0, WASH, -1)
        slots[:, -1, VERB] = STOP
        used = slots[:, :, VERB] >= 0
        order = np.argsort(~used, axis=1, kind="stable")
        packed = np.take_along_axis(slots, order[:, :, None], axis=1)
        packed[packed[:, :, VERB] < 0] = self.stop
        return packed

    @cached_property
    def stop(self) -> IntArray:
        """The action ``stop``."""
        action = np.zeros(len(self.choices.counts), dtype=np.int64)
        action[VERB] = STOP
        return action

    def _of(self, genes: IntArray, name: str) -> IntArray:
        return genes[:, self._place[name]]

    def _anneal(self, genes: IntArray, k: int, slots: IntArray) -> None:
        """Fills grinding (the mix, of the first), anneal and quench of anneal ``k``."""
        there = self._of(genes, "anneals") >= k
        if k > 0:
            ground = self._of(genes, f"regrind_{k}")
            slots[:, 0, VERB] = np.where(there & (ground > 0), REGRIND, -1)
            slots[:, 0, MILL_TIME] = np.maximum(ground - 1, 0)
        slots[:, 1, VERB] = np.where(there, ANNEAL, -1)
        for head, name in ((TEMPERATURE, "temperature"), (DWELL, "dwell"), (RAMP, "ramp")):
            slots[:, 1, head] = self._of(genes, f"{name}_{k}")
        slots[:, 1, GAS] = self._of(genes, f"gas_{k}")
        cooling = self._of(genes, f"cooling_{k}")
        slots[:, 2, VERB] = np.where(there & (cooling > 0), QUENCH + cooling - 1, -1)

    def snap(self, recipe: Recipe | Sequence[Step]) -> IntArray:
        """The plan on the grid that is nearest to a recipe, shape ``(genes,)``.

        Temperatures are compared in degC, dwells, ramps and milling times by their ratio. Anneals
        beyond the largest number, scans and whatever no action stands for are left out.

        Raises:
            PolicyError: The recipe does not mix one lot per cation, or anneals nothing.
        """
        steps = recipe.steps if isinstance(recipe, Recipe) else tuple(recipe)
        values = dict.fromkeys((gene.name for gene in self.genes), 0)
        if not steps or not isinstance(steps[0], Mix):
            raise PolicyError("a plan begins with a mix", got=steps[0].kind if steps else "nothing")
        values |= self._snap_mix(steps[0])
        k, ground = -1, 0
        for step in steps[1:]:
            if isinstance(step, Anneal) and k + 1 < self.anneals:
                k += 1
                values |= self._snap_anneal(step, k)
                if k > 0:
                    values[f"regrind_{k}"] = ground
                ground = 0
            elif isinstance(step, Regrind):
                ground = 1 + _nearest_ratio(self.choices.mill_min, step.mill_min)
            elif isinstance(step, Quench) and k >= 0 and step.cooling in self.choices.coolings:
                values[f"cooling_{k}"] = 1 + self.choices.coolings.index(step.cooling)
            elif isinstance(step, Wash) and self.washes:
                values["wash"] = 1
        if k < 0:
            raise PolicyError("a plan anneals", got="no anneal")
        values["anneals"] = k
        return np.array([values[gene.name] for gene in self.genes], dtype=np.int64)

    def _snap_mix(self, mix: Mix) -> dict[str, int]:
        groups, choices = self.choices.lots, self.choices
        lots: list[int] = []
        for group in groups:
            found = [group.index(d.lot) for d in mix.doses if d.lot in group]
            if len(found) != 1:
                raise PolicyError(
                    "a plan mixes one lot per cation",
                    got=", ".join(dose.lot for dose in mix.doses),
                    allowed=" | ".join(", ".join(group) for group in groups),
                )
            lots += found
        masses = {dose.lot: dose.mass_mg for dose in mix.doses}
        name, other = groups[0][lots[0]], groups[-1][lots[-1]]
        asked = masses[name] / masses[other]
        ratios = []
        for r in range(len(choices.ratios)):
            charged = {d.lot: d.mass_mg for d in choices.doses(r, lots)}
            ratios.append(charged[name] / charged[other])
        found = {f"lot_{c}": n for c, n in enumerate(lots)}
        found["ratio"] = _nearest_ratio(ratios, asked) if len(groups) > 1 else 0
        found["mill"] = _nearest_ratio(choices.mill_min, mix.mill_min)
        return found

    def _snap_anneal(self, step: Anneal, k: int) -> dict[str, int]:
        choices = self.choices
        temperatures = np.array(choices.temperatures_c)
        gas = choices.gases.index(step.gas) if step.gas in choices.gases else 0
        return {
            f"temperature_{k}": int(np.argmin(np.abs(temperatures - step.temperature_c))),
            f"dwell_{k}": _nearest_ratio(choices.dwells_h, step.dwell_h),
            f"ramp_{k}": _nearest_ratio(choices.ramps_c_per_min, step.ramp_c_per_min),
            f"gas_{k}": gas,
        }

    def words(self, genes: IntArray) -> str:
        """A plan as a sentence."""
        actions = self.actions(genes[None])[0]
        last = int(np.argmax(actions[:, VERB] == STOP))
        return Recipe(steps=tuple(self.choices.steps(actions[: last + 1]))).sentence()


def _nearest_ratio(values: Sequence[float], asked: float) -> int:
    """Index of the value with the ratio to ``asked`` that is nearest to 1."""
    logs = np.log(np.maximum(np.asarray(values, dtype=np.float64), 1e-9))
    return int(np.argmin(np.abs(logs - np.log(max(asked, 1e-9)))))
