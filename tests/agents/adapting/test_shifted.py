"""Shifted laboratories lie two prior standard deviations off, and in their own range."""

from __future__ import annotations

import numpy as np
import pytest

from agents.adapting.hidden_space import HiddenSpace
from agents.adapting.shifted import FIRST, drawn_laboratory, shifted_laboratory
from sdl.chemistry.system import load_system
from sdl.tasks.task import load_task
from simulators.draws import draw_arrays
from simulators.laboratory import RANGES
from simulators.network import Network


@pytest.fixture(scope="module", params=["batio3-coarse", "mgal2o4"])
def task(request):
    return load_task(request.param)


def space_of(task) -> HiddenSpace:
    return HiddenSpace.of_task(task, Network(load_system(task.system)))


def test_what_decides_lies_two_deviations_off(task) -> None:
    space = space_of(task)
    for number in range(3):
        z = space.coordinates(shifted_laboratory(task, "tune", number))
        for kind in ("ln_k", "activation", "particle", "offset"):
            found = z[space.places(kind)]
            np.testing.assert_allclose(np.abs(found), 2.0, rtol=1e-9)
            assert len(np.unique(np.sign(found))) == 1
        assay = z[space.places("assay")]
        assert np.abs(assay).max() <= 2.0 + 1e-9
        # Upwards a bottle may meet the ceiling of a pure one.
        labels = space.nominal.assay[0]
        room = np.minimum(2.0, (1.0 - labels) / task.hidden.assay_sd)
        np.testing.assert_allclose(assay, np.where(assay > 0.0, room, -2.0))


def test_ordinary_ones_do_not(task) -> None:
    space = space_of(task)
    z = np.stack([space.coordinates(drawn_laboratory(task, "tune", n)) for n in range(12)])
    rates = z[:, space.places("ln_k")]
    assert 0.5 < rates.std() < 1.6


def test_both_signs_come_up_and_the_numbers_are_of_the_split(task) -> None:
    found = [shifted_laboratory(task, "judge", n) for n in range(8)]
    assert len({np.sign(next(iter(lab.ln_k.values()))) for lab in found}) == 2
    low, high = RANGES["judge"]
    assert all(low <= int(lab.key[-1]) - FIRST + FIRST < high for lab in found)
    assert found[3] == shifted_laboratory(task, "judge", 3)


def test_coordinates_give_the_arrays_of_the_kernel_back(task) -> None:
    space = space_of(task)
    laboratory = drawn_laboratory(task, "tune", 5)
    arrays = space.arrays(space.coordinates(laboratory)[None])
    right = draw_arrays(space.network, laboratory, task.laboratory.shelf)
    for name, value in right._asdict().items():
        np.testing.assert_allclose(np.ravel(getattr(arrays, name)), np.ravel(value), rtol=1e-9)
