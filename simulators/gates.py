"""Validation gates of the reactor as functions that return figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sdl.chemistry.system import ChemicalSystem, load_crossings, load_system
from sdl.chemistry.thermo import ZERO_CELSIUS_K, GibbsTable, reaction_kj_per_mol, zero_crossing_c
from sdl.core.material import Lot
from sdl.core.recipe import Anneal, Dose, Gas, Mix, Recipe, Regrind
from sdl.core.seeds import generator
from sdl.tasks.task import Hidden
from simulators import conditions, kernel
from simulators.batch import BatchReactor
from simulators.laboratory import Laboratory, draw_laboratory, nominal_laboratory
from simulators.network import FloatArray
from simulators.reactor import Reactor, Segment

FURNACE = "furnace_1"
FINER = 256.0
"""Tolerance is divided by this for 16 times finer steps of a second-order method."""


@dataclass(frozen=True)
class Figure:
    """One figure of a gate with what it is held against."""

    gate: str
    name: str
    value: float
    target: str
    ok: bool


def gate_lots(particle_um: float = 0.5) -> tuple[Lot, ...]:
    """Pure carbonate and rutile of one grain size, the powders of gates V1 and V4."""
    return (
        Lot(name="BaCO3", phase="BaCO3", molar_mass_g_per_mol=197.336, particle_um=particle_um),
        Lot(name="TiO2", phase="TiO2", molar_mass_g_per_mol=79.865, particle_um=particle_um),
    )


def random_recipes(count: int, *, hottest_c: float, gases: Sequence[Gas]) -> list[Recipe]:
    """Recipes that cover ratio, milling, temperature, time, gas and regrinding."""
    recipes = []
    for i in range(count):
        draw = generator("gate", "recipe", i).random(8)
        anneal = Anneal(
            temperature_c=600 + draw[0] * (hottest_c - 600),
            dwell_h=float(np.exp(np.log(0.25) + draw[1] * np.log(96.0))),
            ramp_c_per_min=2 + 18 * draw[2],
            gas=gases[int(draw[3] * len(gases))],
        )
        doses = (
            Dose(lot="BaCO3", mass_mg=1268 * (0.85 + 0.3 * draw[4])),
            Dose(lot="TiO2", mass_mg=513),
        )
        again = (Regrind(mill_min=20), anneal) if draw[6] < 0.4 else ()
        recipes.append(Recipe(steps=(Mix(doses=doses, mill_min=60 * draw[5]), anneal, *again)))
    return recipes


def _run(
    reactor: BatchReactor, recipes: Sequence[Recipe]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fractions, final vectors and vectors before the first anneal."""
    lists = [reactor.acts_of(r) for r in recipes]
    rows = len(recipes)
    acts = np.array([a for acts in lists for a in acts])
    last = np.cumsum([len(a) for a in lists])
    first = last - np.array([len(a) for a in lists])
    laboratory = np.arange(rows) % len(reactor.laboratories.mixing)
    before = reactor.empty(rows)
    reactor.run(before, laboratory, acts, first, first + 3)  # two doses and a mill
    after = before.copy()
    reactor.run(after, laboratory, acts, first + 3, last)
    return reactor.weight_fractions(after), after, before


def _elements(reactor: BatchReactor, vectors: FloatArray) -> FloatArray:
    """Moles of the elements, gases counted, (rows, elements)."""
    network = reactor.network
    solids, gases = network.solid_names, network.vapour_names
    count, system = len(solids), network.system
    amounts = np.hstack(
        [
            vectors[:, :count] + vectors[:, count : 2 * count],
            vectors[:, 4 * count : 4 * count + len(gases)],
        ]
    )
    table = [
        [system.phase(p).composition.get(e, 0.0) for e in system.elements]
        for p in (*solids, *gases)
    ]
    return amounts @ np.array(table)


def permuted(system: ChemicalSystem) -> ChemicalSystem:
    """The same system with phases and reactions in another order."""
    data = system.model_dump()
    data["phases"] = data["phases"][::-1]
    data["reactions"] = data["reactions"][3:] + data["reactions"][:3]
    return ChemicalSystem.model_validate(data)


def gate_v1(
    recipes: int = 200,
    oracle: int = 20,
    *,
    hottest_c: float = 1100.0,
    gases: Sequence[Gas] = tuple(Gas),
) -> tuple[Figure, ...]:
    """Conservation, convergence, agreement with LSODA, independence of the order of phases.

    Args:
        recipes: Recipes to run.
        oracle: Soaks to compare with LSODA.
        hottest_c: Highest temperature, degC.
        gases: Gases to draw from.
    """
    system, lots = load_system("ba-ti-c-o"), gate_lots(2.0)
    laboratories = [
        draw_laboratory(system, Hidden(), lots, (FURNACE,), "gate", i) for i in range(20)
    ]
    made = random_recipes(recipes, hottest_c=hottest_c, gases=gases)
    coarse = BatchReactor(system, laboratories, lots)
    fraction, after, before = _run(coarse, made)
    fine = _run(BatchReactor(system, laboratories, lots, tolerance=kernel.TOLERANCE / FINER), made)[
        0
    ]
    change = np.abs(fraction - fine).max(axis=1)
    start = _elements(coarse, before)
    lost = np.abs(_elements(coarse, after) - start) / np.maximum(start, 1e-300)
    other = BatchReactor(permuted(system), laboratories, lots)
    moved = _run(other, made)[0]
    places = [other.network.solid_names.index(n) for n in coarse.network.solid_names]
    order = float(np.abs(moved[:, places] - fraction).max())
    gap = lsoda_gap(system, laboratories, lots, oracle, hottest_c, gases)
    p99, worst = float(np.quantile(change, 0.99)), float(change.max())
    least = float(after[:, : 3 * len(coarse.network.solid_names)].min())
    return (
        Figure("V1", "elements", float(lost.max()), "<= 1e-9", bool(lost.max() <= 1e-9)),
        Figure("V1", "least_moles", least, ">= 0", least >= 0.0),
        Figure("V1", "finer_p99", p99, "< 1e-3", p99 < 1e-3),
        Figure("V1", "finer_max", worst, "< 1e-2", worst < 1e-2),
        Figure("V1", "order", order, "<= 1e-6", order <= 1e-6),
        Figure("V1", "lsoda", gap, "<= 1e-3", gap <= 1e-3),
    )


Slope = Callable[[float, FloatArray, Segment], FloatArray]


def right_side(reactor: Reactor, gas: int, vector: FloatArray, parts: Sequence[Segment]) -> Slope:
    """Rates of change during a segment, for LSODA.

    The state is (3 * used,): moles, moles of grains, moles out of contact.

    Args:
        reactor: The laboratory.
        gas: Number of the furnace gas.
        vector: The sample before the segments, with grain sizes for what will form.
        parts: The segments; what can react in any of them is integrated in all.
    """
    net, draw = reactor.network.net, reactor.draw
    used, work = net.used, kernel.scratch(net)
    coldest = min(min(p.start_c, p.end_c) for p in parts) + ZERO_CELSIUS_K
    hottest = max(max(p.start_c, p.end_c) for p in parts) + ZERO_CELSIUS_K
    longest = sum(p.duration_s for p in parts)
    conditions.fall_asleep(net, work.awake)
    everything = (1 << used) - 1
    conditions.wake(
        net, draw, gas, vector, coldest, hottest, 10.0 * longest, everything, work.awake
    )
    count = int(work.awake.size[conditions.COUNT])
    total = float(net.cations[:used] @ vector[:used])
    rate = np.zeros(net.need.size)

    def slope(time: float, state: FloatArray, part: Segment) -> FloatArray:
        here = part.start_c + (part.end_c - part.start_c) * time / part.duration_s + ZERO_CELSIUS_K
        for a in range(count):
            conditions.constants_at(net, draw, work.awake, a, here, work.early)
        work.constant[:] = work.early[0] * np.maximum(work.early[1], 0.0)
        kernel.liquid_shares(net, here, work.liquid)
        moles = np.maximum(state[:used], 0.0)
        charge = np.maximum(state[used : 2 * used], moles)
        apart = np.maximum(state[2 * used :], 0.0)
        kernel.rates(net, moles, charge, total, work.liquid, draw.melt_speed, work, rate)
        made = np.zeros(3 * used)
        for a in range(count):
            place, number = work.awake.place[:, a], work.awake.number[:, a]
            made[place[0]] -= rate[a] * number[0]
            if place[1] >= 0 and moles[place[1]] > 0.0:
                given = rate[a] * number[1]
                made[place[1]] -= given
                made[used + place[1]] -= given * charge[place[1]] / moles[place[1]]
            for k in range(2, 5):
                if place[k] >= 0:
                    made[place[k]] += number[k] * rate[a]
                    made[used + place[k]] += number[k] * rate[a]
        wet = kernel.wet_share(net, moles, total, work.liquid) / kernel.SOAKED_S * apart
        made[2 * used :] -= wet
        made[:used] += wet
        made[used : 2 * used] += wet
        return made

    return slope


def lsoda_gap(
    system: ChemicalSystem,
    laboratories: Sequence[Laboratory],
    lots: Sequence[Lot],
    count: int,
    hottest_c: float,
    gases: Sequence[Gas],
) -> float:
    """Largest difference of a weight fraction after a ramp and a soak from LSODA at rtol 1e-8."""
    from scipy.integrate import solve_ivp  # only the gate needs it

    worst = 0.0
    for i, recipe in enumerate(random_recipes(count, hottest_c=hottest_c, gases=gases)):
        reactor = Reactor(system, laboratories[i % len(laboratories)], lots)
        anneal, doses = recipe.anneals()[0], recipe.doses()
        cold = reactor.empty()
        for dose in doses:
            cold = reactor.dispense(cold, dose.lot, dose.mass_mg)
        cold = reactor.mill(cold, 30.0)
        net, gas = reactor.network.net, list(Gas).index(anneal.gas)
        top = anneal.temperature_c
        ramp = Segment(400.0, top, (top - 400.0) / anneal.ramp_c_per_min * 60.0)
        soak = Segment(top, top, anneal.dwell_h * 3600.0)
        ours = reactor.heat(cold, (ramp, soak), anneal.gas)
        used, solids = net.used, net.molar_mass.size
        vector = cold.vector.copy()
        grains = slice(3 * solids, 4 * solids)
        new = vector[grains] <= 0.0
        vector[grains][new] = ours.vector[grains][new]
        slope = right_side(reactor, gas, vector, (ramp, soak))
        state = np.concatenate([vector[i * solids : i * solids + used] for i in (0, 2, 1)])
        for part in (ramp, soak):
            done = solve_ivp(
                slope, (0.0, part.duration_s), state, "LSODA", args=(part,),
                rtol=1e-8, atol=1e-9, first_step=1e-3,
            )  # fmt: skip
            state = done.y[:, -1]
        vector[:used], vector[solids : solids + used] = state[:used], state[2 * used :]
        mass = (vector[:used] + vector[solids : solids + used]) * net.molar_mass[:used]
        truth = mass / mass.sum()
        found = reactor.weight_fractions(ours)
        for p in range(used):
            difference = abs(truth[p] - found.get(reactor.network.solid_names[p], 0.0))
            worst = max(worst, float(difference))
    return worst


def gate_v2() -> tuple[Figure, ...]:
    """Zero crossings of the free energies against the reference table, within 10 degC."""
    table, system = load_crossings(), load_system("ba-ti-c-o")
    tables: dict[str, GibbsTable] = {p.name: p.gibbs for p in system.phases} | table.gibbs
    figures = []
    for crossing in table.crossings:
        low = max(tables[p].start_k for p in sorted(crossing.equation))
        high = min(tables[p].end_k for p in sorted(crossing.equation))
        for label, pressure, known in (
            ("1_bar", 1.0, crossing.at_1_bar_c),
            ("air", table.air_co2_bar, crossing.at_air_c),
        ):

            def energy(t: float, p: float = pressure, e: dict[str, float] = crossing.equation):
                return reaction_kj_per_mol(e, tables, t, {"CO2": p})

            found = zero_crossing_c(energy, low, high)
            name = f"{crossing.name} ({label})"
            if known is None:
                value = float("nan") if found is None else found
                figures.append(Figure("V2", name, value, "none", found is None))
            else:
                value = float("nan") if found is None else found
                figures.append(
                    Figure("V2", name, value, f"{known} +- 10 degC", abs(value - known) <= 10)
                )
    for line in table.lines:
        value = line.crossing_c()
        figures.append(Figure("V2", line.name, value, "570 +- 10 degC", abs(value - 570) <= 10))
    return tuple(figures)


def batio3_purity(
    temperature_c: float, dwell_h: float, gas: Gas, p_co2_bar: float | None = None
) -> float:
    """Purity of BaTiO3 from the reference powders, well milled, in the nominal laboratory."""
    system, lots = load_system("ba-ti-c-o"), gate_lots()
    laboratory = nominal_laboratory(system, lots, (FURNACE,))
    reactor = Reactor(system, laboratory, lots, p_co2_bar=p_co2_bar)
    material = reactor.dispense(reactor.empty(), "BaCO3", 1973.36)
    material = reactor.mill(reactor.dispense(material, "TiO2", 798.65), 60.0)
    rise = (temperature_c - 25.0) / 10.0 * 60.0
    program = (
        Segment(25.0, temperature_c, rise),
        Segment(temperature_c, temperature_c, dwell_h * 3600.0),
    )
    return reactor.purity(reactor.heat(material, program, gas), "BaTiO3")


def gate_v4() -> tuple[Figure, ...]:
    """The BaTiO3 curve: complete where the paper says so, hardly begun 150 K colder in air."""
    air, steam = batio3_purity(850, 2.5, Gas.AIR), batio3_purity(700, 4.0, Gas.STEAM)
    cold = batio3_purity(700, 2.5, Gas.AIR)
    pressures = (1e-5, 4e-4, 1e-2, 0.1, 0.3, 1.0)
    made = [batio3_purity(820, 2.0, Gas.AIR, p) for p in pressures]
    step = max(b - a for a, b in pairwise(made))
    return (
        Figure("V4", "air 850 degC 2.5 h", air, ">= 0.98", air >= 0.98),
        Figure("V4", "steam 700 degC 4 h", steam, ">= 0.98", steam >= 0.98),
        Figure("V4", "air 700 degC 2.5 h", cold, "< 0.2", cold < 0.2),
        Figure("V4", "largest step with pCO2", step, "< 0", step < 0.0),
    )
