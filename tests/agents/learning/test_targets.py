"""One policy for all targets: what it is trained in, and who has never met a target."""

from typing import Any

import pytest

from agents.learning import targets
from agents.learning.config import TrainConfig
from agents.learning.rows import make_rows
from agents.learning.train import POLICY, train_seed
from sdl.core.errors import ConfigError

pytestmark = pytest.mark.timeout(600)  # the first run compiles


def small(tasks, **more):
    return TrainConfig.model_validate(
        {
            "name": "small", "tasks": tasks, "steps": 240, "rows": 12 * len(tasks),
            "checkpoints": 1, "evaluation_episodes": 2, "net": {"hidden": (8,)},
            "ppo": {"n_steps": 4, "batch_size": 48}, **more,
        }
    )  # fmt: skip


def test_half_of_the_rows_play_the_task_itself():
    config = small(("batio3-coarse", "mgal2o4"), variants=3)
    batch: Any = make_rows(config, seed=0, variants=True)
    names = [(part.problem.task.name, part.rows) for part in batch.parts]
    assert names == [
        (name if n == 0 else f"{name}.v{n}", 6 if n == 0 else 2)
        for name in config.tasks
        for n in range(4)
    ]
    batch.close()
    judged: Any = make_rows(config, seed=0, rows=4, split="tune")
    assert [part.problem.task.name for part in judged.parts] == list(config.tasks)
    judged.close()


@pytest.mark.parametrize("more", [{"variants": 7}, {"variants": 2, "environment": "plain"}])
def test_variants_that_do_not_fit_are_refused(more):
    with pytest.raises(ValueError, match="variants do not fit"):
        small(("batio3-coarse",), **more)


def test_the_trainings_leave_out_what_they_say():
    joint = targets.joint_config(seeds=2)
    assert (joint.tasks, joint.seeds) == (targets.TARGETS, (0, 1))
    for n, fold in enumerate(targets.FOLDS):
        config = targets.fold_config(n)
        assert set(config.tasks) | set(fold) == set(targets.TARGETS)
        assert not set(config.tasks) & set(fold)
        assert config.rows % len(config.tasks) == 0
        assert config.rollout <= 3 * config.ppo.batch_size < config.rollout + 3


def test_only_strangers_judge_a_target_that_is_left_out(tmp_path):
    for n, tasks in enumerate([("batio3-coarse",), ("batio3-coarse", "mgal2o4")]):
        train_seed(small(tasks, variants=1), 0, tmp_path / f"seed-{n}")
    paths = [tmp_path / "seed-0", tmp_path / "seed-1" / POLICY]
    found = targets.left_out(paths)
    assert "batio3-coarse" not in found
    assert set(found) == set(targets.TARGETS) - {"batio3-coarse"}
    assert len(found["mgal2o4"].players) == 1
    assert len(found["ybco"].players) == 2


def test_what_does_not_ship_is_empty(monkeypatch):
    monkeypatch.setattr(targets, "SHIPPED", "no-such-folder")
    assert targets.stored_targets(targets.JOINT) == []


def test_a_bench_without_policies_says_so(monkeypatch):
    from sdl.bench import response

    monkeypatch.setattr(targets, "SHIPPED", "no-such-folder")
    with pytest.raises(ConfigError, match="no such policy ships"):
        response.run(quick=True)
