"""``sdl bench instruments``: what a point costs through each driver, and how fast documents last.

Every instrument of the loopback laboratory is counted through a RunEngine by its classic face, and
by its ophyd-async face where that package is there; ``count`` on ``ophyd.sim``'s detector just
before is what is subtracted. Rounds go in turns, so that a busy machine is busy for all.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bluesky import RunEngine
from bluesky.plans import count
from ophyd.sim import det  # pyright: ignore[reportAttributeAccessIssue]  ophyd is untyped

from instruments.cores.core import Core
from instruments.devices.instrument import face_of
from instruments.testing.fuzz import fuzz_parsers
from sdl.bench.journal_rate import measure_journal_rate
from sdl.bench.loopback import loopback_lab
from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.campaign.emergency import look_drivers
from sdl.campaign.laboratory import read_lab, write_lab
from sdl.core.lab import LabFile
from sdl.tasks.task import load_task

PLAIN = "plain.count"
"""Name of the row of ``count`` on ``ophyd.sim``'s detector."""
MOST_MS = 2.0
"""Most that a point may cost above the simulated detector, ms."""
FRAMES = 100_000
SEED = 20261127


def run(*, quick: bool = False) -> BenchReport:
    """Measures drivers, faces, parsers and the journal."""
    points, rounds = (20, 3) if quick else (100, 9)
    costs = measure_points(points, rounds)
    frames = FRAMES // 100 if quick else FRAMES
    fuzzed = fuzz_parsers(frames, SEED)
    journal = measure_journal_rate(runs=10 if quick else 60)
    rows = [cost.row(name, points * rounds) for name, cost in costs.items()]
    above = {name: cost.median for name, cost in costs.items() if name != PLAIN}
    rows += journal.rows()
    wrong = sum(bad for _, bad in fuzzed.values())
    rows += [
        Row(name=f"fuzz.{name}", value=bad, unit="wrong answers", n=tried)
        for name, (tried, bad) in fuzzed.items()
    ]
    dearest = max(above, key=lambda name: above[name])
    gates = (
        Gate(
            id="instruments.point", target=f"<= {MOST_MS:g} ms above plain, all drivers",
            value=above[dearest], passed=above[dearest] <= MOST_MS,
        ),
        Gate(
            id="instruments.journal", target=">= 0.5", value=journal.ratio,
            passed=journal.ratio >= 0.5,
        ),
        Gate(id="instruments.fuzz", target="== 0", value=wrong, passed=wrong == 0),
    )  # fmt: skip
    return BenchReport(
        bench="instruments", commit=commit(), task=load_task("batio3-coarse").hash,
        machine=machine(), rows=tuple(rows), gates=gates,
    )  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What a point costs, ms: of each round, lowest first."""

    rounds_ms: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of the rounds cost less."""
        return statistics.median(self.rounds_ms)

    def row(self, name: str, n: int) -> Row:
        """The figure with its range over the rounds."""
        low, high = self.rounds_ms[0], self.rounds_ms[-1]
        return Row(name=name, value=self.median, low=low, high=high, unit="ms", n=n)


def measure_points(points: int, rounds: int) -> dict[str, Cost]:
    """Cost of a point above that of the plain count just before it, by instrument and face.

    Args:
        points: Points of one count.
        rounds: Counts of each device; all devices take turns.

    Returns:
        The plain count's own cost under ``PLAIN``.
    """
    engine = RunEngine({}, context_managers=[])
    with tempfile.TemporaryDirectory(prefix="sdl-points-") as folder, up(Path(folder)) as lab:
        drivers = look_drivers(lab, Path(folder) / "lab.yaml")
        faces = _faces({core.name: core for d in drivers.values() for core in d.cores})
        costs_ms: dict[str, list[float]] = {PLAIN: []}
        for turn in range(rounds + 1):
            for name, device in faces.items():
                plain_ms = 1e3 * _timed(lambda: engine(count([det], num=points))) / points
                took_s = _timed(lambda device=device: engine(count([device], num=points)))
                if turn:  # the first connects and describes
                    costs_ms[PLAIN].append(plain_ms)
                    costs_ms.setdefault(f"{name}.above_plain", []).append(
                        1e3 * took_s / points - plain_ms
                    )
    return {name: Cost(tuple(sorted(each))) for name, each in costs_ms.items()}


@contextmanager
def up(folder: Path) -> Iterator[LabFile]:
    """The loopback laboratory in a process of its own: an instrument is no part of its driver."""
    write_lab(loopback_lab(), folder / "free.yaml")
    words = ["sim", "up", str(folder / "free.yaml"), "--out", str(folder / "lab.yaml")]
    process = subprocess.Popen(
        [sys.executable, "-m", "sdl", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout or ():
            if " is up" in line:
                break
        yield read_lab(folder / "lab.yaml")
    finally:
        process.terminate()
        process.communicate(timeout=60.0)


def _faces(cores: Mapping[str, Core]) -> dict[str, Any]:
    """A classic and an asynchronous face of every instrument."""
    found: dict[str, Any] = {
        f"{name}.classic": face_of(type(core))("", core=core, name=name)
        for name, core in cores.items()
    }
    if find_spec("ophyd_async") is not None:
        from ophyd_async.core import init_devices

        from instruments.devices.async_instrument import async_instrument

        with init_devices(timeout=10.0):
            faces = {f"{name}.async": async_instrument(core, name) for name, core in cores.items()}
            made = list(faces.values())
        del made
        found |= faces
    return found


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
