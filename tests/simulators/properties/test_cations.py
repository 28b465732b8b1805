import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.properties.cations import CATIONS, distribute, frozen_c
from simulators.properties.constants import drawn, nominal

FERRITE = nominal("ferrite")


def _inversion(cation: str, temperature_c: float) -> float:
    fractions = np.eye(len(CATIONS))[[CATIONS.index(cation)]]
    sites = distribute(fractions, np.array([temperature_c + 273.15]), FERRITE)
    return float(sites.tetrahedral[0, -1])


def test_magnesium_ferrite_follows_the_measured_inversion() -> None:
    # O'Neill, Annersten, Virgo 1992, abstract.
    assert _inversion("Mg", 450.0) == pytest.approx(0.90, abs=0.015)
    assert _inversion("Mg", 1100.0) == pytest.approx(0.72, abs=0.02)


def test_zinc_ferrite_follows_the_measured_inversion() -> None:
    # O'Neill 1992, abstract: 0.02(2) and 0.19(2); one alpha cannot meet both.
    assert _inversion("Zn", 500.0) == pytest.approx(0.02, abs=0.04)
    assert _inversion("Zn", 950.0) == pytest.approx(0.19, abs=0.06)


def test_nickel_inverse_manganese_nearly_normal() -> None:
    assert _inversion("Ni", 500.0) > 0.99
    assert _inversion("Mn", 500.0) == pytest.approx(0.2, abs=0.03)


def test_heat_disorders() -> None:
    for cation, towards in (("Mg", -1.0), ("Co", -1.0), ("Zn", 1.0)):
        path = [_inversion(cation, t) for t in range(500, 1300, 100)]
        assert np.all(towards * np.diff(path) > 0.0), cation


@given(
    parts=st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5).filter(lambda p: sum(p) > 0.1),
    temperature_k=st.floats(700.0, 1600.0),
    seed=st.integers(0, 200),
)
def test_sites_are_full_and_cations_are_kept(
    parts: list[float], temperature_k: float, seed: int
) -> None:
    fractions = np.array([parts]) / sum(parts)

    sites = distribute(fractions, np.array([temperature_k]), drawn("ferrite", seed))

    assert sites.tetrahedral.sum() == pytest.approx(1.0, abs=1e-9)
    assert sites.octahedral.sum() == pytest.approx(2.0, abs=1e-9)
    both = sites.tetrahedral + sites.octahedral
    assert both[0] == pytest.approx([*fractions[0], 2.0], abs=1e-9)
    assert min(sites.tetrahedral.min(), sites.octahedral.min()) >= -1e-12


def test_faster_cooling_freezes_hotter_but_never_above_the_soak() -> None:
    path = [frozen_c(FERRITE, 1200.0, rate) for rate in (2.0, 100.0, 1000.0)]

    assert path[0] == pytest.approx(500.0)
    assert path[0] < path[1] < path[2] < 800.0
    assert frozen_c(FERRITE, 520.0, 1000.0) == 520.0
