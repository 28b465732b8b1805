import numpy as np
import pytest

from simulators.properties.cations import CATIONS, distribute
from simulators.properties.constants import drawn, nominal
from simulators.properties.exchange import (
    SPIN,
    brillouin,
    curie_per_exchange,
    exchange_k,
    order,
)

FERRITE = nominal("ferrite")
SLOW_K = FERRITE["freeze_c"] + 273.15


def _pure(*cations: str) -> np.ndarray:
    return np.eye(len(CATIONS))[[CATIONS.index(c) for c in cations]]


def test_brillouin_limits() -> None:
    spins = np.array([0.0, 0.5, 1.0, 2.5])

    small, large = brillouin(spins, np.full(4, 1e-4)), brillouin(spins, np.full(4, 500.0))

    slope = np.where(spins > 0.0, (spins + 1.0) / (3.0 * np.where(spins > 0.0, spins, 1.0)), 0.0)
    assert small == pytest.approx(slope * 1e-4, rel=1e-4)
    assert large == pytest.approx([0.0, 1.0, 1.0, 1.0])
    assert brillouin(spins, np.full(4, -0.7)) == pytest.approx(-brillouin(spins, np.full(4, 0.7)))
    assert brillouin(np.array(0.5), np.array(0.7)) == pytest.approx(np.tanh(0.7))


def test_exchange_gives_the_known_curie_points_back() -> None:
    fractions = np.vstack([_pure("Mg", "Ni", "Mn", "Co"), _pure("Ni", "Zn").mean(axis=0)])
    sites = distribute(fractions, np.full(5, SLOW_K), FERRITE)

    points = curie_per_exchange(sites, FERRITE) * (fractions @ exchange_k(FERRITE))

    assert points == pytest.approx([713.0, 858.0, 573.0, 793.0, 550.0], rel=1e-9)


def test_order_vanishes_at_the_curie_point_and_is_full_at_zero() -> None:
    fractions = np.repeat(_pure("Ni"), 4, axis=0)
    sites = distribute(fractions, np.full(4, SLOW_K), FERRITE)
    temperature = np.array([4.0, 300.0, 850.0, 866.0])

    state = order(sites, fractions @ exchange_k(FERRITE), temperature, FERRITE)

    iron_b = state.octahedral[:, -1]
    assert iron_b[0] == pytest.approx(1.0, abs=1e-6)
    assert 0.8 < iron_b[1] < 1.0
    assert 0.05 < iron_b[2] < 0.3
    assert iron_b[3] < 1e-3


def test_canting_begins_near_half_zinc() -> None:
    zinc = np.array([0.0, 0.3, 0.7, 0.9])
    fractions = (1.0 - zinc)[:, None] * _pure("Ni") + zinc[:, None] * _pure("Zn")
    sites = distribute(fractions, np.full(4, SLOW_K), FERRITE)

    state = order(sites, fractions @ exchange_k(FERRITE), np.full(4, 4.0), FERRITE)

    assert state.cosine[:2] == pytest.approx(1.0)
    assert state.cosine[3] < state.cosine[2] < 0.8


def test_rows_do_not_see_each_other() -> None:
    zinc = np.linspace(0.0, 1.0, 7)
    fractions = (1.0 - zinc)[:, None] * _pure("Mn") + zinc[:, None] * _pure("Zn")
    temperature = np.full(7, 300.0)
    exchange = fractions @ exchange_k(FERRITE)
    sites = distribute(fractions, np.full(7, SLOW_K), FERRITE)
    together = order(sites, exchange, temperature, FERRITE)

    for row in range(7):
        one = distribute(fractions[[row]], np.full(1, SLOW_K), FERRITE)
        alone = order(one, exchange[[row]], temperature[[row]], FERRITE)
        assert np.abs(alone.octahedral[0] - together.octahedral[row]).max() < 1e-12


def test_order_satisfies_the_mean_field_of_any_laboratory() -> None:
    rng = np.random.default_rng(3)
    for seed in range(5):
        values = drawn("ferrite", seed)
        fractions = rng.dirichlet(np.full(5, 0.5), 60)
        temperature = rng.uniform(1.0, 900.0, 60)
        sites = distribute(fractions, rng.uniform(700.0, 1500.0, 60), values)
        exchange = fractions @ exchange_k(values)

        state = order(sites, exchange, temperature, values)

        spins_a = (sites.tetrahedral * SPIN * state.tetrahedral).sum(axis=1)
        spins_b = (sites.octahedral * SPIN * state.octahedral).sum(axis=1)
        straight = 12.0 * spins_a - 6.0 * values["ratio_bb"] * spins_b
        bent = 2.0 * values["ratio_bb"] * spins_b
        field = np.where(state.cosine < 1.0, bent, straight)
        beta = (exchange / temperature)[:, None] * SPIN
        again = (sites.octahedral * SPIN * brillouin(SPIN, beta * field[:, None])).sum(axis=1)
        assert np.abs(again - spins_b).max() < 1e-9
        points = curie_per_exchange(sites, values) * exchange
        assert np.all(spins_b[temperature < 0.99 * points] > 1e-3)
        assert np.all(spins_b[temperature > points] == 0.0)
