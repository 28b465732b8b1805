import numpy as np
import pytest

from simulators.properties.constants import nominal
from simulators.properties.sample import (
    cooled_from,
    diffused_um2,
    ferrite_specimen,
    homogeneity,
)

VALUES = nominal("ferrite")
SOAK = (1000.0, 1000.0, 3600.0)
FURNACE = (1000.0, 25.0, 975.0 / 2.0 * 60.0)
QUENCH = (1000.0, 25.0, 975.0 / 100.0 * 60.0)


def test_an_hour_at_the_reference_is_the_coefficient_itself() -> None:
    assert diffused_um2([SOAK], VALUES) == pytest.approx(VALUES["interdiffusion_um2_per_h"])
    cooler = (900.0, 900.0, 3600.0)
    ratio = diffused_um2([cooler], VALUES) / diffused_um2([SOAK], VALUES)
    lever = 1.0 / 1173.15 - 1.0 / 1273.15
    assert ratio == pytest.approx(np.exp(-VALUES["interdiffusion_kj"] / 8.31446e-3 * lever))


def test_time_makes_one_solid_solution_and_large_grains_take_longer() -> None:
    assert homogeneity([], 1.0, VALUES) == 0.0
    short, long = (homogeneity([SOAK] * n, 3.0, VALUES) for n in (1, 8))
    assert 0.0 < homogeneity([SOAK], 10.0, VALUES) < short < long <= 1.0


def test_the_last_cooling_says_where_cations_froze() -> None:
    assert cooled_from([SOAK]) is None
    assert cooled_from([SOAK, FURNACE, SOAK, QUENCH]) == pytest.approx((1000.0, 100.0))
    grains = {"MgFe2O4": 2.0, "ZnFe2O4": 1.0, "Fe2O3": 9.0}
    fractions = {"MgFe2O4": 0.6, "ZnFe2O4": 0.3, "Fe2O3": 0.1}
    slow, fast = (
        ferrite_specimen(fractions, grains, [SOAK, last], VALUES, 25.0)
        for last in (FURNACE, QUENCH)
    )
    assert slow.cations_frozen_c == pytest.approx(VALUES["freeze_c"], abs=1.0)
    assert fast.cations_frozen_c > slow.cations_frozen_c + 50.0
    assert slow.grain_um == pytest.approx((0.6 * 2.0 + 0.3 * 1.0) / 0.9)


def test_an_empty_vial_is_measured_as_nothing() -> None:
    empty = ferrite_specimen({}, {}, [], VALUES, 25.0)
    assert empty.phases == {"nothing": 1.0}
    assert empty.homogeneity == 0.0
