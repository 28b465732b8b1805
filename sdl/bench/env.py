"""``sdl bench env``: decisions per second of the synthesis environments, single and batched.

A decision is everything a training loop waits for: the mask, the act (a third or more of them
anneals, solved at the tolerance of gate V1), prices and reward, the observation with its noisy
estimate, and at the end of an episode the reset with the draw of a new hidden laboratory. Actions
are uniform over what the mask allows, an anneal counting once for each gas, without a stop before
the sixth decision. They are drawn between the timed pieces: drawing them is the agent's work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sdl.bench.peers import peer_gates, peer_rows
from sdl.bench.report import BenchReport, Gate, Row, commit, machine, median_row
from sdl.core.seeds import generator
from sdl.tasks.task import load_task

if TYPE_CHECKING:
    from envs.batched import BatchedSynthesis
    from envs.synthesis import SynthesisEnv

TASK = "batio3-coarse"
ROWS, THREADS = 1024, 2
EARLIEST_STOP = 6
"""No stop before this decision, counted from 1."""
STEPS_PER_S_BATCHED, STEPS_PER_S_SINGLE, ANNEAL_SHARE = 5e4, 500.0, 0.333
WARM_UP = 24
"""Steps before the clock: the rows leave the lock-step of their first episode."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """One timed repetition."""

    decisions: int
    anneals: int
    substeps: int
    seconds: float
    cpu_s: float
    """Processor time of all threads: other programs on the machine hardly change it."""


class MaskedUniform:
    """Uniform over the verbs that the mask allows; other heads uniform over their options.

    Args:
        nvec: Options of each head.
        verbs: Names of the verbs.
        gases: Number of gases: the weight of an anneal.
        seed: Of the draws.
    """

    def __init__(
        self, nvec: tuple[int, ...], verbs: tuple[str, ...], gases: int, seed: int
    ) -> None:
        self._nvec = np.array(nvec)
        self._starts = np.concatenate([[0], np.cumsum(self._nvec)[:-1]])
        self._weight = np.array([gases if verb == "anneal" else 1 for verb in verbs], np.float64)
        self._stop = verbs.index("stop")
        self._rng = generator("bench-env", seed)

    def actions(self, mask: NDArray[np.bool_], decision: IntArray) -> IntArray:
        """One action per row.

        Args:
            mask: (rows, sum of nvec).
            decision: (rows,) decisions already taken in the episode.
        """
        rows = np.arange(len(mask))
        taken = np.empty((len(mask), len(self._nvec)), dtype=np.int64)
        for head, (start, count) in enumerate(zip(self._starts, self._nvec, strict=True)):
            weight = mask[:, start : start + count].astype(np.float64)
            if head == 0:
                weight *= self._weight
                early = (decision + 1 < EARLIEST_STOP) & (weight.sum(axis=1) > 1.0)
                weight[rows[early], self._stop] = 0.0
            total = np.cumsum(weight, axis=1)
            pick = self._rng.random(len(mask)) * total[:, -1]
            taken[:, head] = (total <= pick[:, None]).sum(axis=1)
        return taken


def run(quick: bool = False) -> BenchReport:
    """Times the single and the batched environment.

    Args:
        quick: Fewer and shorter repetitions.
    """
    # Imported here: `sdl bench` lists its benches without loading the physics.
    from envs.batched import BatchedSynthesis
    from envs.synthesis import SynthesisEnv

    repeats = 3 if quick else 9
    load = os.getloadavg()[0]  # a busy machine shows here, and in the spread of the rates
    begun = time.perf_counter()
    env = SynthesisEnv(TASK)
    _pieces(env.batch, _single(env), 1, WARM_UP)  # every kind of decision is compiled or loaded
    compile_s = time.perf_counter() - begun
    batch = BatchedSynthesis(TASK, ROWS, seed=1, threads=THREADS)
    _pieces(batch, batch.step, 1, WARM_UP)
    many = _pieces(batch, batch.step, repeats, 24 if quick else 72)
    batch.close()
    one = _pieces(env.batch, _single(env), repeats, 300 if quick else 1500)
    rows = (
        _rate("single.steps", one, "decisions"),
        _rate("batched.steps", many, "decisions"),
        _share("single.anneal_share", one),
        _share("batched.anneal_share", many),
        _rate("batched.anneals", many, "anneals"),
        _rate("batched.substeps", many, "substeps"),
        _cpu("single.cpu", one),
        _cpu("batched.cpu", many),
        Row(name="compile_s", value=compile_s, unit="s"),
        Row(name="machine.load", value=load, unit="processes in the minute before"),
    )
    value = {row.name: row.value for row in rows}
    peers, figures = peer_rows(quick=quick)
    return BenchReport(
        bench="env",
        commit=commit(),
        task=load_task(TASK).hash,
        machine=machine(),
        rows=rows + peers,
        gates=_gates(value) + peer_gates(figures, value["batched.steps"]),
    )


def _single(env: SynthesisEnv) -> Callable[[IntArray], object]:
    """A step of the single environment with the reset that follows an end."""

    def step(actions: IntArray) -> None:
        if env.step(actions[0])[2]:
            env.reset()

    return step


def _pieces(
    batch: BatchedSynthesis, step: Callable[[IntArray], object], repeats: int, steps: int
) -> list[Piece]:
    """Times ``repeats`` runs of ``steps`` steps; the drawing of actions is not counted."""
    choices = batch.problem.choices
    policy = MaskedUniform(batch.nvec, choices.verbs, len(choices.gases), repeats * steps)
    pieces = []
    for _ in range(repeats):
        anneals, substeps, seconds, cpu_s = batch.anneals, batch.substeps, 0.0, 0.0
        for _ in range(steps):
            actions = policy.actions(batch.action_masks(), batch.decisions)
            begun, cpu_begun = time.perf_counter(), time.process_time()
            step(actions)
            seconds += time.perf_counter() - begun
            cpu_s += time.process_time() - cpu_begun
        decisions = steps * batch.rows
        done = batch.anneals - anneals, batch.substeps - substeps
        pieces.append(Piece(decisions, *done, seconds, cpu_s))
    return pieces


def _rate(name: str, pieces: list[Piece], what: str) -> Row:
    values = [getattr(piece, what) / piece.seconds for piece in pieces]
    return median_row(name, values, f"{what}/s")


def _cpu(name: str, pieces: list[Piece]) -> Row:
    values = [1e6 * piece.cpu_s / piece.decisions for piece in pieces]
    return median_row(name, values, "us of processor time per decision")


def _share(name: str, pieces: list[Piece]) -> Row:
    return median_row(name, [piece.anneals / piece.decisions for piece in pieces], "share")


def _gates(value: dict[str, float]) -> tuple[Gate, ...]:
    share = min(value["single.anneal_share"], value["batched.anneal_share"])
    wanted = (
        ("env.batched", ">= 5e4", value["batched.steps"], STEPS_PER_S_BATCHED),
        ("env.single", ">= 500", value["single.steps"], STEPS_PER_S_SINGLE),
        ("env.anneal_share", ">= 0.333", share, ANNEAL_SHARE),
    )
    return tuple(
        Gate(id=name, target=target, value=figure, passed=figure >= least)
        for name, target, figure, least in wanted
    )
