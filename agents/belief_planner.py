"""Planning on the belief: laboratories that explain what was seen, and the plan best for them.

The belief is an ensemble of training laboratories. The first plan is the best fixed recipe. When
something can have been learned - a sample has come out of the furnace and was weighed, or has been
scanned - each member is weighted by how well its own readings, simulated with the same steps, agree
with those of the sample, and the plan is chosen anew among many ways to go on. A scan is paid for
where the ensemble says that it earns more than it costs: each member in turn is taken for the
truth, the others look at its readings, choose for it, and what they choose is paid out in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.ensemble import cautious, choose_for_each, diverse, weigh
from agents.trial import TOLERANCE, Trial
from envs.tables import (
    ANNEAL,
    DWELL,
    GAS,
    MILL_TIME,
    MIX,
    QUENCH,
    RAMP,
    REGRIND,
    SCAN_2,
    SCAN_8,
    STOP,
    TEMPERATURE,
    VERB,
    BoolArray,
)
from envs.tables import SLOTS as PHASES
from sdl.core.seeds import generator
from sdl.tasks.task import Task
from simulators.network import FloatArray, IntArray

SCANS = (SCAN_2, SCAN_8)


@dataclass(frozen=True)
class BeliefSettings:
    """Sizes of a belief planner.

    Attributes:
        members: Laboratories of the ensemble.
        scouts: Members that look through the ways to go on.
        ways: Ways to go on that the scouts look at.
        kept: Ways that all members see.
        effective: Least effective number of members; sharper likelihoods are tempered.
        caution: Standard errors that a change of plan or a scan must gain.
        nodes: Points of decision that are worked out at most; beyond, plans are carried out.
        phase_sd: Smallest standard deviation of a weight fraction.
        mass_sd: Smallest standard deviation of a mass, as a share of what was weighed in.
    """

    members: int = 384
    scouts: int = 48
    ways: int = 96
    kept: int = 20
    effective: float = 40.0
    caution: float = 0.5
    nodes: int = 40
    phase_sd: float = 0.01
    mass_sd: float = 1e-3


DEFAULTS = BeliefSettings()


@dataclass
class _Node:
    """A point of decision: what was done, and what the members say of it."""

    readings: FloatArray
    """(members, readings) of the members after the same steps."""
    sd: FloatArray
    """(readings,) by which two readings of one laboratory differ."""
    ways: IntArray
    """(kept, steps, heads) ways to go on, the first is to carry on as planned."""
    returns: FloatArray
    """(members, kept) returns of whole episodes."""
    scan_gain: dict[int, FloatArray]
    """By verb: what a scan earns in each member, its price taken off."""


@dataclass
class _Sample:
    """One row of a game."""

    done: list[NDArray[np.int64]]
    queue: list[NDArray[np.int64]]
    readings: list[float]
    finished: bool = False


class BeliefPlanner:
    """Plans on an ensemble of laboratories, again after each look at the sample.

    Everything is decided from the observation; the laboratories of the ensemble are of the split
    ``train``.

    Args:
        prior: The ensemble: as many laboratories as ``settings.members``.
        start: The first plan, ``(genes,)``.
        tables: Probabilities of good plans, ``(genes, most options)``.
        settings: Sizes.
    """

    name = "cem"

    def __init__(
        self,
        prior: Trial,
        start: IntArray,
        tables: FloatArray,
        settings: BeliefSettings = DEFAULTS,
    ) -> None:
        self._prior, self._settings = prior, settings
        self._tables = tables
        self._start = [a.copy() for a in prior.plans.actions(start[None])[0]]
        self._nodes: dict[bytes, _Node | None] = {}
        self._samples: list[_Sample] = []
        batch = prior.batch(prior.identities[:1])
        names = [entry.name for entry in batch.entries]
        self._mass = names.index("sample.mass")
        self._first_phase = names.index("scan.phase_0.fraction")
        shown = batch.problem.rules.desk.shown.solid
        self._solids = shown[: batch.problem.network.net.used]

    @classmethod
    def of_task(
        cls,
        task: Task,
        start: IntArray,
        tables: FloatArray,
        *,
        max_decisions: int = 12,
        settings: BeliefSettings = DEFAULTS,
        threads: int | None = None,
    ) -> BeliefPlanner:
        """A planner whose ensemble is drawn from what the task hides."""
        prior = Trial(
            task, "train", settings.members, first=10_000, max_decisions=max_decisions,
            tolerance=TOLERANCE, threads=threads,
        )  # fmt: skip
        return cls(prior, start, tables, settings)

    def begin(self, identities: IntArray) -> None:
        """New samples; what was worked out of the ensemble stays."""
        self._samples = [_Sample([], list(self._start), []) for _ in identities]

    def renew(self, rows: BoolArray) -> None:
        """New samples of some rows; nothing is kept of the laboratory's earlier ones."""
        for i in np.flatnonzero(rows):
            self._samples[i] = _Sample([], list(self._start), [])

    def act(self, observation: NDArray[np.float32], mask: BoolArray) -> NDArray[Any]:
        """One action per row."""
        waiting: dict[bytes, list[int]] = {}
        for i, sample in enumerate(self._samples):
            if sample.finished or not self._may_decide(sample):
                continue
            sample.readings += self._read(observation[i : i + 1], sample.done)[0].tolist()
            waiting.setdefault(_key(sample.done), []).append(i)
        for key, rows in waiting.items():
            self._decide(key, rows)
        actions = np.repeat(self._prior.plans.stop[None], len(self._samples), axis=0)
        for i, sample in enumerate(self._samples):
            if sample.finished or not sample.queue:
                continue
            action = sample.queue.pop(0)
            sample.done.append(action)
            sample.finished = bool(action[VERB] == STOP)
            actions[i] = action
        return actions

    def _may_decide(self, sample: _Sample) -> bool:
        """Whether something can have been learned, or a hot sample could be scanned."""
        if not sample.done or not sample.queue:
            return False
        last, following = int(sample.done[-1][VERB]), int(sample.queue[0][VERB])
        return last >= QUENCH or last in SCANS or (last == ANNEAL and following < QUENCH)

    def _read(self, observation: NDArray[np.float32], done: Sequence[IntArray]) -> FloatArray:
        """Readings that the last step brought: the mass, and after a scan the phases."""
        mass = observation[:, self._mass : self._mass + 1].astype(np.float64)
        last = int(done[-1][VERB])
        if last == ANNEAL:  # nobody has weighed it
            return mass[:, :0]
        if last not in SCANS:
            return mass
        return np.hstack([mass, self._phases(observation)[0]])

    def _phases(self, observation: NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
        """Weight fractions and sigma of the solids by a scan, ``(rows, solids)`` each."""
        slots = observation[:, self._first_phase : self._first_phase + 6 * PHASES]
        slots = slots.reshape(len(observation), PHASES, 6).astype(np.float64)
        # Phases have no names in an observation; their properties tell them apart.
        apart = np.abs(slots[:, :, None, 2:] - self._solids[None, None]).sum(axis=3)
        solid = np.argmin(apart, axis=2)
        found = np.zeros((2, len(observation), len(self._solids)))
        rows = np.arange(len(observation))
        for slot in range(PHASES):
            there = slots[:, slot, 0] > 0.0
            found[0, rows[there], solid[there, slot]] += slots[there, slot, 0]
            found[1, rows[there], solid[there, slot]] = slots[there, slot, 1]
        return found[0], found[1]

    def _decide(self, key: bytes, rows: list[int]) -> None:
        """Chooses how some samples with the same past go on."""
        first = self._samples[rows[0]]
        node = self._node(key, first)
        if node is None:
            return
        readings = np.array([self._samples[i].readings for i in rows]).reshape(len(rows), -1)
        weights = weigh(readings, node.readings, node.sd, self._settings.effective)
        gain = node.returns - node.returns[:, :1]
        ways = cautious(weights, gain, self._settings.caution)
        pick = np.argmax(ways, axis=1)
        scans = np.zeros((len(rows), 0))
        if node.scan_gain:
            table = np.stack(list(node.scan_gain.values()), axis=1)
            scans = cautious(weights, table, self._settings.caution)
        for n, i in enumerate(rows):
            sample = self._samples[i]
            way = node.ways[pick[n]]
            sample.queue = [a.copy() for a in way]
            if scans.shape[1] and scans[n].max() > 0.0:
                verb = list(node.scan_gain)[int(np.argmax(scans[n]))]
                sample.queue = [self._scan(verb), *sample.queue]

    def _scan(self, verb: int) -> NDArray[np.int64]:
        action = self._prior.plans.stop.copy()
        action[VERB] = verb
        return action

    def _node(self, key: bytes, sample: _Sample) -> _Node | None:
        """The point of decision after some steps, worked out once."""
        if key not in self._nodes:
            full = len(self._nodes) >= self._settings.nodes
            self._nodes[key] = None if full else self._work_out(sample)
        return self._nodes[key]

    def _work_out(self, sample: _Sample) -> _Node:
        done, settings = sample.done, self._settings
        readings, sd = self._ensemble_readings(done)
        planned = self._padded(sample.queue, len(done))
        ways = self._ways(done, planned)
        scouts = self._returns(done, ways, settings.scouts)
        kept = diverse(scouts, settings.kept)
        ways = ways[kept]
        returns = self._returns(done, ways, settings.members)
        gains: dict[int, FloatArray] = {}
        left = self._prior.max_decisions - len(done)
        if int(done[-1][VERB]) not in SCANS and left > 4:
            for verb in SCANS:
                gains[verb] = self._scan_gain(done, readings, sd, returns, verb)
        return _Node(readings, sd, ways, returns, gains)

    def _ensemble_readings(self, done: Sequence[IntArray]) -> tuple[FloatArray, FloatArray]:
        """Readings of all members after the same steps, and their standard deviations."""
        batch = self._prior.batch(self._prior.identities)
        found: list[FloatArray] = [np.zeros((len(self._prior), 0))]
        sds: list[FloatArray] = []
        asked = self._settings
        for n, action in enumerate(done):
            batch.step(np.repeat(action[None], len(self._prior), axis=0))
            here = _Sample(list(done[: n + 1]), list(done[n + 1 :]) or [self._prior.plans.stop], [])
            if not self._may_decide(here):
                continue
            observation = batch.observations
            values = self._read(observation, here.done)
            found.append(values)
            sd = np.full(values.shape[1], asked.mass_sd)
            if int(action[VERB]) in SCANS:
                sigma = np.median(self._phases(observation)[1], axis=0)
                sd[1:] = np.maximum(np.sqrt(2.0) * sigma, asked.phase_sd)
            sds.append(sd)
        return np.hstack(found), np.concatenate(sds) if sds else np.zeros(0)

    def _padded(self, queue: Sequence[IntArray], used: int) -> IntArray:
        """A way to go on as an array of the steps that are left, filled up with stops."""
        left = self._prior.max_decisions - used
        rows = [*queue, *[self._prior.plans.stop] * left][:left]
        return np.array(rows, dtype=np.int64)

    def _ways(self, done: Sequence[IntArray], planned: IntArray) -> IntArray:
        """Ways to go on: as planned, stop at once, and others drawn; ``(ways, steps, heads)``."""
        rng = generator("belief-ways", self._prior.task.hash, _key(done).hex())
        count, left = self._settings.ways, len(planned)
        ways = [planned, self._padded([], len(done))]
        hot = int(done[-1][VERB]) == ANNEAL
        anneals = [a for a in [*done, *planned] if a[VERB] == ANNEAL]
        while len(ways) < count:
            steps: list[IntArray] = []
            stages = 1 + int(rng.random() < 0.25)
            for stage in range(stages):
                ground = not (stage == 0 and hot and rng.random() < 0.5)
                steps += self._stage(rng, anneals, regrind=ground and rng.random() < 0.75)
            if len(steps) < left:
                ways.append(self._padded(steps, len(done)))
            elif left < 5:
                ways.append(ways[1])
        return np.stack(ways)

    def _stage(
        self, rng: np.random.Generator, anneals: Sequence[IntArray], *, regrind: bool
    ) -> list[IntArray]:
        """Another anneal, near one of the plan or drawn from the tables, and what is around it."""
        plans, choices = self._prior.plans, self._prior.plans.choices
        places = {gene.name: i for i, gene in enumerate(plans.genes)}
        steps: list[IntArray] = []
        if regrind:
            ground = plans.stop.copy()
            ground[VERB] = REGRIND
            last = len(choices.mill_min) - 1
            ground[MILL_TIME] = last if rng.random() < 0.5 else rng.integers(last + 1)
            steps.append(ground)
        fire = plans.stop.copy()
        fire[VERB] = ANNEAL
        model = anneals[int(rng.integers(len(anneals)))]
        for head, name in (
            (TEMPERATURE, "temperature"), (DWELL, "dwell"), (RAMP, "ramp"), (GAS, "gas")
        ):  # fmt: skip
            options = choices.counts[head]
            u = rng.random()
            if u < 0.45:
                shift = 0 if head == GAS else int(rng.integers(-2, 3))
                fire[head] = min(max(int(model[head]) + shift, 0), options - 1)
            elif u < 0.8:
                gene = places.get(f"{name}_1", places[f"{name}_0"])
                share = self._tables[gene, :options]
                fire[head] = rng.choice(options, p=share / share.sum())
            else:
                fire[head] = rng.integers(options)
        steps.append(fire)
        if choices.coolings and rng.random() < 0.7:
            out = plans.stop.copy()
            out[VERB] = QUENCH + int(rng.integers(len(choices.coolings)))
            steps.append(out)
        return steps

    def _returns(self, done: Sequence[IntArray], ways: IntArray, members: int) -> FloatArray:
        """Returns of ways to go on in the first members, ``(members, ways)``."""
        past = np.array(done, dtype=np.int64)
        plans = np.stack([np.concatenate([past, way]) for way in ways])
        flat = np.repeat(plans, members, axis=0)
        rows = np.tile(np.arange(members), len(ways))
        return self._prior.play_plans(flat, rows).returns.reshape(len(ways), members).T

    def _scan_gain(
        self,
        done: Sequence[IntArray],
        readings: FloatArray,
        sd: FloatArray,
        returns: FloatArray,
        verb: int,
    ) -> FloatArray:
        """What a scan earns in each member when the others choose for it, ``(members,)``."""
        steps = [*done, self._scan(verb)]
        more, more_sd = self._ensemble_readings(steps)
        least = self._settings.effective
        blind = choose_for_each(weigh(readings, readings, sd, least, itself=False), returns)
        seeing = choose_for_each(weigh(more, more, more_sd, least, itself=False), returns)
        stop = self._padded([], len(done))[None]
        scan_and_stop = np.concatenate([self._scan(verb)[None], stop[0]])[: stop.shape[1]][None]
        price = self._returns(done, stop, 1)[0, 0] - self._returns(done, scan_and_stop, 1)[0, 0]
        return seeing - blind - max(price, 0.0)


def _key(done: Sequence[IntArray]) -> bytes:
    return np.array(done, dtype=np.int64).tobytes()


if MIX != 0:  # the first step of every plan, which is never chosen anew
    raise ImportError("a plan begins with a mix")
