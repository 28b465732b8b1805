"""What every bench returns: rows, gates, machine, commit, in one JSON shape (DESIGN section 4)."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import AliasChoices, Field

from sdl.core.model import Frozen
from sdl.core.seeds import generator

_RESAMPLES = 4000
_PROC_CPU = Path("/proc/cpuinfo")
_PROC_GPU = Path("/proc/driver/nvidia/gpus")


class Row(Frozen):
    """One figure: the median over repeats or the figure itself, with its 95 % interval."""

    name: str
    """``<what>.<metric>``, as ``default.all``."""
    value: float
    unit: str
    low: float | None = None
    """Lower end of the 95 % interval; ``None`` where there is none."""
    high: float | None = None
    n: int = 1
    """Number of repeats behind the figure."""


class Gate(Frozen):
    """One claim and whether it holds; a bench exits 0 whatever its gates say."""

    id: str
    """As ``routes.all``."""
    target: str
    """As ``<= 50``."""
    value: float
    passed: bool = Field(
        validation_alias=AliasChoices("pass", "passed"), serialization_alias="pass"
    )
    """``pass`` in JSON."""

    @property
    def verdict(self) -> str:
        """In words: a gate that could not be run neither passed nor was measured."""
        if self.target.startswith("skipped: "):
            return "SKIP"
        return "PASS" if self.passed else "FAIL"


class Machine(Frozen):
    """Where the figures were measured."""

    cpu: str
    cores: int
    gpu: str | None = None


class BenchReport(Frozen):
    """Everything a bench found."""

    bench: str
    commit: str
    task: str
    """Hash of the task, so that figures of different problems are never compared."""
    machine: Machine
    rows: tuple[Row, ...]
    gates: tuple[Gate, ...] = ()

    def row(self, name: str) -> Row:
        """The row of that name.

        Raises:
            KeyError: There is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def to_json(self) -> str:
        """The report as JSON text, gates with the key ``pass``."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), ensure_ascii=False)

    def to_text(self) -> str:
        """The report as a table for people."""
        lines = [
            f"{self.bench}: commit {self.commit[:12]}, task {self.task[:12]}, "
            f"{self.machine.cpu}, {self.machine.cores} cores, GPU {self.machine.gpu or 'none'}"
        ]
        width = max((len(r.name) for r in self.rows), default=0)
        for row in self.rows:
            interval = "" if row.low is None else f"  [{row.low:.4g}, {row.high:.4g}]"
            lines.append(
                f"  {row.name:<{width}}  {row.value:>12.5g} {row.unit}{interval}  n={row.n}"
            )
        lines += [
            f"  {g.verdict}  {g.id} {g.target}"
            + ("" if g.verdict == "SKIP" else f": {g.value:.5g}")
            for g in self.gates
        ]
        return "\n".join(lines)


def machine() -> Machine:
    """The machine of this process; reads ``/proc`` and imports no accelerator library."""
    names = _fields(_PROC_CPU, "model name") if _PROC_CPU.is_file() else []
    cpu = names[0] if names else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus: list[str] = []
    if _PROC_GPU.is_dir():
        for card in sorted(_PROC_GPU.iterdir()):
            gpus += _fields(card / "information", "Model")
    return Machine(cpu=cpu, cores=cores or 1, gpu=", ".join(gpus) or None)


def _fields(path: Path, key: str) -> list[str]:
    """Values of ``key: value`` lines of a file of the kernel."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.partition(":") for line in lines)
    return [value.strip() for name, _, value in pairs if name.strip() == key]


def commit() -> str:
    """Hash of the checked-out commit, ``+`` if files differ from it, ``unknown`` in a wheel."""
    here = Path(__file__).resolve().parent
    try:
        head = _git(here, "rev-parse", "HEAD")
        # Untracked files are left out: runs/ and caches do not change what was measured.
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("+" if changed else "")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()


def median_row(name: str, values: Sequence[float], unit: str) -> Row:
    """The median of repeats with its 95 % bootstrap interval.

    Args:
        name: Name of the row; also the seed of the resampling.
        values: One figure per repeat, at least one.
        unit: Unit of the figures.
    """
    sample = np.asarray(values, dtype=np.float64)
    low, high = _interval(np.median(_resampled(sample, name), axis=1))
    return Row(
        name=name, value=float(np.median(sample)), unit=unit, low=low, high=high, n=sample.size
    )


def mean_row(name: str, values: Sequence[float], unit: str) -> Row:
    """The mean of repeats with its 95 % bootstrap interval; arguments as ``median_row``."""
    sample = np.asarray(values, dtype=np.float64)
    low, high = _interval(_resampled(sample, name).mean(axis=1))
    return Row(name=name, value=float(sample.mean()), unit=unit, low=low, high=high, n=sample.size)


def paired_row(name: str, ours: Sequence[float], theirs: Sequence[float], unit: str) -> Row:
    """The mean difference ``ours - theirs`` of paired repeats with its 95 % bootstrap interval.

    Args:
        name: Name of the row.
        ours: One figure per seed or laboratory.
        theirs: Figures of the same seeds or laboratories, in the same order.
        unit: Unit of the figures.

    Raises:
        ValueError: The two have different lengths.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"pairs need equal lengths: got {len(ours)} and {len(theirs)}")
    return mean_row(name, [a - b for a, b in zip(ours, theirs, strict=True)], unit)


def _resampled(sample: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float64]:
    """Bootstrap resamples, shape ``(_RESAMPLES, n)``."""
    draws = generator("bootstrap", name).integers(sample.size, size=(_RESAMPLES, sample.size))
    return sample[draws]


def _interval(statistics: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    low, high = np.quantile(statistics, [0.025, 0.975])
    if not (math.isfinite(low) and math.isfinite(high)):
        return None, None
    return float(low), float(high)
