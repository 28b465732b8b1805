import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdl.chemistry.system import load_system
from sdl.core.errors import ChemistryError, ConfigError
from sdl.core.recipe import Gas
from sdl.tasks.task import Hidden
from simulators.batch import BatchReactor, purities
from simulators.gates import gate_lots, random_recipes
from simulators.laboratory import Laboratory, draw_laboratory, laboratory_key, nominal_laboratory
from simulators.laws import fresh_share, law_integral, law_resistance, tabulate
from simulators.matter import Material
from simulators.reactor import Reactor, Segment

SYSTEM = load_system("ba-ti-c-o")
LOTS = gate_lots(1.0)
NOMINAL = nominal_laboratory(SYSTEM, LOTS, ("furnace_1",))
REACTOR = Reactor(SYSTEM, NOMINAL, LOTS)


def charge(mill_min=30.0, ratio=1.0):
    m = REACTOR.dispense(REACTOR.empty(), "BaCO3", 1973.36 * ratio)
    return REACTOR.mill(REACTOR.dispense(m, "TiO2", 798.65), mill_min)


def soak(temperature_c, hours):
    return [Segment(temperature_c, temperature_c, hours * 3600.0)]


@pytest.mark.parametrize("law", [0, 1, 2])
@pytest.mark.parametrize("ratio", [1.0, 2.06])
def test_resistance_of_a_law_is_the_slope_of_its_integral(law, ratio):
    for u in (0.999, 0.7, 0.2):
        made = law_integral(law, u - 1e-6, ratio, 0.01) - law_integral(law, u + 1e-6, ratio, 0.01)
        slope = made / ((u + 1e-6) ** 3 - (u - 1e-6) ** 3)
        assert slope == pytest.approx(law_resistance(law, u, ratio, 0.01), rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    temperature=st.floats(500, 1200),
    hours=st.floats(0.01, 48),
    ratio=st.floats(0.3, 3.0),
    gas=st.sampled_from(list(Gas)),
)
def test_elements_stay_and_nothing_goes_negative(temperature, hours, ratio, gas):
    before = charge(ratio=ratio)
    after = REACTOR.heat(before, soak(temperature, hours), gas)
    start = REACTOR.moles_of_elements(before, gases=True)
    for element, amount in REACTOR.moles_of_elements(after, gases=True).items():
        assert amount == pytest.approx(start[element], rel=1e-9)
    assert min(REACTOR.solid_moles(after).values()) >= 0.0
    assert sum(REACTOR.weight_fractions(after).values()) == pytest.approx(1.0)


def test_regrinding_renews_contact():
    once = REACTOR.heat(charge(mill_min=5.0), soak(900.0, 20.0), Gas.AIR)
    more = REACTOR.heat(once, soak(900.0, 20.0), Gas.AIR)
    reground = REACTOR.heat(REACTOR.mill(once, 20.0), soak(900.0, 20.0), Gas.AIR)
    assert REACTOR.purity(reground, "BaTiO3") > REACTOR.purity(more, "BaTiO3") + 0.05


def test_a_vanished_phase_takes_no_matter_with_it():
    # Barium oxide decays below the smallest normal float; once that made the whole vial NaN.
    fired = REACTOR.heat(charge(), soak(900.0, 10.0), Gas.NITROGEN)
    vector, oxide = fired.vector.copy(), REACTOR.network.solid_names.index("BaO")
    count = len(REACTOR.network.solid_names)
    vector[[oxide, count + oxide]] = 1e-314
    vector[2 * count + oxide] = 1e-318
    before = REACTOR.mill(Material(SYSTEM.name, vector), 5.0)
    after = REACTOR.heat(before, soak(850.0, 4.0), Gas.NITROGEN)
    start = REACTOR.moles_of_elements(before, gases=True)
    for element, amount in REACTOR.moles_of_elements(after, gases=True).items():
        assert amount == pytest.approx(start[element], rel=1e-9)


def test_tables_of_the_laws_equal_the_laws():
    for law, ratio in [(0, 1.0), (0, 2.06), (1, 1.0), (2, 1.0), (3, 1.0)]:
        table = np.zeros((257, 2))
        tabulate(law, ratio, 0.01, table)
        for u in np.linspace(0.0, 1.0, 77):
            share = fresh_share(table, law_integral(law, u, ratio, 0.01))
            assert share == pytest.approx(u**3, abs=1e-6)


def test_what_has_nothing_left_to_do_costs_no_steps():
    batch = BatchReactor(SYSTEM, [NOMINAL], LOTS)
    rows = [[1, 0, 300.0], [1, 1, 2000.0], [2, 60.0], [3, 1, 900, 70, 5, 2, 1, 0]]
    acts = np.array([[*row, *[0.0] * (8 - len(row))] for row in rows])
    vectors, zero = batch.empty(1), np.zeros(1, np.int64)
    batch.run(vectors, zero, acts, zero, zero + 4)
    once = batch.steps
    batch.run(vectors, zero, acts, zero + 3, zero + 4)
    assert batch.steps == once > 0


def test_unmilled_powders_do_not_react_and_milling_helps():
    m = REACTOR.dispense(REACTOR.dispense(REACTOR.empty(), "BaCO3", 1973.36), "TiO2", 798.65)
    assert REACTOR.purity(REACTOR.heat(m, soak(900.0, 10.0), Gas.AIR), "BaTiO3") == 0.0
    made = [
        REACTOR.purity(REACTOR.heat(charge(t), soak(850.0, 2.0), Gas.AIR), "BaTiO3")
        for t in (2.0, 10.0, 60.0)
    ]
    assert made == sorted(made)


def test_material_survives_json_exactly():
    fired = REACTOR.heat(charge(), soak(820.0, 1.0), Gas.STEAM)
    again = Material.from_json(SYSTEM, json.loads(json.dumps(fired.to_json())))
    assert again == fired
    with pytest.raises(ChemistryError, match="not a material"):
        Material.from_json(SYSTEM, {"system": "ba-ti-c-o", "vector": [1.0]})


@pytest.mark.parametrize("bad", [float("nan"), -1.0, float("inf")])
def test_impossible_acts_are_refused(bad):
    with pytest.raises(ChemistryError):
        REACTOR.dispense(REACTOR.empty(), "BaCO3", bad)
    with pytest.raises(ChemistryError):
        REACTOR.mill(charge(), bad)
    with pytest.raises(ChemistryError):
        REACTOR.heat(charge(), [Segment(800.0, 800.0, bad)], Gas.AIR)
    with pytest.raises(ChemistryError, match="free energies"):
        REACTOR.heat(charge(), soak(1400.0, 1.0), Gas.AIR)


def test_batch_equals_single_in_any_order_and_on_any_threads():
    laboratories = [
        draw_laboratory(SYSTEM, Hidden(), LOTS, ("furnace_1",), *laboratory_key("train", i))
        for i in range(3)
    ]
    recipes = random_recipes(80, hottest_c=1000.0, gases=list(Gas))
    one = purities(SYSTEM, recipes, laboratories, LOTS, "BaTiO3", threads=1)
    two = purities(SYSTEM, recipes[::-1], laboratories, LOTS, "BaTiO3", threads=2)
    assert np.array_equal(one, two[:, ::-1])
    assert np.array_equal(one[1:2, 7:8], purities(
        SYSTEM, recipes[7:8], laboratories[1:2], LOTS, "BaTiO3"
    ))  # fmt: skip
    assert one.shape == (3, 80)
    assert np.all((one >= 0) & (one <= 1))


def test_batch_acts_equal_the_reactor():
    laboratory = draw_laboratory(SYSTEM, Hidden(), LOTS, ("f",), "x")
    single, batch = Reactor(SYSTEM, laboratory, LOTS), BatchReactor(
        SYSTEM, [laboratory], LOTS, ("f",)
    )  # fmt: skip
    vectors = batch.empty(1)
    for act in ([1, 0, 1900.0], [1, 1, 800.0], [2, 20.0], [3, 0, 850.0, 2.0, 5.0, 2.0, 0, 0]):
        row = np.zeros((1, 8))
        row[0, : len(act)] = act
        batch.act(vectors, np.zeros(1, dtype=np.int64), row)
    m = single.mill(
        single.dispense(single.dispense(single.empty(), "BaCO3", 1900.0), "TiO2", 800.0), 20.0
    )
    top, room = single.true_temperature_c("f", 850.0), single.true_temperature_c("f", 25.0)
    m = single.heat(
        m,
        [Segment(room, top, 9900.0), Segment(top, top, 7200.0), Segment(top, room, 24750.0)],
        Gas.AIR,
    )
    np.testing.assert_allclose(m.vector, vectors[0], rtol=1e-9, atol=1e-12)


def test_laboratories_are_drawn_by_key_and_splits_never_meet():
    a = draw_laboratory(SYSTEM, Hidden(), LOTS, ("f",), *laboratory_key("judge", 3))
    assert a == draw_laboratory(SYSTEM, Hidden(), LOTS, ("f",), *laboratory_key("judge", 3))
    assert a != draw_laboratory(SYSTEM, Hidden(), LOTS, ("f",), *laboratory_key("train", 3))
    assert Laboratory.from_json(json.loads(json.dumps(a.to_json()))) == a
    assert NOMINAL.mixing == 1.0
    assert set(NOMINAL.ln_k.values()) == {0.0}
    with pytest.raises(ConfigError, match="there is no train"):
        laboratory_key("train", 1_000_000)
