"""LSODA beside the kernel: the same rates, integrated by SciPy at a relative tolerance of 1e-8."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sdl.chemistry.system import ChemicalSystem
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.material import Lot
from sdl.core.recipe import Recipe
from simulators import conditions, kernel, melts, segment, steps
from simulators.compiled import compiled
from simulators.laboratory import Laboratory
from simulators.network import GAS_NUMBER, Draw, FloatArray, Net
from simulators.program import ROOM_C
from simulators.reactor import Reactor, Segment
from simulators.segment import Scratch

Slope = Callable[[float, FloatArray, Segment], FloatArray]

RTOL = 1e-8
ATOL_MMOL = 1e-9
LEAST = 1e-8
"""Share of the sample's cations below which a reactant enters linearly, through zero: the laws of
moving surfaces have no slope there, and LSODA would follow a phase that is eaten as it forms far
below its tolerance."""
MOST_CALLS = 50_000
"""Evaluations of the right-hand side after which an anneal counts as not finished; it takes no
clock, so the verdict is the same on every machine."""


LEAST_STEPS = 100
"""Of a segment: where nothing happens at first LSODA would step over what happens later."""


class OutOfCallsError(RuntimeError):
    """LSODA needs more evaluations than allowed."""


@dataclass(frozen=True)
class Gap:
    """The kernel against LSODA after one ramp and soak."""

    recipe: int
    largest: float
    """Largest difference of a weight fraction; NaN where LSODA did not finish."""
    phase: str
    calls: int


@compiled
def _slope(
    net: Net, draw: Draw, work: Scratch, total: float, here_k: float, state: FloatArray,
    rate: FloatArray, made: FloatArray,
) -> None:  # fmt: skip
    """Rates of change of moles and of the unreacted share of grains, (2 live,), into ``made``."""
    awake = work.awake
    count, live = awake.size[conditions.COUNT], awake.size[conditions.LIVE]
    for a in range(count):
        conditions.constants_at(net, draw, awake, a, here_k, work.early)
        work.constant[a] = work.early[0, a] * max(work.early[1, a], 0.0)
    for k in range(3):
        melts.liquid_shares(net, here_k, work.liquid[k])
    least = LEAST * total
    moles = np.maximum(state[:live], least)
    moles[0] = 0.0
    left = np.minimum(np.maximum(state[live:], steps.LEAST_LEFT), 1.0)
    kernel.rates(net, moles, moles / left, total, draw.melt_speed, work, rate)
    made[:] = 0.0
    for a in range(count):
        for k in range(3):
            n = awake.place[k, a]
            if n != 0:
                rate[a] *= min(1.0, state[n] / least)
        core = awake.place[0, a]
        if awake.solid[core] < net.used:
            made[live + core] -= rate[a] * left[core] / moles[core]
        for k in range(6):
            n = awake.place[k, a]
            amount = rate[a] * awake.per[k, a]
            made[n] += amount if k >= 3 else -amount
            if k >= 3 and n != 0 and awake.solid[n] < net.used:
                made[live + n] += amount * (1.0 - left[n]) / moles[n]
    made[0] = made[live] = 0.0


@dataclass(frozen=True)
class Followed:
    """A segment for LSODA; the state is moles and unreacted shares of the solids in it."""

    slope: Slope
    start: FloatArray
    work: Scratch

    def store(self, net: Net, state: FloatArray, vector: FloatArray) -> None:
        """Puts a state back into a sample."""
        live = self.start.size // 2
        moles = np.maximum(state[:live], 0.0)
        self.work.moles[:live] = moles
        self.work.charge[:live] = moles / np.clip(state[live:], steps.LEAST_LEFT, 1.0)
        segment.leave(net, vector, self.work)


def follow(reactor: Reactor, gas: int, vector: FloatArray, parts: Sequence[Segment]) -> Followed:
    """Rates of change during segments, for LSODA.

    Args:
        reactor: The laboratory.
        gas: Number of the furnace gas.
        vector: The sample before the segments, with grain sizes for what will form.
        parts: The segments; what can react in any of them is integrated in all.
    """
    net, draw = reactor.network.net, reactor.draw
    used, solids, work = net.used, net.molar_mass.size, kernel.scratch(net)
    coldest = min(min(p.start_c, p.end_c) for p in parts) + ZERO_CELSIUS_K
    hottest = max(max(p.start_c, p.end_c) for p in parts) + ZERO_CELSIUS_K
    longest = sum(p.duration_s for p in parts)
    total = float(net.cations[:used] @ (vector[:used] + vector[solids : solids + used]))
    conditions.fall_asleep(net, vector, total, work.awake)
    work.awake.there[:] = conditions.NEW
    conditions.wake(net, draw, gas, vector, coldest, hottest, 10.0 * longest, work.awake)
    segment.enter(net, vector, total, 0, work)
    live = int(work.awake.size[conditions.LIVE])
    grains = np.maximum(work.charge[:live], work.moles[:live])
    left = np.divide(work.moles[:live], grains, out=np.ones(live), where=grains > 0.0)
    rate = np.zeros(net.kind.size)

    def slope(time: float, state: FloatArray, part: Segment) -> FloatArray:
        here = part.start_c + (part.end_c - part.start_c) * time / part.duration_s
        made = np.zeros(2 * live)
        _slope(net, draw, work, total, here + ZERO_CELSIUS_K, state, rate, made)
        return made

    return Followed(slope, np.concatenate([work.moles[:live], left]), work)


def still(system: ChemicalSystem) -> ChemicalSystem:
    """The system without grain growth, which the kernel applies after a segment, not within."""
    phases = tuple(p.model_copy(update={"coarsening": None}) for p in system.phases)
    return system.model_copy(update={"phases": phases})


def lsoda_gaps(
    system: ChemicalSystem,
    laboratories: Sequence[Laboratory],
    lots: Sequence[Lot],
    recipes: Sequence[Recipe],
    tolerance: float = kernel.TOLERANCE,
) -> list[Gap]:
    """The kernel against LSODA after the ramp and the soak of each recipe's first anneal.

    Grain growth is left out of both: see ``still``.

    Args:
        system: The chemistry.
        laboratories: Taken in turn.
        lots: The shelf.
        recipes: Doses, milling and the first anneal are taken.
        tolerance: Of the kernel.
    """
    calm = still(system)
    reactors = [Reactor(calm, each, lots, tolerance=tolerance) for each in laboratories]
    return [_gap(reactors[i % len(reactors)], i, recipe) for i, recipe in enumerate(recipes)]


def _gap(reactor: Reactor, number: int, recipe: Recipe) -> Gap:
    """One anneal; which reactions LSODA gets is decided anew, with a threshold ten times lower."""
    anneal = recipe.anneals()[0]
    material = reactor.empty()
    for dose in recipe.doses():
        material = reactor.dispense(material, dose.lot, dose.mass_mg)
    net, gas, top = reactor.network.net, GAS_NUMBER[anneal.gas], anneal.temperature_c
    ours = reactor.mill(material, 30.0).vector.copy()
    truth, work = ours.copy(), kernel.scratch(net)
    ramp = Segment(ROOM_C, top, (top - ROOM_C) / anneal.ramp_c_per_min * 60.0)
    calls = 0
    for part in (ramp, Segment(top, top, anneal.dwell_h * 3600.0)):
        kernel.heat(
            net, reactor.draw, ours, gas, part.start_c + ZERO_CELSIUS_K,
            part.end_c + ZERO_CELSIUS_K, part.duration_s, reactor.tolerance, work,
        )  # fmt: skip
        finished, more = _follow(reactor, gas, truth, ours, part)
        calls += more
        if not finished:
            return Gap(number, float("nan"), "", calls)
    apart = np.abs(_shares(net, truth) - _shares(net, ours))
    worst = int(np.argmax(apart))
    return Gap(number, float(apart[worst]), reactor.network.solid_names[worst], calls)


def _follow(
    reactor: Reactor, gas: int, truth: FloatArray, ours: FloatArray, part: Segment
) -> tuple[bool, int]:
    """Takes ``truth`` through a segment by LSODA; whether it finished, and the calls it took."""
    solids = reactor.network.net.molar_mass.size
    grains = slice(3 * solids, 4 * solids)
    new = truth[grains] <= 0.0
    truth[grains][new] = ours[grains][new]
    followed = follow(reactor, gas, truth, (part,))
    after, calls = _integrated(followed.slope, followed.start, part)
    if after is not None:
        followed.store(reactor.network.net, after, truth)
    return after is not None, calls


def _shares(net: Net, vector: FloatArray) -> FloatArray:
    """Weight fractions, (solids,)."""
    solids = net.molar_mass.size
    mass = (vector[:solids] + vector[solids : 2 * solids]) * net.molar_mass
    return mass / mass.sum()


def _integrated(slope: Slope, state: FloatArray, part: Segment) -> tuple[FloatArray | None, int]:
    """The state after a segment, or ``None`` where LSODA gave up; and the calls it took."""
    from scipy.integrate import ODEintWarning, odeint  # only the gate needs it

    calls = 0

    def counted(time: float, now: FloatArray) -> FloatArray:
        nonlocal calls
        calls += 1
        if calls > MOST_CALLS:
            raise OutOfCallsError
        return slope(time, now, part)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ODEintWarning)
            done = odeint(
                counted, state, (0.0, part.duration_s), tfirst=True, rtol=RTOL, atol=ATOL_MMOL,
                h0=1e-3, hmax=part.duration_s / LEAST_STEPS, mxstep=MOST_CALLS,
            )  # fmt: skip
    except (OutOfCallsError, ODEintWarning):
        return None, calls
    return np.asarray(done[-1]), calls
