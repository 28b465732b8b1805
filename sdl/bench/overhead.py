"""What our loop costs beside a bare RunEngine that runs the same plans in the same process."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bluesky import RunEngine

import sdl.campaign.loop
from instruments.drivers.job import Job
from instruments.plans import collect, start
from sdl.bench.report import Row
from sdl.campaign.config import CampaignConfig
from sdl.campaign.labs.virtual import VirtualLab
from sdl.campaign.opening import begin
from sdl.core.command import Command
from sdl.core.errors import SdlError
from sdl.tasks.task import Task, load_task
from simulators.world import World

_PHYSICS = (
    "dose_mg", "dispense", "mill", "wash", "run_program", "cool", "counts", "weigh", "balance_mg",
)  # fmt: skip
"""Methods of the world's effects that are simulation, not control."""


@dataclass
class Stopwatch:
    """Seconds spent in the functions it was put on; nested calls count once."""

    seconds: float = 0.0
    _depth: int = 0

    def put_on(self, owner: object, name: str) -> None:
        """Replaces a function of a module, object or instance by a timed one."""
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **words: Any) -> Any:
            if self._depth:
                return inner(*args, **words)
            self._depth = 1
            began = time.perf_counter()
            try:
                return inner(*args, **words)
            finally:
                self.seconds += time.perf_counter() - began
                self._depth = 0

        setattr(owner, name, timed)


@dataclass(frozen=True)
class Overhead:
    """Milliseconds per experiment."""

    loop_ms: float
    """Our loop: scheduling, limits, journal, RunEngine, devices; no physics, propose, ingest."""
    bare_ms: float
    """A bare RunEngine running the same plans on the same devices, without physics."""
    analysis_ms: float
    """Reading patterns, which no RunEngine does; not part of ``loop_ms``."""
    plans: int
    """Plans per experiment."""
    experiments: int

    @property
    def ratio(self) -> float:
        """Our loop over the bare RunEngine."""
        return self.loop_ms / self.bare_ms

    def rows(self) -> list[Row]:
        """The figures as rows of a bench."""
        n = self.experiments
        return [
            Row(name="overhead_ms", value=self.loop_ms, unit="ms per experiment", n=n),
            Row(name="bare_engine_ms", value=self.bare_ms, unit="ms per experiment", n=n),
            Row(name="overhead_ratio", value=self.ratio, unit="ours / bare", n=n),
            Row(name="analysis_ms", value=self.analysis_ms, unit="ms per experiment", n=n),
            Row(name="plans", value=self.plans, unit="plans per experiment", n=n),
        ]


@dataclass
class _Tape:
    """Plans and jumps of the clock of one campaign, in order."""

    entries: list[tuple[str, Any]] = field(default_factory=list)

    def put_on(self, lab: VirtualLab) -> None:
        """Records what a laboratory is told from now on."""
        submit, advance, events = lab.submit, lab.advance, lab.events

        def told(command: Command) -> str:
            self.entries.append(("start", command))
            return submit(command)

        def moved(time_s: float) -> float:
            self.entries.append(("advance", time_s))
            return advance(time_s)

        def ended(now_s: float) -> Any:
            found = events(now_s)
            self.entries += [("collect", e.command) for e in found]
            return found

        for name, recorder in (("submit", told), ("advance", moved), ("events", ended)):
            setattr(lab, name, recorder)


def measure_overhead(config: CampaignConfig) -> Overhead:
    """Runs one campaign on disk, then its plans again through a bare RunEngine.

    Args:
        config: A campaign in the ``virtual`` laboratory. Its policy is replaced by ``random``:
            what a policy costs is not part of the figure.
    """
    config = config.model_copy(update={"policy": "random", "lab": "virtual"})
    task = load_task(config.task)
    with tempfile.TemporaryDirectory(prefix="sdl-overhead-") as scratch:
        tape, loop_s, analysis_s, finished = _ours(config, task, Path(scratch))
        bare_s, plans = _bare(config, task, tape, Path(scratch) / "bare.db")
    return Overhead(
        loop_ms=1000.0 * loop_s / finished,
        bare_ms=1000.0 * bare_s / finished,
        analysis_ms=1000.0 * analysis_s / finished,
        plans=round(plans / finished),
        experiments=finished,
    )


def _ours(config: CampaignConfig, task: Task, folder: Path) -> tuple[_Tape, float, float, int]:
    campaign = begin(config, task, f"sqlite:///{folder}/campaign.db")
    lab = campaign.lab
    if not isinstance(lab, VirtualLab):
        raise SdlError("the overhead is measured in the virtual laboratory", got=config.lab)
    world, policy, analysis, tape = Stopwatch(), Stopwatch(), Stopwatch(), _Tape()
    _time_world(world, lab.world)
    for name in ("propose", "ingest", "next"):
        policy.put_on(campaign.policy, name)
    original = sdl.campaign.loop.observe
    analysis.put_on(sdl.campaign.loop, "observe")
    tape.put_on(lab)
    began = time.perf_counter()
    try:
        campaign.run()
        total_s = time.perf_counter() - began
    finally:
        sdl.campaign.loop.observe = original
        campaign.close()
    loop_s = total_s - world.seconds - policy.seconds - analysis.seconds
    return tape, loop_s, analysis.seconds, len(campaign.state.finished)


def _time_world(watch: Stopwatch, world: World) -> None:
    """Physics, and the world's own passing of time, are not control."""
    for name in _PHYSICS:
        if hasattr(world.effects, name):
            watch.put_on(world.effects, name)
    watch.put_on(world, "advance")


def _bare(config: CampaignConfig, task: Task, tape: _Tape, path: Path) -> tuple[float, int]:
    """Seconds a bare RunEngine takes for the plans of a tape, without physics."""
    from sdl.journal.blobs import MemoryBlobs

    lab = VirtualLab.create(task, seed=config.laboratory, blobs=MemoryBlobs(), path=path)
    engine = RunEngine({}, loop=asyncio.new_event_loop(), context_managers=[])
    watch = Stopwatch()
    _time_world(watch, lab.world)
    stations = {entry.id: entry.station for kind, entry in tape.entries if kind == "start"}
    seconds, plans = 0.0, 0
    try:
        for kind, entry in tape.entries:
            if kind == "advance":
                lab.world.advance(entry)
                continue
            physics_s = watch.seconds
            began = time.perf_counter()
            if kind == "start":
                engine(start(lab.devices[entry.station], Job.of(entry)))
            else:
                engine(collect(lab.devices[stations[entry]], entry))
            seconds += time.perf_counter() - began - (watch.seconds - physics_s)
            plans += 1
    finally:
        engine.loop.call_soon_threadsafe(engine.loop.stop)
        lab.close()
    return seconds, plans
