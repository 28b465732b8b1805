"""The residual process: near a recipe it repeats what was seen, far off it knows nothing much."""

from __future__ import annotations

import numpy as np
import pytest

from adapt_tiny import TASK
from agents.adapting.residual import ResidualSettings, corrected, features
from agents.plans import Plans
from agents.trial import Trial


@pytest.fixture(scope="module")
def plans() -> Plans:
    return Trial(TASK, "train", 1, threads=1).plans


def test_near_it_corrects_and_far_off_it_doubts(plans: Plans) -> None:
    made = np.zeros((4, len(plans.genes)), dtype=np.int64)
    far = plans.sizes - 1
    settings = ResidualSettings()
    mean, sd = corrected(plans, made, np.full(4, -0.3), np.stack([made[0], far]), settings)
    assert mean[0] == pytest.approx(-0.3, abs=0.08)
    assert abs(mean[1]) < abs(mean[0])
    assert sd[1] > 2.0 * sd[0]


def test_without_samples_it_adds_nothing(plans: Plans) -> None:
    none = np.zeros((0, len(plans.genes)), dtype=np.int64)
    mean, sd = corrected(plans, none, np.zeros(0), plans.sizes[None] - 1, ResidualSettings())
    assert mean[0] == 0.0
    assert sd[0] > 0.0


def test_genes_of_anneals_that_are_not_there_do_not_count(plans: Plans) -> None:
    two = np.zeros((2, len(plans.genes)), dtype=np.int64)
    two[1, [g.name for g in plans.genes].index("temperature_2")] = 3
    a, b = features(plans, two)
    np.testing.assert_array_equal(a, b)
