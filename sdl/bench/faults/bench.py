"""``sdl bench faults``: every fault of the table provoked, one gate for each."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from sdl.bench.faults.scenario import MisbehaviourError, Scenario, scenarios
from sdl.bench.report import BenchReport, Gate, Row, commit, machine, mean_row
from sdl.tasks.task import load_task

FAULTS = 27
"""Faults of the table in ``docs/instruments.md``."""
REPEATS = 3
"""How often each is provoked: what depends on timing may go well once by chance."""


def run(quick: bool = False) -> BenchReport:
    """Provokes every fault.

    What is seen, and what goes wrong, is told on stderr.

    Args:
        quick: Each once instead of ``REPEATS`` times.
    """
    known = {each.number: each for each in scenarios()}
    rows: list[Row] = []
    gates: list[Gate] = []
    for number in range(1, FAULTS + 1):
        name = f"faults.{number:02}"
        took_s, good = _provoked(number, known.get(number), 1 if quick else REPEATS)
        if took_s:
            rows.append(mean_row(name, took_s, "s"))
        gates.append(Gate(id=name, target="== 1", value=float(good), passed=good))
    whole = sum(gate.passed for gate in gates)
    gates.append(Gate(id="faults.all", target=f"== {FAULTS}", value=whole, passed=whole == FAULTS))
    rows.append(Row(name="faults.all", value=whole, unit="faults", n=FAULTS))
    return BenchReport(
        bench="faults", commit=commit(), task=load_task("batio3-coarse").hash, machine=machine(),
        rows=tuple(rows), gates=tuple(gates),
    )  # fmt: skip


def _provoked(number: int, each: Scenario | None, repeats: int) -> tuple[list[float], bool]:
    """Wall time of each repeat, s, and whether all went as they must."""
    if each is None:
        _tell(number, "there is no scenario")
        return [], False
    took_s: list[float] = []
    good = True
    for _ in range(repeats):
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"sdl-fault-{number:02}-") as scratch:
            try:
                _tell(number, f"{each.title}: {each.run(Path(scratch))}")
            except MisbehaviourError as err:
                good = False
                _tell(number, f"{each.title}: FAILED: {err}")
            except Exception as err:  # whatever a fault leads to is its finding
                good = False
                _tell(number, f"{each.title}: FAILED: {type(err).__name__}: {err}")
        took_s.append(time.monotonic() - began_s)
    return took_s, good


def _tell(number: int, words: str) -> None:
    sys.stderr.write(f"fault {number:02}: {words}\n")
    sys.stderr.flush()
