"""``sdl bench gpu``: decisions per second of the fused kernel on a GPU, beside its roofline.

A decision here is the physics of one act of one sample: a mix (three doses and a milling), an
anneal, a regrind. Every sample makes an episode of five, two of them anneals, in a laboratory of
its own draw; programs are uniform over the space of the task. Mask, reward, prices, observation and
reset are not in it. Acts and samples lie on the device before the clock starts.

The bench has never run on a GPU. Without one it says why and passes nothing. Agreement to 1e-9 is
not to be expected as the solver stands: on a CPU alone, temperatures moved by their last bit change
45 % of 2048 such episodes by more, and in 27 % a phase fraction too (rows ``cpu_last_bit``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sdl.bench.report import BenchReport, Gate, Row, commit, machine, median_row
from sdl.chemistry.system import ChemicalSystem, load_system
from sdl.core.errors import ConfigError
from sdl.core.extras import require_extra
from sdl.core.seeds import generator
from sdl.tasks.task import Task, load_task

if TYPE_CHECKING:
    from simulators.batch import BatchReactor
    from simulators.device import DeviceReactor, Samples

TASK = "ybco"
ROWS, QUICK_ROWS = 1 << 18, 1 << 17
LABORATORIES, COMPARED = 256, 2048
DECISIONS, ANNEALS = 5, 2
"""Of an episode."""
DECISIONS_PER_S, AGREEMENT = 1e7, 1e-9
FURNACE_C_PER_MIN = 5.0
"""Slow cooling of the drawn programs; the fast one is 100 degC/min."""

RUNNING, LIVE, PASSES, SWEEPS = 91.0, 13.5, 2.09, 4.53
"""Means of a step: reactions that run, solids they touch, passes, sweeps of a pass. Counted on 16
anneals of this bench's kind, Y-Ba-Cu-C-O, with the kernel as plain Python (NUMBA_DISABLE_JIT=1)."""
FLOPS_SWEEP = 10.0 * RUNNING + 50.0 * LIVE
FLOPS_STEP = PASSES * (SWEEPS * FLOPS_SWEEP + 15.0 * RUNNING) + 120.0 * RUNNING
"""Float64 operations, read off the source: a division or root is one, an exponential twenty."""
BYTES_SWEEP = 160.0 * RUNNING + 200.0 * LIVE
BYTES_STEP = PASSES * (SWEEPS * BYTES_SWEEP + 200.0 * RUNNING) + 300.0 * RUNNING
"""Scratch that a step reads and writes, likewise, if no cache kept any of it."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Episodes:
    """Random episodes of a task: rows of acts as the reactors take them.

    Args:
        acts: (rows * acts of an episode, 8).
        starts: (rows,) first act of each row.
        ends: Acts after which a decision ends, counted from the row's first.
    """

    acts: FloatArray
    starts: IntArray
    ends: tuple[int, ...]


def run(quick: bool = False) -> BenchReport:
    """Times the kernel on the GPU and compares it with the CPU.

    Args:
        quick: Fewer samples and repetitions.
    """
    reason = why_not()
    if reason is not None:
        skipped = Row(name="gpu.skipped", value=0.0, unit=f"not measured: {reason}", n=0)
        gates = (_skipped("gpu.decisions", reason), _skipped("gpu.agreement", reason))
        return _report((skipped,), gates)
    rows = _measured(QUICK_ROWS if quick else ROWS, 3 if quick else 7)
    value = {row.name: row.value for row in rows}
    fast, close = value["gpu.decisions"], value["gpu.agreement"]
    return _report(
        rows,
        (
            Gate(
                id="gpu.decisions", target=">= 1e7", value=fast, passed=fast >= DECISIONS_PER_S
            ),
            Gate(id="gpu.agreement", target="<= 1e-9", value=close, passed=close <= AGREEMENT),
        ),
    )  # fmt: skip


def why_not() -> str | None:
    """Why the bench cannot run here; ``None`` where it can."""
    try:
        require_extra("twin", "the kernel", "numba", "scipy")
        from simulators.device import require_device, simulated

        require_device()
    except ConfigError as error:
        return str(error)
    return "numba's simulator of CUDA is no GPU" if simulated() else None


def episodes(task: Task, system: ChemicalSystem, rows: int, seed: int = 0) -> Episodes:
    """Draws an episode for each row: mix, anneal, regrind, anneal, regrind.

    Raises:
        ConfigError: The task has no space of recipes.
    """
    from simulators.batch import ANNEAL, COLUMNS, DISPENSE, MILL
    from simulators.network import GAS_NUMBER

    space = task.space
    if space is None:
        raise ConfigError("the bench needs a task with a space of recipes", got=task.name)
    rng = generator("bench-gpu", seed)
    doses = len(space.cation_lots)
    acts = np.zeros((rows, doses + DECISIONS, COLUMNS))
    names = [lot.name for lot in task.laboratory.shelf]
    masses = np.array([_dose_mg(task, system, name) for name in names])
    for i, group in enumerate(space.cation_lots):
        lots = np.array([names.index(name) for name in group])[rng.integers(len(group), size=rows)]
        ratio = space.ratio if i == 0 else None
        factor = 1.0 if ratio is None else rng.uniform(ratio.low, ratio.high, rows)
        acts[:, i, 0], acts[:, i, 1], acts[:, i, 2] = DISPENSE, lots, masses[lots] * factor
    for place in (doses, doses + 2, doses + 4):
        acts[:, place, 0] = MILL
        acts[:, place, 1] = rng.uniform(space.mill_min.low, space.mill_min.high, rows)
    gases = np.array([GAS_NUMBER[gas] for gas in space.gases])
    for place in (doses + 1, doses + 3):
        gas = gases[rng.integers(len(gases), size=rows)]
        dwell, ramp = space.dwell_h, space.ramp_c_per_min
        acts[:, place, 0], acts[:, place, 1], acts[:, place, 6] = ANNEAL, gas, gas
        acts[:, place, 2] = rng.uniform(space.temperature_c.low, space.temperature_c.high, rows)
        acts[:, place, 3] = np.exp(rng.uniform(np.log(dwell.low), np.log(dwell.high), rows))
        acts[:, place, 4] = np.exp(rng.uniform(np.log(ramp.low), np.log(ramp.high), rows))
        acts[:, place, 5] = np.where(rng.random(rows) < 0.5, FURNACE_C_PER_MIN, 100.0)
    each = doses + DECISIONS
    return Episodes(
        acts.reshape(-1, COLUMNS), np.arange(rows, dtype=np.int64) * each,
        tuple(range(doses + 1, each + 1)),
    )  # fmt: skip


def _dose_mg(task: Task, system: ChemicalSystem, name: str) -> float:
    """Mass of a lot that holds the target's amount of its cation, mg."""
    target = system.phase(task.target.phase)
    lot = next(each for each in task.laboratory.shelf if each.name == name)
    held = system.phase(lot.phase).composition
    cation = next(e for e in held if e in target.composition and e not in ("O", "C"))
    batch = task.space.batch_mg if task.space is not None else 0.0
    moles = batch / target.molar_mass_g_per_mol * target.composition[cation] / held[cation]
    return moles * lot.molar_mass_g_per_mol / lot.assay


def _measured(rows: int, repeats: int) -> tuple[Row, ...]:
    from simulators.batch import BatchReactor
    from simulators.device import DeviceReactor, peaks, wait
    from simulators.laboratory import draw_laboratory, laboratory_key

    task = load_task(TASK)
    system, lots = load_system(task.system), task.laboratory.shelf
    laboratories = [
        draw_laboratory(system, task.hidden, lots, ("furnace_1",), *laboratory_key("train", i))
        for i in range(LABORATORIES)
    ]
    device = DeviceReactor(system, laboratories, lots)
    drawn = episodes(task, system, rows)
    laboratory = generator("bench-gpu", "laboratory").integers(LABORATORIES, size=rows)
    launches = _launches(device, drawn)
    begun = time.perf_counter()
    samples = device.load(device.empty(rows), laboratory)
    launches.whole(samples)
    vectors = device.empty(rows)
    steps = samples.unload(vectors)
    compile_s = time.perf_counter() - begun
    whole, single = [], []
    for seconds, launch in ((whole, launches.whole), (single, launches.each)):
        for _ in range(repeats):
            samples = device.load(device.empty(rows), laboratory)
            wait()
            begun = time.perf_counter()
            launch(samples)
            wait()
            seconds.append(time.perf_counter() - begun)
    few = min(rows, COMPARED)
    host = BatchReactor(system, laboratories, lots)
    expected, first = host.empty(few), drawn.starts[:few]
    host.act(host.empty(1), laboratory[:1], np.zeros((1, drawn.acts.shape[1])))  # compiles
    begun = time.perf_counter()
    host.run(expected, laboratory[:few], drawn.acts, first, first + drawn.ends[-1])
    host_s = time.perf_counter() - begun
    decisions = rows * DECISIONS
    return (
        median_row("gpu.decisions", [decisions / s for s in single], "decisions/s, a launch each"),
        median_row("gpu.fused", [decisions / s for s in whole], "decisions/s, a launch for five"),
        median_row("gpu.anneals", [rows * ANNEALS / s for s in single], "anneals/s"),
        Row(name="gpu.rows", value=float(rows), unit="samples"),
        Row(name="gpu.anneal_share", value=ANNEALS / DECISIONS, unit="share"),
        Row(name="gpu.steps", value=steps / (rows * ANNEALS), unit="substeps per anneal"),
        Row(name="gpu.first", value=compile_s, unit="s, with compilation"),
        Row(name="cpu.decisions", value=few * DECISIONS / host_s,
            unit=f"decisions/s, {host.threads} threads"),
        *_agreement("gpu", vectors[:few], expected),
        *_agreement("cpu_last_bit", _nudged(host, drawn, laboratory[:few]), expected),
        *roofline(steps / (rows * ANNEALS), decisions / float(np.median(single)), *peaks()),
    )  # fmt: skip


@dataclass(frozen=True)
class _Launches:
    whole: Callable[[Samples], None]
    each: Callable[[Samples], None]


def _launches(device: DeviceReactor, drawn: Episodes) -> _Launches:
    """Episodes in one launch, or in one for each decision; their acts already on the device."""
    from simulators.device import on_device

    acts = on_device(drawn.acts)
    edges: list[Any] = [on_device(drawn.starts + end) for end in (0, *drawn.ends)]

    def whole(samples: Samples) -> None:
        device.advance(samples, acts, edges[0], edges[-1])

    def each(samples: Samples) -> None:
        for first, last in pairwise(edges):
            device.advance(samples, acts, first, last)

    return _Launches(whole, each)


def _nudged(host: BatchReactor, drawn: Episodes, laboratory: IntArray) -> FloatArray:
    """The CPU's samples with every furnace temperature moved by its last bit.

    What the solver makes of a last bit is no fault of a device: without this row a figure of
    agreement says nothing.
    """
    from simulators.batch import ANNEAL

    acts, first = drawn.acts.copy(), drawn.starts[: len(laboratory)]
    fired = acts[:, 0] == ANNEAL
    acts[fired, 2] = np.nextafter(acts[fired, 2], np.inf)
    vectors = host.empty(len(laboratory))
    host.run(vectors, laboratory, acts, first, first + drawn.ends[-1])
    return vectors


def _agreement(name: str, found: FloatArray, expected: FloatArray) -> tuple[Row, ...]:
    """Largest difference of each row, against 1 + what was expected (mmol, um, mg)."""
    worst = (np.abs(found - expected) / (1.0 + np.abs(expected))).max(axis=1)
    count = len(worst)
    within = float((worst <= AGREEMENT).mean())
    return (
        Row(
            name=f"{name}.agreement", value=float(worst.max()), unit="relative, worst row", n=count
        ),
        Row(name=f"{name}.agreement_share", value=within, unit="rows within 1e-9", n=count),
    )


def roofline(
    steps: float, decisions_per_s: float, flops_per_s: float, bytes_per_s: float
) -> tuple[Row, ...]:
    """What the device could do at its peaks, by operations and by scratch memory without caches.

    Args:
        steps: Substeps of an anneal.
        decisions_per_s: As measured.
        flops_per_s: Peak of the device, float64.
        bytes_per_s: Peak of its memory.
    """
    share = steps * ANNEALS / DECISIONS
    flops, moved = FLOPS_STEP * share, BYTES_STEP * share
    return (
        Row(name="roofline.peak_flops", value=flops_per_s, unit="float64 operations/s"),
        Row(name="roofline.peak_bytes", value=bytes_per_s, unit="bytes/s"),
        Row(name="roofline.anneal_flops", value=FLOPS_STEP * steps, unit="operations, estimated"),
        Row(name="roofline.anneal_bytes", value=BYTES_STEP * steps,
            unit="bytes of scratch, estimated, without caches"),
        Row(name="roofline.by_flops", value=flops_per_s / flops, unit="decisions/s"),
        Row(name="roofline.by_bytes", value=bytes_per_s / moved,
            unit="decisions/s without caches; they may lift it"),
        Row(name="roofline.share", value=decisions_per_s * flops / flops_per_s,
            unit="of the peak of operations"),
    )  # fmt: skip


def _skipped(gate: str, reason: str) -> Gate:
    return Gate(id=gate, target=f"skipped: {reason}", value=0.0, passed=False)


def _report(rows: tuple[Row, ...], gates: tuple[Gate, ...]) -> BenchReport:
    return BenchReport(
        bench="gpu",
        commit=commit(),
        task=load_task(TASK).hash,
        machine=machine(),
        rows=rows,
        gates=gates,
    )
