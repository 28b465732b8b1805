"""The belief over an ensemble: exact where it can be, tempered where it must."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogates.belief import believe

RNG = np.random.default_rng(0)
PREDICTED = RNG.random((16, 6))


def test_without_results_all_members_weigh_the_same() -> None:
    belief = believe(np.zeros((8, 0)), np.zeros(0), np.zeros(0), least=4)
    np.testing.assert_allclose(belief.weights, 1 / 8)
    assert (belief.exponent, belief.effective) == (1.0, pytest.approx(8.0))


def test_weights_are_those_of_bayes_when_enough_members_remain() -> None:
    measured, sd = PREDICTED[3, :1], np.array([1.0])
    belief = believe(PREDICTED[:, :1], measured, sd, least=4)
    expected = np.exp(-0.5 * (PREDICTED[:, 0] - measured[0]) ** 2)
    np.testing.assert_allclose(belief.weights, expected / expected.sum())
    assert belief.exponent == 1.0


def test_sharp_results_are_tempered_and_still_prefer_the_right_member() -> None:
    belief = believe(PREDICTED, PREDICTED[5], np.full(6, 0.001), least=4)
    assert belief.effective == pytest.approx(4.0, abs=0.01)
    assert belief.exponent < 0.1
    assert int(np.argmax(belief.weights)) == 5


def test_directions_are_the_covariance() -> None:
    belief = believe(PREDICTED, PREDICTED[5], np.full(6, 0.2), least=4)
    columns = belief.directions(PREDICTED)
    centred = PREDICTED - belief.mean(PREDICTED)
    np.testing.assert_allclose(columns @ columns.T, centred.T * belief.weights @ centred)
    np.testing.assert_allclose(belief.sd(PREDICTED) ** 2, np.diag(columns @ columns.T))


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.floats(1e-4, 1.0))
def test_never_fewer_members_than_asked(measured: list[float], sd: float) -> None:
    belief = believe(PREDICTED, np.array(measured), np.full(6, sd), least=5)
    assert belief.effective >= 5 - 1e-6
    assert belief.weights.sum() == pytest.approx(1.0)
