"""The bench of adaptation on tiny sizes: everybody plays, rows and gates agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapt_tiny import SIZES, TASK
from sdl.bench import adapt
from sdl.core.errors import ConfigError


@pytest.fixture(scope="module")
def ready() -> adapt.Prepared:
    return adapt.prepare(TASK, SIZES)


def test_a_group_has_everybodys_regrets_and_drops(ready: adapt.Prepared) -> None:
    group = adapt.play(ready, "phase", (0, 1), 2, None, "tune", SIZES)
    assert set(group.regrets) == set(group.drops) == {"adaptive", *adapt.RIVALS}
    for values in (*group.regrets.values(), *group.drops.values(), group.oracle, group.last):
        assert values.shape == (2,)
        assert np.isfinite(values).all()
    # The best fixed recipe is among the plans that the oracle has to beat.
    assert (group.regrets["unadapted"] >= -1e-9).all()


def test_an_absent_policy_is_not_replaced_by_another() -> None:
    with pytest.raises(ConfigError, match="no such policy"):
        adapt.run(policy=Path("gone.safetensors"), split="tune", sizes=SIZES)


def test_rows_and_gates_follow_from_the_regrets() -> None:
    ours, theirs = np.array([1.0, 2.0, 3.0]), np.array([4.0, 4.0, 4.0])
    row = adapt._ratio_row("test", ours, theirs)
    assert row.value == pytest.approx(0.5)
    assert row.low is not None
    assert row.high is not None
    assert row.low < 0.5 < row.high
    group = adapt.Group(
        "law",
        {"adaptive": ours, **dict.fromkeys(adapt.RIVALS, theirs)},
        {"adaptive": ours, **dict.fromkeys(adapt.RIVALS, theirs)},
        theirs,
        ours,
    )
    pooled = adapt._pooled({"a": [group], "b": [group]}, adapt.STRUCTURES)
    assert pooled["bayes"].shape == (6,)
    names = [row.name for row in adapt._task_rows("a", [group])]
    assert "a.law.adaptive.regret" in names
    assert "a.law.unadapted.drop" in names
