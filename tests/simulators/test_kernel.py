"""Parts of the kernel that few recipes reach, each against a law, LSODA or the kernel itself."""

import itertools
import math

import numpy as np
import pytest

from sdl.chemistry.system import load_system
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.recipe import Anneal, Dose, Gas, Mix, Recipe
from simulators import kernel
from simulators.batch import COLUMNS, WASH, BatchReactor
from simulators.conditions import (
    COUNT,
    NEW,
    RUNNING,
    constants_at,
    fall_asleep,
    mean_constant,
    wake,
)
from simulators.gates.oracle import lsoda_gaps, still
from simulators.gates.recipes import system_lots, system_recipes
from simulators.laboratory import nominal_laboratory
from simulators.laws import law_integral
from simulators.matter import Material
from simulators.net import LISTED
from simulators.network import GAS_NUMBER
from simulators.reactor import Reactor, Segment
from simulators.segment import OPEN, SHUT, enter
from simulators.steps import pass_step, start_step

PEROXIDE_CUPRATE = ("peroxidation", "peroxide_tenorite")


def system_of(name, *reactions, melts=True):
    """A system without grain growth, and with some of its reactions only."""
    system = still(load_system(name))
    kept = tuple(r for r in system.reactions if not reactions or r.name in reactions)
    return system.model_copy(update={"reactions": kept, "melts": system.melts if melts else ()})


def reactor_of(system):
    lots = system_lots(system)
    return Reactor(system, nominal_laboratory(system, lots, ("furnace_1",)), lots)


def powder(reactor, *, touching=(), apart=(), grains_um=3.0):
    """A sample of fresh grains, mmol by phase; ``apart`` has no partner."""
    names, vector = reactor.network.solid_names, np.zeros(reactor.network.size)
    count = len(names)
    for phases, first in ((touching, 0), (apart, count)):
        for phase, mmol in dict(phases).items():
            place = names.index(phase)
            vector[first + place], vector[3 * count + place] = mmol, grains_um
            if first == 0:
                vector[2 * count + place] = mmol
    return Material(reactor.system.name, vector)


def moles(reactor, material):
    """Moles in contact and out of it by phase."""
    names, vector = reactor.network.solid_names, material.vector
    count = len(names)
    return dict(
        zip(names, zip(vector[:count], vector[count : 2 * count], strict=True), strict=True)
    )


def soak(temperature_c, minutes):
    return [Segment(temperature_c, temperature_c, minutes * 60.0)]


def test_lone_matter_decomposes_with_the_half_time_of_its_law():
    reactor = reactor_of(system_of("y-ba-cu-c-o"))
    net, gas = reactor.network.net, GAS_NUMBER[Gas.NITROGEN]
    lone, touching = powder(reactor, apart={"BaO2": 5.0}), powder(reactor, touching={"BaO2": 5.0})
    minutes = 400.0
    after = moles(reactor, reactor.heat(touching, soak(550.0, minutes), Gas.NITROGEN))
    table = net.table_of[gas, reactor.network.solid_names.index("BaO2")]
    law = (int(net.law[table]), net.ratio[table], net.interface)
    done = law_integral(law[0], (after["BaO2"][0] / 5.0) ** (1 / 3), *law[1:])
    left = 5.0 * 0.5 ** (done / law_integral(law[0], 0.5 ** (1 / 3), *law[1:]))
    apart = moles(reactor, reactor.heat(lone, soak(550.0, minutes), Gas.NITROGEN))
    assert apart["BaO2"] == (0.0, pytest.approx(left, rel=1e-3))
    assert 1.0 < left < 3.0
    end = moles(reactor, reactor.heat(lone, soak(950.0, 60.0), Gas.NITROGEN))
    assert end["BaO"] == (0.0, pytest.approx(5.0))


@pytest.mark.parametrize("name", ["ba-ti-c-o", "li-co-c-o", "y-ba-cu-c-o"])
def test_what_stood_in_the_memory_before_does_not_matter(name):
    system = load_system(name)
    lots = system_lots(system)
    laboratory = nominal_laboratory(system, lots, ("furnace_1",))
    batch = BatchReactor(system, [laboratory], lots, threads=1)
    lists = [batch.acts_of(recipe) for recipe in system_recipes(system, 12)]
    last = np.cumsum([len(acts) for acts in lists])
    first = last - np.array([len(acts) for acts in lists])
    acts = np.array([row for acts in lists for row in acts]).reshape(-1, COLUMNS)
    zero = np.zeros(12, dtype=np.int64)
    together, alone = batch.empty(12), batch.empty(12)
    batch.run(together, zero, acts, first, last)  # one memory for all
    for i in range(12):
        batch.run(alone[i : i + 1], zero[:1], acts, first[i : i + 1], last[i : i + 1])
    np.testing.assert_array_equal(together, alone)
    assert batch.steps > 300


def test_a_used_or_spoilt_memory_gives_the_same_to_the_last_bit():
    reactor = reactor_of(system_of("y-ba-cu-c-o"))
    net, found = reactor.network.net, []
    before = powder(reactor, touching={"BaO2": 2.0, "CuO": 3.0, "Y2O3": 0.5}, apart={"CuO": 0.3})

    def fired(sample, work, *temperatures_c):
        vector = sample.vector.copy()
        for start_c, end_c in itertools.pairwise(temperatures_c):
            kernel.heat(
                net, reactor.draw, vector, GAS_NUMBER[Gas.OXYGEN], start_c + ZERO_CELSIUS_K,
                end_c + ZERO_CELSIUS_K, 3600.0, reactor.tolerance, work,
            )  # fmt: skip
        return vector

    for memory in ("fresh", "used", "spoilt"):
        work = kernel.scratch(net)
        if memory == "used":  # by other reactions at the same temperatures
            fired(powder(reactor, touching={"Cu2O": 2.0, "BaCO3": 1.0}), work, 900.0, 900.0)
        elif memory == "spoilt":
            for array in [*work.awake, *work[1:]]:
                array[:] = np.nan if array.dtype == np.float64 else 1
        found.append(fired(before, work, 900.0, 900.0, 25.0))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert reactor.purity(Material("y-ba-cu-c-o", found[0]), "YBa2Cu3O7") > 0.1


def test_washing_takes_what_dissolves_and_nothing_else():
    reactor = reactor_of(system_of("y-mn-na-cl-c-o"))
    dissolves = [reactor.system.phase(name).soluble for name in reactor.network.solid_names]
    before = powder(
        reactor,
        touching={"NaCl": 2.0, "YMnO3": 1.0, "Na2CO3": 0.5},
        apart={"NaCl": 1.0, "Y2O3": 0.2},
    )
    vector, kept = before.vector.copy(), np.where(dissolves, math.exp(-1.0), 1.0)
    kernel.wash(reactor.network.net, vector, 5.0)
    count = len(dissolves)
    assert 0 < sum(dissolves) < count
    wanted = (before.vector[: 3 * count].reshape(3, count) * kept).ravel()
    np.testing.assert_allclose(vector[: 3 * count], wanted, rtol=1e-12)
    np.testing.assert_array_equal(vector[3 * count :], before.vector[3 * count :])
    assert reactor.wash(before, 5.0) == Material("y-mn-na-cl-c-o", vector)
    batch = BatchReactor(reactor.system, [reactor.laboratory], list(reactor.lots.values()))
    rows, act = before.vector[None].copy(), np.array([[WASH, 5.0, *[0.0] * (COLUMNS - 2)]])
    batch.act(rows, np.zeros(1, dtype=np.int64), act)
    np.testing.assert_array_equal(rows[0], vector)


def test_three_solids_react_as_written_and_as_lsoda_says():
    system = system_of("y-ba-cu-c-o", "green_phase_cuprates", melts=False)
    reactor, start = reactor_of(system), {"BaY2CuO5": 1.0, "BaCuO2": 2.4, "CuO": 2.6}
    before = powder(reactor, touching=start, grains_um=1.0)
    after = reactor.heat(before, soak(900.0, 60.0), Gas.AIR)
    there = moles(reactor, after)
    taken = {phase: mmol - there[phase][0] for phase, mmol in start.items()}
    extent = taken["BaY2CuO5"]
    assert 0.2 < extent < 0.7
    assert taken["BaCuO2"] == pytest.approx(3.0 * extent)
    assert taken["CuO"] == pytest.approx(2.0 * extent)
    elements = reactor.moles_of_elements(before, gases=True)
    assert reactor.moles_of_elements(after, gases=True) == pytest.approx(elements, rel=1e-12)
    # The scarcest of the three ends the reaction.
    end = moles(reactor, reactor.heat(before, soak(950.0, 6000.0), Gas.AIR))
    assert end["YBa2Cu3O6"][0] == pytest.approx(2.0 * 2.4 / 3.0, rel=1e-3)
    masses = {
        phase: mmol * system.phase(phase).molar_mass_g_per_mol for phase, mmol in start.items()
    }
    doses = tuple(Dose(lot=phase, mass_mg=mg) for phase, mg in masses.items())
    anneal = Anneal(temperature_c=930.0, dwell_h=0.5, ramp_c_per_min=10.0, gas=Gas.AIR)
    recipe = Recipe(steps=(Mix(doses=doses, mill_min=30.0), anneal))
    (gap,) = lsoda_gaps(system, [reactor.laboratory], list(reactor.lots.values()), [recipe])
    assert gap.largest < 1e-3


def test_a_melt_wakes_matter_that_was_out_of_contact():
    left = {}
    for melts in (True, False):
        reactor = reactor_of(system_of("li-co-c-o", melts=melts))
        for temperature_c in (600.0, 800.0):
            before = powder(reactor, touching={"Li2CO3": 6.0}, apart={"Co3O4": 4.0})
            after = reactor.heat(before, soak(temperature_c, 10.0), Gas.OXYGEN)
            left[melts, temperature_c] = moles(reactor, after)
    for case in ((True, 600.0), (False, 600.0), (False, 800.0)):
        assert left[case]["Co3O4"] == (0.0, 4.0)
        assert left[case]["LiCoO2"] == (0.0, 0.0)
    # A whole melt would leave 1 / e after these 10 min (SOAKED_S); what is wet has reacted.
    touching, apart = left[True, 800.0]["Co3O4"]
    assert 4.0 * math.exp(-1.0) < apart < 4.0 * math.exp(-0.8)
    assert touching < 0.1 * apart
    assert left[True, 800.0]["LiCoO2"][0] > 0.9 * 3.0 * (4.0 - apart - touching)


def test_a_partner_that_seemed_used_up_is_used_again_in_the_same_step():
    reactor = reactor_of(system_of("y-ba-cu-c-o", *PEROXIDE_CUPRATE))
    net, draw, gas = reactor.network.net, reactor.draw, GAS_NUMBER[Gas.OXYGEN]
    peroxide = reactor.network.solid_names.index("BaO2")
    found = []
    for there in (0.0, 1e-3):  # forms in the step; is there and was found to be used up
        for openness in (SHUT, 0.5):
            before = powder(reactor, touching={"BaO": 3.0, "CuO": 6.0, "BaO2": there})
            work, total = kernel.scratch(net), 9.0 + there
            vector = before.vector.copy()
            fall_asleep(net, vector, total, work.awake)
            work.awake.there[:] = NEW
            wake(net, draw, gas, vector, 873.15, 873.15, 3600.0, work.awake)
            enter(net, vector, total, 0, work)
            start_step(net, total, 20.0, work)
            awake = work.awake
            touching = [a for a in range(awake.size[COUNT]) if net.kind[awake.which[a]] == LISTED]
            for r, a in enumerate(np.array(touching, dtype=np.uint64)):  # as compiled anyway
                constants_at(net, draw, awake, a, 873.15, work.early)
                work.constant[a] = work.early[0, a] * max(0.0, work.early[1, a])
                awake.run[r] = a
            awake.size[RUNNING] = len(touching)
            number = int(work.awake.number[peroxide])
            work.solid[OPEN, number] = openness
            pass_step(net, 1.0, total, draw.melt_speed, 20.0, 1e-6, work)
            found.append([*work.extent[touching], work.moles_early[number]])
    for shut, wide in (found[:2], found[2:]):
        assert wide[1] > 0.1 * wide[0] > 0.0  # the cuprate forms of the peroxide
        assert shut == pytest.approx(wide, rel=1e-3)


def test_steps_without_a_reaction_only_let_the_time_pass():
    reactor = reactor_of(system_of("li-co-c-o", "reduction", "oxidation"))
    net, gas = reactor.network.net, GAS_NUMBER[Gas.AIR]
    before = powder(reactor, touching={"Co3O4": 3.0})
    found, steps, rate = [], [], 5.0 / 60.0
    for start_c in (25.0, 700.0, 860.0):  # in air it loses oxygen from about 890 degC
        vector = before.vector.copy()
        steps.append(kernel.heat(
            net, reactor.draw, vector, gas, start_c + ZERO_CELSIUS_K, 970.0 + ZERO_CELSIUS_K,
            (970.0 - start_c) / rate, reactor.tolerance, kernel.scratch(net),
        ))  # fmt: skip
        found.append(moles(reactor, Material("li-co-c-o", vector))["CoO"][0])
    assert found[1:] == pytest.approx(found[:1] * 2, rel=1e-4)
    assert 1.0 < found[0] < 8.0
    assert steps[0] > steps[2]


@pytest.mark.parametrize("above_k", [-0.5, 0.5, 3.0, 20.0])
def test_mean_constant_near_equilibrium_follows_the_rates_under_their_ceiling(above_k):
    reactor = reactor_of(system_of("li-co-c-o", "reduction"))
    net, draw, gas = reactor.network.net, reactor.draw, GAS_NUMBER[Gas.AIR]
    vector = powder(reactor, touching={"Co3O4": 3.0}).vector.copy()
    awake = kernel.scratch(net).awake
    fall_asleep(net, vector, 9.0, awake)
    wake(net, draw, gas, vector, 1100.0, 1273.0, 3600.0, awake)
    assert awake.size[COUNT] == 1
    out = np.zeros((3, net.kind.size))

    def at(temperature_k):
        constants_at(net, draw, awake, np.uint64(0), temperature_k, out)
        return out.copy()

    low, high = 1000.0, 1273.0
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if at(middle)[2, 0] < 0.0 else (middle, high)
    start_k = high + above_k
    end_k = start_k + 2.0
    # A rate whose ceiling lowers it by a few per cent: enough to bend it.
    awake.rate[0, 0] += math.log(0.03 / (net.slowest_s * at(start_k)[0, 0]))
    early, late = at(start_k), at(end_k)
    assert 0.01 < net.slowest_s * early[0, 0] < 0.05
    temperatures_k = start_k + 2.0 * (np.arange(2000) + 0.5) / 2000
    values = [at(t) for t in temperatures_k]
    wanted = np.mean([v[0, 0] * max(0.0, v[1, 0]) for v in values])
    for rise_k in (awake.rate[1, 0], 0.0):
        found = mean_constant(rise_k, start_k, end_k, np.uint64(0), early, late)
        assert found == pytest.approx(wanted, rel=1e-3)
