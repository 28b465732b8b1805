"""``sdl bench wire``: campaigns over sockets, beside the in-process world, and killed controllers.

A whole laboratory of protocol simulators stands on loopback sockets in this process and goes on
whatever happens to the controller, which is ``sdl run`` in a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdl.bench.in_process import InProcess
from sdl.bench.loopback import loopback_lab
from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.campaign.laboratory import simulate_lab, write_lab
from sdl.campaign.opening import described
from sdl.campaign.places import JOURNAL_NAME, url_of
from sdl.campaign.state import CampaignState
from sdl.core.command import Command, Verb
from sdl.core.errors import SdlError
from sdl.core.event import EventKind, Intended, Noted, Topic
from sdl.core.material import last_scan
from sdl.core.recipe import Anneal
from sdl.core.seeds import generator
from sdl.journal.journal import Journal
from simulators.act import ActState
from simulators.stations import StationModel
from simulators.wire.laboratory import SimulatedLaboratory

TIMEOUT_S = 900.0
KILL_SCALE = 14_400.0
"""Laboratory seconds in a second where controllers are killed: recipes of days in some seconds."""
KILLED_AT = ("anneal", "dispense-noted", "dispense-told")
"""Where controllers are killed: while a program runs, and before and after a dose was started."""


@dataclass(frozen=True)
class Likeness:
    """One experiment over sockets beside the same recipe in process."""

    sample: str
    dwell_error: float
    """Largest relative error of the time at temperature over its anneals."""
    wait_s: float
    """Laboratory time that it stood hot after a program's end, s."""
    z: float


@dataclass(frozen=True)
class Survived:
    """One killed and resumed campaign."""

    place: str
    killed: bool
    problems: tuple[str, ...]


def run(kills: int = 50, experiments: int = 12) -> BenchReport:
    """Runs a campaign over sockets, and kills and resumes ``kills`` others."""
    with tempfile.TemporaryDirectory(prefix="sdl-wire-") as scratch:
        folder = Path(scratch)
        likenesses, wall_s, task_hash = compare(folder / "campaign", experiments)
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(kill_one, folder / f"kill-{i}", i) for i in range(kills)]
            survived = [job.result() for job in jobs]
    for index, each in enumerate(survived):
        for problem in each.problems:
            sys.stderr.write(f"kill {index} ({each.place}): {problem}\n")
    return _report(likenesses, wall_s, survived, task_hash)


# -- a campaign beside the in-process world -------------------------------------------------------


def compare(folder: Path, experiments: int) -> tuple[list[Likeness], float, str]:
    """A campaign over sockets; every experiment beside its twin in process.

    Returns:
        One likeness for each finished experiment, wall time, hash of the task.
    """
    folder.mkdir(parents=True)
    with _loopback(folder) as laboratory:
        file = _campaign(folder, {"budget": {"experiments": experiments}, "seed": 7})
        began = time.monotonic()
        finish_sdl(["run", file, "--lab", folder / "lab.yaml", "--out", folder / "run"])
        wall_s = time.monotonic() - began
        histories = laboratory.ask(lambda: _histories(laboratory))
    with Journal.open(url_of(folder / "run"), owner=False) as journal:
        events = journal.events()
        _, task = described(journal)
    state = CampaignState()
    for event in events:
        state.apply(event)
    twin = InProcess(task, 0)
    found: list[Likeness] = []
    for sample, finished in state.finished.items():
        furnaces = [
            c.station for c in state.commands.values()
            if c.verb is Verb.ANNEAL and sample in c.samples
        ]  # fmt: skip
        recipe = finished.result.recipe
        scan = last_scan(twin.make(sample, recipe, furnaces))
        measured = finished.result.observation
        z = float("nan")
        if scan is not None and measured is not None:
            here, there = measured.amount_of(task.target), scan.amount_of(task.target)
            z = (here.weight_fraction - there.weight_fraction) / max(here.sigma, 1e-9)
        error, wait_s = _dwell(recipe.anneals(), histories.get(sample, []))
        found.append(Likeness(sample, error, wait_s, z))
    return found, wall_s, task.hash


def _histories(laboratory: SimulatedLaboratory) -> dict[str, list[dict[str, Any]]]:
    """Every anneal that the furnaces carried out, by sample: program, start, end, hot wait."""
    laboratory.plant.tick()
    acts = laboratory.plant.world.acts()
    found: dict[str, list[dict[str, Any]]] = {}
    for act in acts:
        if act.verb != Verb.ANNEAL:
            continue
        for sample in act.samples:
            taken_s = min(
                (a.start_s for a in acts
                 if a.verb == Verb.TRANSFER and sample in a.samples and a.start_s >= act.end_s),
                default=act.end_s,
            )  # fmt: skip
            held = act.args["program"]["cooling"] == "hold"
            wait_s = taken_s - act.end_s if held else 0.0
            found.setdefault(sample, []).append(
                {"dwell_h": act.args["program"]["dwell_h"], "wait_s": wait_s}
            )
    return found


def _dwell(anneals: Sequence[Anneal], ran: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Largest relative error of the program's soak, and the longest hot wait after it, s."""
    if len(anneals) != len(ran):
        raise SdlError(f"{len(anneals)} anneals were asked for, {len(ran)} were done")
    errors = [
        abs(float(did["dwell_h"]) - asked.dwell_h) / asked.dwell_h
        for asked, did in zip(anneals, ran, strict=True)
    ]
    return max(errors, default=0.0), max((float(did["wait_s"]) for did in ran), default=0.0)


# -- killed controllers ---------------------------------------------------------------------------


def kill_one(folder: Path, index: int) -> Survived:
    """A campaign of two samples whose controller is killed once and resumed."""
    folder.mkdir(parents=True)
    place = KILLED_AT[index % len(KILLED_AT)]
    rng = generator("bench-wire", index)
    with _loopback(folder, clock_scale=KILL_SCALE) as laboratory:
        file = _campaign(
            folder,
            {"policy": "random", "budget": {"experiments": 2}, "in_flight": 2, "seed": index},
        )
        words = ["run", file, "--lab", folder / "lab.yaml", "--out", folder / "run", "--no-report"]
        killed = _kill(words, laboratory, place, rng)
        finish_sdl(["resume", folder / "run", "--no-report"])
        problems = problems_of(folder / "run", laboratory, place)
    return Survived(place, killed, tuple(problems))


def _kill(words: list[str | Path], laboratory: SimulatedLaboratory, place: str, rng: Any) -> bool:
    if place == "anneal":
        process = start_sdl(words)
        _until_heating(process, laboratory)
        delay_s = float(rng.uniform(0.0, 0.4))  # the shortest program takes longer
        try:
            process.wait(timeout=delay_s)
        except subprocess.TimeoutExpired:
            process.kill()
    else:
        process = start_sdl(words, f"{place}:{int(rng.integers(1, 5))}")
    process.communicate(timeout=TIMEOUT_S)
    return process.returncode == -signal.SIGKILL


def _until_heating(process: subprocess.Popen[str], laboratory: SimulatedLaboratory) -> None:
    """Waits until a furnace really runs a program."""

    def heats() -> bool:
        laboratory.plant.tick()
        acts = laboratory.plant.world.acts()
        return any(a.verb == Verb.ANNEAL and a.state is ActState.RUNNING for a in acts)

    until_s = time.monotonic() + TIMEOUT_S
    while process.poll() is None and time.monotonic() < until_s and not laboratory.ask(heats):
        time.sleep(0.01)


def until_anneal(process: subprocess.Popen[str], run: Path) -> None:
    """Waits until the journal holds the intent of an anneal."""
    until_s = time.monotonic() + TIMEOUT_S
    while process.poll() is None and time.monotonic() < until_s:
        if (run / JOURNAL_NAME).exists():
            try:
                with Journal.open(url_of(run), owner=False) as journal:
                    if any(c.verb is Verb.ANNEAL for c in _intended(journal)):
                        return
            except SdlError:
                pass  # it is being made
        time.sleep(0.05)


def _intended(journal: Journal) -> list[Command]:
    return [e.read(Intended).command for e in journal.events() if e.kind is EventKind.INTENDED]


def problems_of(run: Path, laboratory: SimulatedLaboratory, place: str) -> list[str]:
    """What is wrong after the resumption; empty when nothing is."""
    with Journal.open(url_of(run), owner=False) as journal:
        events = journal.events()
        commands = _intended(journal)
    laboratory.ask(laboratory.plant.tick)
    acts = laboratory.ask(lambda: list(laboratory.plant.world.acts()))
    problems: list[str] = []
    done = {e.payload.model_dump()["command"] for e in events if e.kind is EventKind.DONE}
    problems += [f"{c.id} ({c.verb.value}) did not end well" for c in commands if c.id not in done]
    anneals = [c for c in commands if c.verb is Verb.ANNEAL]
    ran = [a for a in acts if a.verb == Verb.ANNEAL]
    if len(anneals) != len(ran):
        problems.append(f"{len(anneals)} anneals intended, {len(ran)} programs run")
    problems += _doses(commands, acts)
    notes = [e.read(Noted) for e in events if e.kind is EventKind.NOTED]
    gaps = [n for n in notes if n.topic is Topic.GAP]
    if not any("from_s" in n.values for n in gaps):
        problems.append("the gap without a controller is not in the record")
    if place == "anneal" and not any("command" in n.values for n in gaps):
        problems.append("the furnace was not re-attached")
    return problems


def _doses(commands: Sequence[Command], acts: Sequence[Any]) -> list[str]:
    """Whether each sample got exactly the asked mass of each lot, within the dosing error."""
    asked: dict[tuple[str, str], float] = {}
    for command in commands:
        if command.verb is Verb.DISPENSE:
            key = (command.samples[0], str(command.args["lot"]))
            asked[key] = asked.get(key, 0.0) + float(command.args["mass_mg"])
    fell: dict[tuple[str, str], float] = {}
    for act in acts:
        if act.verb == Verb.DISPENSE:
            key = (act.samples[0], str(act.args["lot"]))
            fallen_mg = float(act.args["mass_mg"]) * act.stop_share
            fell[key] = fell.get(key, 0.0) + fallen_mg
    model = StationModel()
    wrong: list[str] = []
    for key, mass_mg in asked.items():
        room_mg = mass_mg * model.dosing_sd * model.dosing_cut + 10.0 * model.balance_sd_mg
        if abs(fell.get(key, 0.0) - mass_mg) > room_mg:
            wrong.append(f"{key[0]} got {fell.get(key, 0.0):.1f} mg of {key[1]}, not {mass_mg:.1f}")
    return wrong


# -- processes ------------------------------------------------------------------------------------


def _loopback(folder: Path, **changes: Any) -> AbstractContextManager[SimulatedLaboratory]:
    """A loopback laboratory on free ports, with ``lab.yaml`` in the folder."""
    laboratory = simulate_lab(loopback_lab(**changes), folder)
    write_lab(laboratory.lab, folder / "lab.yaml")
    return laboratory


def _campaign(folder: Path, changes: dict[str, Any]) -> Path:
    file = folder / "campaign.yaml"
    words = {"name": "wire", "task": "batio3-coarse", **changes}
    file.write_text(json.dumps(words), encoding="utf-8")  # JSON is YAML
    return file


def start_sdl(words: Sequence[str | Path], crash_at: str = "") -> subprocess.Popen[str]:
    """A controller in a process of its own; killed at a crash point if one is named."""
    environment = {**os.environ}
    environment.pop("SDL_CRASH_AT", None)
    if crash_at:
        environment["SDL_CRASH_AT"] = crash_at
    return subprocess.Popen(
        [sys.executable, "-m", "sdl", *map(str, words)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish_sdl(words: Sequence[str | Path]) -> None:
    """A controller to its end.

    Raises:
        SdlError: It ended with an error.
    """
    process = start_sdl(words)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    if process.returncode != 0:
        raise SdlError(
            f"`sdl {' '.join(map(str, words))}` ended with code {process.returncode}",
            got=errors.strip()[-2000:] or "no message",
        )


def _report(
    likenesses: Sequence[Likeness], wall_s: float, survived: Sequence[Survived], task_hash: str
) -> BenchReport:
    worst = max((each.dwell_error for each in likenesses), default=float("nan"))
    far = sum(not abs(each.z) <= 2.0 for each in likenesses)
    kills = sum(s.killed for s in survived)
    whole = sum(s.killed and not s.problems for s in survived)
    n = len(likenesses)
    rows = [
        Row(name="campaign.experiments", value=n, unit="experiments"),
        Row(name="campaign.wall", value=wall_s, unit="s"),
        Row(name="campaign.dwell_error", value=worst, unit="share", n=n),
        Row(
            name="campaign.hot_wait",
            value=statistics.median(each.wait_s for each in likenesses) if n else 0.0,
            high=max((each.wait_s for each in likenesses), default=0.0),
            unit="laboratory s", n=n,
        ),
        Row(name="campaign.z_above_2", value=far, unit="experiments", n=n),
        Row(name="kills", value=kills, unit="campaigns", n=len(survived)),
        Row(name="kills.whole", value=whole, unit="campaigns", n=kills),
    ]  # fmt: skip
    rows += [Row(name=f"z.{each.sample}", value=each.z, unit="sigma") for each in likenesses]
    for place in KILLED_AT:
        mine = [s for s in survived if s.place == place]
        good = sum(s.killed and not s.problems for s in mine)
        rows.append(Row(name=f"kills.{place}", value=good, unit="campaigns", n=len(mine)))
    gates = (
        Gate(id="wire.experiments", target=">= 12", value=n, passed=n >= 12),
        Gate(id="wire.dwell", target="<= 0.01", value=worst, passed=worst <= 0.01),
        Gate(id="wire.z", target="<= 1 above 2", value=far, passed=far <= 1),
        Gate(
            id="wire.kills", target=f"== {len(survived)}", value=whole,
            passed=whole == len(survived),
        ),
    )  # fmt: skip
    return BenchReport(
        bench="wire", commit=commit(), task=task_hash, machine=machine(), rows=tuple(rows),
        gates=gates,
    )  # fmt: skip
