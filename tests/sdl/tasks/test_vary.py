"""Varied tasks are valid tasks of the same target that differ where they say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.learning.targets import FOLDS, TARGETS
from sdl.core.capabilities import StationKind
from sdl.core.errors import ConfigError
from sdl.core.recipe import Gas
from sdl.tasks.check import _faults
from sdl.tasks.task import load_task
from sdl.tasks.vary import LEAST_SPAN_C, limited, varied


@settings(max_examples=40, deadline=None, derandomize=True)
@given(name=st.sampled_from(TARGETS), number=st.integers(1, 64))
def test_a_varied_task_is_a_task_of_the_same_target(name, number):
    task = load_task(name)
    other = varied(task, number)
    assert task.space is not None
    assert other.space is not None
    assert list(_faults(other)) == []
    assert other == varied(task, number)
    assert (other.target, other.system, other.prices) == (task.target, task.system, task.prices)
    assert other.published is None
    assert other.name == f"{name}.v{number}"
    reach, before = other.space.temperature_c, task.space.temperature_c
    assert reach.low == before.low
    assert min(before.high, before.low + LEAST_SPAN_C) <= reach.high <= before.high
    assert set(other.space.gases) <= set(task.space.gases)
    assert all(
        set(a) <= set(b)
        for a, b in zip(other.space.cation_lots, task.space.cation_lots, strict=True)
    )


def test_number_0_is_the_task_and_others_differ():
    task = load_task("batio3-coarse")
    assert varied(task, 0) is task
    hashes = {varied(task, n).hash for n in range(9)}
    assert len(hashes) == 9


def test_a_limited_laboratory_has_no_furnace_without_gas():
    task = load_task("batio3-coarse")
    air = limited(task, hottest_c=800, gases=(Gas.AIR,))
    assert list(_faults(air)) == []
    furnaces = air.laboratory.of_kind(StationKind.FURNACE)
    assert {f.gases for f in furnaces} == {(Gas.AIR,)}
    assert {f.max_temperature_c for f in furnaces} == {800}
    steam = limited(task, gases=(Gas.STEAM,))
    assert [f.gases for f in steam.laboratory.of_kind(StationKind.FURNACE)] == [(Gas.STEAM,)]


@pytest.mark.parametrize("less", [{"hottest_c": 500}, {"gases": (Gas.ARGON,)}])
def test_a_laboratory_without_choices_is_refused(less):
    with pytest.raises(ConfigError, match="nothing is left"):
        limited(load_task("batio3-coarse"), **less)


def test_the_folds_hold_every_target_once():
    left_out = [name for fold in FOLDS for name in fold]
    assert sorted(left_out) == sorted(TARGETS)
    # A fold that held a whole chemistry would ask for another thing: transfer between systems.
    for fold in FOLDS:
        systems = [load_task(name).system for name in fold]
        assert len(set(systems)) == len(systems)
