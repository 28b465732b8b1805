"""``sdl bench throughput``: training with Stable-Baselines3, ours and ChemGymRL's, on two cores.

Both sides train PPO with the same sizes: hidden layers of 128 and 128, 8192 steps between updates,
minibatches of 4096, four passes. Ours are two seeds at once with one thread each, as ``sdl train``
runs them: ``MaskablePPO`` whose update is computed in another order (``agents.learning.ppo``) and
the pointer network, which is larger than the peer's. ``plain`` is the library's learner with its
own network on our environment. The peer has two processes, either as two trainings or as two
workers of one (``SubprocVecEnv``); the faster way counts. Its environment is the fastest of its
twelve, whatever it simulates.

A repetition is one rollout and one update of each side in turn, so that what else runs on the
machine meets all of them. A gate holds the lower of two medians of ratios: by the clock, and by
processor time. A step of ours is one choice of the cursor, two or more to a decision about the
sample; a step of the peer is one act. ``decisions`` are counted apart.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from sdl.bench.peers import PYTHON_VARIABLE
from sdl.bench.report import BenchReport, Gate, Row, commit, machine, median_row
from sdl.core.errors import SdlError, one_line
from sdl.tasks.task import load_task

TASK = "batio3-coarse"
PEER_ENV = "WaterOilExtract-v0"
"""Fastest of the peer's environments in ``sdl bench env``."""
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "peers" / "chemgymrl_training.py"
ROWS_APART = 32
"""Environments of each of two trainings of the peer: one network's pass serves them all. With 8 it
collects little more than half as fast, with 128 no faster."""
LEAST_TOTAL, LEAST_ROLLOUT = 2.5, 8.0
REPEATS, QUICK_REPEATS = 7, 3
TIMEOUT_S = 300.0
"""Of one answer; the first compiles."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Turn:
    """Rates of one repetition of one side, its programs added, per second."""

    total: float
    rollout: float
    total_alone: float
    """The same by processor time: as if no other program had the two cores."""
    rollout_alone: float
    decisions: float
    """Decisions about samples; 0 where nobody counts them."""

    @classmethod
    def of(cls, answers: Sequence[Mapping[str, float]]) -> Turn:
        """From what the programs of a side said; one program with two workers has both cores."""
        cores = 2 / len(answers)

        def rate(what: str, *times: str, share: float = 1.0) -> float:
            return sum(a.get(what, 0.0) * share / sum(a[t] for t in times) for a in answers)

        return cls(
            total=rate("steps", "collect_s", "update_s"),
            rollout=rate("steps", "collect_s"),
            total_alone=rate("steps", "collect_cpu_s", "update_cpu_s", share=cores),
            rollout_alone=rate("steps", "collect_cpu_s", share=cores),
            decisions=rate("decisions", "collect_s", "update_s"),
        )


class TurnError(SdlError):
    """A program ended or did not answer."""


class Programs:
    """The programs of one side; between turns they wait.

    Args:
        commands: Of each program.
        folder: Where they run.
    """

    def __init__(self, commands: Sequence[Sequence[str]], folder: Path) -> None:
        environment = {**os.environ, **dict.fromkeys(_THREADS, "1")}
        self._errors: list[IO[str]] = []
        self._running: list[subprocess.Popen[str]] = []
        for command in commands:
            self._errors.append(tempfile.TemporaryFile("w+", dir=folder))  # noqa: SIM115
            program = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors[-1],
                text=True,
                env=environment,
                cwd=folder,
                start_new_session=True,  # its workers end with it
            )
            self._running.append(program)

    def first(self) -> Turn:
        """Their first answers, which come unasked."""
        return Turn.of([self._read(n) for n in range(len(self._running))])

    def turn(self) -> Turn:
        """One rollout and one update of all of them at once."""
        for program in self._running:
            if program.stdin is not None and program.poll() is None:
                program.stdin.write("\n")
                program.stdin.flush()
        return self.first()

    def close(self) -> None:
        """Ends them."""
        for program, errors in zip(self._running, self._errors, strict=True):
            _end(program)
            program.communicate()
            errors.close()

    def _read(self, number: int) -> dict[str, float]:
        program = self._running[number]
        watchdog = threading.Timer(TIMEOUT_S, _end, (program,))
        watchdog.start()
        try:
            for line in program.stdout or ():
                if line.startswith('{"steps"'):
                    return json.loads(line)
        finally:
            watchdog.cancel()
        self._errors[number].seek(0)
        said = self._errors[number].read().strip().rpartition("\n")[2] or "no message"
        raise TurnError(f"no answer: {one_line(said)[:200]}")


def run(*, quick: bool = False, python: Path | None = None) -> BenchReport:
    """Trains both sides in turn.

    Args:
        quick: Fewer repetitions.
        python: Interpreter of the peer's environment; ``SDL_CHEMGYMRL_PYTHON`` if ``None``.
    """
    load = Row(name="machine.load", value=os.getloadavg()[0], unit="processes in the minute before")
    repeats, at = QUICK_REPEATS if quick else REPEATS, commit()
    with ExitStack() as open_programs:
        folder = Path(open_programs.enter_context(tempfile.TemporaryDirectory(prefix="sdl-turns-")))

        def begin(commands: Sequence[Sequence[str]]) -> Programs:
            programs = Programs(commands, folder)
            open_programs.callback(programs.close)
            return programs

        sides = {"ours": begin(_lessons()), "plain": begin(_lessons("--plain"))}
        for side in sides.values():
            side.first()
        program, why = _peer(python)
        survey: dict[str, Turn] = {}
        for name, commands in _ways(program).items() if program else ():
            peer = begin(commands)
            try:
                peer.first()
                survey[name] = peer.turn()
            except TurnError as error:
                why = str(error)
                continue
            if survey[name].total_alone == max(turn.total_alone for turn in survey.values()):
                sides["chemgymrl"] = peer
        turns, trouble = _take_turns(sides, repeats)
    rows = [row for name, each in turns.items() for row in _rates(name, each)]
    rows += [
        Row(
            name=f"chemgymrl_{name}.total", value=turn.total_alone, unit="steps/s of processor time"
        )
        for name, turn in survey.items()
    ]
    compared, gates = _compared(turns, trouble or why)
    return BenchReport(
        bench="throughput",
        commit=at,
        task=load_task(TASK).hash,
        machine=machine(),
        rows=(*rows, *compared, load),
        gates=gates,
    )


def _take_turns(sides: Mapping[str, Programs], repeats: int) -> tuple[dict[str, list[Turn]], str]:
    """Turns of every side in turn; without the peer where it breaks off, and why it did."""
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    trouble = ""
    for _ in range(repeats):
        for name in list(turns):
            try:
                turns[name].append(sides[name].turn())
            except TurnError as error:
                if name != "chemgymrl":
                    raise
                del turns[name]
                trouble = str(error)
    return turns, trouble


def _lessons(*more: str) -> list[list[str]]:
    """Two seeds of ours; programs find our packages where this process did."""
    begin = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}; "
    begin += "from sdl.bench.lessons import main; main()"
    common = [sys.executable, "-c", begin, "--task", TASK, *more]
    return [[*common, "--seed", str(seed)] for seed in range(2)]


def _peer(python: Path | None) -> tuple[str, str]:
    """The peer's interpreter, empty where there is none, and why."""
    named = os.environ.get(PYTHON_VARIABLE, "") if python is None else str(python)
    if not named:
        return "", f"set {PYTHON_VARIABLE}, see benchmarks/peers"
    found = shutil.which(named)
    if found is None:
        return "", f"{PYTHON_VARIABLE}: no such program: {named}"
    if not SCRIPT.is_file():
        return "", f"{SCRIPT.name} is in the source tree only"
    return os.path.abspath(found), "it does not train"  # links tell Python its environment


def _ways(program: str) -> dict[str, list[list[str]]]:
    """How the peer may use two processes."""
    # -I: our import path does not reach the peer.
    common = [program, "-I", str(SCRIPT), "--env", PEER_ENV]
    apart = [*common, "--rows", str(ROWS_APART)]
    return {
        "apart": [[*apart, "--seed", str(seed)] for seed in range(2)],
        "workers": [[*common, "--rows", "2", "--workers"]],
    }


def _rates(name: str, turns: Sequence[Turn]) -> list[Row]:
    """The rows of one side."""
    words = ["total", "rollout", "total_alone", "rollout_alone"]
    words += ["decisions"] if turns[0].decisions else []
    units = {"decisions": "decisions/s"}
    return [
        median_row(
            f"{name}.{word}",
            [getattr(turn, word) for turn in turns],
            units.get(word, "steps/s of processor time" if "alone" in word else "steps/s"),
        )
        for word in words
    ]


def _compared(turns: dict[str, list[Turn]], why: str) -> tuple[list[Row], tuple[Gate, ...]]:
    """Ratios of each repetition, ours and plain to the peer, and the two gates."""
    wanted = (("total", LEAST_TOTAL), ("rollout", LEAST_ROLLOUT))
    if "chemgymrl" not in turns:
        skipped = Row(name="chemgymrl.skipped", value=0.0, unit=f"not measured: {why}", n=0)
        target = f"skipped: {why}"
        return [skipped], tuple(
            Gate(id=f"throughput.{word}", target=target, value=0.0, passed=False)
            for word, _ in wanted
        )
    rows = [
        median_row(
            f"{side}_to_chemgymrl.{word}",
            [getattr(a, word) / getattr(b, word) for a, b in zip(*pair, strict=True)],
            "ratio",
        )
        for side in ("ours", "plain")
        for pair in [(turns[side], turns["chemgymrl"])]
        for word in ("total", "rollout", "total_alone", "rollout_alone")
    ]
    value = {row.name.partition(".")[2]: row.value for row in rows if row.name.startswith("ours")}
    gates = []
    for word, least in wanted:
        ratio = float(np.minimum(value[word], value[f"{word}_alone"]))
        target = f">= {least:g}"
        gates.append(
            Gate(id=f"throughput.{word}", target=target, value=ratio, passed=ratio >= least)
        )
    return rows, tuple(gates)


def _end(program: subprocess.Popen[str]) -> None:
    """Ends a program and its workers, which are its own session."""
    if program.poll() is None:
        os.killpg(program.pid, signal.SIGKILL)
