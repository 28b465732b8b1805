"""Trust in the twin: kept while it foretells the samples, lost where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from adapt_tiny import TASK
from agents.adapting.residual import ResidualSettings
from agents.adapting.trust import Made, weighed
from agents.cross_entropy import draw, uniform_tables
from agents.plans import Plans
from agents.trial import Trial
from sdl.core.seeds import generator

COUNT = 6


@pytest.fixture(scope="module")
def plans() -> Plans:
    return Trial(TASK, "train", 1, threads=1).plans


def weights(plans: Plans, seen: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, float]:
    genes = draw(plans, uniform_tables(plans, 1), COUNT, generator("test-trust"))[0]
    cost = np.full(COUNT, 0.1)
    made = Made(genes, seen, expected, cost)
    account, share = weighed(plans, made, genes, expected, cost, ResidualSettings())
    return account.mean, share


def test_a_twin_that_foretells_is_trusted(plans: Plans) -> None:
    seen = np.array([0.9, 0.2, 0.7, 0.1, 1.0, 0.4])
    mean, share = weights(plans, seen, seen + 0.02)
    assert share > 0.9
    np.testing.assert_allclose(mean, seen, atol=0.1)


def test_a_twin_that_is_wrong_in_every_direction_is_not(plans: Plans) -> None:
    seen = np.full(COUNT, 0.6)
    mean, share = weights(plans, seen, np.array([1.1, 0.0, 1.1, 0.0, 1.1, 0.0]))
    assert share < 0.1
    np.testing.assert_allclose(mean, seen, atol=0.1)
