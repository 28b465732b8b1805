"""Policies by name, and what they cost to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agents.registry import make_policy, policy_names, trained_policies
from sdl.core.errors import ConfigError, PolicyError
from sdl.core.protocols import Learner, Policy
from sdl.tasks.task import load_task

TASK = load_task("batio3-coarse")


@pytest.mark.parametrize("name", [n for n in policy_names() if n not in trained_policies()])
def test_every_name_makes_a_policy_of_that_name(name: str) -> None:
    policy = make_policy(name, task=TASK)
    assert isinstance(policy, Policy)
    assert policy.name == name


@pytest.mark.parametrize("name", trained_policies())
def test_a_trained_policy_needs_its_file(name: str) -> None:
    with pytest.raises(ConfigError, match="`model`"):
        make_policy(name, task=TASK)
    with pytest.raises(PolicyError, match="needs a task"):
        make_policy(name)


def test_default_learns_and_the_plain_ones_do_not() -> None:
    assert isinstance(make_policy("default", task=TASK), Learner)
    assert not isinstance(make_policy("random", task=TASK), Learner)


def test_an_unknown_name_gets_the_nearest_and_all_that_are_allowed() -> None:
    with pytest.raises(ConfigError) as error:
        make_policy("defualt", task=TASK)
    assert error.value.do == "did you mean 'default'?"
    assert all(name in str(error.value.allowed) for name in policy_names())
    with pytest.raises(ConfigError, match="correct the key `policy`"):
        make_policy("zzz", task=TASK)


def test_published_needs_a_task_that_has_it() -> None:
    with pytest.raises(PolicyError, match="needs a task"):
        make_policy("published")
    with pytest.raises(PolicyError, match="`published`"):
        make_policy("published", task=TASK.model_copy(update={"published": None}))


@pytest.mark.parametrize("name", ["random", "published", "default"])
def test_making_a_policy_needs_no_torch(name: str, root: Path) -> None:
    code = (
        "import sys; from agents.registry import make_policy; from sdl.tasks.task import load_task;"
        f"make_policy({name!r}, task=load_task('batio3-coarse'));"
        "print([m for m in ('torch', 'gpytorch', 'numba', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
