"""The peer of ``sdl bench env``: ChemGymRL, in processes and an environment of its own.

ChemGymRL is GPL-3.0, so nothing of it is imported or shipped here: ``SDL_CHEMGYMRL_PYTHON`` names
the interpreter of an environment that has it (``benchmarks/peers/README.md``), and our own script
runs there. Every environment that the peer registers is timed; the fastest, whatever it simulates,
is the yardstick, timed again in one process and in two at once. The gates hold the median of our
rate by the clock against the peer's best repetition by processor time (``steps_best``), so that a
busy machine hurts us more than the peer. Without it the report says why, and the gates fail.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdl.bench.report import Gate, Row, median_row
from sdl.core.errors import one_line

PYTHON_VARIABLE = "SDL_CHEMGYMRL_PYTHON"
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "peers" / "chemgymrl_speed.py"
ENVS = (
    "WaterOilExtract-v0", "GenWurtzExtract-v2", "WurtzExtractDemo-v0", "ExtractTest-v0",
    "FictReact-v2", "GenWurtzReact-v2", "GenWurtzReact-v0", "FictReactDemo-v0",
    "GenWurtzDistill-v2", "WurtzDistillDemo-v0", "FictReactBandit-v0", "FictReactBandit-v1",
)  # fmt: skip
"""All ids registered at commit ab8227b; one step of a ``Bandit`` is a whole episode."""
SURVEY_REPEATS, REPEATS = 3, 7
GIVE_UP = 3
"""Environments that may fail before the first one runs."""
LEAST_RATIO_ONE, LEAST_RATIO_TWO = 30.0, 15.0
TIMEOUT_S = 240.0
"""Of one program: the first after an installation compiles for half a minute."""


@dataclass(frozen=True)
class PeerFigures:
    """Best repetitions of the peer's fastest environment, per second of processor time."""

    env: str
    one: float
    """Steps per second of one process."""
    two: float
    """Steps per second of two processes at once, added."""


@dataclass(frozen=True)
class _Run:
    """One timed repetition, its processes added."""

    steps_per_s: float
    steps_per_s_alone: float


@dataclass(frozen=True)
class _Answer:
    """What one start of the peer said."""

    runs: dict[str, list[_Run]]
    """By environment; only those with all repetitions."""
    trouble: str
    """Why it did not come to its end; empty if it did."""


def peer_rows(
    python: Path | None = None, *, quick: bool = False
) -> tuple[tuple[Row, ...], PeerFigures | None]:
    """Times the peer: each of its environments, then the fastest in one and in two processes.

    Args:
        python: Interpreter of the peer's environment; ``SDL_CHEMGYMRL_PYTHON`` if ``None``.
        quick: Shorter repetitions.

    Returns:
        Rows ``chemgymrl.steps`` (one process), ``chemgymrl_two.steps`` (the sum of two) and
        ``chemgymrl.<env>.steps``: medians by the clock; ``steps_best`` of the first two; rows
        ``<what>.skipped`` with ``n=0`` say in their unit why there is no figure. And the figures
        for the gates, ``None`` where they are incomplete.
    """
    named = os.environ.get(PYTHON_VARIABLE, "") if python is None else str(python)
    if not named:
        return (_skipped("chemgymrl", f"set {PYTHON_VARIABLE}, see benchmarks/peers"),), None
    found = shutil.which(named)
    if found is None:
        return (_skipped("chemgymrl", f"{PYTHON_VARIABLE}: no such program: {named}"),), None
    if not SCRIPT.is_file():
        return (_skipped("chemgymrl", f"{SCRIPT.name} is in the source tree only"),), None
    program = os.path.abspath(found)  # links stay: they tell Python its environment
    surveyed, details = _survey(program, 0.2 if quick else 0.5)
    if not surveyed:
        return (_skipped("chemgymrl", "none of its environments ran"), *details), None
    fastest = max(surveyed, key=lambda env: _best(surveyed[env]))
    seconds = 0.4 if quick else 1.0
    runs: list[list[_Run]] = []
    rows: list[Row] = []
    for what, processes in (("chemgymrl", 1), ("chemgymrl_two", 2)):
        answer = _ask(program, [fastest], processes, REPEATS, seconds)
        if fastest not in answer.runs:
            rows.append(_skipped(what, answer.trouble))
            continue
        runs.append(answer.runs[fastest])
        rows += [_median(what, runs[-1], fastest), _best_row(what, runs[-1], fastest)]
    figures = None
    if len(runs) == 2:
        one = _best(runs[0])
        # Where two processes hinder each other, the peer is better off with one.
        figures = PeerFigures(fastest, one, max(one, _best(runs[1])))
    return (*rows, *details), figures


def peer_gates(
    figures: PeerFigures | None, batched: float, prefix: str = "env."
) -> tuple[Gate, ...]:
    """``env.vs_chemgymrl_one`` and ``env.vs_chemgymrl_two``; both fail without the peer.

    Args:
        figures: From ``peer_rows``.
        batched: Decisions per second of our batched environment, in the same run.
        prefix: Of the names of the gates.
    """
    wanted = (
        ("one", LEAST_RATIO_ONE, figures and figures.one),
        ("two", LEAST_RATIO_TWO, figures and figures.two),
    )
    gates = []
    for name, least, peer in wanted:
        ratio = batched / peer if peer else 0.0
        target = f">= {least:g}" + ("" if peer else " (peer not measured)")
        passed = ratio >= least
        gate = f"{prefix}vs_chemgymrl_{name}"
        gates.append(Gate(id=gate, target=target, value=ratio, passed=passed))
    return tuple(gates)


def _survey(python: str, seconds: float) -> tuple[dict[str, list[_Run]], list[Row]]:
    """Times every environment in one process; a broken one does not stop the rest."""
    surveyed: dict[str, list[_Run]] = {}
    rows: list[Row] = []
    left = list(ENVS)
    while left:
        answer = _ask(python, left, 1, SURVEY_REPEATS, seconds)
        surveyed |= answer.runs
        rows += [_median(f"chemgymrl.{env}", runs, env) for env, runs in answer.runs.items()]
        left = [env for env in left if env not in surveyed]
        if left:
            # The program ended at the first one without an answer.
            rows.append(_skipped(f"chemgymrl.{left.pop(0)}", answer.trouble))
        if not surveyed and len(rows) == GIVE_UP:
            break  # the fault lies with the peer, not with its environments
    return surveyed, rows


def _median(what: str, runs: Sequence[_Run], env: str) -> Row:
    return median_row(f"{what}.steps", [run.steps_per_s for run in runs], f"steps/s ({env})")


def _best(runs: Sequence[_Run]) -> float:
    return max(run.steps_per_s_alone for run in runs)


def _best_row(what: str, runs: Sequence[_Run], env: str) -> Row:
    unit = f"steps/s of processor time ({env})"
    return Row(name=f"{what}.steps_best", value=_best(runs), unit=unit, n=len(runs))


def _skipped(what: str, why: str) -> Row:
    return Row(name=f"{what}.skipped", value=0.0, unit=f"not measured: {why}", n=0)


def _ask(python: str, envs: Sequence[str], processes: int, repeats: int, seconds: float) -> _Answer:
    """Starts the peer once and reads what it printed, also if it broke off or hung."""
    # -I: neither our import path nor the caller's variables reach the peer.
    words = [python, "-I", str(SCRIPT), "--envs", *envs, "--processes", str(processes)]
    words += ["--repeats", str(repeats), "--seconds", str(seconds)]
    trouble = ""
    with tempfile.TemporaryDirectory(prefix="sdl-peer-") as folder:
        try:
            peer = subprocess.Popen(
                words,
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # its workers end with it
            )
        except OSError as error:
            return _Answer({}, f"{python} does not start: {error.strerror}")
        try:
            printed, errors = peer.communicate(timeout=TIMEOUT_S)
            if peer.returncode != 0:
                last = errors.strip().rpartition("\n")[2] or "no message"
                trouble = f"ended with code {peer.returncode}: {one_line(last)[:200]}"
        except subprocess.TimeoutExpired:
            os.killpg(peer.pid, signal.SIGKILL)
            printed, _ = peer.communicate()
            trouble = f"no end after {TIMEOUT_S:g} s"
        finally:
            if peer.poll() is None:  # interrupted
                os.killpg(peer.pid, signal.SIGKILL)
                peer.communicate()
    return _read(printed, envs, processes, repeats, trouble or "it printed no figures")


def _read(printed: str, envs: Sequence[str], processes: int, repeats: int, trouble: str) -> _Answer:
    """Repetitions by environment; lines of other make are the peer's own."""
    runs: dict[str, list[_Run]] = {env: [] for env in envs}
    for line in printed.splitlines():
        try:
            said = json.loads(line)
            run = _Run(float(said["steps_per_s"]), float(said["steps_per_s_alone"]))
            if said["processes"] == processes:
                runs[said["env"]].append(run)
        except (ValueError, KeyError, TypeError):
            continue
    return _Answer({env: found for env, found in runs.items() if len(found) == repeats}, trouble)
