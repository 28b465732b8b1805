"""``sdl bench env``: decisions per second of the synthesis environments, single and batched.

Two tasks are timed: ``batio3-coarse`` (5 phases) and ``ybco`` (Y-Ba-Cu-C-O with its whole network;
its rows and gates carry its name). Beside the rates stands what the solver's tolerance costs: the
change of weight fractions under refinement, as in gate V1.

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
from sdl.core.model import content_hash
from sdl.core.seeds import generator
from sdl.tasks.task import load_task

if TYPE_CHECKING:
    from envs.batched import BatchedSynthesis
    from envs.synthesis import DecisionEnv

ROWS, THREADS = 1024, 2
RECIPES = 125
"""Recipes behind a figure under refinement."""
EARLIEST_STOP = 6
"""No stop before this decision, counted from 1."""
WARM_UP = 24
"""Steps before the clock: the rows leave the lock-step of their first episode."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Problem:
    """One task to be timed and what is asked of it."""

    task: str
    prefix: str
    """Before the names of its rows; its gates have it after ``env.``."""
    batched: float
    """Least decisions per second of the batch."""
    single: float
    share: float
    """Least share of anneals among the decisions."""
    steps: tuple[int, int]
    """Steps of a timed piece of the batch, quick and full."""
    single_steps: tuple[int, int]


PROBLEMS = (
    Problem("batio3-coarse", "", 5e4, 500.0, 0.333, (24, 72), (300, 1500)),
    Problem("ybco", "ybco.", 1.5e5, 2000.0, 0.333, (6, 24), (100, 500)),
)
"""What is timed; fewer steps where a decision takes longer."""


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
    """Times the single and the batched environment of each problem.

    Args:
        quick: Fewer and shorter repetitions.
    """
    load = os.getloadavg()[0]  # a busy machine shows here, and in the spread of the rates
    rows: list[Row] = []
    for problem in PROBLEMS:
        rows += _timed(problem, quick)
    rows.append(Row(name="machine.load", value=load, unit="processes in the minute before"))
    value = {row.name: row.value for row in rows}
    peers, figures = peer_rows(quick=quick)
    gates: list[Gate] = []
    for problem in PROBLEMS:
        gates += _gates(problem, value)
        rate = value[f"{problem.prefix}batched.steps"]
        gates += peer_gates(figures, rate, f"env.{problem.prefix}")
    return BenchReport(
        bench="env",
        commit=commit(),
        task=content_hash({p.task: load_task(p.task).hash for p in PROBLEMS}),
        machine=machine(),
        rows=(*rows, *peers),
        gates=tuple(gates),
    )


def _timed(problem: Problem, quick: bool) -> list[Row]:
    """The rows of one problem."""
    # Imported here: `sdl bench` lists its benches without loading the physics.
    from envs.batched import BatchedSynthesis
    from envs.synthesis import DecisionEnv

    repeats = 3 if quick else 9
    begun = time.perf_counter()
    env = DecisionEnv(problem.task)
    _pieces(env.batch, _single(env), 1, WARM_UP)  # every kind of decision is compiled or loaded
    compile_s = time.perf_counter() - begun
    batch = BatchedSynthesis(problem.task, ROWS, seed=1, threads=THREADS)
    _pieces(batch, batch.step, 1, WARM_UP)
    many = _pieces(batch, batch.step, repeats, problem.steps[not quick])
    batch.close()
    one = _pieces(env.batch, _single(env), repeats, problem.single_steps[not quick])
    change = _refinement(load_task(problem.task).system, RECIPES)
    name = problem.prefix
    return [
        _rate(f"{name}single.steps", one, "decisions"),
        _rate(f"{name}batched.steps", many, "decisions"),
        _share(f"{name}single.anneal_share", one),
        _share(f"{name}batched.anneal_share", many),
        _rate(f"{name}batched.anneals", many, "anneals"),
        _rate(f"{name}batched.substeps", many, "substeps"),
        _cpu(f"{name}single.cpu", one),
        _cpu(f"{name}batched.cpu", many),
        Row(
            name=f"{name}refinement",
            value=change,
            unit=f"weight fraction, 99th percentile of {RECIPES} recipes",
        ),
        Row(name=f"{name}compile_s", value=compile_s, unit="s"),
    ]


def _refinement(system: str, recipes: int) -> float:
    """What gate V1 calls ``finer_p99``: the solver's steps against 16 times finer ones."""
    from sdl.chemistry.system import load_system
    from simulators import kernel
    from simulators.batch import BatchReactor
    from simulators.gates.conservation import FINER, FURNACE, HIDDEN, LABORATORIES, run_recipes
    from simulators.gates.recipes import system_lots, system_recipes
    from simulators.laboratory import draw_laboratory

    chemistry = load_system(system)
    lots = system_lots(chemistry, system)
    made = system_recipes(chemistry, recipes)
    laboratories = [
        draw_laboratory(chemistry, HIDDEN, lots, (FURNACE,), "gate", i) for i in range(LABORATORIES)
    ]
    coarse, fine = (
        run_recipes(BatchReactor(chemistry, laboratories, lots, tolerance=tolerance), made)
        for tolerance in (kernel.TOLERANCE, kernel.TOLERANCE / FINER)
    )
    change = np.abs(coarse.fractions - fine.fractions).max(axis=1)
    return float(np.quantile(change, 0.99))


def _single(env: DecisionEnv) -> Callable[[IntArray], object]:
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


def _gates(problem: Problem, value: dict[str, float]) -> tuple[Gate, ...]:
    name = problem.prefix
    share = min(value[f"{name}single.anneal_share"], value[f"{name}batched.anneal_share"])
    wanted = (
        ("batched", value[f"{name}batched.steps"], problem.batched),
        ("single", value[f"{name}single.steps"], problem.single),
        ("anneal_share", share, problem.share),
    )
    return tuple(
        Gate(id=f"env.{name}{what}", target=f">= {least:g}", value=figure, passed=figure >= least)
        for what, figure, least in wanted
    )
