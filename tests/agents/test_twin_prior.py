"""The twin ensemble: drawn for training, never the judged laboratory, the same for everyone."""

from __future__ import annotations

import numpy as np
import pytest

from agents.twin_prior import TwinEnsemble
from sdl.core.seeds import generator
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task
from simulators.laboratory import RANGES, laboratory_key

TASK = load_task("batio3-coarse")
SPACE = TaskSpace(TASK)


@pytest.fixture(scope="module")
def twin() -> TwinEnsemble:
    return TwinEnsemble(TASK, members=4)


def test_members_come_from_the_training_range(twin: TwinEnsemble) -> None:
    low, high = RANGES["train"]
    for laboratory in twin.laboratories:
        assert low <= int(laboratory.key[-1]) < high
    judged = {laboratory_key("judge", i) for i in range(100)}
    assert not judged & {laboratory.key for laboratory in twin.laboratories}


def test_predictions_do_not_depend_on_what_was_asked_before(twin: TwinEnsemble) -> None:
    points = generator("twin-test").random((4, SPACE.dimension))
    recipes = [SPACE.decode(point) for point in points]
    together = twin.predict(recipes)
    assert together.shape == (4, 4)
    assert np.all((together >= 0.0) & (together <= 1.0))
    assert together.std(0).max() > 0.0
    fresh = TwinEnsemble(TASK, members=4)
    apart = np.hstack([fresh.predict([recipe]) for recipe in reversed(recipes)])
    np.testing.assert_array_equal(together, apart[:, ::-1])
    assert twin.predict([]).shape == (4, 0)


def test_candidates_are_good_and_spread(twin: TwinEnsemble) -> None:
    found = twin.candidates
    predicted = twin.predict(found.recipes).mean(0)
    points = generator("anywhere").random((16, SPACE.dimension))
    anywhere = twin.predict([SPACE.decode(point) for point in points]).mean()
    assert np.median(predicted) > anywhere
    assert predicted.max() > np.median(predicted)
    assert found.points[:, 1].min() < 0.5
    for column, options in SPACE.categories.items():
        assert len(np.unique(found.points[:, column])) == options
