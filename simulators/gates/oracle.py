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
from simulators import conditions, kernel
from simulators.compiled import compiled
from simulators.laboratory import Laboratory
from simulators.network import GAS_NUMBER, Draw, FloatArray, IntArray, Net
from simulators.program import ROOM_C
from simulators.reactor import Reactor, Segment
from simulators.steps import Scratch

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
    """Rates of change of moles, grains and moles apart, (3 * used,), into ``made``."""
    used, awake = net.used, work.awake
    count = awake.size[conditions.COUNT]
    for a in range(count):
        conditions.constants_at(net, draw, awake, a, here_k, work.early)
        work.constant[a] = work.early[0, a] * max(work.early[1, a], 0.0)
    kernel.liquid_shares(net, here_k, work.liquid)
    least = LEAST * total
    moles = np.maximum(state[:used], least)
    charge = np.maximum(state[used : 2 * used], moles)
    apart = np.maximum(state[2 * used :], 0.0)
    kernel.rates(net, moles, charge, total, work.liquid, draw.melt_speed, work, rate)
    made[:] = 0.0
    for a in range(count):
        core, other = awake.place[0, a], awake.place[1, a]
        rate[a] *= min(1.0, state[core] / least)
        if other >= 0:
            rate[a] *= min(1.0, state[other] / least)
        made[core] -= rate[a] * awake.number[0, a]
        if other >= 0:
            given = rate[a] * awake.number[1, a]
            made[other] -= given
            made[used + other] -= given * charge[other] / moles[other]
        for k in range(2, 5):
            p = awake.place[k, a]
            if p >= 0:
                made[p] += awake.number[k, a] * rate[a]
                made[used + p] += awake.number[k, a] * rate[a]
    share = kernel.wet_share(net, moles, total, work.liquid) / kernel.SOAKED_S
    for p in range(used):
        wet = share * apart[p]
        made[2 * used + p] -= wet
        made[p] += wet
        made[used + p] += wet


def right_side(
    reactor: Reactor,
    gas: int,
    vector: FloatArray,
    parts: Sequence[Segment],
    laws: IntArray | None = None,
) -> Slope:
    """Rates of change during a segment, for LSODA.

    The state is (3 * used,): moles, moles of grains, moles out of contact.

    Args:
        reactor: The laboratory.
        gas: Number of the furnace gas.
        vector: The sample before the segments, with grain sizes for what will form.
        parts: The segments; what can react in any of them is integrated in all.
        laws: (used,) table of the law of each core, -1 where the strongest of all takers decides.
    """
    net, draw = reactor.network.net, reactor.draw
    used, work = net.used, kernel.scratch(net)
    coldest = min(min(p.start_c, p.end_c) for p in parts) + ZERO_CELSIUS_K
    hottest = max(max(p.start_c, p.end_c) for p in parts) + ZERO_CELSIUS_K
    longest = sum(p.duration_s for p in parts)
    conditions.fall_asleep(net, work.awake)
    conditions.wake(
        net, draw, gas, vector, coldest, hottest, 10.0 * longest, (1 << used) - 1, work.awake
    )
    if laws is not None:
        known = (laws >= 0) & (work.awake.table >= 0)
        work.awake.table[known] = laws[known]
    total = float(net.cations[:used] @ vector[:used])
    rate = np.zeros(net.need.size)

    def slope(time: float, state: FloatArray, part: Segment) -> FloatArray:
        here = part.start_c + (part.end_c - part.start_c) * time / part.duration_s
        made = np.zeros(3 * used)
        _slope(net, draw, work, total, here + ZERO_CELSIUS_K, state, rate, made)
        return made

    return slope


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
    """One anneal.

    Which law a core follows when several reactions eat it is the kernel's choice, by what has
    formed: a part of the model, so LSODA takes it over from each segment. Which reactions run, it
    decides for itself, with a threshold ten times lower.
    """
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
        finished, more = _followed(reactor, gas, truth, ours, part, work.awake.table)
        calls += more
        if not finished:
            return Gap(number, float("nan"), "", calls)
    apart = np.abs(_shares(net, truth) - _shares(net, ours))
    worst = int(np.argmax(apart))
    return Gap(number, float(apart[worst]), reactor.network.solid_names[worst], calls)


def _followed(
    reactor: Reactor, gas: int, truth: FloatArray, ours: FloatArray, part: Segment, laws: IntArray
) -> tuple[bool, int]:
    """Takes ``truth`` through a segment by LSODA; whether it finished, and the calls it took."""
    net = reactor.network.net
    used, solids = net.used, net.molar_mass.size
    grains = slice(3 * solids, 4 * solids)
    new = truth[grains] <= 0.0
    truth[grains][new] = ours[grains][new]
    slope = right_side(reactor, gas, truth, (part,), laws)
    columns = (0, 2, 1)  # moles, grains, apart
    state = np.concatenate([truth[k * solids : k * solids + used] for k in columns])
    after, calls = _integrated(slope, state, part)
    if after is None:
        return False, calls
    for place, k in enumerate(columns):
        truth[k * solids : k * solids + used] = np.maximum(
            after[place * used : (place + 1) * used], 0.0
        )
    return True, calls


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
                h0=1e-3, mxstep=MOST_CALLS,
            )  # fmt: skip
    except (OutOfCallsError, ODEintWarning):
        return None, calls
    return np.asarray(done[-1]), calls
