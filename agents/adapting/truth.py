"""The laboratories that samples are really made in: explicit ones, of any structure.

What comes back from an experiment is what a laboratory sees: phases by name with sigma, a mass and
a bill. How the samples truly came out goes to whoever keeps the scores, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.adapting.other_chemistry import OtherBatch
from agents.plans import Plans
from agents.trial import Outcomes
from envs.tables import SLOTS, STOP, VERB, WAIT
from sdl.chemistry.system import ChemicalSystem
from sdl.tasks.task import Task
from simulators.laboratory import Laboratory, TrueLot
from simulators.network import FloatArray, IntArray

SPREAD_LN = 0.7
"""Ln of the size of either half of a powder over the mean: a factor of two up and down."""
KEPT = 16
"""Layouts of rows whose batches are kept."""


@dataclass(frozen=True)
class Seen:
    """What a laboratory sees of finished samples, N rows; S solids of some network.

    Attributes:
        fractions: Weight fractions by the last scan, ``(N, S)``.
        sigma: Their standard deviations, ``(N, S)``.
        other: Weight fraction of phases that the network lacks, ``(N,)``.
        mass: Last balance reading over the mass weighed in, ``(N,)``.
        cost: Prices paid, ``(N,)``.
    """

    fractions: FloatArray
    sigma: FloatArray
    other: FloatArray
    mass: FloatArray
    cost: FloatArray

    def rows(self, index: IntArray) -> Seen:
        """Some of the samples."""
        return Seen(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    @classmethod
    def empty(cls, rows: int, solids: int) -> Seen:
        """Nothing seen yet."""
        table = np.zeros((rows, solids))
        return cls(table, table.copy(), np.zeros(rows), np.zeros(rows), np.zeros(rows))


class _TruthBatch(OtherBatch):
    """Rows whose powders may be halves of one."""

    def blend(self, other: _TruthBatch, rows: IntArray) -> None:
        """Pours the samples of another batch into those of some rows, half and half.

        Grain sizes become the mean, everything else is an amount and adds up.
        """
        mine = self._state.vector
        mine[rows] = 0.5 * (mine[rows] + other.vectors[rows])


class TrueLaboratories:
    """L laboratories that make sample after sample.

    With a spread of sizes every bottle holds two halves by mass, one coarser and one finer by
    ``exp(SPREAD_LN)``. The kernel knows one size per solid, so that each half goes its way apart
    through the same program and the two are poured together before the last scan: they neither
    share a furnace atmosphere nor meet each other's grains, and what a slow cooling in the furnace
    still does happens to the blend.

    Args:
        task: The task that is believed in.
        laboratories: What they hide.
        system: True chemistry; the task's own if ``None``.
        spread: Whether powders have a spread of sizes.
        seed: Seed of doses, balances and scans.
        tolerance: Of the solver; the environment's own if ``None``.
        samples: Largest number of samples of a laboratory.
        threads: Threads to use.
    """

    def __init__(
        self,
        task: Task,
        laboratories: Sequence[Laboratory],
        *,
        system: ChemicalSystem | None = None,
        spread: bool = False,
        seed: int = 0,
        tolerance: float | None = None,
        samples: int = 64,
        max_decisions: int = 12,
        threads: int | None = None,
    ) -> None:
        self.task, self._system, self._seed = task, system, seed
        self._tolerance, self._samples, self._threads = tolerance, samples, threads
        self.max_decisions = max_decisions
        halves = (-SPREAD_LN, SPREAD_LN) if spread else (0.0,)
        self._halves = [[_resized(lab, ln) for lab in laboratories] for ln in halves]
        self._kept: dict[bytes, list[_TruthBatch]] = {}
        self._count = len(laboratories)
        first = self._batches(np.arange(1), np.zeros(1, dtype=np.int64))[0]
        self.plans = Plans(first.problem.choices, max_decisions)
        self.solid_names = first.problem.network.solid_names
        self._shown = first.problem.rules.desk.shown.solid
        names = [entry.name for entry in first.entries]
        self._mass = names.index("sample.mass")
        self._phases = names.index("scan.phase_0.fraction")

    def __len__(self) -> int:
        """Number of laboratories."""
        return self._count

    def with_tolerance(self, tolerance: float | None) -> TrueLaboratories:
        """The same laboratories with another accuracy of the solver."""
        made = object.__new__(TrueLaboratories)
        made.__dict__.update({**self.__dict__, "_tolerance": tolerance, "_kept": {}})
        return made

    def play(
        self, actions: IntArray, laboratories: IntArray, numbers: IntArray | int
    ) -> tuple[Outcomes, tuple[FloatArray, ...]]:
        """One sample per row, made by an open plan.

        Args:
            actions: ``(rows, decisions, heads)``; a plan ends with its first stop.
            laboratories: Which laboratory each row is made in.
            numbers: Which sample of it each row is; the same sample meets the same noise.

        Returns:
            The truth for scores, and the last observations and costs.
        """
        begins = np.broadcast_to(np.asarray(numbers, dtype=np.int64), laboratories.shape)
        batches = self._batches(laboratories, begins)
        lead, rows = batches[0], len(laboratories)
        found = Outcomes.empty(rows)
        final = np.zeros_like(lead.observations)
        running = np.ones(rows, dtype=np.bool_)
        for n in range(self.max_decisions):
            taken = np.where(running[:, None], actions[:, min(n, actions.shape[1] - 1)], 0)
            taken[~running, VERB] = WAIT
            stopping = running & ((taken[:, VERB] == STOP) | (n + 1 == self.max_decisions))
            for other in batches[1:]:
                lead.blend(other, np.flatnonzero(stopping))
            _, reward, ended, _, info = lead.step(taken)
            for other in batches[1:]:
                other.step(taken)
            at = np.flatnonzero(running)
            found.returns[at] += reward[at]
            found.decisions[at] += 1
            over = np.flatnonzero(running & ended)
            found.purity[over], found.share[over] = info["purity"][over], info["yield"][over]
            found.cost[over], found.pure[over] = info["cost"][over], info["bonus"][over]
            final[over] = info["final_observation"][over]
            running &= ~ended
            if not running.any():
                break
        return found, (final.astype(np.float64), found.cost)

    def make(self, actions: IntArray, number: int, solids: Sequence[str]) -> tuple[Seen, Outcomes]:
        """Sample ``number`` in every laboratory; what is seen names the given solids."""
        found, (final, cost) = self.play(actions, np.arange(len(self)), number)
        return self._read(final, cost, solids), found

    def play_genes(self, genes: IntArray, laboratories: IntArray, number: int) -> Outcomes:
        """Plans as whole numbers, ``(rows, genes)``, for searches on the truth."""
        return self.play(self.plans.actions(genes), laboratories, number)[0]

    def _read(self, final: FloatArray, cost: FloatArray, solids: Sequence[str]) -> Seen:
        """Phases of the last scans by name: their properties in the observation tell them apart."""
        slots = final[:, self._phases : self._phases + 6 * SLOTS].reshape(len(final), SLOTS, 6)
        apart = np.abs(slots[:, :, None, 2:] - self._shown[None, None]).sum(axis=3)
        which = np.argmin(apart, axis=2)
        seen = Seen.empty(len(final), len(solids))
        seen.mass[:], seen.cost[:] = final[:, self._mass], cost
        for slot in range(SLOTS):
            for row in np.flatnonzero(slots[:, slot, 0] > 0.0):
                name = self.solid_names[which[row, slot]]
                if name in solids:
                    seen.fractions[row, solids.index(name)] = slots[row, slot, 0]
                    seen.sigma[row, solids.index(name)] = slots[row, slot, 1]
                else:
                    seen.other[row] += slots[row, slot, 0]
        return seen

    def _batches(self, laboratories: IntArray, numbers: IntArray) -> list[_TruthBatch]:
        """One batch per half of the powder, at the start of the asked samples."""
        key = np.stack([laboratories, numbers]).tobytes()
        kept = self._kept.pop(key, None)
        if kept is None:
            kept = [
                _TruthBatch(
                    self.task, half, self._system, self._tolerance,
                    rows=len(laboratories), seed=self._seed, identities=laboratories,
                    samples_per_lab=self._samples, first_episode=numbers,
                    max_decisions=self.max_decisions, threads=self._threads,
                )
                for half in self._halves
            ]  # fmt: skip
        else:
            for batch in kept:
                batch.reset(self._seed)
        self._kept[key] = kept
        while len(self._kept) > KEPT:
            for batch in self._kept.pop(next(iter(self._kept))):
                batch.close()
        return kept


def _resized(laboratory: Laboratory, ln: float) -> Laboratory:
    """The laboratory with all grains larger by a factor."""
    if ln == 0.0:
        return laboratory
    lots = {
        n: TrueLot(lot.assay, lot.particle_um * float(np.exp(ln)))
        for n, lot in laboratory.lots.items()
    }
    return Laboratory(**{**laboratory.__dict__, "lots": lots})
