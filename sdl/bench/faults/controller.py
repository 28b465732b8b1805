"""Faults of the controller, its disk, its clock and its network: 1, 2, 16 to 20."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from instruments.devices.faces import faces_of
from instruments.drivers.job import Job
from instruments.engine import Engine
from instruments.notebook import Notebook
from instruments.plans import start
from sdl.bench.faults import campaigns
from sdl.bench.faults.scenario import expect, refusal, scenario
from sdl.bench.loopback import Room, room, until
from sdl.bench.wire import finish_sdl, kill_one, problems_of, start_sdl, until_anneal
from sdl.campaign.loop import Campaign, Standing
from sdl.campaign.places import JOURNAL_NAME
from sdl.core.command import Verb
from sdl.core.errors import (
    BusyError,
    JournalCorruptError,
    JournalLockedError,
    LabError,
)
from sdl.core.event import Event, Noted, Topic
from sdl.core.material import SampleState
from sdl.journal.backlog import backlogs
from sdl.journal.exporters.jsonl import JsonLines
from sdl.journal.exporters.target import TargetDownError
from sdl.journal.journal import Journal
from sdl.journal.outbox import Outbox
from sdl.journal.repair import damage
from simulators.wire.laboratory import SimulatedLaboratory

TIMEOUT_S = 120.0
ANNEAL, NOTED, TOLD = 0, 1, 2
"""Where ``kill_one`` kills, by index modulo three."""


# -- 1 and 2: kills -------------------------------------------------------------------------------


@scenario(1, "controller killed during an anneal")
def killed_in_anneal(folder: Path) -> str:
    """The furnace goes on; the resumed controller finds it by its program's tag."""
    _killed(folder, ANNEAL)
    return "killed with kill -9, re-attached, one program run per anneal, the gap is marked"


@scenario(2, "controller killed around a dispense")
def killed_in_dispense(folder: Path) -> str:
    """Before and after the unit was told: the vial is weighed, nothing is dosed twice."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda index: _killed(folder, index), (NOTED, TOLD)))
    return "killed before and after the act: every dose once, within its tolerance"


def _killed(folder: Path, index: int) -> None:
    for attempt in range(3):  # a campaign may be over before the kill comes
        survived = kill_one(folder / f"kill-{index}-{attempt}", index + 3 * attempt)
        expect(not survived.problems, "the resumed campaign is whole", "; ".join(survived.problems))
        if survived.killed:
            return
    expect(False, "the controller was killed")


# -- 16: the disk ---------------------------------------------------------------------------------


@scenario(16, "disk full or read-only")
def full_disk(folder: Path) -> str:
    """No new step without its record; what runs ends by itself; a failing sink stops no plan."""
    with campaigns.simulated(folder) as laboratory:
        process, run = _controller(folder)
        until_anneal(process, run)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        _, errors = process.communicate(timeout=TIMEOUT_S)
        expect(process.returncode not in (0, -signal.SIGXFSZ), "the controller ends with a message",
               process.returncode)  # fmt: skip
        expect("disk" in errors and "Traceback" not in errors, "it names the disk", errors[-500:])
        _ends_alone(laboratory)
        ran = laboratory.ask(lambda: [a.label for a in laboratory.plant.world.acts()])
        finish_sdl(["resume", run, "--no-report"])
        wrong = problems_of(run, laboratory, "disk")
        expect(not wrong, "with space again the campaign goes on", "; ".join(wrong))
    with room(folder) as here:
        failures = _failing_sink(here)
    return (
        f"no step after the last record ({len(ran)} acts), resumed without loss; a plan outlived "
        f"{failures} documents that a sink refused"
    )


def _controller(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """``sdl run`` of a campaign of two samples in a process of its own, and its folder."""
    file, run = campaigns.written(folder, 2), folder / "run"
    words = ["run", file, "--lab", folder / "lab.yaml", "--out", run, "--no-report"]
    return start_sdl(words), run


def _ends_alone(laboratory: SimulatedLaboratory) -> None:
    """Waits until everything that runs has ended, without a controller."""

    def idle() -> bool:
        laboratory.plant.tick()
        return not any(
            laboratory.plant.world.remaining_s(s.name) > 0.0
            for s in laboratory.plant.world.task.laboratory.stations
        )

    until(lambda: laboratory.ask(idle), "what runs ends by itself", within_s=TIMEOUT_S)
    acts = laboratory.ask(lambda: list(laboratory.plant.world.acts()))
    cut = [a.label for a in acts if a.stop_share < 1.0]
    expect(not cut, "no act is cut short", cut)


def _failing_sink(here: Room) -> int:
    def refuse(name: str, document: object) -> None:
        raise OSError(28, "No space left on device")

    engine = Engine(refuse)
    try:
        args = {"sample": "S1", "origin": "rack", "destination": "mixer"}
        job = Job("c1", Verb.TRANSFER, ("S1",), args)
        plan = start(faces_of(here.drivers)["transfer"], job, md={})
        engine.run(plan, device="transfer", command="c1")
        here.wait("transfer", "c1")
        expect(engine.sink_failures > 0, "the sink failed")
        return engine.sink_failures
    finally:
        engine.close()


# -- 17: the database -----------------------------------------------------------------------------


@scenario(17, "database locked, tail corrupt")
def damaged_database(folder: Path) -> str:
    """A short lock is waited for; a torn last record is cut off, and the furnace re-attached."""
    with campaigns.simulated(folder) as laboratory:
        journal = folder / "run" / JOURNAL_NAME
        with campaigns.begun(folder, 2) as campaign:
            waited_s = _held(journal, campaign, 1.0)
            expect(0.5 < waited_s < 4.0, "a short lock is waited for", waited_s)
            refusal(lambda: _held(journal, campaign, 7.0), JournalLockedError, of="a long lock")
            campaign.run(pause=lambda: _anneals(campaign))
        _tear(journal)
        found = damage(campaigns.run_url(folder))
        expect(found is not None, "the torn record is seen")
        refusal(
            lambda: Journal.open(campaigns.run_url(folder)), JournalCorruptError,
            of="a journal with a torn record",
        )  # fmt: skip
        finish_sdl(["resume", folder / "run", "--repair", "--no-report"])
        _whole(folder, laboratory, 2)
    number = 0 if found is None else found.record
    return (
        f"a lock of 1 s cost {waited_s:.1f} s, one of 7 s was refused; record {number} was torn, "
        "cut off, and nothing was done twice"
    )


def _held(journal: Path, campaign: Campaign, seconds: float) -> float:
    """Another program holds the database; returns how long an append took, s."""
    with _locked(journal, seconds):
        began_s = time.monotonic()
        note = Noted(topic=Topic.PERSON, station="laboratory", message="looked")
        campaign.record(Event.of(campaign.state.time_s, note))
        return time.monotonic() - began_s


@contextmanager
def _locked(path: Path, seconds: float) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, lambda: other.execute("ROLLBACK"))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        other.close()


def _anneals(campaign: Campaign) -> bool:
    return any(c.verb is Verb.ANNEAL for c in campaign.state.open_commands.values())


def _tear(journal: Path) -> None:
    """Half of the last record is not what was written, as after a torn write."""
    raw = sqlite3.connect(journal, isolation_level=None)
    try:
        raw.execute("drop trigger events_no_update")
        raw.execute(
            "update events set payload = substr(payload, 1, length(payload) / 2)"
            " where seq = (select max(seq) from events)"
        )
    finally:
        raw.close()


def _whole(folder: Path, laboratory: SimulatedLaboratory, experiments: int) -> None:
    """Every sample finished, every irreversible act happened once."""
    with Journal.open(campaigns.run_url(folder), owner=False) as journal:
        state = campaigns.state_of(journal)
    ends = [f.event.state for f in state.finished.values()]
    expect(ends == [SampleState.FINISHED] * experiments, "every sample ends well", ends)
    acts = laboratory.ask(lambda: list(laboratory.plant.world.acts()))
    for verb in (Verb.ANNEAL, Verb.DISPENSE, Verb.MILL):
        ran = sorted(a.samples for a in acts if a.verb == verb)
        asked = sorted(tuple(c.samples) for c in state.commands.values() if c.verb is verb)
        expect(ran == asked, f"every {verb.value} happened once", (ran, asked))
    cut = [a.label for a in acts if a.stop_share < 1.0]
    expect(not cut, "no act was cut short", cut)


# -- 18: the clock --------------------------------------------------------------------------------

_JUMPY = """
import random, sys, time
from datetime import datetime, timedelta
import sdl.campaign.laboratory, sdl.journal.lock
wall, wall_ns, draw = time.time, time.time_ns, random.Random(1)
def jump(): return draw.choice((-3600, 0, 3600))
time.time = lambda: wall() + jump()
time.time_ns = lambda: wall_ns() + jump() * 10**9
class Jumpy(datetime):
    @classmethod
    def now(cls, tz=None): return datetime.now(tz) + timedelta(seconds=jump())
sdl.campaign.laboratory.datetime = sdl.journal.lock.datetime = Jumpy
from sdl.cli import main
sys.exit(main())
"""


@scenario(18, "clock jump of an hour, DST, suspend")
def jumping_clock(folder: Path) -> str:
    """The wall clock of the controller jumps at every look, and it is suspended past an end."""
    with campaigns.simulated(folder) as laboratory:
        file, run = campaigns.written(folder, 2), folder / "run"
        words = ["run", file, "--lab", folder / "lab.yaml", "--out", run, "--no-report"]
        process = _jumpy(words)
        until_anneal(process, run)
        process.send_signal(signal.SIGSTOP)
        _ends_alone(laboratory)
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
        expect(process.returncode == 0, "the campaign goes to its end", errors[-500:])
        _whole(folder, laboratory, 2)
        soaks = laboratory.ask(lambda: _soaks(laboratory))
        world_s = laboratory.ask(laboratory.plant.tick)
    with Journal.open(campaigns.run_url(folder), owner=False) as journal:
        times = [e.time_s for e in journal.events()]
    # An hour of the wall clock would be thousands of hours in this laboratory.
    expect(min(times) >= 0.0 and max(times) <= world_s, "laboratory time is that of the laboratory",
           (min(times), max(times), world_s))  # fmt: skip
    expect(min(soaks) > 1.0 - 1e-9, "no soak is shortened", min(soaks))
    return f"{len(soaks)} soaks whole under a wall clock that jumps by an hour, and a suspension"


def _jumpy(words: list[str | Path]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _JUMPY, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _soaks(laboratory: SimulatedLaboratory) -> list[float]:
    """What each furnace run took, as a share of what its program takes at least."""
    found: list[float] = []
    for act in laboratory.plant.world.acts():
        if act.verb == Verb.ANNEAL:
            program = act.args["program"]
            rise_c = program["temperature_c"] - act.args["start_c"]
            least_s = program["dwell_h"] * 3600.0 + rise_c / program["ramp_c_per_min"] * 60.0
            found.append((act.end_s - act.start_s) * act.stop_share / least_s)
    return found


# -- 19: two controllers --------------------------------------------------------------------------


@scenario(19, "two controllers at once")
def two_controllers(folder: Path) -> str:
    """The second is told who is first; one that was fenced off writes nothing."""
    with campaigns.simulated(folder), campaigns.begun(folder, 2) as first:
        first.step()
        again = refusal(
            lambda: campaigns.resumed(folder).__enter__(), JournalLockedError,
            of="a second controller of one campaign",
        )  # fmt: skip
        expect("process" in again, "it is told who owns the campaign", again)
        refusal(
            lambda: campaigns.begun(folder, 2, "other").__enter__(), BusyError,
            of="a second campaign in one laboratory",
        )  # fmt: skip
        other = start_sdl(["resume", folder / "run", "--no-report"])
        _, errors = other.communicate(timeout=TIMEOUT_S)
        expect(other.returncode == 2 and "another controller" in errors, "so is another process",
               errors[-300:])  # fmt: skip
        expect(first.run(pause=lambda: len(first.state.commands) > 3) is Standing.PAUSED,
               "the first goes on")  # fmt: skip
    _fenced_off(folder)
    return "journal and laboratory are locked; an earlier epoch writes neither note nor record"


def _fenced_off(folder: Path) -> None:
    """Without locks, as on some network file systems: the epoch decides."""
    url, lock = campaigns.run_url(folder), folder / "run" / f"{JOURNAL_NAME}.lock"
    event = Event.of(1e9, Noted(topic=Topic.PERSON, station="laboratory", message="looked"))
    old = Journal.open(url)
    lock.unlink()
    notes = Notebook(folder / "notes.db", old.epoch)
    notes.write("mixer", "c1", {"starts": 1})
    with Journal.open(url) as new:
        later = Notebook(folder / "notes.db", new.epoch)
        refusal(lambda: old.append(event), JournalLockedError, of="a record of an earlier epoch")
        for label in ("c1", "c2"):
            refusal(
                lambda label=label: notes.write("mixer", label, {"starts": 2}), LabError,
                of="a note of an earlier epoch",
            )  # fmt: skip
        refusal(lambda: notes.put("S1", "mixer"), LabError, of="a place of an earlier epoch")
        later.write("mixer", "c2", {"starts": 2})
        later.close()
    notes.close()
    old.close()


# -- 20: the network ------------------------------------------------------------------------------


@scenario(20, "store, Tiled or network down for hours")
def network_down(folder: Path) -> str:
    """The campaign does not notice; what waited goes out once, and once only."""
    share = folder / "share"
    share.write_text("not mounted", encoding="utf-8")
    stop = threading.Event()
    told: list[str] = []
    with campaigns.simulated(folder) as laboratory, campaigns.begun(folder, 2) as campaign:
        url = campaigns.run_url(folder)
        with Outbox(url, JsonLines(share / "runs")) as outbox:
            words = {"poll_s": 0.1, "first_wait_s": 0.05, "tell": told.append}
            beside = threading.Thread(target=outbox.follow, args=(stop,), kwargs=words)
            beside.start()
            try:
                standing = campaign.run()
                hours = laboratory.ask(laboratory.plant.tick) / 3600.0
            finally:
                stop.set()
                beside.join()
            expect(standing is Standing.STOPPED, "the campaign goes to its end", standing)
            expect(told, "the outbox tells that the target is down")
            refusal(outbox.push, TargetDownError, of="an export to a share that is not there")
            (behind,) = backlogs(url)
            expect(behind.waiting > 0 and behind.exported == 0, "all runs wait", behind.words())
            share.unlink()
            share.mkdir()
            pushed = outbox.push()
            expect(pushed.written == behind.waiting, "everything goes out", pushed)
        with Outbox(url, JsonLines(share / "runs"), again=True) as once_more:
            repeated = once_more.push()
        expect((repeated.written, repeated.there) == (0, pushed.written), "nothing goes out twice",
               repeated)  # fmt: skip
        _whole(folder, laboratory, 2)
    return f"{pushed.written} runs waited for {hours:.0f} h of laboratory time, then went out once"
