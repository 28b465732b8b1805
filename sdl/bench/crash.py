"""``sdl bench crash``: real SIGKILLs of the demo, each resumed, each compared with no kill at all.

Half of the kills come at a seeded place inside the program (between the world's commit and the
journal's, between two commits of the journal), half from outside at a seeded moment. Each campaign
is resumed under another ``PYTHONHASHSEED`` until it is over. Its canonical projection must equal
that of the uninterrupted demo, and the world's own list of acts must hold no irreversible act
twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.campaign.opening import described
from sdl.campaign.places import JOURNAL_NAME, WORLD_NAME, url_of
from sdl.core.command import Effect
from sdl.core.errors import SdlError
from sdl.core.event import EventKind, Intended
from sdl.core.seeds import generator
from sdl.journal.journal import Journal
from sdl.journal.projection import projection_hash
from simulators.world import audit

PLACES = ("world-committed", "world-advanced", "journal-before-commit", "journal-committed")
"""Crash points inside the program, see ``sdl.core.crashpoint``."""

ATTEMPTS = 4
"""Kills of one campaign at most, if an earlier one came after its end."""

TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Reference:
    """The uninterrupted demo."""

    projection: str
    counts: dict[str, int]
    """How often each crash point is passed, at least."""
    wall_s: float


@dataclass(frozen=True)
class Outcome:
    """One killed and resumed campaign."""

    place: str
    killed: bool
    identical: bool
    repeated: int
    """Irreversible acts that the world carried out more than once, or that are missing."""


def run(kills: int = 50, campaign: Path | None = None, *, workers: int = 2) -> BenchReport:
    """Kills and resumes the demo ``kills`` times.

    Args:
        kills: Number of SIGKILLs.
        campaign: Another campaign file; the demo's if ``None``.
        workers: Campaigns at the same time.
    """
    with tempfile.TemporaryDirectory(prefix="sdl-crash-") as scratch:
        folder = Path(scratch)
        with resources.as_file(resources.files("sdl.templates") / "demo.yaml") as demo:
            file = campaign or demo
            reference = _reference(file, folder / "reference")
            with ThreadPoolExecutor(workers) as pool:
                jobs = [
                    pool.submit(_kill_and_resume, file, folder / f"kill-{i}", i, reference)
                    for i in range(kills)
                ]
                outcomes = [job.result() for job in jobs]
        with Journal.open(url_of(folder / "reference"), owner=False) as journal:
            task_hash = described(journal)[1].hash
    return _report(outcomes, task_hash, reference)


def _environment(hash_seed: int, crash_at: str = "") -> dict[str, str]:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    environment.pop("SDL_CRASH_AT", None)
    if crash_at:
        environment["SDL_CRASH_AT"] = crash_at
    return environment


def _sdl(words: Sequence[str | Path], hash_seed: int, crash_at: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sdl", *map(str, words)],
        env=_environment(hash_seed, crash_at),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(words: Sequence[str | Path], hash_seed: int) -> None:
    process = _sdl(words, hash_seed)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    if process.returncode != 0:
        raise SdlError(
            f"`sdl {' '.join(map(str, words))}` ended with code {process.returncode}",
            got=errors.strip()[-2000:] or "no message",
        )


def _reference(file: Path, folder: Path) -> Reference:
    began = time.monotonic()
    _finish(["run", file, "--out", folder, "--no-report"], hash_seed=0)
    wall_s = time.monotonic() - began
    with Journal.open(url_of(folder), owner=False) as journal:
        events = journal.events()
    ends = {e.time_s for e in events if e.kind is EventKind.DONE}
    acts = sum(e.kind is EventKind.INTENDED for e in events)
    counts = {
        "world-committed": len(audit(folder / WORLD_NAME)),
        "world-advanced": len(ends),
        "journal-before-commit": acts + len(ends),
        "journal-committed": acts + len(ends),
    }
    return Reference(projection_hash(events), counts, wall_s)


def _kill_and_resume(file: Path, folder: Path, index: int, reference: Reference) -> Outcome:
    rng = generator("bench-crash", index)
    attempt, out, place, killed = 0, folder / "0", "", False
    while not killed and attempt < ATTEMPTS:
        out = folder / str(attempt)
        attempt += 1
        place, killed = _kill(file, out, index, rng, reference)
    _finish(["resume", out, "--no-report"], hash_seed=index + 1001)
    with Journal.open(url_of(out), owner=False) as journal:
        events = journal.events()
    intended = [e.read(Intended).command for e in events if e.kind is EventKind.INTENDED]
    irreversible = {c.id for c in intended if c.effect is Effect.IRREVERSIBLE}
    times = Counter(act.label for act in audit(out / WORLD_NAME) if act.label in irreversible)
    return Outcome(
        place=place,
        killed=killed,
        identical=projection_hash(events) == reference.projection,
        repeated=sum(n > 1 for n in times.values()) + len(irreversible - set(times)),
    )


def _kill(
    file: Path, out: Path, index: int, rng: np.random.Generator, reference: Reference
) -> tuple[str, bool]:
    """Starts a campaign and kills it; returns where, and whether it died with a journal."""
    words = ["run", file, "--out", out, "--no-report"]
    if index % 2 == 0:
        place = PLACES[int(rng.integers(len(PLACES)))]
        at = int(rng.integers(1, reference.counts[place] + 1))
        process = _sdl(words, index + 1, f"{place}:{at}")
        process.communicate(timeout=TIMEOUT_S)
    else:
        place = "outside"
        process = _sdl(words, index + 1)
        _kill_later(process, out, float(rng.uniform(0.0, 0.9)) * reference.wall_s)
    died = process.returncode == -signal.SIGKILL
    return place, died and (out / JOURNAL_NAME).exists()


def _kill_later(process: subprocess.Popen[str], out: Path, delay_s: float) -> None:
    """Kills from outside ``delay_s`` after the journal exists, wherever the program then is."""
    while not (out / JOURNAL_NAME).exists() and process.poll() is None:
        time.sleep(0.01)
    try:
        process.wait(timeout=delay_s)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate(timeout=TIMEOUT_S)


def _report(outcomes: Sequence[Outcome], task_hash: str, reference: Reference) -> BenchReport:
    killed = sum(o.killed for o in outcomes)
    identical = sum(o.identical and o.killed for o in outcomes)
    repeated = sum(o.repeated for o in outcomes)
    rows = [
        Row(name="kills", value=killed, unit="campaigns", n=len(outcomes)),
        Row(name="identical", value=identical, unit="campaigns", n=killed),
        Row(name="repeated", value=repeated, unit="acts", n=killed),
        Row(name="demo.wall", value=reference.wall_s, unit="s"),
    ]
    for place in (*PLACES, "outside"):
        count = sum(o.killed and o.place == place for o in outcomes)
        rows.append(Row(name=f"kills.{place}", value=count, unit="campaigns", n=len(outcomes)))
    n = len(outcomes)
    gates = (
        Gate(id="crash.kills", target=f"== {n}", value=killed, passed=killed == n),
        Gate(id="crash.identical", target=f"== {n}", value=identical, passed=identical == n),
        Gate(id="crash.repeated", target="== 0", value=repeated, passed=repeated == 0),
    )
    return BenchReport(
        bench="crash",
        commit=commit(),
        task=task_hash,
        machine=machine(),
        rows=tuple(rows),
        gates=gates,
    )
